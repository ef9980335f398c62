"""Data sets as users bring them: shaped for TRL, or refused in one line."""

from __future__ import annotations

import json

import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.training.data import load_split, training_splits

SETTINGS = {
    "prompt_column": "problem",
    "solution_column": "answer",
    "system_prompt": "Be brief.",
    "dataset_config": None,
}
SPLITS = {"dataset_train_split": "train", "dataset_test_split": "test"}
ROWS = [{"problem": "1 + 1?", "answer": "2", "level": 3}, {"problem": "2 + 2?", "answer": "4", "level": 1}]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def refused(name, **changes) -> str:
    with pytest.raises(RecipeError) as caught:
        load_split({**SETTINGS, **changes}, str(name), "train")
    (line,) = caught.value.problems
    assert "\n" not in line
    return line


def test_conversation_solution_and_the_other_columns(data):
    row = load_split(SETTINGS, str(data), "train")[0]
    assert row == {
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}],
        "solution": "2",
        "level": 3,
    }


def test_without_system_prompt(data):
    row = load_split({**SETTINGS, "system_prompt": None}, str(data), "train")[0]
    assert row["prompt"] == [{"role": "user", "content": "1 + 1?"}]


def test_prompt_that_is_a_conversation_already(tmp_path):
    path = tmp_path / "data.jsonl"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    path.write_text(json.dumps({"prompt": turns, "solution": "x"}))
    row = load_split({**SETTINGS, "prompt_column": "prompt", "solution_column": "solution"}, str(path), "train")[0]
    assert row["prompt"] == [{"role": "system", "content": "Be brief."}, *turns]


def test_a_second_column_named_solution_gives_way(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"problem": "p", "answer": "right", "solution": "long"}))
    assert load_split(SETTINGS, str(path), "train")[0]["solution"] == "right"


def test_csv_and_parquet(tmp_path, data):
    dataset = load_split(SETTINGS, str(data), "train")
    dataset.rename_column("solution", "answer").to_parquet(tmp_path / "data.parquet")
    settings = {**SETTINGS, "prompt_column": "prompt", "system_prompt": None}
    assert load_split(settings, str(tmp_path / "data.parquet"), "train")[1]["prompt"][-1]["content"] == "2 + 2?"
    (tmp_path / "data.csv").write_text("problem,answer\n1 + 1?,2\n")
    assert load_split(SETTINGS, str(tmp_path / "data.csv"), "train")[0]["solution"] == 2


def test_folder_with_a_held_out_file(tmp_path):
    for split, row in zip(("train", "test"), ROWS, strict=True):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    train, test = training_splits({**SETTINGS, **SPLITS, "dataset_name": str(tmp_path), "eval_strategy": "steps"})
    assert (train[0]["solution"], test[0]["solution"]) == ("2", "4")
    _, nothing = training_splits({**SETTINGS, **SPLITS, "dataset_name": str(tmp_path), "eval_strategy": "no"})
    assert nothing is None


class TestMistakes:
    def test_missing_column_names_the_nearest(self, data):
        assert "has no column 'answr', it has problem, answer, level; did you mean 'answer'?" in refused(
            data, solution_column="answr"
        )
        assert "prompt_column:" in refused(data, prompt_column="question")

    def test_solution_column_may_be_none(self, data):
        assert load_split({**SETTINGS, "solution_column": None}, str(data), "train")[0]["answer"] == "2"

    @pytest.mark.parametrize(("name", "content"), [("none.csv", "problem,answer\n"), ("none.jsonl", "\n")])
    def test_no_rows(self, tmp_path, name, content):
        (tmp_path / name).write_text(content)
        assert "has no rows" in refused(tmp_path / name)

    def test_torn(self, tmp_path):
        (tmp_path / "torn.jsonl").write_text('{"problem": "a"}\n{"prob')
        assert "cannot be read" in refused(tmp_path / "torn.jsonl")

    def test_not_parquet(self, tmp_path):
        (tmp_path / "x.parquet").write_text("hello")
        assert "cannot be read" in refused(tmp_path / "x.parquet")

    def test_hub_data_set_without_network(self, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert "dataset_name: someone/nothing" in refused("someone/nothing")
