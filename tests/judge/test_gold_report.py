"""Golds of local data, as `dra doctor` and `--dry-run` tell of them without loading anything heavy."""

from __future__ import annotations

import json

import pytest

from dra_toolkit.doctor.golds import check_golds, local_golds
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe


@pytest.fixture
def recipe(tmp_path):
    def recipe(rows, *, name="data.jsonl", column="answer", rewards="[accuracy]", raw=None):
        file = tmp_path / name
        file.write_bytes(raw) if raw else file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        text = (
            f"model_name_or_path: builtin:ways\ndataset_name: {file}\nprompt_column: problem\nsolution_column: {column}\n"
            f"reward_funcs: {rewards}\noutput_dir: {tmp_path / 'run'}\n"
        )
        (tmp_path / "recipe.yaml").write_text(text)
        return load_recipe(tmp_path / "recipe.yaml", [])

    return recipe


def answers(*found):
    return [{"problem": "?", "answer": answer} for answer in found]


def test_golds_are_told_in_one_line(recipe):
    made = recipe(answers("#### 6", "a b c d e f ^", "7", None))
    ((name, report),) = local_golds(made)
    assert name.endswith("data.jsonl")
    assert report.line == ('4 golds: 2 read, 1 not (rows 2), 1 missing; "#### 6" is read as "6"; "7" is read as "7"')
    (finding,) = check_golds(made)
    assert finding.level == "warning"


def test_what_training_would_refuse_is_a_problem(recipe):
    (finding,) = check_golds(recipe(answers({"ground_truth": "7"})))
    assert (finding.level, "answer.ground_truth" in finding.found) == ("problem", True)
    with pytest.raises(RecipeError, match="cannot be read"):
        list(local_golds(recipe(answers("^^^", "???"))))
    with pytest.raises(RecipeError, match="not UTF-8"):
        list(check_golds(recipe([], raw='{"problem": "é", "answer": "1"}\n'.encode("latin-1"))))


def test_nested_columns_and_csv(recipe):
    (finding,) = check_golds(recipe(answers({"ground_truth": "7"}), column="answer.ground_truth"))
    assert (finding.level, "1 golds: 1 read" in finding.found) == ("ok", True)
    (finding,) = check_golds(recipe([], name="data.csv", raw=b"problem,answer\n?,None\n?,5\n"))
    assert "2 golds: 2 read" in finding.found


def test_nothing_is_said_where_no_reward_judges(recipe):
    assert list(check_golds(recipe(answers("???"), rewards="[format]"))) == []
