"""How lighteval's versions name tasks and metrics, and which problems were solved, by the details kept on request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dra_toolkit.errors import EvaluationError
from dra_toolkit.groups import Array

if TYPE_CHECKING:
    import pyarrow as pa

SINGLE = (
    "extractive_match",
    "acc",
    "accuracy",
    "exact_match",
    "em",
    "quasi_exact_match",
    "math_pass@1:1_samples",
    "gpqa_pass@1:1_samples",
)
"""Metrics that are accuracy where one sample of each problem was taken, the preferred one first."""
SUITES = ("custom", "lighteval", "community", "extended", "harness", "helm", "bigbench", "leaderboard", "original")
"""First part of a task's name up to lighteval 0.12."""

_NUMBERED = re.compile(r"(?:[a-z]+_)?(pass|avg|maj)@(k|n|\d+)(?:[:_](.+))?$")
"""`pass@k:k=4&n=16`, `math_pass@1:16_samples`, `avg@n:n=8`, `maj@8`, `pass@1`."""
QUERIES = ("doc.query", "example", "full_prompt")
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
        with pq.ParquetFile(path) as file:
            known = _columns(file.schema_arrow)
            kept = next((name for name in ("metric", "metrics") if name in known), None)
            query = next((name for name in QUERIES if name in known), None)
            if kept is None or query is None:
                raise EvaluationError(f"{path}: expected the columns metric and doc of lighteval's details")
            value, count = f"{kept}.{metric}", "doc.num_samples"
            if value not in known:
                raise EvaluationError(f"{path}: has no {metric} of each problem")
            # Without what lies beside these in a struct: answers can be large.
            table = file.read(columns=[value, query, *({count} & known)]).flatten()
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(f"{path}: cannot be read ({(str(error).splitlines() or ['torn'])[0]})") from None
    values, queries = table[value].to_pylist(), table[query].to_pylist()
    samples = table[count].to_pylist() if count in known else []
    if not values or any(not isinstance(value, bool | int | float) for value in values):
        raise EvaluationError(f"{path}: expected a number as {metric} of each problem")
    names = [hashlib.sha256(str(text).encode("utf-8", "replace")).hexdigest()[:16] for text in queries]
    if len(set(names)) != len(names):
        raise EvaluationError(f"{path}: asks the same prompt twice, so problems cannot be told apart")
    counts = {count for count in samples if isinstance(count, int)}
    return Details(problems=tuple(names), values=np.asarray(values, dtype=float), samples=max(counts, default=1))


def _columns(schema: pa.Schema) -> set[str]:
    """Return the names of columns, and those of the parts of structs behind a dot."""
    parts = {f"{field.name}.{part.name}" for field in schema for part in getattr(field.type, "fields", [])}
    return {*schema.names, *parts}


def benchmark_of(task: str) -> str | None:
    """Return the task in `custom|aime24|0`, `aime24|0` or `aime24:0`; None for an average over tasks.

    >>> benchmark_of("leaderboard|mmlu:abstract_algebra|5"), benchmark_of("aime24:0"), benchmark_of("all")
    ('mmlu:abstract_algebra', 'aime24', None)
    """
    parts = task.split("|")
    if len(parts) > 1 and parts[0] in SUITES:
        parts = parts[1:]
    name = re.sub(r":\d+$", "", parts[0])
    return None if name in ("all", "average") or name.endswith(":_average") else name


def canonical(task: str) -> str:
    """Return a task's key as it is, but for the sign before the number of examples: `aime24:0` is `aime24|0`."""
    return re.sub(r":(\d+)$", r"|\1", task)


def metric_of(name: str) -> tuple[str, int] | None:
    """Return what a numbered metric is here, `avg`, `maj` or `pass@k`, and of how many samples; None for any other.

    0 samples stands for a number that the name does not tell.

    >>> metric_of("pass@k:k=4&n=16"), metric_of("math_pass@1:16_samples"), metric_of("avg@n:n=8")
    (('pass@4', 16), ('pass@1', 16), ('avg', 8))
    """
    match = _NUMBERED.match(name)
    if match is None or name.endswith("_stderr"):
        return None
    kind, number, rest = match[1], match[2], match[3] or ""
    told = {key: int(value) for key, value in re.findall(r"\b([kn])=(\d+)", rest)}
    samples = re.match(r"(\d+)_samples$", rest)
    n = int(samples[1]) if samples else told.get("n", 0)
    if kind != "pass":
        return kind, int(number) if number.isdigit() else n
    k = int(number) if number.isdigit() else told.get("k", 0)
    return (f"pass@{k}", n) if k else None


def single_metric(row: Mapping[str, object]) -> str | None:
    """Return the metric that is accuracy of one sample: a known one, or else the only one without a number in its name."""
    numbers = [name for name in row if not name.endswith("_stderr")]
    known = next((name for name in SINGLE if name in row), None)
    if known or len(numbers) != 1:
        return known
    return None if metric_of(numbers[0]) else numbers[0]
