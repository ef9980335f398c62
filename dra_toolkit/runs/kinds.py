"""The types of columns: how each is stored, and how values become cells and cells values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.groups import Message, Prompt

if TYPE_CHECKING:
    import pyarrow as pa

Cells = Sequence[Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One type of column."""

    arrow: Callable[[Any], pa.DataType]
    """Its type, given the module pyarrow, which is imported late."""
    sql: str
    to_cells: Callable[[Any], Cells] = tuple
    """From the values of G completions to a cell for each."""
    from_cells: Callable[[Cells], Any] = tuple
    to_cell: Callable[[Any], Any] = lambda value: value
    """From what holds for the whole group to the cell that each of its rows has."""
    from_cell: Callable[[Any], Any] = lambda cell: cell


def _numbers(cells: Cells) -> np.ndarray:
    return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _rewards(values: Mapping[str, np.ndarray]) -> Cells:
    names, columns = list(values), [map(_none_if_nan, column) for column in values.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _from_triangle(cells: Cells) -> np.ndarray:
    similarity = np.eye(len(cells), dtype=np.float32)
    for i, row in enumerate(cells):
        similarity[i, i + 1 :] = similarity[i + 1 :, i] = row
    return similarity


def _texts(cells: Cells) -> tuple[str, ...]:
    """Return texts; one that was not kept says so, each in other words, so that no two of them are called equal."""
    return tuple(f"(text of completion {i} not kept)" if cell is None else cell for i, cell in enumerate(cells))


def _turns(messages: Prompt | None) -> list[dict[str, Any]] | None:
    return None if messages is None else [asdict(message) for message in messages]


def _from_turns(cell: list[dict[str, Any]] | None) -> Prompt | None:
    return None if cell is None else tuple(Message(**{**turn, "images": tuple(turn["images"])}) for turn in cell)


_FLOAT = Kind(
    arrow=lambda pa: pa.float64(),
    sql="DOUBLE",
    to_cells=lambda values: np.asarray(values, dtype=np.float64).tolist(),
    from_cells=_numbers,
)
KINDS: dict[str, Kind] = {
    "dictionary": Kind(arrow=lambda pa: pa.dictionary(pa.int32(), pa.string()), sql="VARCHAR"),
    "string": Kind(arrow=lambda pa: pa.string(), sql="VARCHAR", from_cells=_texts),
    "bool": Kind(arrow=lambda pa: pa.bool_(), sql="BOOL"),
    "int32": Kind(
        arrow=lambda pa: pa.int32(),
        sql="INT",
        to_cells=lambda values: np.asarray(values).tolist(),
        from_cells=lambda cells: np.array(cells, dtype=np.int32),
    ),
    "float64": _FLOAT,
    "float64 or null": replace(_FLOAT, to_cells=lambda values: list(map(_none_if_nan, values))),
    "messages": Kind(
        arrow=lambda pa: pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        sql="STRUCT(role VARCHAR, content VARCHAR)[]",
        to_cell=lambda prompt: [{"role": message.role, "content": message.content} for message in prompt],
        from_cell=lambda cell: tuple(Message(**message) for message in cell),
    ),
    "turns": Kind(
        arrow=lambda pa: pa.list_(
            pa.struct([*((f, pa.string()) for f in ("role", "content", "calls")), ("images", pa.list_(pa.string()))])
        ),
        sql="STRUCT(role VARCHAR, content VARCHAR, calls VARCHAR, images VARCHAR[])[]",
        to_cells=lambda completions: list(map(_turns, completions)),
        from_cells=lambda cells: tuple(map(_from_turns, cells)),
        to_cell=lambda prompt: None if all(message.is_plain for message in prompt) else _turns(prompt),
        from_cell=_from_turns,
    ),
    "rewards": Kind(
        arrow=lambda pa: pa.null(),
        sql="STRUCT(none DOUBLE)",
        to_cells=_rewards,
        from_cells=lambda cells: {name: _numbers([cell[name] for cell in cells]) for name in cells[0]},
    ),
    "list<float32>": Kind(
        arrow=lambda pa: pa.list_(pa.float32()),
        sql="FLOAT[]",
        to_cells=lambda values: [np.asarray(row[i + 1 :], dtype=np.float32) for i, row in enumerate(values)],
        from_cells=_from_triangle,
    ),
    "list<float16>": Kind(
        arrow=lambda pa: pa.list_(pa.float16()),
        sql="FLOAT[]",
        to_cells=lambda vectors: list(np.asarray(vectors, dtype=np.float16)),
        from_cells=lambda cells: np.array(cells, dtype=np.float32),
    ),
}
"""Name of a type, as columns declare it -> how it is stored. `rewards` has a field for each reward function of the file."""
