"""verl: the folder of `STEP.jsonl` that `trainer.rollout_data_dir` (or `validation_data_dir`) names.

Each line has `input`, `output`, `score`, `step`, and more that the reward function returned (`gts`, `acc`, `request_id`,
`uid` ...). Described by verl/trainer/ppo/ray_trainer.py (`_dump_generations`, `_log_rollout_data`) of verl-project/verl. The
score is the sum of the token rewards; there are no advantages. `uid`, which newer versions write, is the group, or begins
with it; without it equal inputs of a step are, because verl reorders the batch. `gts` is the gold answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs.importers.lines import first_object, jsonl_files, objects
from dra_toolkit.runs.importers.rollout import (
    BadRowError,
    Options,
    Problems,
    Rollout,
    as_number,
    as_prompt,
    as_step,
    spoken,
)

Row = tuple[str, dict[str, Any]]
_SESSION = re.compile(r"(?P<group>.+)_(?P<session>\d+)_(?P<output>\d+)")


class Verl:
    """verl's rollout files."""

    name = "verl"
    meaning = "verl's STEP.jsonl (trainer.rollout_data_dir)"
    consecutive = False

    def recognise(self, source: Path) -> str | None:
        """Return what shows that these are verl's files."""
        files = jsonl_files(source)
        first = first_object(files[0]) if files else None
        if first is not None and {"input", "output", "score"} <= set(first):
            return f"{files[0].name} has the columns input, output and score of verl"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return `score`, or the columns that the caller names."""
        files = jsonl_files(source)
        if not files:
            raise RunError(f"{source}: no JSONL file, expected the folder of STEP.jsonl that verl writes")
        first = first_object(files[0]) or {}
        for name in options.reward_columns or ("score",):
            if name not in first:
                raise RunError(f"{files[0]}:1: no column {name!r}{did_you_mean(name, first)}; has {', '.join(first)}")
        return list(options.reward_columns or ("score",))

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file."""
        rewards = self.reward_names(source, options)
        column = options.group_column or "uid"
        for path in jsonl_files(source):
            for where, row in _completions(objects(path, problems), column):
                try:
                    yield _rollout(row, path, rewards, options)
                except BadRowError as error:
                    problems.add(where, str(error))


def _completions(rows: Iterator[Row], column: str) -> Iterator[Row]:
    """Yield the rows that are completions, with the identity of their group in `column`.

    Newer versions write `GROUP_SESSION_OUTPUT` there, unique for each row: an agent's session has several outputs, of which
    verl trains on the last. The rows of a file are one step.
    """
    kept = list(rows)
    names = [_SESSION.fullmatch(str(row.get(column))) for _, row in kept]
    if not kept or not all(names) or len({row[column] for _, row in kept}) < len(kept):
        yield from kept
        return
    last: dict[tuple[str, str], tuple[int, Row]] = {}
    for name, (where, row) in zip(names, kept, strict=True):
        assert name
        session, output = (name["group"], name["session"]), int(name["output"])
        if session not in last or output > last[session][0]:
            last[session] = output, (where, {**row, column: name["group"]})
    yield from (row for _, row in last.values())


def _rollout(row: dict[str, Any], path: Path, rewards: list[str], options: Options) -> Rollout:
    step = row["step"] if "step" in row else path.stem if path.stem.isdigit() else None
    group = row.get(options.group_column or "uid")
    return Rollout(
        mode=options.mode,
        step=as_step(step),
        group=None if group is None else str(group),
        prompt=as_prompt(row.get("input")),
        **spoken(row.get("output")),
        rewards={name: as_number(row.get(name), name) for name in rewards},
        gold=None if row.get("gts") is None else str(row["gts"]),
    )
