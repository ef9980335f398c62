"""ms-swift: `completions.jsonl`, which GRPO writes with `--log_completions true`.

One line for each log holds a table by columns: `step` (texts; `gen_step` in Megatron runs), `prompt`, `completion`, one for
each reward function, `advantages`, then what else was logged. Described by swift/rlhf_trainers/grpo_trainer.py and
swift/megatron/trainers/grpo_trainer.py (`jsonl_writer.append(table)`) of modelscope/ms-swift. Lines with one row each are
read as well. A table that repeats the one before, because a batch was logged twice, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

_STEPS = ("step", "gen_step")


class MsSwift:
    """ms-swift's completions file."""

    name = "ms-swift"
    meaning = "ms-swift's completions.jsonl (--log_completions true)"
    consecutive = False

    def recognise(self, source: Path) -> str | None:
        """Return what shows that this is ms-swift's file."""
        for path in _files(source):
            first = first_object(path)
            if first and {"prompt", "completion", "advantages"} <= set(first) and set(_STEPS) & set(first):
                return f"{path.name} has the columns prompt, completion and advantages of ms-swift"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the columns between `completion` and `advantages`, or those that the caller names."""
        for path in _files(source):
            first = first_object(path)
            if first is None:
                continue
            names = list(first)
            for name in options.reward_columns:
                if name not in names:
                    raise RunError(f"{path}:1: no column {name!r}{did_you_mean(name, names)}; has {', '.join(names)}")
            if options.reward_columns:
                return list(options.reward_columns)
            if "completion" not in names or "advantages" not in names:
                raise RunError(f"{path}:1: expected the columns completion and advantages; has {', '.join(names)}")
            return names[names.index("completion") + 1 : names.index("advantages")]
        raise RunError(f"{source}: no completions.jsonl with a JSON object, expected what ms-swift writes")

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, line by line."""
        rewards = self.reward_names(source, options)
        for path in _files(source):
            before: tuple[Any, ...] | None = None
            for where, line in objects(path, problems):
                batch = (line.get("prompt"), line.get("completion"))
                if isinstance(line.get("completion"), list) and batch == before:
                    continue
                before = batch
                for number, row in enumerate(_rows(line)):
                    try:
                        yield _rollout(row, rewards, options)
                    except BadRowError as error:
                        problems.add(f"{where} row {number}", str(error))


def _rows(line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table by columns, or the row that the line is."""
    columns = {name: values for name, values in line.items() if isinstance(values, list)}
    is_table = isinstance(line.get("prompt"), list) and isinstance(line.get("step", line.get("gen_step")), list)
    if not is_table:
        yield dict(line)
        return
    for number in range(max(map(len, columns.values()))):
        yield {name: values[number] if number < len(values) else None for name, values in columns.items()}


def _rollout(row: dict[str, Any], rewards: list[str], options: Options) -> Rollout:
    group = row.get(options.group_column) if options.group_column else None
    return Rollout(
        mode=options.mode,
        step=as_step(next((row[name] for name in _STEPS if row.get(name) is not None), None)),
        group=None if group is None else str(group),
        prompt=as_prompt(row.get("prompt")),
        **spoken(row.get("completion")),
        rewards={name: as_number(row.get(name), name) for name in rewards},
        advantage=None if row.get("advantages") is None else as_number(row["advantages"], "advantages"),
    )


def _files(source: Path) -> list[Path]:
    return jsonl_files(source, "completions.jsonl") or (jsonl_files(source, "*completions*.jsonl"))
