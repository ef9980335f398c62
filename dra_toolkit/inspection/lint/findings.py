"""What a lint says: each kind of fault once, with how often, an example, why it matters and what mends it."""

from __future__ import annotations

from dataclasses import dataclass, field

KINDS: dict[str, tuple[str, str]] = {
    "groups of one": (
        "A group of one has no advantage: nothing is learnt from it, and no measure of a group says anything.",
        "group by what was sampled together (--group-column); where prompts carry a mark of the sample, leave it out",
    ),
    "ids finer than the group": (
        "The identity differs between completions of one prompt, so that they are not compared with each other.",
        "name the column that all samples of a prompt share with --group-column, or group by the prompt",
    ),
    "several prompts in a group": (
        "Completions of different prompts are compared with each other, so that easy prompts win and hard ones lose.",
        "make the identity of the group that of its prompt, unique within a step",
    ),
    "a prompt in several groups": (
        "Samples of one prompt are split, and each part has a baseline of its own.",
        "give all samples of a prompt in a step one identity",
    ),
    "unequal groups": (
        "Groups of a step differ in size: samples were lost, or groups merged or split.",
        "look for the samples that are missing, and for prompts that come twice in a step",
    ),
    "advantages are not centred": (
        "The advantages of a group do not add up to nothing, so that every completion is pushed one way.",
        "compute them within the group that was sampled together, after all rewards are final",
    ),
    "advantages of no known estimator": (
        "No known estimator makes these advantages of these rewards: other weights, a later change, or other groups.",
        "write the rewards that the advantages were made of; name their weights on import",
    ),
    "rewards adjusted twice": (
        "The column `diversity` holds what an adjustment added; with it among the rewards the total is adjusted already.",
        "leave the column out of the rewards",
    ),
    "all-equal groups": (
        "Groups whose rewards are all equal teach nothing; their tokens were sampled in vain.",
        "harder or fresher problems, more samples of a prompt, or zero_spread_groups: skip",
    ),
    "duplicated rows": (
        "Rows stand in the dump more than once, so that they count more than once.",
        "write each batch once; leave out what a resumed run wrote again",
    ),
    "cut completions rewarded": (
        "Completions that were cut at the longest length have a reward as if they had been finished.",
        "raise the longest length, mask cut completions, or judge only what comes after the thinking",
    ),
    "unreadable golds": (
        "No answer can be read from the gold, so that right completions get nothing.",
        "mend or remove these rows; docs/judge.md says what is read",
    ),
    "rewards that never vary": (
        "A reward is the same for every completion: it costs time and teaches nothing.",
        "remove it, or look whether it fails in silence",
    ),
    "completions lost": (
        "Completions are empty though something was sampled: turns of tools, images or thinking are not in the dump.",
        "write the messages of a completion, not its last content",
    ),
    "rows that cannot be read": (
        "Lines are torn or lack what every row needs; they count nowhere.",
        "write the file anew; a run that was killed leaves such lines",
    ),
}
"""Kind -> why it matters, what mends it; in the order in which they are shown."""


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


@dataclass
class Tally:
    """How often each kind was met, with the first example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, example: str, count: int = 1) -> None:
        """Note one fault, or several of one kind."""
        if count:
            self.counts[kind] = self.counts.get(kind, 0) + count
            self.examples.setdefault(kind, example)

    def finding(self, kind: str, of: int, unit: str, *, least: float = 0.0) -> list[Finding]:
        """Return the finding of a kind if it was met, and in more than a share `least` of what there is."""
        count = self.counts.get(kind, 0)
        if not count or count <= least * of:
            return []
        why, mends = KINDS[kind]
        return [Finding(kind=kind, count=count, of=of, unit=unit, example=self.examples[kind], why=why, mends=mends)]
