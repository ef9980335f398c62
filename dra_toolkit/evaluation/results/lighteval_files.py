"""Results that lighteval's own command wrote, such as the logs that Open-RS published, as cells of a report."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.results.lighteval_names import benchmark_of, metric_of, single_metric
from dra_toolkit.evaluation.results.stored import FACTS_FILE, Evaluation
from dra_toolkit.evaluation.statistics.intervals import Score, interval
from dra_toolkit.runs.files import read_json

_NAMED_STEP = re.compile(r"(?:^|[_\-/])(?:global_step|step|checkpoint|ckpt)[_-]?(\d+)$", re.IGNORECASE)
_NUMBERED = re.compile(r"^(.*?)[_\-/]?(\d+)$")
ROUNDED = 5.1e-4  # of a share that is told with three digits; what is farther from k of P is of more than one sample
SAME = 1e-6  # what two numbers that tell the same differ by at most
OURS = "KeptScores"
"""The metric of `dra eval` as it stands in the configuration of a task: the mean over the samples."""


@dataclass
class Found:
    """What one path holds, of ours or of another tool."""

    cells: list[BenchmarkResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """One line for each file, or part of one, that could not be read."""
    notes: list[str] = field(default_factory=list)
    """One line for what was read in one of several ways."""
    evaluations: list[Evaluation] = field(default_factory=list)
    """Those of ours behind the cells."""


def read_foreign(path: Path) -> Found:
    """Read one results file, or all below a folder: the later one of a cell counts, a torn one is told and left out."""
    files = [path] if path.is_file() else sorted(path.rglob("results_*.json"), key=lambda p: (str(p.parent), p.name))
    cells: dict[tuple[str, str], tuple[BenchmarkResult, Path]] = {}
    found = Found()
    for file in files:
        if path in (whole := file.parent.parent.parent).parents and (whole / FACTS_FILE).is_file():
            continue  # one of ours, which stands for the same answers
        try:
            document = read_json(file)
        except (OSError, ValueError) as error:
            found.problems.append(f"{file}: torn or no JSON ({error}); skipped")
            continue
        if not isinstance(document, dict) or not isinstance(document.get("results"), dict):
            found.problems.append(f"{file}: has no table of results, expected one that lighteval wrote; skipped")
            continue
        for cell in _cells(file, path, document, found):
            place = (cell.label, cell.benchmark)
            if place in cells:
                other, before = cells[place]
                (metric, value), *_ = cell.scores.items()
                was = f"{100 * other.scores[metric].value:.1f}" if metric in other.scores else "none"
                where, which = ("in two files", file.name) if before != file else (f"twice in {file.name}", "the last")
                both = f"{metric} {was} and {100 * value.value:.1f}"
                found.notes.append(f"{' on '.join(place)}: stands {where}, {both}; {which} counts")
            cells[place] = cell, file
    return replace(found, cells=_with_steps([cell for cell, _ in cells.values()]))


def _cells(file: Path, root: Path, document: dict[str, Any], found: Found) -> Iterator[BenchmarkResult]:
    label = _label(file, root, document)
    for task, row in document["results"].items():
        name = benchmark_of(str(task))
        if name is None:
            continue
        row = row if isinstance(row, dict) else {}
        config = _config(document, task)
        counts = config.get("num_samples")
        asked = max(_counts(*(counts if isinstance(counts, list) else [counts])), default=1)
        scores, n, left_out = _scores(row, _size(document, task), asked, is_mean=OURS in str(config))
        if left_out:
            others = f"left out, of another n, below pass@1 or contradicting: {', '.join(left_out)}"
            found.notes.append(f"{label} on {name}: n = {n or 'unknown'}; {others}")
        if not scores:
            others = ", ".join(key for key in row if not str(key).endswith("_stderr")) or "nothing"
            found.problems.append(f"{file}: {task}: no accuracy from 0 to 1 among {others}; skipped")
            continue
        hashed = str(_of(document, "summary_tasks", task, "hashes").get("hash_examples") or "") or None
        told: dict[str, Any] = {"hash_examples": hashed, "settings": _sampling(document), "source": "lighteval"}
        told["note"] = None if n else "n, the samples of each problem, is unknown"
        yield BenchmarkResult(label=label, step=None, benchmark=name, n=n, scores=scores, **told)


def _scores(
    row: Mapping[str, object], size: int, asked: int, *, is_mean: bool
) -> tuple[dict[str, Score], int, list[str]]:
    """Return the scores under our names, the samples of each problem, 0 if unknown, and the metrics that are left out.

    Value and n are of one metric, the accuracy of the most samples, and so is all that stands beside it, whatever the order.

    is_mean: the metric is the mean over the samples. lighteval's own extractive_match is of one sample or the best of all,
    by version: it counts as pass@n where nothing else tells the accuracy, or where it was asked of as many samples and is
    no lower.
    """
    told = sorted((name, *of, found) for name in row if (of := metric_of(name)) and (found := _score(row, name, size)))
    metric, n = single_metric(row), max((samples for _, _, samples, _ in told), default=0)
    single = _score(row, metric, size) if metric and metric_of(metric) is None else None
    if single and metric and is_mean:
        told, single = [*told, (metric, "avg", max(n, asked), single)], None
    means = [(samples, what == "avg", score) for _, what, samples, score in told if what in ("avg", "pass@1")]
    n, _, one = max(means, key=lambda each: each[:2], default=(max(n, asked) if single else n, False, None))
    if single and one is None and n == 1:
        n, one = int(not size or abs(single.value - round(single.value * size) / size) <= ROUNDED), single
    scores = {} if one is None else {"avg": one} | ({"pass@1": one} if n or one is not single else {})
    left_out = []
    for name, what, samples, score in told:
        k = int(what.removeprefix("pass@")) if what.startswith("pass@") else 1
        fits = samples == n and (k <= n or n == 0) and (k == 1 or one is None or score.value >= one.value - SAME)
        if not (fits and _joins(scores, what, score)):
            left_out.append(name)
    if single and metric and single is not one:
        fits = one is None or (asked == n and single.value >= one.value)
        if not (fits and _joins(scores, f"pass@{n}", single)):
            left_out.append(metric)
    return scores, n, left_out


def _joins(scores: dict[str, Score], what: str, score: Score) -> bool:
    """Add a score; return whether it says what is there."""
    return abs(scores.setdefault(what, score).value - score.value) < SAME


def _score(row: Mapping[str, object], metric: str, size: int) -> Score | None:
    value, error = row.get(metric), row.get(f"{metric}_stderr")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    known = isinstance(error, int | float) and 0 <= error <= 1 and (error > 0 or value in (0, 1))
    return interval(float(value), float(error) if known else float("nan"), size)  # type: ignore[arg-type]


def _size(document: dict[str, Any], task: str) -> int:
    """Return how many problems a task had; 0 where the file does not tell: lighteval 0.13 leaves the counts at 0."""
    summary = _of(document, "summary_tasks", task)
    told = _counts(summary.get("truncated"), summary.get("non_truncated"))
    return sum(told or _counts(_config(document, task).get("effective_num_docs")))


def _counts(*values: object) -> list[int]:
    return [value for value in values if isinstance(value, int) and value is not True and 0 < value < 1_000_000]


def _config(document: dict[str, Any], task: str) -> dict[str, Any]:
    """Return a task's configuration; its key has no number of examples in older versions."""
    key = re.sub(r":(\d+)$", r"|\1", task)  # aime24:0 is aime24|0
    return next(filter(None, (_of(document, "config_tasks", name) for name in (key, task, key.rpartition("|")[0]))), {})


