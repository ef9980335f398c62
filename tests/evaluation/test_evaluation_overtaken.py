"""A process that another one overtakes at its worst moment: it does nothing twice and leaves nothing behind.

The engine and the scorer are stand-ins that say at once what they are asked: what is tried is who does what.
"""

from __future__ import annotations

import json
import shutil

import pytest

from dra_toolkit.evaluation.child.job import Cell
from dra_toolkit.evaluation.results import claims
from dra_toolkit.evaluation.results.answers import Lines, digest
from dra_toolkit.evaluation.results.stored import read_evaluation, read_outcomes

PROBLEMS = [{"id": str(number), "query": f"What is {number} + 1?", "gold": str(number + 1)} for number in range(50)]
SAMPLING = {
    "n": 3,
    "seed": 0,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 8,
    "chat_template": False,
    "system_prompt": None,
}
FACTS = {"label": "step-1", "run": "r", "step": 1, "model": "m", "benchmark": "b", "key": "k", "n": 3}


class Scorer:
    """Calls every answer right."""

    def open(self, path, metric):
        self._lines = Lines(path)

    def submit(self, row, sample, text):
        scored = {"correct": True, "answer": text, "how": "scored", "seconds": 0.0}
        self._lines.add({"problem": row["id"], "sample": sample, "digest": digest(text), **scored})

    def finish(self):
        self._lines.close()


class Engine:
    """Answers with the seed, after what happens `first`, or after so many answers."""

    name, max_length = "stand-in", 64

    def __init__(self, first=lambda: None, after=0):
        self.first, self.after, self.answered, self.tokenizer = first, after, 0, self

    def encode(self, text):
        return [1, 2]

    def generate(self, requests, how, emit):
        if not self.after:
            self.first()
        for request in requests:
            self.answered += 1
            emit(request, str(request.seed), 1, "stop")
            if self.answered == self.after:
                self.first()


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """One process' view of one evaluation, each time of another process."""
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    asked = {
        "folder": str(tmp_path / "evaluation"),
        "name": "b",
        "problems_file": str(tmp_path / "problems.jsonl"),
        "sampling": SAMPLING,
        "alike": None,
        "metric": {},
        "stop": [],
        "hash_examples": None,
        "facts": {**FACTS, "settings": SAMPLING, "comparable_note": None},
    }
    made = iter(range(9))

    def make():
        name = f"process-{next(made)}"
        monkeypatch.setattr(claims, "writer", lambda: name)
        return Cell(asked, Scorer(), lambda event, **facts: None)

    return make


def left(cell):
    return sorted(str(path.relative_to(cell.folder)) for path in cell.folder.iterdir())


@pytest.fixture
def finished(cell):
    """What lies in the folder of an evaluation that one process made, and its answers."""
    one, engine = cell(), Engine()
    one.finish(engine, 0.0)
    assert engine.answered == 150
    answers = read_outcomes(read_evaluation(one.folder), ["problem", "sample", "completion"]).to_pylist()
    names = left(one)
    for path in (one.folder / "outcomes.parquet", one.folder / "evaluation.json"):
        path.unlink()
    return names, answers


@pytest.mark.parametrize("after", [0, 1, 64, 65])
def test_the_other_finishes_meanwhile(cell, finished, after):
    """Before the first shard is taken the other does all; later it takes what is left, and this one finishes."""
    other, rest = Engine(), []

    def overtaken():
        rest.append(cell())
        rest[0].finish(other, 0.0)

    late = Engine(overtaken, after)
    slow = cell()
    slow.finish(late, 0.0)
    assert late.answered + other.answered == 150, "nothing is generated twice"
    assert read_outcomes(read_evaluation(slow.folder), ["problem", "sample", "completion"]).to_pylist() == finished[1]
    assert left(slow) == finished[0], "who did what, and an answer's text a second time, are not kept"


def test_the_folder_of_claims_goes_while_one_is_taken(cell, monkeypatch):
    one = cell()
    one.claims.release(one._present)
    shutil.rmtree(one.claims.folder)
    made = type(one.claims.folder).mkdir

    def gone_at_first(path, *arguments, **options):
        made(path, *arguments, **options)
        monkeypatch.undo()
        path.rmdir()

    monkeypatch.setattr(type(one.claims.folder), "mkdir", gone_at_first)
    assert one.claims.take("00000")
