"""Answers and their scores while an evaluation runs: lines appended by whichever processes work on it.

Each process appends to files of its own, which a crash can tear only at the end. Texts stay on disk: what is kept in memory
of an answer is where it stands.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Sample = tuple[str, int]
"""A problem's id and the number of the sample, from 0."""
Scored = tuple[str, int, str]
"""A sample, and the digest of the text that was scored."""
ANSWERS, SCORES = "answers", "scores"
_HEAD = re.compile(rb'\{"problem": ("(?:[^"\\]|\\.)*"), "sample": (\d+),')


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that is on disk."""

    file: Path
    offset: int
    seed: int
    tokens: int
    finish: str
    digest: str

    @property
    def text(self) -> str:
        """The completion."""
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            return str(json.loads(file.readline())["text"])


class Lines:
    """A JSON Lines file of one process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row in a single write, so that a crash can tear the last line only."""
        os.write(self._file, (json.dumps(row) + "\n").encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def digest(text: str) -> str:
    """Return what tells whether a score belongs to this completion."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def kept_answers(evaluation: Path) -> dict[Sample, Kept]:
    """Return the answers of an evaluation that is not finished, whoever wrote them."""
    found = {}
    for path in _files(evaluation, ANSWERS):
        for offset, line in _lines(path):
            row = _row(line)
            if row is not None:
                told = row["seed"], row["tokens"], row["finish"], digest(row["text"])
                found[row["problem"], row["sample"]] = Kept(path, offset, *told)
    return found


def answered(evaluation: Path) -> set[Sample]:
    """Return which samples are answered, from the beginnings of the lines alone: answers can be long."""
    found = set()
    for path in _files(evaluation, ANSWERS):
        for _, line in _lines(path):
            if (head := _HEAD.match(line)) is not None and line.endswith(b"}\n"):
                found.add((str(json.loads(head[1])), int(head[2])))
    return found


def kept_scores(evaluation: Path) -> dict[Scored, dict[str, Any]]:
    """Return the scores of an evaluation that is not finished."""
    rows = (_row(line) for path in _files(evaluation, SCORES) for _, line in _lines(path))
    return {(row["problem"], row["sample"], row["digest"]): row for row in rows if row is not None}


def forget(evaluation: Path) -> None:
    """Delete answers and scores that stand in the outcomes now."""
    for path in (*_files(evaluation, ANSWERS), *_files(evaluation, SCORES)):
        path.unlink(missing_ok=True)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a JSON Lines file; what a crash has torn is left out, an absent file has none."""
    rows = [_json(line) for _, line in _lines(path)]
    return [row for row in rows if row is not None]


def _files(evaluation: Path, kind: str) -> list[Path]:
    return sorted(evaluation.glob(f"{kind}*.jsonl"))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    offset = 0  # a file that was put together with the others, and deleted since it was found, has no lines
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for line in file:
            yield offset, line
            offset += len(line)


def _json(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _row(line: bytes) -> dict[str, Any] | None:
    """Return the row of one sample; None for a line that is torn or something else."""
    row = _json(line)
    return row if row and isinstance(row.get("problem"), str) and isinstance(row.get("sample"), int) else None
