"""Groups of texts with labels: which of them say the same thing in other words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.diversity import is_dotted
from dra_toolkit.diversity.dotted import load_dotted
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs import Run

LABELS = ("recorded", "answer")
"""Where the labels of a run come from, besides a dotted path to a function of texts."""


@dataclass(frozen=True, kw_only=True)
class LabelledGroup:
    """Texts that answer one prompt."""

    texts: tuple[str, ...]
    labels: tuple[object, ...]
    """What each text does, whatever its words; None where that is not known."""
    tokens: tuple[int, ...]
    """Tokens of each, or words where tokens are not known."""


def from_run(
    run: Run, *, labels: str = "answer", groups: int = 200, mode: Mode = "train", seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` recorded groups, chosen at random, with labels.

    labels: `recorded`, `answer` (equal final answers), or a dotted path to a function from the texts of a group to as many
    labels, None where there is none. Raises RunError if nothing is recorded, or labels are not.
    """
    require_labels(labels)
    keys = run.query("SELECT step, batch, group_index FROM groups WHERE mode = $1 ORDER BY ALL", [mode]).to_pylist()
    if not keys:
        raise RunError(f"{run.name}: no {mode} groups are recorded")
    label = load_dotted("--labels", labels) if is_dotted(labels) else None
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(keys), size=min(groups, len(keys)), replace=False).tolist())
    found = []
    for i in chosen:
        record = run.group(keys[i]["step"], keys[i]["group_index"], mode=mode, batch=keys[i]["batch"])
        found.append(
            LabelledGroup(
                texts=record.group.completions,
                labels=tuple(_labels(record, labels, label, run.name)),
                tokens=tuple(record.group.token_counts.tolist()),
            )
        )
    return found


def require_labels(labels: str) -> None:
    """Raise RunError for a source of labels that does not exist."""
    if labels not in LABELS and not is_dotted(labels):
        raise RunError(
            f"--labels: found {labels!r}, expected one of {', '.join(LABELS)} or a dotted path package.module.function"
            f"{did_you_mean(labels, LABELS)}"
        )


def _labels(
    record: GroupRecord, labels: str, label: Callable[[list[str]], Sequence[object]] | None, name: str
) -> Sequence[object]:
    texts = list(record.group.completions)
    if label is not None:
        try:
            returned = list(label(texts))
        except Exception as error:
            raise RunError(f"--labels: {labels!r} failed with {type(error).__name__}: {error}") from error
        if len(returned) != len(texts):
            raise RunError(f"--labels: {labels!r} returned {len(returned)} labels for {len(texts)} texts")
        return returned
    if labels == "answer":
        return [final_answer(text) for text in texts]
    if record.labels is None:
        raise RunError(f"{name}: labels were not recorded, as no measure read them; use --labels answer or a function")
    return [int(each) for each in record.labels]


def from_file(
    path: Path, *, text: str = "text", label: str = "label", group: str = "group", groups: int = 200, seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` groups of a JSONL or Parquet file with a row for each text.

    text, label, group: names of the columns; rows of equal `group` are compared with each other, all rows if there is no
    such column. Raises RunError, naming file and line or column, for a file that cannot be read so.
    """
    by_group: dict[object, list[tuple[str, object]]] = {}
    for number, row in _rows(path):
        missing = [name for name in (text, label) if name not in row]
        if missing:
            near = did_you_mean(missing[0], row)
            raise RunError(f"{path}: row {number}: no column {missing[0]!r}{near}; has {', '.join(map(str, row))}")
        if not isinstance(row[text], str):
            raise RunError(f"{path}: row {number}: {text} is of type {type(row[text]).__name__}, expected a text")
        key = json.dumps(row.get(group), sort_keys=True, default=str)
        by_group.setdefault(key, []).append((row[text], _hashable(row[label])))
    if not by_group:
        raise RunError(f"{path}: holds no row")
    keys = list(by_group)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(keys), size=min(groups, len(keys)), replace=False).tolist())
    return [_group(by_group[keys[i]]) for i in chosen]


def _group(rows: list[tuple[str, object]]) -> LabelledGroup:
    texts = tuple(text for text, _ in rows)
    return LabelledGroup(
        texts=texts, labels=tuple(label for _, label in rows), tokens=tuple(len(text.split()) for text in texts)
    )


def _hashable(label: Any) -> object:
    return json.dumps(label, sort_keys=True) if isinstance(label, list | dict) else label


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            yield from enumerate(pq.read_table(path).to_pylist(), start=1)
        except (OSError, pa.ArrowException) as error:
            raise RunError(f"{path}: cannot be read ({str(error).splitlines()[0][:120]})") from None
        return
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        raise RunError(f"{path}:{number}: not JSON") from None
    if not isinstance(row, dict):
        raise RunError(f"{path}:{number}: a JSON {type(row).__name__}, expected an object")
    return row
