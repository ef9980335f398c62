"""What can be wrong with one group, and with the groups of a step beside each other: each kind of fault is told once."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources

from dra_toolkit.groups import prompt_hash
from dra_toolkit.recipe.yaml_text import read_yaml
from dra_toolkit.runs.importers.grouping import ImportedBatch
from dra_toolkit.runs.importers.records import best_estimator
from dra_toolkit.runs.importers.rollout import Rollout

CENTRED = 1e-3
SPLIT_SHARE = 0.25
"""Share of a step's prompts in several groups from which they are split; a data set may hold a prompt twice."""


@dataclass(frozen=True)
class Group:
    """The completions that a dump puts together."""

    rollouts: Sequence[Rollout]
    where: str

    @cached_property
    def prompts(self) -> list[str]:
        """The identity of the prompt of each completion; equal objects are hashed once."""
        first = self.rollouts[0].prompt
        key = prompt_hash(first)
        return [key if r.prompt == first else prompt_hash(r.prompt) for r in self.rollouts]

    @cached_property
    def totals(self) -> list[float]:
        """The sum of the rewards of each completion that were given."""
        return [sum(v for v in r.rewards.values() if not math.isnan(v)) for r in self.rollouts]

    @cached_property
    def texts(self) -> Counter[str]:
        """How often each text stands in the group."""
        return Counter([r.text for r in self.rollouts])

    @cached_property
    def all_equal(self) -> bool:
        """Whether there is nothing to tell its completions apart by."""
        return len(self.rollouts) > 1 and max(self.totals) - min(self.totals) < 1e-9


def check_group(group: Group, tally: Tally) -> None:
    """Note what is wrong with a group by itself."""
    rollouts, where = group.rollouts, group.where
    tally.there.update(groups=1, completions=len(rollouts), prompts=len(set(group.prompts)))
    if len(rollouts) == 1:
        tally.add("groups of one", f"{where}: {rollouts[0].text[:40]!r}")
    if len(set(group.prompts)) > 1:
        tally.add("several prompts in a group", f"{where} has {len(set(group.prompts))} prompts")
    if group.all_equal:
        tally.add("all-equal groups", f"{where}: every total is {group.totals[0]:g}")
        tally.there["wasted tokens"] += sum(r.tokens or len(r.text.split()) for r in rollouts)
    times = math.gcd(*group.texts.values())
    if times > 1 and len(group.texts) > 1:
        more = len(rollouts) - len(group.texts)
        tally.add("duplicated rows", f"{where}: each completion stands there {times} times", more)
    known = [r.advantage for r in rollouts if r.advantage is not None and not math.isnan(r.advantage)]
    if len(known) == len(rollouts) > 1:
        mean, largest = sum(known) / len(known), max(map(abs, known))
        if abs(mean) > CENTRED * max(1.0, largest):
            tally.add("advantages are not centred", f"{where}: their mean is {mean:.3g}")
    best = max(group.totals)
    for rollout, total in zip(rollouts, group.totals, strict=True):
        if rollout.finish_reason == "length" and 0 < total == best:
            tally.add("cut completions rewarded", f"{where}: {total:g} for a completion of {rollout.tokens} tokens")
        if (not rollout.text or rollout.text.isspace()) and (rollout.tokens or 2) > 1:
            tally.add("completions lost", f"{where}: an empty completion")


def check_batch(batch: ImportedBatch, groups: Sequence[Group], tally: Tally, engine: str, *, with_ids: bool) -> None:
    """Note what is wrong with the groups of a step beside each other."""
    usual = Counter(len(group.rollouts) for group in groups).most_common(1)[0][0]
    for group in groups:
        if (size := len(group.rollouts)) not in (usual, 1):
            tally.add("unequal groups", f"{group.where} has {size} completions, most have {usual}")
    if with_ids:
        _check_identities(groups, tally)
    known = [group for group in groups if all(r.advantage is not None for r in group.rollouts)]
    tally.there["groups with advantages"] += len(known)
    if known and len(known) == len(groups) and any(not group.all_equal for group in groups):
        weights = dict.fromkeys(groups[0].rollouts[0].rewards, 1.0)
        if best_estimator(batch, weights, engine) is None:
            tally.add("advantages of no known estimator", f"{batch.mode} step {batch.step}")


def _check_identities(groups: Sequence[Group], tally: Tally) -> None:
    of_prompt: dict[str, list[Group]] = {}
    for group in groups:
        for prompt in set(group.prompts):
            of_prompt.setdefault(prompt, []).append(group)
    split = {prompt: found for prompt, found in of_prompt.items() if len(found) > 1}
    if len(split) <= SPLIT_SHARE * len(of_prompt):
        return
    for found in split.values():
        alone = all(len(group.rollouts) == 1 for group in found)
        kind = "ids finer than the group" if alone else "a prompt in several groups"
        tally.add(kind, f"{found[0].where} and {found[1].where} have one prompt", len(found) if alone else 1)


MOSTLY_EQUAL = 0.8
"""Share of all-equal groups from which they are told; some are in every sound run."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of fault in a dump; `unit` is what is counted: groups, completions, prompts ..."""

    kind: str
    count: int
    of: int
    unit: str
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
    """How often each kind was met, with the first example, and how many there are of what is counted."""

    there: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Note one fault, or several of one kind."""
        if count:
            self.counts[kind] += count
            self.examples.setdefault(kind, example)

    def findings(self) -> Iterator[Finding]:
        """Yield what was met, in the order of `kinds`."""
        for kind, said in kinds().items():
            count, of = self.counts[kind], self.there[said["of"]]
            least = MOSTLY_EQUAL if kind == "all-equal groups" else 0.0
            if count > least * of:
                told = {"unit": said["of"].partition(" ")[0], "why": said["why"], "mends": said["mends"]}
                yield Finding(kind=kind, count=count, of=of, example=self.examples[kind], **told)
