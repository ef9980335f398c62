"""Results that lighteval's own command wrote, such as the logs that Open-RS published, as cells of a report."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.results.lighteval_details import Details, details_file, read_details
from dra_toolkit.evaluation.results.lighteval_names import benchmark_of, canonical, metric_of, single_metric
from dra_toolkit.evaluation.statistics.scores import Score, interval, score

PATTERN = "results_*.json"
_NAMED_STEP = re.compile(r"(?:^|[_\-/])(?:global_step|step|checkpoint|ckpt)[_-]?(\d+)$", re.IGNORECASE)
_NUMBERED = re.compile(r"^(.*?)[_\-/]?(\d+)$")
_ROUNDING = 1e-6
OURS = "KeptScores"
"""The metric of `dra eval` as it stands in the configuration of a task: the mean over the samples."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """What was found in a folder of lighteval's results."""

    cells: tuple[BenchmarkResult, ...]
    problems: tuple[str, ...]
    """One line for each file, or part of one, that could not be read."""


def read_foreign(path: Path) -> Foreign:
    """Read one results file, or all below a folder; of a model and benchmark evaluated twice the later file counts.

    A file that is torn, or of another shape, is named in `problems` and the rest goes on.
    """
    files = [path] if path.is_file() else sorted(path.rglob(PATTERN), key=lambda p: (str(p.parent), p.name))
    cells: dict[tuple[str, str], BenchmarkResult] = {}
    problems: list[str] = []
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{file}: torn or no JSON ({error}); skipped")
            continue
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, dict):
            problems.append(f"{file}: has no table of results, expected one that lighteval wrote; skipped")
            continue
        for cell in _cells(file, path, document, problems):
            cells[cell.label, cell.benchmark] = cell
    return Foreign(cells=tuple(_with_steps(list(cells.values()))), problems=tuple(problems))


def _cells(file: Path, root: Path, document: dict[str, Any], problems: list[str]) -> Iterator[BenchmarkResult]:
    """Yield a cell for each task of a results file."""
    label = _label(file, root, document)
    for task, row in document["results"].items():
        name = benchmark_of(str(task))
        if name is None or not isinstance(row, dict):
            continue
        config = _config(document, task)
        scores, n, metric = _scores(row, _size(document, task), _asked_samples(config), is_mean=OURS in str(config))
        if not scores:
            told = ", ".join(key for key in row if not str(key).endswith("_stderr")) or "nothing"
            problems.append(f"{file}: {task}: no accuracy from 0 to 1 among {told}; skipped")
            continue
        hashes = _of(_of(_of(document, "summary_tasks"), task), "hashes")
        cell = BenchmarkResult(
            label=label,
            step=None,
            benchmark=name,
            n=n,
            scores=scores,
            hash_examples=hashes.get("hash_examples"),
            settings=_sampling(document),
            source="lighteval",
        )
        yield cell if metric is None else _with_details(cell, file, task, metric, problems)


def _scores(
    row: Mapping[str, object], size: int, asked: int, *, is_mean: bool
) -> tuple[dict[str, Score], int, str | None]:
    """Return the scores under our names, the samples of each problem (0: not known), and the metric of one sample.

    is_mean: the metric is the mean over the samples. lighteval's own extractive_match takes the best of the samples, so with
    several it is pass@n and not accuracy.
    """
    found: dict[str, Score] = {}
    n = 0
    for name in row:
        numbered = metric_of(name)
        value = _score(row, name, size) if numbered else None
        if numbered and value is not None:
            found[numbered[0]] = value
            n = max(n, numbered[1])
    if "pass@1" in found:
        found.setdefault("avg", found["pass@1"])
    metric = single_metric(row)
    single = _score(row, metric, size) if metric else None
    if single is None or metric is None:
        return found, n, None
    samples = max(n, asked)
    if samples > 1 and is_mean:
        return {"avg": single} | found, samples, None
    if samples > 1:
        found.setdefault(f"pass@{samples}", single)
        return found, samples, None
    return {"avg": single, "pass@1": single} | found, 1, metric


def _score(row: Mapping[str, object], metric: str, size: int) -> Score | None:
    value, error = row.get(metric), row.get(f"{metric}_stderr")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    known = isinstance(error, int | float) and math.isfinite(error) and error >= 0
    return interval(float(value), float(error) if known else float("nan"), size)  # type: ignore[arg-type]


