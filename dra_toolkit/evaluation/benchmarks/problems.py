"""The problems of a benchmark: found, checked, and put into one form, whatever their source."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.errors import EvaluationError, did_you_mean
from dra_toolkit.evaluation.benchmarks.registry import Benchmark
from dra_toolkit.safe_text import first_line

ID_LENGTH = 12


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One problem as it is asked."""

    id: str
    """Starts the hash of the problem's text, so that it is the same from every source."""
    query: str
    """The prompt."""
    gold: str
    """The right answer, as the metric reads it."""


def load_problems(benchmark: Benchmark, data_dir: Path | None = None) -> list[Problem]:
    """Return the problems of a benchmark that is no dotted path; raises EvaluationError with every mistake."""
    if benchmark.kind == "builtin":
        from dra_toolkit.quickstart.task import problems

        rows: Sequence[Mapping[str, Any]] = [
            {"problem": p.prompt, "solution": p.solution} for p in problems(0).held_out
        ]
        return _problems(benchmark, rows, benchmark.source)
    found = _file(benchmark, data_dir)
    return _problems(benchmark, _read_rows(found), str(found))


def _file(benchmark: Benchmark, data_dir: Path | None) -> Path:
    """Return the file with a benchmark's problems, fetched from the Hub unless it lies here."""
    if benchmark.kind == "file":
        path = Path(benchmark.source)
        if not path.is_file():
            raise EvaluationError(f"--benchmark: {path} does not exist{_nearest(path)}")
        return path
    if data_dir is not None:
        candidates = [data_dir / f"{benchmark.name}{suffix}" for suffix in (".jsonl", ".parquet")]
        for path in candidates:
            if path.is_file():
                return path
    from dra_toolkit.evaluation.models.hub import benchmark_file

    return benchmark_file(benchmark)


def _nearest(path: Path) -> str:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    return did_you_mean(path.name, names)


def _problems(benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], where: str) -> list[Problem]:
    if not rows:
        raise EvaluationError(f"{where}: has no problems; expected a row for each")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    asked, answer = _column(benchmark.problem_column, columns), _column(benchmark.answer_column, columns)
    wanted = (
        ("--problem-column", benchmark.problem_column, asked),
        ("--answer-column", benchmark.answer_column, answer),
    )
    missing = [
        f"{where}: has no column {name!r}, it has {', '.join(columns)}{did_you_mean(name, columns)}"
        + (f" (choose it with {option})" if benchmark.kind == "file" else "")
        for option, name, found in wanted
        if found is None
    ]
    if missing or asked is None or answer is None:
        raise EvaluationError(*missing)
    mistakes: list[str] = []
    texts: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=1):
        pair = _text(row.get(asked)), _answer(row.get(answer), lists=benchmark.kind != "file")
        for name, found, expected in ((asked, pair[0], "a text"), (answer, pair[1], "a text or a number")):
            if not found:
                mistakes.append(f"{where}: row {number}: {name} is {row.get(name)!r:.60}, expected {expected}")
        texts.append((pair[0] or "", pair[1] or ""))
    if mistakes:
        more = [f"{where}: and {len(mistakes) - 5} more such rows"] if len(mistakes) > 5 else []
        raise EvaluationError(*mistakes[:5], *more)
    if benchmark.size is not None and len(texts) != benchmark.size:
        raise EvaluationError(f"{where}: has {len(texts)} problems, {benchmark.name} has {benchmark.size}")
    texts = texts[: benchmark.limit]
    names = problem_ids([text for text, _ in texts])
    return [
        Problem(id=name, query=benchmark.ask(text), gold=_gold(benchmark, gold))
        for name, (text, gold) in zip(names, texts, strict=True)
    ]


def _column(name: str, columns: Sequence[str]) -> str | None:
    """Return the column, also under the other name that copies of the same benchmark use for the question."""
    alias = {"question": "problem", "problem": "question"}.get(name)
    return next((c for c in (name, alias) if c in columns), None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _answer(value: Any, *, lists: bool) -> str | None:
    """Return an answer as text: numbers as one writes them, 27.0 as 27; None for what is no answer.

    lists: take a list of answers as one, by comma, as published files have it; a user's own file says what it means.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, list) and lists:
        parts = [_answer(part, lists=False) for part in value]
        return None if None in parts or not parts else ", ".join(str(part).strip().strip("$") for part in parts)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else None if value != value else repr(value)
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


def data_hash(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the hash of everything that is asked and expected."""
    return hashlib.sha256(json.dumps(list(rows), sort_keys=True).encode()).hexdigest()


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a .jsonl or .parquet file."""
    return _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def _json_rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path}: cannot be read as text ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"{path}: line {number} is no JSON ({error})") from None
        if not isinstance(row, dict):
            raise EvaluationError(
                f"{path}: line {number} is {line[:40]!r}, expected an object with a problem and an answer"
            )
        rows.append(row)
    return rows


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(f"{path}: cannot be read as Parquet ({first_line(error)})") from None
    return rows
