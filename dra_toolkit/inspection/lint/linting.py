"""Read a dump or run once and look at every group of it: what can be wrong with one, and with those of a step."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, prompt_hash
from dra_toolkit.judge.judging import read_gold
from dra_toolkit.recipe.yaml_text import read_yaml
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.formats import Table, find_format
from dra_toolkit.runs.importers.records import ImportedBatch, batches, best_estimator
from dra_toolkit.runs.importers.rollout import Options, Problems, Rollout
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.runs.names import MODES

CENTRED = 1e-3
SPLIT_SHARE = 0.25
"""Share of a step's prompts in several groups from which they are split; a data set may hold a prompt twice."""
FEWEST = 8
"""Completions below which a reward that does not vary says nothing."""


class Group:
    """The completions that a dump puts together.

    prompts    the identity of the prompt of each; equal objects are hashed once
    totals     the sum of the rewards that were given of each
    parts      what tells each text from others at a glance: all of a short one, of a long one length and ends
    times      how often each text stands in it
    all_equal  whether there is nothing to tell its completions apart by
    """

    def __init__(self, rollouts: Sequence[Rollout], where: str) -> None:
        self.rollouts, self.where = rollouts, where
        first, texts = rollouts[0].prompt, [r.text for r in rollouts]
        key = prompt_hash(first)
        self.prompts = [key if r.prompt is first or r.prompt == first else prompt_hash(r.prompt) for r in rollouts]
        self.totals = [sum([v for v in r.rewards.values() if v == v]) for r in rollouts]
        self.parts = [t if len(t) < 256 else (len(t), t[:64], t[-64:]) for t in texts]
        self.times = [1] * len(texts) if len(set(self.parts)) == len(texts) else [*Counter(texts).values()]
        self.all_equal = len(rollouts) > 1 and max(self.totals) - min(self.totals) < 1e-9


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
        tally.there["wasted tokens"] += sum([r.tokens or len(r.text) // 4 for r in rollouts])
    times = math.gcd(*group.times)
    if times > 1 and len(group.times) > 1:
        more = len(rollouts) - len(group.times)
        tally.add("duplicated rows", f"{where}: each completion stands there {times} times", more)
    known = [r.advantage for r in rollouts if r.advantage is not None and r.advantage == r.advantage]
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
    known = [group for group in groups if None not in [r.advantage for r in group.rollouts]]
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


@dataclass
class _Seen:
    """What can only be judged when everything was read; `earlier`: hash of a group's rows -> where they stood first."""

    steps: set[tuple[str, int]] = field(default_factory=set)
    golds: Counter[str | None] = field(default_factory=Counter)
    rewards: dict[str, set[float]] = field(default_factory=dict)
    varied: set[str] = field(default_factory=set)
    earlier: dict[int, str] = field(default_factory=dict)


def lint(source: Path, *, format: str | None = None, options: Options | None = None) -> LintReport:
    """Look for broken groups in a run of ours, or in a dump of any format that can be imported.

    Nothing is trained, embedded or written. Raises RunError for a source that cannot be read.
    """
    options, problems, tally, seen = options or Options(), Problems(), Tally(), _Seen()
    columns: Mapping[str, Any] = {}
    if format is None and RunDirectory(source).exists():
        name, shown, read, engine = "dra", "a run of the toolkit", _of_run(source), "trl"
    else:
        found, shown = find_format(format, source, options)
        name = engine = found.name
        columns = found.first_file(source)[1] if isinstance(found, Table) else columns
        read = batches(found.read(source, options, problems), consecutive=found.consecutive)
    for batch in read:
        _look_at(batch, tally, seen, engine, with_ids=name not in ("trl", "ms-swift"))
    there = tally.there
    if not there["groups"]:
        raise RunError(f"{source}: no rollout could be read", *problems.lines[:5])
    there["rows"] = there["completions"] + problems.count
    if problems.count:
        tally.add("rows that cannot be read", problems.lines[0], problems.count)
    if "diversity" in columns:
        tally.add("rewards adjusted twice", "a column named diversity")
    _judge(seen, tally)
    return LintReport(
        source=str(source),
        format=name,
        seen=shown,
        completions=there["completions"],
        groups=there["groups"],
        steps=len(seen.steps),
        findings=tuple(tally.findings()),
    )


def _look_at(batch: ImportedBatch, tally: Tally, seen: _Seen, engine: str, *, with_ids: bool) -> None:
    groups = [Group(r, f"{batch.mode} step {batch.step}, group {i}") for i, r in enumerate(batch.groups)]
    seen.steps.add((batch.mode, batch.step))
    for group in groups:
        check_group(group, tally)
        if len(group.times) > 1:
            first = seen.earlier.setdefault(hash((group.prompts[0], *group.parts)), group.where)
            if first != group.where:
                tally.add("duplicated rows", f"{group.where} holds the rows of {first}", len(group.rollouts))
        seen.golds.update([r.gold for r in group.rollouts])
        rows = (r.rewards.items() for r in group.rollouts if not r.rewards.keys() <= seen.varied)
        for name, value in itertools.chain.from_iterable(rows):
            seen.rewards.setdefault(name, set()).add(value)
            if len(seen.rewards[name]) > 1:
                seen.varied.add(name)
    check_batch(batch, groups, tally, engine, with_ids=with_ids)


def _judge(seen: _Seen, tally: Tally) -> None:
    """Note what is wrong with golds, each read once, and with rewards."""
    for gold, count in seen.golds.items():
        if gold and gold.strip() and read_gold(gold)[1] is None:
            tally.add("unreadable golds", gold[:80], count)
    for name, values in seen.rewards.items():
        if len(values) == 1 and tally.there["completions"] >= FEWEST and tally.there["groups"] > 1:
            tally.add("rewards that never vary", f"{name} is always {next(iter(values)):g}")
    if tally.counts["all-equal groups"]:
        wasted = f"about {tally.there['wasted tokens']:,} tokens in all of them"
        tally.examples["all-equal groups"] += f"; {wasted}"
    tally.there |= {
        "steps": len(seen.steps),
        "columns": 1,
        "rewards": len(seen.rewards),
        "completions with a gold": seen.golds.total() - seen.golds[None],
    }


def _of_run(path: Path) -> Iterator[ImportedBatch]:
    """Yield the groups of a run of the toolkit as an import has them; discarded groups were not trained on."""
    run = Run.open(path)
    for mode in MODES[:2]:
        for step in run.steps(mode):
            records = run.groups(step=step, mode=mode)
            for batch, of_batch in itertools.groupby(records, key=lambda record: record.batch):
                yield ImportedBatch(mode=mode, step=step, batch=batch, groups=list(map(_rollouts, of_batch)))


def _rollouts(record: GroupRecord) -> list[Rollout]:
    group = record.group
    return [
        Rollout(
            mode=record.mode,
            step=record.step,
            group=str(record.index),
            prompt=group.prompt,
            text=f"{record!r} {i}" if group.texts_dropped else group.completions[i],
            rewards={name: float(values[i]) for name, values in group.rewards.items()},
            tokens=int(group.token_counts[i]),
            finish_reason=group.finish_reasons[i],
            gold=group.gold,
        )
        for i in range(len(group))
    ]
