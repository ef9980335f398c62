"""Finished evaluations on disk: one folder for a model (or step of a run), a benchmark and the settings it was asked with.

<evals>/<label>/<benchmark>/<key>/
    evaluation.json    what was evaluated and how; written last, so a folder that has it is complete
    outcomes.parquet   one row for each sample
    answers.jsonl      finished answers, appended while it runs
    lighteval/         lighteval's own results JSON and details Parquet

`<evals>` is RUN/evals for a run, evals/ here for anything else. `<key>` starts the hash of everything that the answers
depend on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import EvaluationError
from dra_toolkit.runs.files import publish, publish_text, read_json
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

VERSION = 1
FACTS_FILE = "evaluation.json"
OUTCOMES_FILE = "outcomes.parquet"
ANSWERS_FILE = "answers.jsonl"

OUTCOME_COLUMNS: dict[str, str] = {
    "label": "string",
    "run": "string",
    "step": "int32",
    "model": "string",
    "benchmark": "string",
    "problem": "string",
    "problem_index": "int32",
    "sample": "int32",
    "seed": "int64",
    "correct": "bool",
    "correct_judged": "bool",
    "answer": "string",
    "tokens": "int32",
    "finish_reason": "string",
    "gold": "string",
    "completion": "string",
}
"""Columns of outcomes.parquet and their Arrow types; run, step, correct_judged and answer may be null."""

_NULLABLE = ("run", "step", "correct_judged", "answer")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One finished evaluation: what was asked, and where its samples lie."""

    label: str
    run: str | None
    step: int | None
    model: str
    benchmark: str
    key: str
    n: int
    """Samples of each problem."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """What is wrong with it, one line each; empty for a sound one."""
    directory: Path
    source: str = "dra"
    """Who wrote it: "dra", or the name of another tool whose results were read."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """evaluation.json as read."""


def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of outcomes.parquet."""
    import pyarrow as pa

    types = {"string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "bool": pa.bool_()}
    return pa.schema([pa.field(name, types[kind], name in _NULLABLE) for name, kind in OUTCOME_COLUMNS.items()])


def write_outcomes(path: Path, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Publish outcomes.parquet at `path`, and evaluation.json beside it; a reader finds both or neither complete.

    rows: one for each sample, with the names of OUTCOME_COLUMNS; facts: the content of evaluation.json.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row.get(name) for row in rows] for name in OUTCOME_COLUMNS}
    table = pa.table(columns, schema=arrow_schema())
    text = json.dumps({"version": VERSION, **facts}, indent=2) + "\n"
    table = table.replace_schema_metadata({b"dra_evaluation": text.encode()})

    def write(file: BinaryIO) -> None:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)

    publish(path, write)
    publish_text(path.with_name(FACTS_FILE), text)


def find_evaluations(evals_root: Path) -> list[Evaluation]:
    """Return the finished evaluations under `evals_root`, by label and benchmark, the newest of each pair first.

    One whose files are damaged is returned too, with what is wrong in its `problems`.
    """
    found = [read_evaluation(path.parent) for path in sorted(evals_root.glob(f"*/*/*/{FACTS_FILE}"))]
    found.sort(key=lambda e: str(e.facts.get("finished", "")), reverse=True)
    return sorted(found, key=lambda e: (e.step is None, e.step or 0, e.label, e.benchmark))


def read_evaluation(folder: Path) -> Evaluation:
    """Return the evaluation in `folder`; what is wrong with its files stands in `problems`."""
    problems: list[str] = []
    facts: dict[str, Any] = {}
    path, outcomes = folder / FACTS_FILE, folder / OUTCOMES_FILE
    linked = [at.name for at in (path, outcomes, folder, folder.parent, folder.parent.parent) if at.is_symlink()]
    try:
        if linked:
            raise ValueError(f"{linked[0]} is a link, which is not followed")
        read = read_json(path)
        facts = read if isinstance(read, dict) else {}
        if not facts:
            problems.append(f"{path}: expected an object, found {type(read).__name__}")
    except (OSError, ValueError) as error:
        problems.append(f"{path}: cannot be read ({error})")
    if facts and facts.get("version") != VERSION:
        problems.append(f"{path}: version {facts.get('version')!r}, this release reads {VERSION}")
    if not outcomes.is_file():
        problems.append(f"{folder}: {OUTCOMES_FILE} is missing")
    elif not linked:
        problems.extend(_parquet_problems(outcomes))
    step, n, settings = facts.get("step"), facts.get("n"), facts.get("settings")
    if not isinstance(n or 0, int) or not isinstance(settings or {}, dict):
        problems.append(f"{path}: expected n as a whole number and settings as an object")
    return Evaluation(
        label=str(facts.get("label", folder.parent.parent.name)),
        run=facts.get("run"),
        step=step if isinstance(step, int) else None,
        model=str(facts.get("model", "")),
        benchmark=str(facts.get("benchmark", folder.parent.name)),
        key=str(facts.get("key", folder.name)),
        n=n if isinstance(n, int) else 0,
        settings=settings if isinstance(settings, dict) else {},
        problems=tuple(problems),
        directory=folder,
        facts=facts,
    )


def read_outcomes(evaluation: Evaluation) -> pa.Table:
    """Return the samples of an evaluation, a row each; raises EvaluationError for a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if evaluation.problems:
        raise EvaluationError(*evaluation.problems)
    path = evaluation.directory / OUTCOMES_FILE
    try:
        return pq.read_table(path, schema=arrow_schema(), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({first_line(error)}); delete its folder to run it anew"
        ) from None


def _parquet_problems(path: Path) -> list[str]:
    """Return what is wrong with a file of outcomes as far as its footer tells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        return [f"{path}: cannot be read ({first_line(error)}); delete its folder to run it anew"]
    missing = [name for name in OUTCOME_COLUMNS if name not in names and name != "correct_judged"]
    return [f"{path}: column {name} is missing" for name in missing]
