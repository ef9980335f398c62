"""The problems of a benchmark: found, checked, and put into one form, whatever their source."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from dra_toolkit.errors import EvaluationError, counted, did_you_mean
from dra_toolkit.evaluation.benchmarks.registry import Benchmark
from dra_toolkit.runs.importers.lines import Problems, objects
from dra_toolkit.safe_text import first_line

ID_LENGTH = 12


def load_problems(benchmark: Benchmark, data_dir: Path | None = None) -> list[dict[str, str]]:
    """Return the problems of a benchmark that is no dotted path; raises EvaluationError with every mistake.

    Each is its `id`, which starts the hash of its text and so is the same from every source, its `query`, the prompt, and
    `gold`, the right answer as the metric reads it.
    """
    if benchmark.kind == "builtin":
        from dra_toolkit.quickstart.task import problems

        held_out = problems(0).held_out
        return _problems(benchmark, [{"problem": p.prompt, "solution": p.solution} for p in held_out], benchmark.source)
    found = _files(benchmark, data_dir)
    return _problems(benchmark, [row for path in found for row in _read_rows(path)], str(found[0]))


def _files(benchmark: Benchmark, data_dir: Path | None) -> list[Path]:
    """Return the files with a benchmark's problems, in order, fetched from the Hub unless they lie here."""
    if benchmark.kind == "file":
        path = Path(benchmark.source)
        if not path.is_file():
            names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise EvaluationError(f"--benchmark: {path} does not exist{did_you_mean(path.name, names)}")
        return [path]
    local = [data_dir / f"{benchmark.name}{suffix}" for suffix in (".jsonl", ".parquet")] if data_dir else []
    if there := next(filter(Path.is_file, local), None):
        return [there]
    from dra_toolkit.evaluation.models.hub import benchmark_files

    return benchmark_files(benchmark)


def _problems(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], where: str) -> list[dict[str, str]]:
    if not rows:
        raise EvaluationError(f"{where}: has no problems; expected a row for each")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    wanted = {"--problem-column": benchmark.problem_column, "--answer-column": benchmark.answer_column}
    found = [_column(name, columns) for name in wanted.values()]
    mistakes = [
        f"{where}: has no column {name!r}, it has {', '.join(columns)}{did_you_mean(name, columns)}"
        + (f" (choose it with {option})" if benchmark.kind == "file" else "")
        for (option, name), column in zip(wanted.items(), found, strict=True)
        if column is None
    ]
    texts: list[tuple[str, str]] = []
    asked, answer = found
    if asked and answer:
        for number, row in enumerate(rows, start=1):
            pair = _text(row.get(asked)), _answer(row.get(answer), lists=benchmark.kind != "file")
            for name, value, expected in ((asked, pair[0], "a text"), (answer, pair[1], "a text or a number")):
                if not value:
                    mistakes.append(f"{where}: row {number}: {name} is {row.get(name)!r:.60}, expected {expected}")
            texts.append((pair[0] or "", pair[1] or ""))
    if mistakes:
        more = [f"{where}: and {len(mistakes) - 5} more such rows"] if len(mistakes) > 5 else []
        raise EvaluationError(*mistakes[:5], *more)
    if benchmark.size is not None and len(texts) != benchmark.size:
        raise EvaluationError(f"{where}: has {counted(len(texts), 'problem')}, {benchmark.name} has {benchmark.size}")
    texts = texts[: benchmark.limit]
    names = problem_ids([text for text, _ in texts])
    return [
        {"id": name, "query": benchmark.prompt.replace("{problem}", text), "gold": _gold(benchmark, gold)}
        for name, (text, gold) in zip(names, texts, strict=True)
    ]


def _column(name: str, columns: Sequence[str]) -> str | None:
    """Return the column, also under the other name that copies of the same benchmark use for the question."""
    alias = {"question": "problem", "problem": "question"}.get(name)
    return next((c for c in (name, alias) if c in columns), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _answer(value: Any, *, lists: bool) -> str | None:
    """Return an answer as text: numbers as one writes them, 27.0 as 27, 1e-05 as 0.00001; None for what is no answer.

    lists: take a list of answers as one, by comma, as published files have it; a user's own file says what it means.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, list) and lists:
        parts = [_answer(part, lists=False) for part in value]
        return None if None in parts or not parts else ", ".join(str(part).strip().strip("$") for part in parts)
    if isinstance(value, float | Decimal):
        return f"{Decimal(str(value + 0)):f}".removesuffix(".0") if isfinite(value) else None
    return str(value) if isinstance(value, int) else _text(value)


def _gold(benchmark: Benchmark, gold: str) -> str:
    if benchmark.gold == "boxed" and "\\boxed" not in gold:
        return f"\\boxed{{{gold.strip().strip('$')}}}"
    return gold


def problem_ids(texts: Sequence[str]) -> Iterator[str]:
    """Yield an id for each text; a repeated one is numbered."""
    seen: Counter[str] = Counter()
    for text in texts:
        name = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:ID_LENGTH]
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def _read_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    problems = Problems()
    try:
        if path.suffix == ".parquet":
            return list(pq.read_table(path).to_pylist())
        rows = [row for _, row in objects(path, problems)]
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(f"{path}: cannot be read ({first_line(error)})") from None
    if problems.lines:
        raise EvaluationError(*(line.removesuffix("; skipped") for line in problems.lines[:5]))
    return rows
