"""What a lint says: each kind of fault once, with how often, an example, why it matters and what mends it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources

from dra_toolkit.recipe.yaml_text import read_yaml

MOSTLY_EQUAL = 0.8
"""Share of all-equal groups from which they are told; some are in every sound run."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of fault in a dump."""

    kind: str
    count: int
    of: int
    unit: str
    """What is counted: groups, completions, prompts ..."""
    example: str
    why: str
    mends: str


@dataclass(frozen=True, kw_only=True)
class LintReport:
    """What was looked at, and what was found."""

    source: str
    format: str
    seen: str
    completions: int
    groups: int
    steps: int
    findings: tuple[Finding, ...]


@functools.cache
def kinds() -> dict[str, dict[str, str]]:
    """Return kind -> of what it is counted, why it matters, what mends it; in the order in which they are shown."""
    text = resources.files("dra_toolkit.inspection.lint").joinpath("kinds.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = read_yaml(text)
    return found


@dataclass
class Tally:
    """How often each kind was met, with the first example."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Note one fault, or several of one kind."""
        if count:
            self.counts[kind] += count
            self.examples.setdefault(kind, example)

    def findings(self, there: Mapping[str, int]) -> Iterator[Finding]:
        """Yield what was met. there: how many there are of what is counted."""
        for kind, said in kinds().items():
            count, of = self.counts[kind], there[said["of"]]
            least = MOSTLY_EQUAL if kind == "all-equal groups" else 0.0
            if count > least * of:
                told = {"unit": said["of"].partition(" ")[0], "why": said["why"], "mends": said["mends"]}
                yield Finding(kind=kind, count=count, of=of, example=self.examples[kind], **told)
