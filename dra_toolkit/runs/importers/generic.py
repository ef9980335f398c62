"""Any JSONL with one completion in a line, whose columns the caller names."""

from __future__ import annotations

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

_OWN = ("step", "group", "index", "id", "tokens", "advantage")
_TOKENS = ("tokens", "token_count", "completion_tokens")


class Generic:
    """JSON lines with named columns."""

    name = "jsonl"
    meaning = "JSON lines or a CSV file, one completion each, with columns that you name"
    consecutive = False

    def recognise(self, source: Path) -> str | None:
        """Return what shows that a prompt and a completion stand in each line."""
        files = jsonl_files(source)
        first = first_object(files[0]) if files else None
        if first is not None and {"prompt", "completion"} <= set(first):
            return f"{files[0].name} has the columns prompt and completion"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the columns that the caller names, or `reward`, `score`, or columns that end in `_reward`."""
        files = jsonl_files(source)
        first = first_object(files[0]) if files else None
        if first is None:
            raise RunError(f"{source}: no JSONL file with an object in it")
        named = [options.prompt_column, options.completion_column, *options.reward_columns]
        named += [name for name in (options.step_column, options.group_column, options.advantage_column) if name]
        missing = [name for name in named if name not in first]
        if missing:
            raise RunError(
                *(
                    f"{files[0]}:1: no column {name!r}{did_you_mean(name, first)}; has {', '.join(first)}"
                    for name in missing
                )
            )
        found = [name for name in first if name in ("reward", "score", "total") or name.endswith("_reward")]
        if not options.reward_columns and not found:
            raise RunError(f"{files[0]}:1: name the rewards with --reward-column; has {', '.join(first)}")
        return list(options.reward_columns or found)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, line by line."""
        rewards = self.reward_names(source, options)
        for path in jsonl_files(source):
            for where, row in objects(path, problems):
                try:
                    yield _rollout(row, rewards, options)
                except BadRowError as error:
                    problems.add(where, str(error))


def _rollout(row: dict[str, Any], rewards: list[str], options: Options) -> Rollout:
    step = row.get(options.step_column) if options.step_column else row.get("step", 1)
    group = row.get(options.group_column) if options.group_column else None
    advantage = row.get(options.advantage_column or "advantage")
    tokens = next((row[name] for name in _TOKENS if isinstance(row.get(name), int)), None)
    return Rollout(
        mode=options.mode,
        step=as_step(step, options.step_column or "step"),
        group=None if group is None else str(group),
        prompt=as_prompt(row.get(options.prompt_column)),
        **spoken(row.get(options.completion_column)),
        rewards={name: as_number(row.get(name), name) for name in rewards},
        advantage=None if advantage is None else as_number(advantage, "advantage"),
        tokens=tokens,
    )
