"""Read a dump or run once and look at every group of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.lint.group_checks import Finding, Group, LintReport, Tally, check_batch, check_group
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
    """What is kept of a dump while it is read."""

    tally: Tally = field(default_factory=Tally)
    completions: int = 0
    groups: int = 0
    rewarded: int = 0
    """Groups with a spread, whose advantages are known."""
    prompts: int = 0
    wasted: int = 0
    """Tokens, or words, of all-equal groups."""
    steps: set[tuple[str, int]] = field(default_factory=set)
    golds: Counter[str] = field(default_factory=Counter)
    rewards: dict[str, set[float]] = field(default_factory=dict)
    earlier: dict[int, str] = field(default_factory=dict)
    """Hash of a group's rows -> where they stood first."""


def lint(source: Path, *, format: str | None = None, options: Options | None = None) -> LintReport:
    """Look for broken groups in a run of ours, or in a dump of any format that can be imported.

    Nothing is trained, embedded or written. Raises RunError for a source that cannot be read.
    """
    options = options or Options()
    problems = Problems()
    columns: tuple[str, ...] = ()
    if format is None and RunDirectory(source).exists():
        name, seen, read, engine = "dra", "a run of the toolkit", _of_run(source), "trl"
    else:
        found, seen = find_format(format, source, options)
        name = engine = found.name
        columns = tuple(found.reward_names(source, options))
        read = batches(found.read(source, options, problems), consecutive=found.consecutive)
    state = _Seen()
    with_ids = name not in ("trl", "ms-swift")
    for batch in read:
        _look_at(batch, state, engine, with_ids=with_ids)
    if not state.groups:
        raise RunError(f"{source}: no rollout could be read", *problems.lines[:5])
    if problems.count:
        state.tally.add("rows that cannot be read", problems.lines[0], problems.count)
    if "diversity" in columns or (name == "trl" and _has_column(source, "diversity")):
        state.tally.add("rewards adjusted twice", "a column named diversity")
    return LintReport(
        source=str(source),
        format=name,
        seen=seen,
        completions=state.completions,
        groups=state.groups,
        steps=len(state.steps),
        findings=tuple(_findings(state, problems.count)),
    )


def _look_at(batch: ImportedBatch, state: _Seen, engine: str, *, with_ids: bool) -> None:
    groups = [Group.of(batch, index) for index in range(len(batch.groups))]
    state.steps.add((batch.mode, batch.step))
    for group in groups:
        state.groups += 1
        state.completions += len(group.rollouts)
        state.prompts += len(set(group.prompts))
        check_group(group, state.tally)
        state.wasted += group.tokens if group.all_equal else 0
        _remember(group, state)
    state.rewarded += check_batch(batch, groups, state.tally, engine, with_ids=with_ids)


def _remember(group: Group, state: _Seen) -> None:
    """Keep what can only be judged when everything was read."""
    texts = [rollout.text for rollout in group.rollouts]
    if len(set(texts)) > 1:
        key = hash((group.prompts[0], tuple(texts)))
        first = state.earlier.setdefault(key, group.where)
        if first != group.where:
            state.tally.add("duplicated rows", f"{group.where} holds the rows of {first}", len(texts))
    for rollout in group.rollouts:
        if rollout.gold is not None:
            state.golds[rollout.gold] += 1
        for name, value in rollout.rewards.items():
            values = state.rewards.setdefault(name, set())
            if len(values) < 3:
                values.add(value)


def _findings(state: _Seen, unread: int) -> Iterator[Finding]:
    tally = state.tally
    for gold, count in state.golds.items():
        if read_gold(gold)[1] is None and gold.strip():
            tally.add("unreadable golds", gold[:80], count)
    for name, values in state.rewards.items():
        if len(values) == 1 and state.completions >= FEWEST and state.groups > 1:
            tally.add("rewards that never vary", f"{name} is always {next(iter(values)):g}")
    if tally.counts["all-equal groups"]:
        tally.examples["all-equal groups"] += f"; {state.wasted:,} tokens or words in all of them"
    return tally.findings(
        {
            "groups": state.groups,
            "groups with advantages": state.rewarded,
            "prompts": state.prompts,
            "steps": len(state.steps),
            "columns": 1,
            "completions": state.completions,
            "completions with a gold": sum(state.golds.values()),
            "rewards": len(state.rewards),
            "rows": state.completions + unread,
        }
    )


def _has_column(source: Path, column: str) -> bool:
    import pyarrow.parquet as pq

    files = (
        [source] if source.is_file() else [*source.glob("completions_*.parquet"), *source.glob("completions/*.parquet")]
    )
    return any(column in pq.read_schema(path).names for path in files[:1])


def _of_run(path: Path) -> Iterator[ImportedBatch]:
    """Yield the groups of a run of the toolkit as an import has them; discarded groups were not trained on."""
    run = Run.open(path)
    modes: tuple[Mode, ...] = ("train", "eval")
    for mode in modes:
        for step in run.steps(mode):
            records = run.groups(step=step, mode=mode)
            for batch, of_batch in itertools.groupby(records, key=lambda record: record.batch):
                groups = [_rollouts(record) for record in of_batch]
                yield ImportedBatch(mode=mode, step=step, batch=batch, groups=groups)


def _rollouts(record: GroupRecord) -> list[Rollout]:
    group = record.group
    return [
        Rollout(
            mode=record.mode,
            step=record.step,
            group=str(record.index),
            prompt=group.prompt,
            text=group.completions[i],
            rewards={name: float(values[i]) for name, values in group.rewards.items()},
            tokens=int(group.token_counts[i]),
            finish_reason=group.finish_reasons[i],
            gold=group.gold,
        )
        for i in range(len(group))
    ]
