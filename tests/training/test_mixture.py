"""Several data sets in one run: how many rows of each, which columns, and always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from test_data import SETTINGS, as_recipe

from dra_toolkit.errors import RecipeError
from dra_toolkit.quickstart.tokenizer import build_tokenizer
from dra_toolkit.runs import Run
from dra_toolkit.training.data import training_splits
from dra_toolkit.training.mixture import shares

RECIPE = """
model_name_or_path: {policy}
dataset_name: [{a}, {b}]
dataset_weights: [1, 1]
solution_column: answer
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 2
per_device_train_batch_size: 8
max_completion_length: 4
max_steps: 2
save_strategy: "no"
output_dir: {run}
"""


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def write(tmp_path):
    def write(name, count, **columns):
        rows = [{"problem": f"{name} {i}", "answer": str(i), **columns} for i in range(count)]
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return write


@pytest.fixture
def mix(tokenizer):
    """Return the texts of the mixture's prompts, in order, the mixture itself, and what was told."""

    def mix(*names, **changes) -> tuple[list[str], Dataset, list[str]]:
        told: list[str] = []
        recipe = {**SETTINGS, "dataset_name": list(names), **changes}
        train, _ = training_splits(as_recipe(recipe), tokenizer, told.append)
        return [prompt[-1]["content"] for prompt in train["prompt"]], train, told

    return mix


def members(texts) -> Counter[str]:
    return Counter(text.split()[0] for text in texts)


class TestShares:
    def test_no_data_set_is_too_small_for_its_weight(self):
        assert shares([700, 300], [0.7, 0.3]) == [700, 300]
        assert shares([1000, 300], [0.7, 0.3]) == [700, 300]
        assert shares([1000, 30], [1, 1]) == [30, 30]
        assert shares([10, 1000, 1000], [0.1, 0.2, 0.7]) == [10, 20, 70]

    @given(st.lists(st.tuples(st.integers(1, 10**6), st.decimals("0.01", 100, places=2)), min_size=2, max_size=5))
    def test_they_are_the_weights_and_no_row_is_wasted(self, pairs):
        sizes, weights = [size for size, _ in pairs], [float(weight) for _, weight in pairs]
        counts = shares(sizes, weights)
        parts = [Fraction(str(weight)) / sum(Fraction(str(w)) for w in weights) for weight in weights]
        total = int(min(size / part for size, part in zip(sizes, parts, strict=True)))
        for count, size, part in zip(counts, sizes, parts, strict=True):
            assert count <= size
            assert abs(count - part * total) <= Fraction(1, 2)
        larger = [part * (total + 1) for part in parts]
        assert any(share > size for share, size in zip(larger, sizes, strict=True))

    def test_their_scale_is_of_no_account(self):
        assert shares([50, 50], [3, 1]) == shares([50, 50], [0.75, 0.25]) == [50, 16]


class TestRows:
    def test_without_weights_every_row_one_data_set_after_the_other(self, mix, write):
        a, b = write("a.jsonl", 3), write("b.jsonl", 2)
        texts, _, told = mix(a, b)
        assert texts == ["a.jsonl 0", "a.jsonl 1", "a.jsonl 2", "b.jsonl 0", "b.jsonl 1"]
        assert told == [f"dataset_name: the mixture has 5 rows: 3 of 3 rows of {a}, 2 of 2 rows of {b}"]

    def test_with_weights_the_shares_are_exact_and_no_row_is_repeated(self, mix, write):
        a, b = write("a.jsonl", 40), write("b.jsonl", 9)
        texts, _, told = mix(a, b, dataset_weights=[3, 1])
        assert members(texts) == {"a.jsonl": 27, "b.jsonl": 9}
        assert len(set(texts)) == 36
        assert told == [f"dataset_weights: the mixture has 36 rows: 27 of 40 rows of {a}, 9 of 9 rows of {b}"]

    def test_rows_are_drawn_and_shuffled_by_the_seed_alone(self, mix, write):
        names = write("a.jsonl", 40), write("b.jsonl", 20)
        first, again = (mix(*names, dataset_weights=[1, 1])[0] for _ in range(2))
        other, _, _ = mix(*names, dataset_weights=[1, 1], seed=6)
        assert first == again
        assert set(first) != set(other)
        assert [text.split()[0] for text in first] != sorted(text.split()[0] for text in first)

    def test_prompts_too_long_are_left_out_before_the_shares_are_taken(self, mix, write, tmp_path):
        a, b = write("a.jsonl", 40), write("b.jsonl", 10)
        with open(b, "a") as file:
            file.write(json.dumps({"problem": "b.jsonl " + "1 " * 100, "answer": "1"}) + "\n")
        texts, _, told = mix(a, b, dataset_weights=[1, 1], max_prompt_length=60)
        assert members(texts) == {"a.jsonl": 10, "b.jsonl": 10}
        assert told[0] == f"max_prompt_length: 1 of 11 prompts of {b} are longer than 60 tokens and left out"

    def test_weight_too_small_for_a_row_is_refused(self, mix, write):
        with pytest.raises(
            RecipeError, match=r"dataset_weights: .* leaves no row of .*b\.jsonl in a mixture of 10 rows"
        ):
            mix(write("a.jsonl", 10), write("b.jsonl", 10), dataset_weights=[1, 0.01])


