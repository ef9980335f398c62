"""Which problems were solved, from the details that lighteval keeps on request beside its results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.lighteval_names import canonical
from dra_toolkit.groups import Array

if TYPE_CHECKING:
    import pyarrow as pa

QUERIES = (("doc", "query"), ("example",), ("full_prompt",))
"""Where the prompt stands, from lighteval 0.10 on and before."""
UP = 6
"""Folders above a results file in which `details` is looked for: model names have up to a few parts."""


@dataclass(frozen=True, kw_only=True)
class Details:
    """One value for each problem."""

    problems: tuple[str, ...]
    values: Array
    samples: int
    """Answers to each problem, as far as is known; else 1."""


def details_file(results: Path, task: str) -> Path | None:
    """Return the details of a task that were written together with a results file; None where there are none."""
    date = results.stem.removeprefix("results_")
    ending = f"_{date}.parquet"
    folders = [results.parent, *(parent / "details" for parent in results.parents[:UP])]
    for folder in folders:
        if not folder.is_dir():
            continue
        found = folder.glob(f"details_*{ending}") if folder == results.parent else folder.rglob(f"details_*{ending}")
        for path in sorted(found):
            if path.name.removeprefix("details_").removesuffix(ending) in (task, canonical(task)) and path.is_file():
                return path
    return None


def read_details(path: Path, metric: str) -> Details:
    """Return the value of a metric by problem; raises EvaluationError, one line, for a file that does not tell it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        kept = next((name for name in ("metric", "metrics") if name in schema.names), None)
        query = next((parts for parts in QUERIES if _has(schema, parts)), None)
        if kept is None or query is None:
            raise EvaluationError(f"{path}: expected the columns metric and doc of lighteval's details")
        if not _has(schema, (kept, metric)):
            raise EvaluationError(f"{path}: has no {metric} of each problem")
        values = _column(path, (kept, metric))
        queries = _column(path, query)
        samples = _column(path, ("doc", "num_samples")) if _has(schema, ("doc", "num_samples")) else []
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(f"{path}: cannot be read ({(str(error).splitlines() or ['torn'])[0]})") from None
    if not values or any(not isinstance(value, bool | int | float) for value in values):
        raise EvaluationError(f"{path}: expected a number as {metric} of each problem")
    names = [hashlib.sha256(str(text).encode("utf-8", "replace")).hexdigest()[:16] for text in queries]
    if len(set(names)) != len(names):
        raise EvaluationError(f"{path}: asks the same prompt twice, so problems cannot be told apart")
    counts = {count for count in samples if isinstance(count, int)}
    return Details(problems=tuple(names), values=np.asarray(values, dtype=float), samples=max(counts, default=1))


def _has(schema: pa.Schema, parts: tuple[str, ...]) -> bool:
    if parts[0] not in schema.names:
        return False
    kind = schema.field(parts[0]).type
    return len(parts) == 1 or any(field.name == parts[1] for field in getattr(kind, "fields", []))


def _column(path: Path, parts: tuple[str, ...]) -> list[Any]:
    """Return one column, or one field of a struct, without reading what lies beside it: answers can be large."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rows = file.read(columns=[".".join(parts)])[parts[0]].to_pylist()
    return rows if len(parts) == 1 else [None if row is None else row.get(parts[1]) for row in rows]
