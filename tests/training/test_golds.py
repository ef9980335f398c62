"""Golds as data sets hold them: read once before training, told, or refused with the row."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_data import SETTINGS, as_recipe

from dra_toolkit.errors import RecipeError
from dra_toolkit.quickstart.tokenizer import build_tokenizer
from dra_toolkit.training.data import training_splits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def golds(tokenizer, tmp_path):
    """Return the golds of rows as the rewards get them, and what was told of them."""

    def golds(answers, *, column="answer", name="data.jsonl", raw=None):
        path = tmp_path / name
        rows = [{"problem": f"{i} + 0?", "answer": answer} for i, answer in enumerate(answers)]
        if raw is not None:
            path.write_bytes(raw)
        elif path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        told: list[str] = []
        settings = as_recipe(
            {**SETTINGS, "dataset_name": str(path), "solution_column": column, "reward_funcs": ["accuracy"]}
        )
        train, _ = training_splits(settings, tokenizer, told.append)
        return train["solution"], next((line for line in told if " golds: " in line), "")

    return golds


def refused(golds, *given, **named) -> str:
    with pytest.raises(RecipeError) as caught:
        golds(*given, **named)
    (problem,) = caught.value.problems
    return problem


def test_golds_are_read_once_and_told_with_the_first_three(golds):
    worked = "Two at $3 each are <<2*3=6>>6.\n#### 6"
    read, line = golds([worked, "5 dollars", "no idea ^^", r"so \boxed{\frac12}", "", "7"])
    assert read[1] == "5 dollars"
    assert "data.jsonl: 6 golds: 4 read, 1 not (rows 3), 1 missing; " in line
    assert '.\\n#### 6" is read as "6"' in line
    assert '"5 dollars" is read as "5 dollars"' in line


@pytest.mark.parametrize(
    ("answers", "texts"),
    [
        ([7, 8], ["7", "8"]),
        ([0.5, 1e-05], ["0.5", "1e-05"]),
        ([True, False], ["True", "False"]),
        ([["7"], ["8"]], ["7", "8"]),
    ],
)
def test_numbers_and_lists_of_one_become_texts(golds, answers, texts):
    assert golds(answers)[0] == texts


def test_nan_and_null_are_missing_and_counted(golds):
    read, line = golds([float("nan"), 2.0, None, 3.0])
    assert read == [None, "2.0", None, "3.0"]
    assert "4 golds: 2 read, 2 missing" in line


def test_a_gold_inside_an_object_is_named_with_a_dot(golds):
    nested = [{"style": "rule", "ground_truth": "7"}, {"style": "rule", "ground_truth": "8"}]
    assert golds(nested, column="answer.ground_truth")[0] == ["7", "8"]
    said = refused(golds, nested)
    assert "row 1: 'answer' is an object" in said
    assert "named with a dot: answer.style, answer.ground_truth" in said
    assert "has no column 'answer.truth'" in refused(golds, nested, column="answer.truth")


def test_a_list_of_several_and_a_date_are_refused_with_the_row(golds):
    assert "row 2: 'answer' is a list of 2" in refused(golds, [["1"], ["1", "2"]])
    assert "row 1: 'answer' is a date" in refused(golds, [datetime.date(2020, 1, 2)] * 2, name="data.parquet")


def test_golds_that_mostly_cannot_be_read_stop_with_the_key(golds):
    prose = "There are many of them in the box and some more beside it"
    said = refused(golds, [prose, prose, "7"])
    assert said.startswith("solution_column: 2 of 3 golds in 'answer' of ")
    assert "cannot be read (row 1: " in said
    assert "has nothing in 'answer' in any of its 3 rows" in refused(golds, [None, "", " "])


def test_words_of_a_csv_file_are_words(golds):
    csv = b"problem,answer\nWhich?,None\nWhich one?,NA\nNumber?,nan\nAnother?,5\nWhat?,\n"
    read, line = golds([], name="data.csv", raw=csv)
    assert read == ["None", "NA", "nan", "5", None]
    assert "5 golds: 4 read, 1 missing" in line


def test_a_file_that_is_not_utf_8_is_one_line(golds):
    said = refused(
        golds, [], raw='{"problem": "1?", "answer": "1"}\n{"problem": "Qué?", "answer": "2"}\n'.encode("latin-1")
    )
    assert "data.jsonl, line 2: byte 16 (0xe9) is not UTF-8" in said