def _sampling(document: dict[str, Any]) -> dict[str, Any]:
    model = _of(document, "config_general", "model_config")
    given = _of(model, "generation_parameters") or _of(document, "config_general", "generation_parameters")
    found = {name: given[name] for name in ("temperature", "top_p") if given.get(name) is not None}
    return found | ({"system_prompt": model["system_prompt"]} if found and "system_prompt" in model else {})


def _of(mapping: Any, *keys: str) -> dict[str, Any]:
    """Return the object below some keys; an empty one where there is none."""
    for key in keys:
        mapping = mapping.get(key) if isinstance(mapping, dict) else None
    return mapping if isinstance(mapping, dict) else {}


def _label(file: Path, root: Path, document: dict[str, Any]) -> str:
    """Return the folder below the root, which tells steps apart where all have the model's name; else the model's name."""
    below = [part for part in file.parent.relative_to(root).parts if part != "results"] if root.is_dir() else []
    if below:
        return "/".join(below)
    places = (_of(document, "config_general"), _of(document, "config_general", "model_config"))
    return str(next((place["model_name"] for place in places if place.get("model_name")), file.parent.name))


def _with_steps(cells: list[BenchmarkResult]) -> list[BenchmarkResult]:
    """Return the cells with the step in their labels: after `step-`, or where only numbers tell labels apart.

    A lone number at the end, as in Llama-2 or Qwen-14, is part of a name.
    """
    numbered = {cell.label: match for cell in cells if (match := _NUMBERED.match(cell.label))}
    stems = [match[1] for match in numbered.values()]
    found = []
    for cell in cells:
        stem, step = cell.label, None
        if named := _NAMED_STEP.search(cell.label):
            stem, step = cell.label[: named.start()], int(named[1])
        elif (other := numbered.get(cell.label)) and stems.count(other[1]) > 1:
            stem, step = other[1], int(other[2])
        found.append(replace(cell, step=step, experiment=stem.rstrip("/_-")))
    return found
