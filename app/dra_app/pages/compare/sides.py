"""Two runs side by side: the same measures over their steps, and the groups of one prompt in both."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.errors import DRAError
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.group_list import look_at_prompt
from dra_toolkit.runs import Run


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one run sampled for a prompt."""

    run_id: str
    steps: tuple[int, ...]
    """Steps at which the run saw the prompt."""
    record: GroupRecord | None
    """The group of the last of them, or of the one nearest to the step asked for."""
    problem: str = ""


def side_of(run: Run, prompt_hash: str, step: int | None, mode: Mode = "train") -> Side:
    """Return a run's group of a prompt."""
    try:
        rows = look_at_prompt(run, prompt_hash, mode).rows
        row = rows[-1] if step is None else min(rows, key=lambda r: abs(r.step - step))
        record = run.group(row.step, row.index, mode=mode, batch=row.batch)
    except DRAError as error:
        return Side(run_id=run.name, steps=(), record=None, problem=error.problems[0])
    return Side(run_id=run.name, steps=tuple(dict.fromkeys(r.step for r in rows)), record=record)
