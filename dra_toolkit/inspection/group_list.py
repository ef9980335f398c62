"""Groups of a step or a range, filtered and sorted by any measure, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run

IN_ORDER = "index"
"""Sorts by step, batch and group, as they were sampled."""
SORTS = (IN_ORDER, *GROUP_MEASURES)


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group in numbers."""

    mode: Mode
    step: int
    batch: int
    index: int
    prompt_hash: str
    prompt: str
    """The last message of the prompt."""
    measures: dict[str, float | None]
    """By the names of `GROUP_MEASURES`; None where something was not measured."""

    def __getitem__(self, measure: str) -> float:
        value = self.measures[measure]
        return float("nan") if value is None else float(value)


@dataclass(frozen=True, kw_only=True)
class GroupPage:
    """Some of the chosen groups."""

    rows: tuple[GroupRow, ...]
    offset: int
    total: int
    """Chosen groups in all."""


def list_groups(
    run: Run,
    selection: Selection,
    *,
    sort: str = IN_ORDER,
    ascending: bool = False,
    limit: int = 20,
    offset: int = 0,
    prompts: bool = True,
) -> GroupPage:
    """Return a page of the chosen groups, the highest first unless `ascending`; unknown values come last.

    prompts: whether to read the prompts too, which lie with the texts. Raises RunError for an unknown measure.
    """
    if sort not in SORTS:
        raise RunError(f"--sort: no measure {sort!r}{did_you_mean(sort, SORTS)}; there are {', '.join(SORTS)}")
    condition, parameters = selection.sql()
    columns = f"mode, step, batch, group_index, prompt_hash, {', '.join(GROUP_MEASURES)}"
    in_order = "step, batch, group_index"
    first = "" if sort == IN_ORDER else f"{sort} {'ASC' if ascending else 'DESC'} NULLS LAST, "
    found = run.query(
        f"SELECT {columns} FROM groups WHERE {condition} ORDER BY {first}{in_order} LIMIT {int(limit)} OFFSET {int(offset)}",
        parameters,
        steps=selection.steps,
    ).to_pylist()
    total = run.query(f"SELECT count(*) AS n FROM groups WHERE {condition}", parameters, steps=selection.steps)
    texts = _prompts(run, found) if prompts else [""] * len(found)
    rows = tuple(group_row(row, text) for row, text in zip(found, texts, strict=True))
    return GroupPage(rows=rows, offset=offset, total=int(total.column(0)[0].as_py()))


def group_row(row: dict[str, Any], prompt: str) -> GroupRow:
    """Return a row of the table `groups` as a value."""
    return GroupRow(
        mode=row["mode"],
        step=row["step"],
        batch=row["batch"],
        index=row["group_index"],
        prompt_hash=row["prompt_hash"],
        prompt=prompt,
        measures={name: None if row[name] is None else float(row[name]) for name in GROUP_MEASURES},
    )


def _prompts(run: Run, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the last message of each group's prompt; equal prompts are read once, in the order in which they lie."""
    known: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row["mode"], row["step"], row["batch"], row["group_index"])):
        if row["prompt_hash"] not in known:
            found = run.store.read_group(row["mode"], (row["step"], row["batch"]), row["group_index"])
            messages = found[1]["prompt"][0].as_py() if found and len(found[1]) else None
            known[row["prompt_hash"]] = messages[-1]["content"] if messages else ""
    return [known[row["prompt_hash"]] for row in rows]