def _with_details(cell: BenchmarkResult, file: Path, task: str, metric: str, problems: list[str]) -> BenchmarkResult:
    """Return a cell with what its details tell by problem, if they were kept and agree with the score."""
    path = details_file(file, task)
    if path is None:
        return cell
    try:
        details = read_details(path, metric)
    except EvaluationError as error:
        problems += [f"{problem}; the scores are used without it" for problem in error.problems]
        return cell
    told = cell.scores["avg"].value
    if abs(float(details.values.mean()) - told) > _ROUNDING:
        problems.append(f"{path}: its mean {details.values.mean():.4f} is not the {told:.4f} of {file.name}; not used")
        return cell
    return _told_by_problem(cell, details)


def _told_by_problem(cell: BenchmarkResult, details: Details) -> BenchmarkResult:
    measured = score(details.values)
    if details.samples > 1:
        scores = {name: value for name, value in cell.scores.items() if name not in ("avg", "pass@1")}
        return replace(cell, n=details.samples, scores={f"pass@{details.samples}": measured} | scores)
    if not np.isin(details.values, (0.0, 1.0)).all():
        return replace(cell, scores={**cell.scores, "avg": measured})
    correct = details.values.astype(bool)[:, None]
    return replace(
        cell, problems=details.problems, correct=correct, scores={**cell.scores, "avg": measured, "pass@1": measured}
    )


def _size(document: dict[str, Any], task: str) -> int:
    """Return how many problems a task had; 0 where the file does not tell: lighteval 0.13 leaves the counts at 0."""
    summary = _of(_of(document, "summary_tasks"), task)
    counts = [summary.get(name) for name in ("truncated", "non_truncated")]
    told = sum(count for count in counts if isinstance(count, int))
    effective = _config(document, task).get("effective_num_docs")
    return told or (effective if isinstance(effective, int) and effective > 0 else 0)


def _asked_samples(config: dict[str, Any]) -> int:
    asked = config.get("num_samples")
    counts = asked if isinstance(asked, list) else [asked]
    return max((count for count in counts if isinstance(count, int)), default=1)


def _config(document: dict[str, Any], task: str) -> dict[str, Any]:
    """Return a task's configuration; its key has no number of examples in older versions."""
    tasks = _of(document, "config_tasks")
    key = canonical(task)
    return _of(tasks, key) or _of(tasks, task) or _of(tasks, key.rpartition("|")[0])


def _sampling(document: dict[str, Any]) -> dict[str, Any]:
    """Return how answers were sampled, as far as a results file tells it."""
    general = _of(document, "config_general")
    model = _of(general, "model_config")
    given = _of(model, "generation_parameters") or _of(general, "generation_parameters")
    found = {name: given[name] for name in ("temperature", "top_p") if given.get(name) is not None}
    return found | ({"system_prompt": model["system_prompt"]} if found and "system_prompt" in model else {})


def _of(mapping: Any, key: str) -> dict[str, Any]:
    found = mapping.get(key) if isinstance(mapping, dict) else None
    return found if isinstance(found, dict) else {}


def _label(file: Path, root: Path, document: dict[str, Any]) -> str:
    """Return the folder below the root, which tells steps apart where all have the model's name; else the model's name."""
    if root.is_dir() and file.parent != root:
        below = [part for part in file.parent.relative_to(root).parts if part != "results"]
        if below:
            return "/".join(below)
    general = _of(document, "config_general")
    name = general.get("model_name") or _of(general, "model_config").get("model_name")
    return str(name or file.parent.name)


def _with_steps(cells: list[BenchmarkResult]) -> list[BenchmarkResult]:
    """Return the cells with the step in their labels: after `step-`, or where only numbers tell labels apart.

    A lone number at the end, as in Llama-2 or Qwen-14, is part of a name.
    """
    numbered = {cell.label: match for cell in cells if (match := _NUMBERED.match(cell.label))}
    stems = [match[1] for match in numbered.values()]
    found = []
    for cell in cells:
        named, other = _NAMED_STEP.search(cell.label), numbered.get(cell.label)
        several = other is not None and stems.count(other[1]) > 1
        step = int(named[1]) if named else int(other[2]) if several and other is not None else None
        found.append(replace(cell, step=step))
    return found
