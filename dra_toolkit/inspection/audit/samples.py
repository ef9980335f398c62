"""Groups of texts with labels: which of them say the same thing in other words."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.dotted import call_users, is_dotted, load_dotted
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.judge.judging import joined
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs import Run
from dra_toolkit.runs.importers.lines import objects
from dra_toolkit.runs.importers.rollout import Problems
from dra_toolkit.safe_text import first_line

GROUP_COLUMNS = ("group", "prompt")
"""Which column groups the texts of a file where none is named: the first of these that the first row has."""
LARGEST = 2_000
"""Texts in one group at most: every pair of them is compared."""
ENDINGS = (".jsonl", ".parquet")
LABELS = ("recorded", "answer")
"""Where the labels of a run come from, besides a dotted path to a function of texts."""


@dataclass(frozen=True, kw_only=True)
class LabelledGroup:
    """Texts that answer one prompt."""

    texts: tuple[str, ...]
    labels: tuple[Hashable, ...]
    """What each text does, whatever its words; None where that is not known."""


def from_run(
    run: Run, *, labels: str = "answer", groups: int = 200, mode: Mode = "train", seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` recorded groups, chosen at random, with labels.

    labels: `recorded`, `answer` (equal final answers), or a dotted path to a function from the texts of a group to as many
    labels, None where there is none. Raises RunError if nothing is recorded, or labels are not.
    """
    if labels not in LABELS and not is_dotted(labels):
        raise RunError(
            f"--labels: found {labels!r}, expected one of {', '.join(LABELS)} or a dotted path package.module.function"
            f"{did_you_mean(labels, LABELS)}"
        )
    sql = "SELECT step, group_index, batch FROM groups WHERE mode = $1 AND texts_dropped IS NOT TRUE ORDER BY 1, 3, 2"
    keys = run.query(sql, [mode]).to_pylist()
    if not keys:
        raise RunError(f"{run.name}: no {mode} groups are recorded")
    label = (
        load_dotted("--labels", labels, expected="a function of texts", error=RunError) if is_dotted(labels) else None
    )
    places = (keys[i] for i in chosen(len(keys), groups, seed))
    return [
        LabelledGroup(
            texts=record.group.texts,
            labels=tuple(map(known, _labels(record, labels, label, run.name))),
        )
        for record in (run.group(p["step"], p["group_index"], mode=mode, batch=p["batch"]) for p in places)
    ]


def from_file(
    path: Path, *, text: str = "text", label: str = "label", group: str | None = None, groups: int = 200, seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` groups of a file with a row for each text, JSON lines or Parquet, chosen at random.

    text, label, group: names of the columns. Rows of equal `group` are compared with each other; None takes the first of
    `GROUP_COLUMNS` that is there, and all rows as one group if there is none. Raises RunError, naming file and row, for a
    file that cannot be read so.
    """
    if path.suffix not in ENDINGS:
        raise RunError(f"{path}: found the ending {path.suffix!r}, expected one of {', '.join(ENDINGS)}")
    by_group: dict[str, list[tuple[str, Any]]] = {}
    for number, row in enumerate(_rows(path, {text, label, group, *GROUP_COLUMNS}), start=1):
        if not by_group and group is None:
            group = next((name for name in GROUP_COLUMNS if name in row), None)
        for name in (text, label) if group is None else (text, label, group):
            if name not in row:
                near = did_you_mean(name, row)
                raise RunError(f"{path}: row {number}: no column {name!r}{near}; has {', '.join(map(str, row))}")
        if not isinstance(row[text], str):
            raise RunError(f"{path}: row {number}: {text} is of type {type(row[text]).__name__}, expected a text")
        key = "" if group is None else json.dumps(row[group], sort_keys=True, default=str)
        by_group.setdefault(key, []).append((row[text], row[label]))
    largest = max(map(len, by_group.values()), default=0)
    if not largest:
        raise RunError(f"{path}: holds no row")
    if largest > LARGEST:
        how = f"of equal {group}" if group else "and no column that groups them; name it with --group-column"
        raise RunError(f"{path}: {largest:,} texts {how}: every pair of a group is compared, at most {LARGEST:,} texts")
    keys = list(by_group)
    picked = [by_group[keys[i]] for i in chosen(len(keys), groups, seed)]
    return [LabelledGroup(texts=tuple(t for t, _ in rows), labels=tuple(known(x) for _, x in rows)) for rows in picked]


def _rows(path: Path, wanted: set[str | None]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; of Parquet only the wanted columns, and the names of all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    problems = Problems()
    try:
        if path.suffix == ".jsonl":
            yield from (row for _, row in objects(path, problems) if not problems.lines)
        else:
            with pq.ParquetFile(path) as file:
                there = file.schema_arrow.names
                for batch in file.iter_batches(columns=[name for name in there if name in wanted]):
                    yield from ({**dict.fromkeys(there), **row} for row in batch.to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise RunError(f"{path}: cannot be read ({first_line(error)})") from None
    if problems.lines:
        raise RunError(problems.lines[0].removesuffix("; skipped"))


def chosen(there: int, wanted: int, seed: int) -> list[int]:
    """Return the positions of up to `wanted` of `there` groups, drawn at random, in order."""
    return sorted(np.random.default_rng(seed).choice(there, size=min(wanted, there), replace=False).tolist())


def known(label: Any) -> Hashable:
    """Return a label that can be compared; None, which says that it is not known, also for NaN."""
    try:
        hash(label)
        return label if label == label else None
    except (TypeError, ValueError):
        return json.dumps(label, sort_keys=True, default=str)


def _labels(
    record: GroupRecord, labels: str, label: Callable[[list[str]], Iterable[Any]] | None, name: str
) -> Sequence[Any]:
    texts = list(record.group.texts)
    if label is not None:
        returned = call_users("--labels", labels, lambda: list(label(texts)), error=RunError)
        if len(returned) != len(texts):
            raise RunError(f"--labels: {labels!r} returned {len(returned)} labels for {len(texts)} texts")
        return returned
    if labels == "answer":
        return joined(map(final_answer, texts))
    if record.labels is None:
        raise RunError(f"{name}: labels were not recorded, as no measure read them; use --labels answer or a function")
    return [int(each) for each in record.labels]
