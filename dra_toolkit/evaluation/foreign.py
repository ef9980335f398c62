"""Results that lighteval's own command wrote, such as the logs that Open-RS published, as cells of a report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.cells import Cell
from dra_toolkit.evaluation.statistics import Score, Z, wilson

PATTERN = "results_*.json"
_STEP = re.compile(r"(?:^|[_\-/])(?:step|checkpoint|global_step)?[_-]?(\d+)$")
_ALL = ("all", "average")
METRICS = ("extractive_match", "pass@1", "avg@n", "math_pass@1:1_samples", "accuracy", "exact_match", "acc")
"""Metrics taken for accuracy, the first that is there; otherwise the only one there is."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """What was found in a folder of lighteval's results."""

    cells: tuple[Cell, ...]
    problems: tuple[str, ...]
    """One line for each file, or part of one, that could not be read."""


def read_foreign(path: Path) -> Foreign:
    """Read one results file, or all below a folder; of a model and benchmark evaluated twice the later file counts.

    A file that is torn, or of another shape, is named in `problems` and the rest goes on.
    """
    files = [path] if path.is_file() else sorted(path.rglob(PATTERN), key=lambda p: (str(p.parent), p.name))
    cells: dict[tuple[str, str], Cell] = {}
    problems: list[str] = []
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(f"{file}: torn or no JSON ({error}); skipped")
            continue
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, dict):
            problems.append(f"{file}: has no table of results, expected one that lighteval wrote; skipped")
            continue
        for cell in _cells(file, path, document, results, problems):
            cells[cell.label, cell.benchmark] = cell
    return Foreign(cells=tuple(cells.values()), problems=tuple(problems))


def _cells(
    file: Path, root: Path, document: dict[str, Any], results: dict[str, Any], problems: list[str]
) -> Iterator[Cell]:
    label = _label(file, root, document)
    step = _STEP.search(label)
    tasks = document.get("summary_tasks")
    for task, row in results.items():
        if task in _ALL or not isinstance(row, dict):
            continue
        name = _benchmark(task)
        metric = next((m for m in METRICS if m in row), None)
        numbers = [m for m in row if not m.endswith("_stderr")]
        metric = metric or (numbers[0] if len(numbers) == 1 else None)
        value = row.get(metric) if metric else None
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            problems.append(f"{file}: {task}: no accuracy from 0 to 1 among {', '.join(row) or 'nothing'}; skipped")
            continue
        summary = tasks.get(task) if isinstance(tasks, dict) else None
        summary = summary if isinstance(summary, dict) else {}
        size = _size(summary)
        yield Cell(
            label=label,
            step=int(step[1]) if step else None,
            benchmark=name,
            n=0,
            scores={"avg": _score(float(value), row.get(f"{metric}_stderr"), size)},
            hash_examples=(summary.get("hashes") or {}).get("hash_examples"),
            source="lighteval",
        )


def _score(value: float, stderr: object, size: int) -> Score:
    """Return lighteval's mean and standard error; of 0 and 1 its error is 0, so the interval is Wilson's."""
    error = float(stderr) if isinstance(stderr, int | float) else float("nan")
    if value in (0.0, 1.0) and size:
        low, high = wilson(round(value * size), size)
    else:
        low, high = max(0.0, value - Z * error), min(1.0, value + Z * error)
    return Score(value=value, error=error, low=low, high=high, problems=size)


def _size(summary: dict[str, Any]) -> int:
    counts = [summary.get(name) for name in ("truncated", "non_truncated")]
    return sum(int(count) for count in counts if isinstance(count, int))


def _benchmark(task: str) -> str:
    """Return the name in `custom|aime24|0`, `aime24|0` or `aime24:0`."""
    parts = [part for part in re.split(r"[|:]", task) if part not in ("custom", "lighteval", "")]
    named = [part for part in parts if not part.isdigit()]
    return named[0] if named else task


def _label(file: Path, root: Path, document: dict[str, Any]) -> str:
    """Return the folder below the root, which tells steps apart where all have the model's name; else the model's name."""
    if root.is_dir() and file.parent != root:
        below = file.parent.relative_to(root).parts
        return "/".join(part for part in below if part != "results") or below[-1]
    config = document.get("config_general")
    name = config.get("model_name") if isinstance(config, dict) else None
    return str(name or file.parent.name)
