"""Finished evaluations on disk: of a model (or step of a run), a benchmark and the settings it was asked with.

Each is a folder EVALS/LABEL/BENCHMARK/KEY, where EVALS is RUN/evals for a run and KEY starts the hash of everything that the
answers depend on. evaluation.json is written last, so a folder that has it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import EvaluationError
from dra_toolkit.runs.files import publish, publish_text, read_json
from dra_toolkit.runs.parquet import read_seal, require_sound, seal
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

VERSION = 1
FACTS_FILE = "evaluation.json"
OUTCOMES_FILE = "outcomes.parquet"
ROWS = 4096
"""Samples written at once: with their texts they may be large."""

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
    "how": "string",
    "tokens": "int32",
    "finish_reason": "string",
    "gold": "string",
    "completion": "string",
}
"""Columns of outcomes.parquet and their Arrow types; how: `scored`, or why the answer could not be."""

_KINDS = {int: "n step unscored", str: "run hash_examples comparable_note", dict: "settings versions depends_on"}
_NEWER = ("correct_judged", "how")
_NULLABLE = ("run", "step", "answer", *_NEWER)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One finished evaluation: what was asked, and where its samples lie."""

    label: str
    run: str | None
    step: int | None
    benchmark: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """What is wrong with it, one line each; empty for a sound one."""
    directory: Path
    facts: Mapping[str, Any] = field(default_factory=dict)
    """evaluation.json as read."""
    columns: frozenset[str] = frozenset()
    """Of its samples; an older release's are fewer."""


def arrow_schema() -> pa.Schema:
    """Return the Arrow schema of outcomes.parquet."""
    import pyarrow as pa

    return pa.schema([pa.field(name, kind, name in _NULLABLE) for name, kind in OUTCOME_COLUMNS.items()])


def write_outcomes(path: Path, rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Publish outcomes.parquet at `path`, and evaluation.json beside it; a reader finds both or neither complete.

    rows: one for each sample, with the names of OUTCOME_COLUMNS; facts: the content of evaluation.json.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = json.dumps({"version": VERSION, **facts, "is_sealed": True}, indent=2) + "\n"
    schema = arrow_schema().with_metadata({b"dra_evaluation": text.encode()})
    left = iter(rows)

    def write(file: BinaryIO) -> None:
        with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
            while some := list(islice(left, ROWS)):
                columns = {name: [row.get(name) for row in some] for name in OUTCOME_COLUMNS}
                writer.write_table(pa.table(columns, schema=schema))
        seal(file)

    publish(path, write)
    publish_text(path.with_name(FACTS_FILE), text)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a sound evaluation."""
    return (folder / FACTS_FILE).is_file() and not read_evaluation(folder).problems


def taken_over(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the answers of a finished evaluation by problem and sample, as a run of another n takes them."""
    names = {"seed": "seed", "tokens": "tokens", "finish_reason": "finish", "completion": "text"}
    rows = read_outcomes(read_evaluation(folder), ["problem", "sample", *names]).to_pylist()
    return {(row["problem"], row["sample"]): {to: row[name] for name, to in names.items()} for row in rows}


def find_evaluations(place: Path) -> list[Evaluation]:
    """Return the finished evaluations in a folder of them, by label and benchmark, the newest of each pair first.

    place: or one of its parts: a label, a benchmark, or a single evaluation. A damaged one is returned too, with what is
    wrong in its `problems`.
    """
    depths = (sorted(place.glob(deep + FACTS_FILE)) for deep in ("*/*/*/", "*/*/", "*/", ""))
    files: list[Path] = next(filter(None, depths), [])
    found = [read_evaluation(file.parent) for file in files]
    found.sort(key=lambda e: str(e.facts.get("finished", "")), reverse=True)
    return sorted(found, key=lambda e: (e.step is None, e.step or 0, e.label, e.benchmark))


def folders_below(place: Path) -> list[Path]:
    """Return the runs, and other folders of evaluations, somewhere below a folder that is none itself."""
    found = sorted({file.parent.parent.parent.parent for file in place.rglob(FACTS_FILE)})
    return [evals.parent if (evals.parent / "resolved.json").is_file() else evals for evals in found]


def read_evaluation(folder: Path) -> Evaluation:
    """Return the evaluation in `folder`; what is wrong with its files stands in `problems`."""
    problems: list[str] = []
    facts: dict[str, Any] = {}
    path, outcomes = folder / FACTS_FILE, folder / OUTCOMES_FILE
    linked = [at.name for at in (path, outcomes, folder, folder.parent, folder.parent.parent) if at.is_symlink()]
    try:
        if linked:
            raise ValueError(f"{linked[0]} is a link, which is not followed")
        facts = known_facts(read_json(path))
    except (OSError, ValueError) as error:
        problems.append(f"{path}: cannot be read ({error})")
    columns, damage = (frozenset[str](), list[str]()) if linked else _columns(outcomes)
    problems += damage
    if not damage and facts.get("is_sealed") and read_seal(outcomes) is None:
        problems.append(f"{outcomes}: another tool wrote it anew; delete its folder to run it anew")
    return Evaluation(
        label=str(facts.get("label", folder.parent.parent.name)),
        **{name: facts.get(name) for name in ("run", "step")},
        benchmark=str(facts.get("benchmark", folder.parent.name)),
        settings=facts.get("settings") or {},
        problems=tuple(problems),
        directory=folder,
        facts=facts,
        columns=columns,
    )


def known_facts(read: Any) -> dict[str, Any]:
    """Return what evaluation.json says; raises ValueError if it is of another release, or not of the kinds expected."""
    if not isinstance(read, dict):
        raise ValueError(f"expected an object, found {type(read).__name__}")
    if read.get("version") != VERSION:
        raise ValueError(f"version {read.get('version')!r}, this release reads {VERSION}")
    for kind, names in _KINDS.items():
        for name in names.split():
            if not isinstance(found := read.get(name), kind | None):
                raise ValueError(f"expected {name} as {kind.__name__}, found {type(found).__name__}")
    return read


def read_outcomes(
    evaluation: Evaluation, columns: Sequence[str] | None = None, of: Sequence[str] | None = None
) -> pa.Table:
    """Return the samples of an evaluation, a row each; raises EvaluationError for a damaged one.

    columns: only these: completions can be a hundred times as large as the rest together; of: only these problems.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = evaluation.directory / OUTCOMES_FILE
    if evaluation.problems or path.is_symlink() or path.parent.is_symlink():
        raise EvaluationError(*(evaluation.problems or [f"{path}: is a link, which is not followed"]))
    asked: dict[str, Any] = {"schema": arrow_schema()} if columns is None else {"columns": list(columns)}
    try:
        some = None if of is None else [("problem", "in", list(of))]
        return pq.read_table(path, page_checksum_verification=True, filters=some, **asked)
    except (OSError, pa.ArrowException) as error:
        raise EvaluationError(
            f"{path}: cannot be read ({first_line(error)}); delete its folder to run it anew"
        ) from None


def _columns(path: Path) -> tuple[frozenset[str], list[str]]:
    """Return the columns of a file of outcomes, and what is wrong with it as far as its footer tells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return frozenset(), [f"{path.parent}: {OUTCOMES_FILE} is missing"]
    try:
        require_sound(path)
        names = frozenset(pq.read_schema(path).names)
    except (OSError, ValueError, pa.ArrowException) as error:
        return frozenset(), [f"{path}: cannot be read ({first_line(error)}); delete its folder to run it anew"]
    missing = [name for name in OUTCOME_COLUMNS if name not in names and name not in _NEWER]
    return names, [f"{path}: column {name} is missing" for name in missing]
