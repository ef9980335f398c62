"""TRL: the folder of `completions_XXXXX.parquet` that GRPOTrainer writes with `log_completions=True`.

Columns: step, prompt, completion, one for each reward function, one for each column of `log_extra`, advantage; rows in the
order of the generation batch, so groups follow each other. Described by trl/trainer/grpo_trainer.py (`GRPOTrainer.log`),
TRL 1.16. The file of a step holds the last generation batch; evaluation at the same step overwrites it; steps that train on
one generation batch again repeat it, which is left out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs.importers.lines import natural
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
from dra_toolkit.safe_text import first_line

_NAME = re.compile(r"completions_\d+\.parquet")
_OWN = ("step", "prompt", "completion", "advantage", "diversity")
"""Columns that are no rewards; `diversity` is what an adjustment added to the total, which is measured anew here."""


class TRL:
    """TRL's completions files."""

    name = "trl"
    meaning = "TRL's completions_XXXXX.parquet (log_completions=True)"
    consecutive = True

    def recognise(self, source: Path) -> str | None:
        """Return what shows that these are TRL's files."""
        files = _files(source)
        if files and {"step", "prompt", "completion"} <= set(_columns(files[0]) or ()):
            return f"{len(files)} completions files of TRL in {files[0].parent}"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the numeric columns that are not TRL's own, over all files; or those that the caller names."""
        files = _files(source)
        if not files:
            raise RunError(f"{source}: no completions_XXXXX.parquet, expected the folder that TRL writes them to")
        found = dict.fromkeys(name for path in files for name in _numeric(path))
        for name in options.reward_columns:
            if name not in found:
                raise RunError(
                    f"{files[0]}: no numeric column {name!r}{did_you_mean(name, found)}; has {', '.join(found)}"
                )
        return list(options.reward_columns or found)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file; a file that repeats the one before is left out."""
        rewards = self.reward_names(source, options)
        before: tuple[Any, ...] | None = None
        for path in _files(source):
            rows = _rows(path, problems)
            batch = tuple((str(row.get("prompt")), str(row.get("completion"))) for row in rows)
            if batch and batch != before:
                for number, row in enumerate(rows):
                    try:
                        yield _rollout(row, rewards, options)
                    except BadRowError as error:
                        problems.add(f"{path}: row {number}", str(error))
            before = batch


def _rollout(row: dict[str, Any], rewards: list[str], options: Options) -> Rollout:
    return Rollout(
        mode=options.mode,
        step=as_step(row.get("step")),
        group=None,
        prompt=as_prompt(row.get("prompt")),
        **spoken(row.get("completion")),
        rewards={name: as_number(row.get(name), name) for name in rewards},
        advantage=None if row.get("advantage") is None else as_number(row["advantage"], "advantage"),
    )


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source] if source.suffix == ".parquet" else []
    for folder in (source, source / "completions"):
        found = [path for path in folder.glob("completions_*.parquet") if _NAME.fullmatch(path.name)]
        if found:
            return sorted(found, key=natural)
    return []


def _columns(path: Path) -> list[str] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return None


def _numeric(path: Path) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return
    for field in schema:
        kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
        is_number = any(is_kind(field.type) for is_kind in kinds)
        if is_number and field.name not in _OWN and not field.name.startswith("__index"):
            yield field.name


def _rows(path: Path, problems: Problems) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    except (OSError, pa.ArrowException) as error:
        problems.add(str(path), f"torn or not Parquet ({first_line(error)})")
        return []
