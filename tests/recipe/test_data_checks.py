"""What a recipe may say of its data, seen before anything is read."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.recipe.data_columns import data_columns

GOOD = "model_name_or_path: builtin:ways\nreward_funcs: [format]\nembedder: hash\ndataset_name: [{a}, {b}]\n"


@pytest.fixture
def load(tmp_path):
    """Load a recipe that mixes the files a.jsonl and b.jsonl, with overrides."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD.format(a=tmp_path / "a.jsonl", b=tmp_path / "b.jsonl"))

    def load(*overrides: str):
        return load_recipe(path, [override.replace("FOLDER", str(tmp_path)) for override in overrides])

    return load


@pytest.fixture
def problem(load):
    def problem(*overrides: str) -> str:
        with pytest.raises(RecipeError) as caught:
            load(*overrides)
        (line,) = caught.value.problems
        return line

    return problem


def test_one_or_several(load, tmp_path):
    assert load("dataset_name=me/mine").data.names == ["me/mine"]
    both = load("dataset_weights=[1, 0.5]", "solution_column=[answer, gold]")
    assert both.data.names == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    assert both.data.for_each(both.data.prompt_column) == ["problem", "problem"]
    assert both.data.for_each(both.data.solution_column) == ["answer", "gold"]
    assert load("solution_column=null").data.for_each(None) == [None, None]


def test_all_kinds_of_data_sets_mix(load):
    load("dataset_name=[builtin:ways, me/mine, FOLDER, FOLDER/a.jsonl]", "dataset_weights=[1, 1, 1, 1]")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dataset_name=[me/x, FOLDER/b.jsnl]"], "expected a Hub id, a folder, or a file ending in"),
        (["dataset_name=[me/x, FOLDER/b.jsnl]"], "did you mean 'b.jsonl'?"),
        (["dataset_name=[me/x, FOLDER/bb.jsonl]"], "bb.jsonl; did you mean 'b.jsonl'?"),
        (["dataset_name=[me/x, builtin:way]"], "expected one of builtin:ways; did you mean 'ways'?"),
        (["dataset_name=[me/x, FOLDER/recipe.yaml]"], "expected a Hub id, a folder, or a file ending in"),
        (["dataset_name=[]"], "dataset_name: missing"),
        (["dataset_name=[me/x, me/y, me/x]"], "dataset_name: me/x stands twice; give it a higher weight"),
        (["dataset_weights=[1]"], "dataset_weights: found 1 weights for 2 data sets, expected one each"),
        (["dataset_weights=[1, 0]"], "dataset_weights: found 0, expected numbers above 0"),
        (["dataset_weights=[-1, .inf]"], "dataset_weights: found -1, inf, expected numbers above 0"),
        (["dataset_weights=[1, .nan]"], "dataset_weights: found nan, expected numbers above 0"),
        (["dataset_name=me/x", "dataset_weights=[1]"], "dataset_weights: needs dataset_name to be a list"),
        (["prompt_column=[problem]"], "prompt_column: found 1 column for 2 data sets, expected one name for all"),
        (["solution_column=[a, b, c]"], "solution_column: found 3 columns for 2 data sets"),
        (["dataset_name=me/x", "prompt_column=[a, b]"], "prompt_column: found 2 columns for 1 data set, expected"),
        (["solution_column=[answer, problem]"], "solution_column: found 'problem', which is the prompt_column too"),
        (["max_prompt_length=0"], "max_prompt_length: found 0, expected at least 1"),
        (["dataset_name=[me/x, FOLDER/b.jsonl]", "eval_strategy=steps"], "b.jsonl has no held-out part"),
    ],
)
def test_mistakes_are_one_line_each(problem, overrides, said):
    assert said in problem(*overrides)


def test_one_file_by_two_names_stands_twice(problem, tmp_path):
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    assert "stands twice" in problem("dataset_name=[FOLDER/a.jsonl, FOLDER/link.jsonl]")


def test_what_lies_in_an_object_is_named_with_dots(tmp_path):
    """In a Parquet file by its schema, in JSON lines by the rows; lists are not looked into."""
    rows = [{"talk": [{"role": "user"}], "judge": {"gold": "2", "more": {"kind": "sum"}}}, {"judge": {"late": 1}}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pq.write_table(pa.Table.from_pylist(rows[:1]), tmp_path / "rows.parquet")
    known = ["talk", "judge", "judge.gold", "judge.more", "judge.more.kind"]
    assert data_columns(tmp_path / "rows.parquet") == known
    assert data_columns(tmp_path / "rows.jsonl") == [*known, "judge.late"]
