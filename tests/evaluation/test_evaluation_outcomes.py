"""What evaluations leave on disk: columns, damage that is named, torn lines that are passed over."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.results.answers import Lines, answered, digest, forget, kept_answers
from dra_toolkit.evaluation.results.claims import Claims, shards
from dra_toolkit.evaluation.results.stored import (
    OUTCOME_COLUMNS,
    find_evaluations,
    read_evaluation,
    read_outcomes,
    write_outcomes,
)

ROW = {
    "label": "step-50",
    "run": "r",
    "step": 50,
    "model": "m",
    "benchmark": "b",
    "problem": "p",
    "problem_index": 0,
    "sample": 0,
    "seed": 2**62,
    "correct": True,
    "correct_judged": None,
    "answer": "4",
    "how": "scored",
    "tokens": 7,
    "finish_reason": "stop",
    "gold": "4",
    "completion": "\\boxed{4} \U0001f600",
}


def written(root, label="step-50", step=50, key="k1", finished="2026-01-01"):
    folder = root / label / "b" / key
    folder.mkdir(parents=True)
    facts = {"label": label, "run": "r", "step": step, "model": "m", "benchmark": "b", "key": key, "n": 1}
    write_outcomes(folder / "outcomes.parquet", [ROW | {"label": label}], {**facts, "finished": finished})
    return folder


def test_rows_come_back_as_they_were(tmp_path):
    (found,) = (read_evaluation(written(tmp_path)),)
    assert read_outcomes(found).to_pylist() == [ROW]
    assert set(ROW) == set(OUTCOME_COLUMNS)


def test_steps_in_order_and_the_newest_key_first(tmp_path):
    written(tmp_path, "step-100", 100)
    written(tmp_path, "step-50", 50, "old", "2026-01-01")
    written(tmp_path, "step-50", 50, "new", "2026-01-02")
    written(tmp_path, "model", None)
    found = [(e.label, e.directory.name) for e in find_evaluations(tmp_path)]
    assert found == [("step-50", "new"), ("step-50", "old"), ("step-100", "k1"), ("model", "k1")]


def test_damage_is_named_and_refused(tmp_path):
    folder = written(tmp_path)
    (folder / "outcomes.parquet").write_bytes((folder / "outcomes.parquet").read_bytes()[:-20])
    (found,) = find_evaluations(tmp_path)
    assert "outcomes.parquet: cannot be read" in found.problems[0]
    with pytest.raises(EvaluationError, match="delete its folder"):
        read_outcomes(found)
    (folder / "outcomes.parquet").unlink()
    assert "is missing" in find_evaluations(tmp_path)[0].problems[0]
    (folder / "evaluation.json").write_text('{"version": 1, "label')
    assert "evaluation.json: cannot be read" in find_evaluations(tmp_path)[0].problems[0]


@pytest.mark.parametrize("change", ["doubled", "lost", "unjudged"])
def test_rows_that_another_tool_changed_are_told(tmp_path, change):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = written(tmp_path) / "outcomes.parquet"
    assert not find_evaluations(tmp_path)[0].problems
    table = pq.read_table(path)
    at = table.column_names.index("correct_judged")
    changed = {
        "doubled": pa.concat_tables([table, table.slice(0, 1)]),
        "lost": table.slice(0, len(table) - 1),
        "unjudged": table.set_column(at, "correct_judged", pa.nulls(len(table), pa.bool_())),
    }
    pq.write_table(changed[change], path, write_page_checksum=True)
    assert "another tool wrote it anew" in find_evaluations(tmp_path)[0].problems[0]


def test_a_flipped_bit_anywhere_is_told(tmp_path):
    path = written(tmp_path) / "outcomes.parquet"
    sound = path.read_bytes()
    for at in range(0, len(sound), 37):
        flipped = bytearray(sound)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert find_evaluations(tmp_path)[0].problems, at


def test_another_version_is_named(tmp_path):
    folder = written(tmp_path)
    facts = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**facts, "version": 9}))
    assert "version 9, this release reads 1" in find_evaluations(tmp_path)[0].problems[0]


@pytest.mark.parametrize(
    ("name", "odd"),
    [("hash_examples", {"a": 1}), ("run", ["x"]), ("step", "50"), ("n", [1]), ("settings", "none"), ("versions", [])],
)
def test_a_fact_of_another_kind_is_named(tmp_path, name, odd):
    folder = written(tmp_path)
    facts = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**facts, name: odd}))
    assert f"expected {name} as" in find_evaluations(tmp_path)[0].problems[0]
    written(tmp_path, "step-100", 100)
    assert [row.label for row in gather(tmp_path).rows] == ["step-100"], "the sound one is reported"


def test_a_torn_last_line_is_passed_over_and_every_writers_answers_count(tmp_path):
    row = {"seed": 1, "tokens": 2, "finish": "stop"}
    for writer, text in (("a", "\ud800 line\nbreak"), ("b", "x" * 100_000)):
        lines = Lines(tmp_path / f"answers-{writer}.jsonl")
        lines.add({"problem": f'"{writer}"', "sample": 0, **row, "text": text})
        lines.close()
    with open(tmp_path / "answers-a.jsonl", "ab") as file:
        file.write(b'{"problem": "p", "sample": 3, "seed": 1, "text": "')
    assert answered(tmp_path) == {('"a"', 0), ('"b"', 0)}
    kept = kept_answers(tmp_path)
    assert {key: answer.text for key, answer in kept.items()} == {
        ('"a"', 0): "\ud800 line\nbreak",
        ('"b"', 0): "x" * 100_000,
    }
    assert kept['"b"', 0].digest == digest("x" * 100_000)
    forget(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_shard_is_of_one_process_until_it_lets_go_or_dies(tmp_path):
    names = list(shards(range(200)))
    assert names == ["00000", "00001", "00002", "00003"]
    ours, theirs = Claims(tmp_path), Claims(tmp_path)
    assert ours.take("00000")
    assert not theirs.take("00000")
    assert theirs.is_worked_on()
    assert theirs.open(names) == 3
    ours.done("00000", {"generated": 64})
    assert not theirs.take("00000"), "what is done is done"
    script = (
        "from pathlib import Path; from dra_toolkit.evaluation.results.claims import Claims; "
        f"c = Claims(Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{script}; print(c.take('00001'), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"True\n"
    assert not theirs.take("00001")
    process.kill()
    process.communicate()
    assert theirs.take("00001"), "a dead claim is taken over"
    assert [facts["generated"] for facts in theirs.facts(names)] == [64]


@pytest.mark.parametrize("part", ["evaluation.json", "outcomes.parquet", "k1", "b", "step-50"])
def test_a_link_inside_a_folder_of_evaluations_is_told_and_not_followed(tmp_path, part):
    elsewhere = written(tmp_path / "elsewhere")
    evals = tmp_path / "evals"
    folder = written(evals)
    path = next((at for at in (folder, *folder.parents) if at.name == part), folder / part)
    target = tmp_path / "elsewhere" / path.relative_to(evals)
    path.rename(tmp_path / "moved")
    path.symlink_to(target)
    (found,) = find_evaluations(evals)
    assert any(f"{part} is a link, which is not followed" in line for line in found.problems), found.problems
    with pytest.raises(EvaluationError, match="is a link"):
        read_outcomes(found)
    assert read_evaluation(elsewhere).problems == ()


@pytest.mark.parametrize("part", ["evaluation.json", "outcomes.parquet", "step-50"])
def test_a_link_that_is_put_into_a_folder_of_evaluations_later_is_not_followed(tmp_path, part):
    written(tmp_path / "elsewhere")
    evals = tmp_path / "evals"
    folder = written(evals)
    (found,) = find_evaluations(evals)
    assert found.problems == ()
    assert read_outcomes(found)
    path = next((at for at in (folder, *folder.parents) if at.name == part), folder / part)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "elsewhere" / path.relative_to(evals))
    (again,) = find_evaluations(evals)
    assert any(f"{part} is a link, which is not followed" in line for line in again.problems), again.problems
    with pytest.raises(EvaluationError, match="is a link"):
        read_outcomes(again)


@pytest.mark.parametrize("name", ["evaluation.json", "outcomes.parquet"])
def test_a_pipe_among_the_files_keeps_nobody_waiting(tmp_path, name):
    folder = written(tmp_path)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    (found,) = find_evaluations(tmp_path)
    assert found.problems
