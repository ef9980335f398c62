"""The curves of a run: the mean of every measure at each step, read once and then only what was added.

What is read is kept with the opened run. A new start of the run, or a step that is written again after a resume, drops it.
"""

import threading
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.selection import LAST
from dra_toolkit.runs import Run
from dra_toolkit.runs.names import Listing, quoted_name

Steps = NDArray[np.integer[Any]]
READ_AGAIN = 2
"""Last steps that are read again each time: their groups may not all have been there."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Steps, and for each of them the mean of every measure or reward function; `flips` are added up."""

    steps: Steps = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(S,), ascending."""
    groups: Steps = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """(S,), of measures."""
    columns: dict[str, Array] = field(default_factory=dict)
    """Measure or reward function -> (S,); NaN where it was not measured."""


@dataclass
class _Known:
    attempt: int
    listing: Listing
    """The files that there were before they were read."""
    curves: Curves


_known: WeakKeyDictionary[Run, tuple[threading.Lock, dict[tuple[Mode, bool], _Known]]] = WeakKeyDictionary()
_lock = threading.Lock()


def measure_curves(run: Run, mode: Mode = "train") -> Curves:
    """Return the measures of every step."""
    columns = ", ".join(("step", "groups", *GROUP_MEASURES))
    return _kept_up(run, mode, False, f"SELECT {columns} FROM steps WHERE mode = $1 AND step >= $2 ORDER BY step")


def function_curves(run: Run, mode: Mode = "train") -> Curves:
    """Return the mean raw value of each reward function at every step, over the completions that it judged."""
    if not (names := dict.fromkeys(name for facts in run.facts(mode) for name in facts.reward_weights)):
        return Curves()
    means = ", ".join(f"avg(rewards.{quoted_name(name)}) AS {quoted_name(name)}" for name in names)
    sql = f"SELECT step, {means} FROM completions WHERE mode = $1 AND step >= $2 GROUP BY step ORDER BY step"
    return _kept_up(run, mode, True, sql)


def logged_curves(run: Run) -> dict[str, tuple[Steps, Array]]:
    """Return what the trainer logged: metric -> the steps at which it was, and its values; the last of each step."""
    found: dict[str, dict[int, float]] = {}
    for row in run.metrics():
        for name, value in row.items():
            if name not in _NO_METRICS and isinstance(value, int | float) and not isinstance(value, bool):
                found.setdefault(name, {})[int(row["step"])] = float(value)
    ordered = {name: dict(sorted(values.items())) for name, values in found.items()}
    return {name: (np.array([*values]), np.array([*values.values()])) for name, values in ordered.items()}


_NO_METRICS = ("step", "attempt", "time", "epoch")


def _kept_up(run: Run, mode: Mode, of_functions: bool, sql: str) -> Curves:
    with _lock:
        reading, kept = _known.setdefault(run, (threading.Lock(), {}))
    with reading:  # what several ask at once is read once
        known = kept.get((mode, of_functions))
        attempt, listing = run.directory.last_attempt(), run.store.listing(mode)
        if known is None or known.attempt != attempt:
            known = _Known(attempt, listing, _read_on(run, mode, sql, Curves()))
        elif known.listing != listing:
            known = _Known(attempt, listing, _read_on(run, mode, sql, known.curves))
        kept[mode, of_functions] = known
        return known.curves


def _read_on(run: Run, mode: Mode, sql: str, old: Curves) -> Curves:
    first = int(old.steps[-READ_AGAIN]) if len(old.steps) >= READ_AGAIN else 0
    table = run.query(sql, [mode, first], steps=(first, LAST) if first else None)
    new = {name: _numbers(table[name]) for name in table.column_names}
    before = int(np.searchsorted(old.steps, first))
    steps = np.concatenate([old.steps[:before], new.pop("step").astype(np.int64)])
    groups = np.concatenate([old.groups[:before], new.pop("groups", np.zeros(0)).astype(np.int64)])
    unknown = np.full(before, np.nan)
    columns = {name: np.concatenate([old.columns.get(name, unknown)[:before], each]) for name, each in new.items()}
    return Curves(steps=steps, groups=groups, columns=columns)


def _numbers(column: object) -> Array:
    values: Array = column.to_numpy(zero_copy_only=False)  # type: ignore[attr-defined]
    return values.astype(np.float64)
