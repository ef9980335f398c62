"""Read a dump or run once and look at every group of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.lint.group_checks import Group, LintReport, Tally, check_batch, check_group
from dra_toolkit.judge.judging import read_gold
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.formats import find_format
from dra_toolkit.runs.importers.grouping import ImportedBatch, batches
from dra_toolkit.runs.importers.rollout import Options, Problems, Rollout
from dra_toolkit.runs.layout import RunDirectory

FEWEST = 8
"""Completions below which a reward that does not vary says nothing."""


@dataclass
class _Seen:
    """What can only be judged when everything was read; `earlier`: hash of a group's rows -> where they stood first."""

    steps: set[tuple[str, int]] = field(default_factory=set)
    golds: Counter[str] = field(default_factory=Counter)
    rewards: dict[str, set[float]] = field(default_factory=dict)
    earlier: dict[int, str] = field(default_factory=dict)


def lint(source: Path, *, format: str | None = None, options: Options | None = None) -> LintReport:
    """Look for broken groups in a run of ours, or in a dump of any format that can be imported.

    Nothing is trained, embedded or written. Raises RunError for a source that cannot be read.
    """
    options, problems, tally, seen = options or Options(), Problems(), Tally(), _Seen()
    columns: list[str] = []
    if format is None and RunDirectory(source).exists():
        name, shown, read, engine = "dra", "a run of the toolkit", _of_run(source), "trl"
    else:
        found, shown = find_format(format, source, options)
        name = engine = found.name
        columns = found.reward_names(source, options)
        read = batches(found.read(source, options, problems), consecutive=found.consecutive)
    for batch in read:
        _look_at(batch, tally, seen, engine, with_ids=name not in ("trl", "ms-swift"))
    there = tally.there
    if not there["groups"]:
        raise RunError(f"{source}: no rollout could be read", *problems.lines[:5])
    there["rows"] = there["completions"] + problems.count
    if problems.count:
        tally.add("rows that cannot be read", problems.lines[0], problems.count)
    if "diversity" in columns or (name == "trl" and _has_column(source, "diversity")):
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
        if len(group.texts) > 1:
            first = seen.earlier.setdefault(hash((group.prompts[0], *group.texts.elements())), group.where)
            if first != group.where:
                tally.add("duplicated rows", f"{group.where} holds the rows of {first}", len(group.rollouts))
        for rollout in group.rollouts:
            if rollout.gold is not None:
                seen.golds[rollout.gold] += 1
            for name, value in rollout.rewards.items():
                values = seen.rewards.setdefault(name, set())
                if len(values) < 3:
                    values.add(value)
    check_batch(batch, groups, tally, engine, with_ids=with_ids)


def _judge(seen: _Seen, tally: Tally) -> None:
    """Note what is wrong with golds, each read once, and with rewards."""
    for gold, count in seen.golds.items():
        if gold.strip() and read_gold(gold)[1] is None:
            tally.add("unreadable golds", gold[:80], count)
    for name, values in seen.rewards.items():
        if len(values) == 1 and tally.there["completions"] >= FEWEST and tally.there["groups"] > 1:
            tally.add("rewards that never vary", f"{name} is always {next(iter(values)):g}")
    if tally.counts["all-equal groups"]:
        wasted = f"{tally.there['wasted tokens']:,} tokens or words in all of them"
        tally.examples["all-equal groups"] += f"; {wasted}"
    tally.there |= {
        "steps": len(seen.steps),
        "columns": 1,
        "rewards": len(seen.rewards),
        "completions with a gold": seen.golds.total(),
    }


def _has_column(source: Path, column: str) -> bool:
    import pyarrow.parquet as pq

    patterns = ("completions_*.parquet", "completions/*.parquet")
    files = [source] if source.is_file() else [path for pattern in patterns for path in source.glob(pattern)]
    return any(column in pq.read_schema(path).names for path in files[:1])


def _of_run(path: Path) -> Iterator[ImportedBatch]:
    """Yield the groups of a run of the toolkit as an import has them; discarded groups were not trained on."""
    run = Run.open(path)
    modes: tuple[Mode, ...] = ("train", "eval")
    for mode in modes:
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
