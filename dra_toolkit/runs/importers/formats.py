"""The formats that can be imported: what each declares, in which order they are tried, and how one is recognised.

trl       Rows in the order of the generation batch, so groups follow each other. Described by trl/trainer/grpo_trainer.py
          (`GRPOTrainer.log`), TRL 1.16. Steps that train on one generation batch again repeat it.
ms-swift  A line for each log holds a table by columns: `step` (texts; `gen_step` in Megatron runs), prompt, completion, one
          for each reward function, advantages, then what else was logged. Described by swift/rlhf_trainers/grpo_trainer.py
          and swift/megatron/trainers/grpo_trainer.py (`jsonl_writer.append(table)`) of modelscope/ms-swift.
verl      A line for each completion: input, output, score, step, gts (the gold), and more that the reward function returned.
          Described by verl/trainer/ppo/ray_trainer.py (`_dump_generations`, `_log_rollout_data`) of verl-project/verl. The
          score is the sum of the token rewards; there are no advantages. `uid`, which newer versions write, is the group, or
          begins with it: `GROUP_SESSION_OUTPUT` is unique for each row, and of a session verl trains on the last output.
          Without it equal inputs of a step are a group, because verl reorders the batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs.importers.lines import objects
from dra_toolkit.runs.importers.prime_rl import PrimeRL
from dra_toolkit.runs.importers.rollout import Options, Problems
from dra_toolkit.runs.importers.tables import Block, Row, Table

_NO_REWARDS = ("step", "prompt", "completion", "advantage", "diversity")
"""Numbers of TRL that are no rewards; `diversity` is what an adjustment added to the total, which is measured anew here."""
_UID = re.compile(r"(?P<group>.+)_(?P<session>\d+)_(?P<output>\d+)")
_SESSION = "session of the uid"


def _numeric(columns: Row) -> list[str]:
    is_own = (*_NO_REWARDS, *(name for name in columns if name.startswith("__index")))
    return [name for name, value in columns.items() if isinstance(value, float) and name not in is_own]


def _between(columns: Row) -> list[str]:
    names = list(columns)
    if not {"completion", "advantages"} <= set(names):
        return []
    return names[names.index("completion") + 1 : names.index("advantages")]


def _called_rewards(columns: Row) -> list[str]:
    return [name for name in columns if name in ("reward", "score", "total") or name.endswith("_reward")]


def _tables_by_column(path: Path, problems: Problems) -> Iterator[Block]:
    for where, line in objects(path, problems):
        columns = {name: values for name, values in line.items() if isinstance(values, list)}
        if "prompt" not in columns or not {"step", "gen_step"} & set(columns):
            yield [(where, line)]
            continue
        count = max(map(len, columns.values()))
        yield [
            (f"{where} row {i}", {name: values[i] if i < len(values) else None for name, values in columns.items()})
            for i in range(count)
        ]


def _sessions(path: Path, problems: Problems) -> Iterator[Block]:
    """Yield the rows of a file, which are one step; where `uid` has sessions, by output and with the session apart."""
    block: Block = [*objects(path, problems)]
    names = [_UID.fullmatch(str(row.get("uid"))) for _, row in block]
    known = [name for name in names if name]
    if len(known) == len(block) == len({row["uid"] for _, row in block}):
        placed = sorted(zip(known, block, strict=True), key=lambda item: int(item[0]["output"]))
        yield [(at, {**row, "uid": name["group"], _SESSION: name["session"]}) for name, (at, row) in placed]
        return
    yield block


_TABLES = (
    Table(
        name="trl",
        meaning="TRL's completions_XXXXX.parquet (log_completions=True)",
        files=("completions_[0-9]*.parquet", "completions/completions_[0-9]*.parquet"),
        shown_by=("step", "prompt", "completion"),
        rewards=_numeric,
        consecutive=True,
        repeats=True,
    ),
    Table(
        name="ms-swift",
        meaning="ms-swift's completions.jsonl (--log_completions true)",
        files=("completions.jsonl", "*completions*.jsonl"),
        shown_by=("prompt", "completion", "advantages"),
        rewards=_between,
        blocks=_tables_by_column,
        repeats=True,
        steps=("step", "gen_step"),
        advantage="advantages",
    ),
    Table(
        name="verl",
        meaning="verl's STEP.jsonl (trainer.rollout_data_dir)",
        files=("*.jsonl",),
        shown_by=("input", "output", "score"),
        rewards=lambda columns: ["score"],
        blocks=_sessions,
        prompt="input",
        completion="output",
        group="uid",
        trajectory=_SESSION,
        gold="gts",
    ),
    Table(
        name="jsonl",
        meaning="JSON lines or a CSV file, one completion each, with columns that you name",
        files=("*.jsonl",),
        shown_by=("prompt", "completion"),
        rewards=_called_rewards,
        named=True,
        tokens=("tokens", "token_count", "completion_tokens"),
    ),
)
Format = Table | PrimeRL
FORMATS: dict[str, Format] = {format.name: format for format in (_TABLES[0], PrimeRL(), *_TABLES[1:])}
"""Formats by name; the first that recognises a source is taken."""


def find_format(name: str | None, source: Path, options: Options | None = None) -> tuple[Format, str]:
    """Return the format of a source and what shows it; raises RunError if there is none, or the source is not there."""
    if not source.exists():
        raise RunError(f"{source}: there is no such file or folder")
    if name is not None:
        if name not in FORMATS:
            raise RunError(
                f"--format: found {name!r}, expected one of {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}"
            )
        return FORMATS[name], "as asked"
    for format in FORMATS.values():
        if seen := format.recognise(source):
            return format, seen
    if options is not None and options.names_columns:
        return FORMATS["jsonl"], "its columns are named"
    raise RunError(
        f"{source}: holds {_content(source)}, which no format recognises; say --format "
        f"({', '.join(FORMATS)}; docs/import-export.md)"
    )


def _content(source: Path) -> str:
    if source.is_file():
        return f"a file {source.suffix or 'without an ending'}"
    return ", ".join(sorted(path.name for path in source.iterdir())[:5]) or "nothing"
