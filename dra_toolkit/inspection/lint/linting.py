"""Read a dump or run once and look at every group of it: what can be wrong with one, and with those of a step."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from dra_toolkit.errors import DRAError, RunError
from dra_toolkit.groups import GroupRecord, prompt_hash
from dra_toolkit.judge.judging import read_gold
from dra_toolkit.recipe.yaml_text import read_yaml
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.fitting import Fitting
from dra_toolkit.runs.importers.formats import Table, find_format
from dra_toolkit.runs.importers.importing import PROVENANCE
from dra_toolkit.runs.importers.records import ImportedBatch, batches
from dra_toolkit.runs.importers.rollout import Options, Problems, Rollout
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.runs.names import MODES
from dra_toolkit.runs.rows import from_table

CENTRED = 1e-3
SPLIT_SHARE = 0.25
"""Share of a step's prompts in several groups from which they are split; a data set may hold a prompt twice."""
SURE = 6
"""Texts beyond the first of each group that must stand there again: of a policy that says little, a few do by chance."""
FEWEST = 8
"""Completions below which a reward that does not vary says nothing."""


class Group:
    """The completions that a dump puts together: their prompts, texts ..., each in order, and

    keys       the identity of each prompt among them, once
    totals     the sum of the rewards that were given of each
    again      how often the first text stands in it
    signature  what tells its texts from those of another group at a glance: themselves; of long ones, lengths and some ends
    all_equal  whether there is nothing to tell its completions apart by
    """

    def __init__(self, rollouts: Sequence[Rollout], where: str) -> None:
        _, _, _, prompts, self.texts, self.rewards, self.advantages, self.tokens, self.reasons, _, _, self.golds = zip(
            *rollouts, strict=True
        )
        self.rollouts, self.where, self.size = rollouts, where, len(rollouts)
        different = prompts[:1] if prompts.count(prompts[0]) == self.size else prompts
        self.keys = [*dict.fromkeys(map(prompt_hash, different))]
        self.totals = [sum(reward.values()) for reward in self.rewards]
        if any(map(operator.ne, self.totals, self.totals)):
            self.totals = [sum([value for value in reward.values() if value == value]) for reward in self.rewards]
        self.again, lengths = self.texts.count(self.texts[0]), [*map(len, self.texts)]
        ends = [self.texts[i][-64:] for i in (0, self.size // 2, -1)]
        self.signature = hash((*self.keys, *(self.texts if max(lengths) < 256 else lengths + ends)))
        self.all_equal = self.size > 1 and max(self.totals) - min(self.totals) < 1e-9


def check_group(group: Group, tally: Tally) -> None:
    """Note what is wrong with a group by itself."""
    where, size = group.where, group.size
    tally.there["groups"] += 1
    tally.there["completions"] += size
    tally.there["prompts"] += len(group.keys)
    if size == 1:
        tally.add("groups of one", f"{where}: {group.texts[0][:40]!r}")
    if len(group.keys) > 1:
        tally.add("several prompts in a group", f"{where} has {len(group.keys)} prompts")
    if group.all_equal:
        tally.add("all-equal groups", f"{where}: every total is {group.totals[0]:g}")
        counted = zip(group.tokens, group.texts, strict=True)
        tally.there["wasted tokens"] += sum([n or len(text) // 4 for n, text in counted])
    if size > 1 and None not in group.advantages:
        mean, largest = sum(group.advantages) / size, max(map(abs, group.advantages))
        if abs(mean) > CENTRED * max(1.0, largest):
            tally.add("advantages are not centred", f"{where}: their mean is {mean:.3g}")
    if "length" in group.reasons and (best := max(group.totals)) > 0:
        for reason, total, tokens in zip(group.reasons, group.totals, group.tokens, strict=True):
            if reason == "length" and total == best:
                tally.add("cut completions rewarded", f"{where}: {total:g} for a completion of {tokens} tokens")
    for text, tokens in zip(group.texts, group.tokens, strict=True):
        if (not text or text.isspace()) and (tokens or 2) > 1:
            tally.add("completions lost", f"{where}: an empty completion")


def check_batch(batch: ImportedBatch, groups: Sequence[Group], tally: Tally, fitting: Fitting, with_ids: bool) -> None:
    """Note what is wrong with the groups of a step beside each other."""
    usual = Counter(group.size for group in groups).most_common(1)[0][0]
    for group in groups:
        if group.size not in (usual, 1):
            tally.add("unequal groups", f"{group.where} has {group.size} completions, most have {usual}")
    if with_ids:
        _check_identities(groups, tally)
    known = sum(None not in group.advantages for group in groups)
    tally.there["groups with advantages"] += known
    varies = any(not group.all_equal for group in groups)
    if known == len(groups) and varies and fitting(batch.groups) is None:
        tally.add("advantages of no known estimator", f"{batch.mode} step {batch.step}")


def _check_identities(groups: Sequence[Group], tally: Tally) -> None:
    of_prompt: dict[str, list[Group]] = {}
    for group in groups:
        for prompt in group.keys:
            of_prompt.setdefault(prompt, []).append(group)
    split = [found for found in of_prompt.values() if len(found) > 1]
    for found in split if len(split) > SPLIT_SHARE * len(of_prompt) else ():
        alone = all(group.size == 1 for group in found)
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
    reward_weights: str | None
    """Those that explain the advantages, where they are not all 1."""
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
    if format is None and RunDirectory(source).exists():
        name, shown, read = "dra", "a run of the toolkit", _of_run(source, tally)
    else:
        found, shown = find_format(format, source, options)
        name = found.name
        if isinstance(found, Table) and "diversity" in found.first_file(source)[1]:
            tally.add("rewards adjusted twice", "a column named diversity")
        read = batches(found.read(source, options, problems), consecutive=found.consecutive)
    fitting = Fitting(name)
    for batch in read:
        _look_at(batch, tally, seen, fitting, with_ids=name not in ("trl", "ms-swift"))
    there = tally.there
    if not there["groups"]:
        raise RunError(f"{source}: no rollout could be read", *problems.lines[:5])
    there["rows"] = there["completions"] + problems.count
    if problems.count:
        tally.add("rows that cannot be read", problems.lines[0], problems.count)
    _judge(seen, tally)
    counted = {"completions": there["completions"], "groups": there["groups"], "steps": len(seen.steps)}
    weights, findings = str(fitting) if fitting.found else None, tuple(tally.findings())
    return LintReport(source=str(source), format=name, seen=shown, reward_weights=weights, findings=findings, **counted)


def _look_at(batch: ImportedBatch, tally: Tally, seen: _Seen, fitting: Fitting, *, with_ids: bool) -> None:
    groups = [Group(r, f"{batch.mode} step {batch.step}, group {i}") for i, r in enumerate(batch.groups)]
    seen.steps.add((batch.mode, batch.step))
    for group in groups:
        check_group(group, tally)
        if group.golds.count(None) < group.size:
            seen.golds.update(group.golds)
        more = set().union(*group.rewards) - seen.varied
        for name, value in [item for reward in group.rewards for item in reward.items()] if more else ():
            seen.rewards.setdefault(name, set()).add(value)
            if len(seen.rewards[name]) > 1:
                seen.varied.add(name)
    _note_copies([group for group in groups if group.again < group.size], tally, seen.earlier)
    check_batch(batch, groups, tally, fitting, with_ids=with_ids)


def _note_copies(groups: Sequence[Group], tally: Tally, earlier: dict[int, str]) -> None:
    """Note rows that stand there again, where it is most of a step's groups and more texts than are alike by chance."""
    copies: dict[str, list[tuple[Group, str, int]]] = {}  # by the step whose rows they are, or "" for their own
    for group in groups:
        texts, half = group.texts, group.size // 2
        if (first := earlier.setdefault(group.signature, group.where)) != group.where:
            copies.setdefault(first.partition(", ")[0], []).append((group, f"holds the rows of {first}", group.size))
        elif group.again % 2 == 0 and (texts[:half] == texts[half:] or texts[::2] == texts[1::2]):
            copies.setdefault("", []).append((group, "each row stands there again", half))
    for same in copies.values():
        if 2 * len(same) >= len(groups) and sum(len({*group.texts}) - 1 for group, *_ in same) >= SURE:
            for group, said, rows in same:
                tally.add("duplicated rows", f"{group.where}: {said}", rows)


def _judge(seen: _Seen, tally: Tally) -> None:
    """Note what is wrong with golds, each read once, and with rewards."""
    for gold, count in seen.golds.items():
        if gold and gold.strip() and read_gold(gold)[1] is None:
            tally.add("unreadable golds", gold[:80], count)
    for name, values in seen.rewards.items():
        if len(values) == 1 and tally.there["completions"] >= FEWEST and tally.there["groups"] > 1:
            tally.add("rewards that never vary", f"{name} is always {next(iter(values)):g}")
    if tally.counts["all-equal groups"]:
        tally.examples["all-equal groups"] += f"; about {tally.there['wasted tokens']:,} tokens in all of them"
    tally.there |= {"steps": len(seen.steps), "columns": 1, "rewards": len(seen.rewards)}
    tally.there["completions with a gold"] = seen.golds.total() - seen.golds[None]


def _of_run(path: Path, tally: Tally) -> Iterator[ImportedBatch]:
    """Yield the groups of a run of ours, but for those discarded, as an import has them; advantages if it was imported."""
    from dra_toolkit.inspection.replay.run import replay_run  # not for the dumps of others

    run, imported = Run.open(path), (path / PROVENANCE).exists()
    for mode in MODES[:2]:
        with suppress(DRAError):  # what cannot be replayed, `dra inspect verify` explains
            found = None if imported else replay_run(run, mode=mode, top=0).differences
            tally.there["completions replayed"] += found.total().completions if found else 0
            if found and (at := found.wrong):
                said = f"{mode} step {at.step}, group {at.group}: {at.recorded:.4g} instead of {at.replayed:.4g}"
                tally.add("advantages of other settings", said, found.beyond_rounding)
        for facts, table in run.store.read(mode=mode):
            groups = [_rollouts(record, imported) for record in from_table(table, facts)]
            step, batch = (table[name][0].as_py() for name in ("step", "batch"))
            yield ImportedBatch(mode=mode, step=step, batch=batch, groups=groups)


def _rollouts(record: GroupRecord, imported: bool) -> list[Rollout]:
    group, place = record.group, (record.mode, record.step, str(record.index), record.group.prompt)
    texts = [f"{record!r} {i}" for i in range(len(group))] if group.texts_dropped else group.completions
    rewards = [dict(zip(group.rewards, row, strict=True)) for row in zip(*group.rewards.values(), strict=True)]
    advantages = record.advantages.tolist() if imported else [None] * len(group)
    rows = zip(texts, rewards, advantages, group.token_counts.tolist(), group.finish_reasons, strict=True)
    return [Rollout(*place, text, given, a, n, reason, gold=group.gold) for text, given, a, n, reason in rows]