class TestColumns:
    def test_each_data_set_has_its_own(self, mix, tmp_path, write):
        (tmp_path / "b.jsonl").write_text(json.dumps({"question": "b", "gold": "7"}) + "\n")
        texts, train, _ = mix(
            write("a.jsonl", 1),
            str(tmp_path / "b.jsonl"),
            prompt_column=["problem", "question"],
            solution_column=["answer", "gold"],
        )
        assert (texts, train["solution"][:]) == (["a.jsonl 0", "b"], ["0", "7"])

    def test_a_column_that_is_wrong_for_one_names_that_one(self, mix, write):
        with pytest.raises(RecipeError, match=r"prompt_column: .*b\.jsonl has no column 'question'"):
            mix(write("a.jsonl", 1), write("b.jsonl", 1), prompt_column=["problem", "question"])

    def test_what_not_all_have_alike_is_left_out_and_told(self, mix, write):
        a, b = write("a.jsonl", 2, level=1, topic="x", year=2000), write("b.jsonl", 2, level=2, topic=["x"])
        _, train, told = mix(a, b)
        assert set(train.column_names) == {
            "prompt",
            "solution",
            "answer",
            "level",
        }  # the solution under its own name too
        assert train["level"][:] == [1, 1, 2, 2]
        assert told[0] == (
            "dataset_name: columns that are not alike in all data sets are left out of the mixture: "
            f"topic (of different types), year (only in {a})"
        )

    def test_numbers_and_texts_as_solutions_become_texts(self, mix, write, tmp_path):
        (tmp_path / "b.csv").write_text("problem,answer\nb.csv 0,12\nb.csv 1,\n")
        _, train, told = mix(write("a.jsonl", 1), str(tmp_path / "b.csv"))
        assert train["solution"][:] == ["0", "12", None]
        assert f"the solutions of {tmp_path}/b.csv become texts" in told[1]

    def test_solutions_of_another_kind_are_refused(self, mix, write, tmp_path):
        (tmp_path / "b.jsonl").write_text(json.dumps({"problem": "b", "answer": {"x": 1}}) + "\n")
        with pytest.raises(
            RecipeError,
            match=r"solution_column: .*b\.jsonl, row 1: 'answer' is an object .*named with a dot: answer\.x",
        ):
            mix(write("a.jsonl", 1), str(tmp_path / "b.jsonl"))

    def test_all_kinds_of_files_texts_and_conversations_fit_together(self, mix, write, tmp_path):
        (tmp_path / "b.csv").write_text("problem,answer\nb.csv 0,x\n")
        Dataset.from_dict({"problem": ["c.parquet 0"], "answer": ["3"]}).to_parquet(tmp_path / "c.parquet")
        turns = [{"content": "d.jsonl 0", "role": "user", "name": None}]
        (tmp_path / "d.jsonl").write_text(json.dumps({"problem": turns, "answer": "4"}) + "\n")
        write("e/train.jsonl", 1)
        names = [write("a.jsonl", 1), *(str(tmp_path / name) for name in ("b.csv", "c.parquet", "d.jsonl", "e"))]
        texts, train, told = mix(*names)
        assert [text.split()[0] for text in texts] == ["a.jsonl", "b.csv", "c.parquet", "d.jsonl", "e/train.jsonl"]
        assert all(prompt[0] == {"role": "system", "content": "Be brief."} for prompt in train["prompt"])
        assert len(told) == 1

    def test_messages_with_different_fields_are_refused(self, mix, write, tmp_path):
        turns = [{"role": "user", "content": "d", "name": "Ann"}]
        (tmp_path / "d.jsonl").write_text(json.dumps({"problem": turns, "answer": "4"}) + "\n")
        with pytest.raises(RecipeError, match="cannot be mixed, the messages"):
            mix(write("a.jsonl", 1), str(tmp_path / "d.jsonl"))


def test_evaluation_takes_the_held_out_rows_of_all(tokenizer, write, tmp_path):
    for folder in ("a", "b"):
        write(f"{folder}/train.jsonl", 8)
        write(f"{folder}/test.jsonl", 3)
    recipe = {
        **SETTINGS,
        "dataset_name": [str(tmp_path / "a"), str(tmp_path / "b")],
        "dataset_weights": [3, 1],
        "eval_strategy": "steps",
    }
    told: list[str] = []
    train, test = training_splits(as_recipe(recipe), tokenizer, told.append)
    assert (len(train), len(test)) == (8 + 2, 3 + 3)
    assert told[1].startswith("evaluation: dataset_name: the mixture has 6 rows")


def test_dra_train_draws_from_the_mixture_and_tells_of_it(policy, write, tmp_path):
    a, b, recipe, run = write("a.jsonl", 9), write("b.jsonl", 4), tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(RECIPE.format(policy=policy, a=a, b=b, run=run))
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "HF_HOME": str(tmp_path / "home")}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
    line = f"dataset_weights: the mixture has 8 rows: 4 of 9 rows of {a}, 4 of 4 rows of {b}"
    assert (child.stdout + child.stderr).count(line) == 1
    asked = {record.group.prompt[-1].content for record in Run.open(run).groups()}
    assert members(asked) == {"a.jsonl": 4, "b.jsonl": 4}  # two steps of four prompts: one epoch
