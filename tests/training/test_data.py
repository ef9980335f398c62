"""Data sets as users bring them: shaped for TRL, or refused in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from datasets import Dataset

from dra_toolkit.errors import RecipeError
from dra_toolkit.quickstart.tokenizer import build_tokenizer
from dra_toolkit.recipe import Recipe, Setting, load_recipe
from dra_toolkit.training.conversation import as_conversations
from dra_toolkit.training.data import load_processor, training_splits
from dra_toolkit.training.data_sources import Source
from dra_toolkit.training.images import image_column

SETTINGS: dict[str, Any] = {
    "dataset_weights": None,
    "prompt_column": "problem",
    "solution_column": "answer",
    "system_prompt": "Be brief.",
    "reward_funcs": ["format"],
    "max_prompt_length": None,
    "chat_template_kwargs": None,
    "dataset_config": None,
    "dataset_train_split": "train",
    "dataset_test_split": "test",
    "eval_strategy": "no",
    "seed": 5,
}
ROWS = [{"problem": "1 + 1?", "answer": "2", "level": 3}, {"problem": "2 + 2?", "answer": "4", "level": 1}]
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]


def as_recipe(values):
    return Recipe(name="data", settings={key: Setting(value=value, origin="recipe") for key, value in values.items()})


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def write(tmp_path):
    def write(rows, name="data.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def data(write):
    return write(ROWS)


@pytest.fixture
def load(tokenizer):
    """Return the training rows of a data set, and what was told."""

    def load(name, **changes):
        told: list[str] = []
        train, _ = training_splits(
            as_recipe({**SETTINGS, "dataset_name": str(name), **changes}), tokenizer, told.append
        )
        return train, told

    return load


@pytest.fixture
def refused(load):
    def refused(name, **changes) -> str:
        with pytest.raises(RecipeError) as caught:
            load(name, **changes)
        (line,) = caught.value.problems
        assert "\n" not in line
        return line

    return refused


def test_conversation_solution_and_the_other_columns(load, data):
    rows, told = load(data)
    assert rows[0] == {
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}],
        "solution": "2",
        "answer": "2",
        "level": 3,
    }
    assert told == []


def test_without_system_prompt(load, data):
    rows, _ = load(data, system_prompt=None)
    assert rows[0]["prompt"] == [{"role": "user", "content": "1 + 1?"}]


def test_prompt_that_is_a_conversation_already(load, write):
    path = write([{"prompt": TURNS, "solution": "x"}])
    rows, _ = load(path, prompt_column="prompt", solution_column="solution")
    assert rows[0]["prompt"] == [{"role": "system", "content": "Be brief."}, *TURNS]


def test_conversation_with_its_own_system_message_keeps_it_alone(load, write):
    own = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "a"}]
    path = write([{"problem": own, "answer": "1"}, {"problem": TURNS, "answer": "1"}])
    rows, told = load(path)
    assert rows[0]["prompt"] == own
    assert rows[1]["prompt"][0]["content"] == "Be brief."
    assert told == [
        f"system_prompt: not added to 1 of 2 prompts of {path}, which begin with a system message of their own"
    ]
    assert load(path, system_prompt=None)[1] == []


def test_conversation_that_ends_with_an_answer_is_told(load, write):
    path = write([{"problem": TURNS[:2], "answer": "1"}, {"problem": "x", "answer": "1"}])
    (line,) = load(path)[1]
    assert "1 of 2 prompts" in line
    assert "end with an assistant's message" in line


def test_texts_and_conversations_in_one_column(load, write):
    rows, _ = load(write([{"problem": "a", "answer": "1"}, {"problem": TURNS, "answer": "1"}]), system_prompt=None)
    assert [len(row["prompt"]) for row in rows] == [1, 3]


def test_further_fields_of_messages_stay_where_they_are_set(load, write):
    named = [{"role": "user", "content": "a", "name": "Ann"}]
    rows, _ = load(write([{"problem": named, "answer": "1"}, {"problem": TURNS, "answer": "1"}]), system_prompt=None)
    assert rows[0]["prompt"] == named
    assert {key for message in rows[1]["prompt"] for key, value in message.items() if value} == {"role", "content"}


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (("problem", "answer"), {"problem": "p", "answer": "right", "solution": "long", "prompt": "other"}),
        (("solution", "prompt"), {"solution": "p", "prompt": "right"}),
        (("solution", "answer"), {"solution": "p", "answer": "right"}),
        (("problem", "prompt"), {"problem": "p", "prompt": "right"}),
    ],
)
def test_other_columns_named_prompt_or_solution_give_way(load, write, columns, row):
    rows, _ = load(write([row]), prompt_column=columns[0], solution_column=columns[1], system_prompt=None)
    kept = {"answer": "right"} if columns[1] == "answer" else {}
    assert rows[0] == {"prompt": [{"role": "user", "content": "p"}], "solution": "right", **kept}


def test_columns_that_trl_needs_the_names_of_are_left_out_and_told(load, write):
    rows, told = load(write([{**ROWS[0], "completions": ["a"], "prompts": "b"}]))
    assert set(rows.column_names) == {"prompt", "solution", "answer", "level"}
    assert "prompts, completions" in told[0]


def test_csv_and_parquet(load, tmp_path, data):
    rows, _ = load(data)
    rows.remove_columns("solution").to_parquet(tmp_path / "data.parquet")
    again, _ = load(tmp_path / "data.parquet", prompt_column="prompt", system_prompt=None)
    assert again[1]["prompt"][-1]["content"] == "2 + 2?"
    (tmp_path / "data.csv").write_text("problem,answer\n1 + 1?,2\n")
    assert load(tmp_path / "data.csv")[0][0]["solution"] == 2


def test_folder_with_a_held_out_file(tokenizer, write, tmp_path):
    for split, row in zip(("train", "test"), ROWS, strict=True):
        write([row], f"{split}.jsonl")
    settings = {**SETTINGS, "dataset_name": str(tmp_path)}
    train, test = training_splits(as_recipe({**settings, "eval_strategy": "steps"}), tokenizer)
    assert (train[0]["solution"], test[0]["solution"]) == ("2", "4")
    _, nothing = training_splits(as_recipe(settings), tokenizer)
    assert nothing is None


def test_solution_column_may_be_none(load, data):
    assert load(data, solution_column=None)[0][0]["answer"] == "2"


def test_missing_solutions_are_counted_and_abstained_on(load, write):
    from dra_toolkit.rewards import build_rewards

    rows, told = load(write([*ROWS, {"problem": "x", "answer": None}, {"problem": "y", "answer": " "}]))
    assert "2 of 4 rows" in told[0]
    assert "have no 'answer'" in told[0]
    (accuracy,) = build_rewards(["accuracy"], {})
    completions = [[{"role": "assistant", "content": "\\boxed{2}"}]] * 4
    assert accuracy(completions=completions, prompts=rows["prompt"], solution=rows["solution"]) == [1, 0, None, None]


class TestMistakes:
    def test_missing_column_names_the_nearest(self, refused, data):
        assert "has no column 'answr', it has problem, answer, level; did you mean 'answer'?" in refused(
            data, solution_column="answr"
        )
        assert "prompt_column:" in refused(data, prompt_column="question")

    @pytest.mark.parametrize(
        ("prompt", "said"),
        [
            (None, "is empty"),
            ("  ", "is empty"),
            ([], "is empty"),
            (17, "is 17"),
            ({"role": "user", "content": "a"}, "is {'role': 'user'"),
            ([{"from": "human", "value": "a"}], "is a list of something else"),
            (["a", "b"], "is a list of something else"),
            ([{"role": "user", "content": 3}], "is a list of something else"),
            ([{"role": "system", "content": "a"}], "has no message with a content"),
            ([{"role": "user", "content": ""}], "has no message with a content"),
        ],
    )
    def test_row_without_a_prompt_is_named(self, refused, write, prompt, said):
        path = write([ROWS[0], {"problem": prompt, "answer": "1"}, {"problem": prompt, "answer": "1"}])
        line = refused(path)
        assert line.startswith(f"prompt_column: {path}, row 2: 'problem' {said}")
        assert line.endswith("expected a text or a list of messages with role and content (2 of 3 rows cannot be used)")

    def test_empty_cell_of_a_csv(self, refused, tmp_path):
        (tmp_path / "data.csv").write_text("problem,answer\nx,1\n,2\n")
        assert "row 2: 'problem' is empty" in refused(tmp_path / "data.csv")

    def test_numbers_in_place_of_prompts(self, refused, tmp_path):
        (tmp_path / "data.csv").write_text("problem,answer\n11,1\n12,2\n")
        assert "row 1: 'problem' is 11" in refused(tmp_path / "data.csv")

    @pytest.mark.parametrize(("name", "content"), [("none.csv", "problem,answer\n"), ("none.jsonl", "\n")])
    def test_no_rows(self, refused, tmp_path, name, content):
        (tmp_path / name).write_text(content)
        assert "has no rows" in refused(tmp_path / name)

    def test_torn(self, refused, tmp_path):
        (tmp_path / "torn.jsonl").write_text('{"problem": "a"}\n{"prob')
        assert "cannot be read" in refused(tmp_path / "torn.jsonl")

    def test_not_parquet(self, refused, tmp_path):
        (tmp_path / "x.parquet").write_text("hello")
        assert "cannot be read" in refused(tmp_path / "x.parquet")

    def test_split_that_is_not_there(self, refused, write, tmp_path):
        write(ROWS, "train.jsonl")
        assert "dataset_test_split: " in refused(tmp_path, eval_strategy="steps")
        assert "['train']" in refused(tmp_path, eval_strategy="steps")
        assert "dataset_train_split: " in refused(tmp_path, dataset_train_split="trian")

    def test_configuration_that_is_not_there(self, refused, write, tmp_path):
        write(ROWS, "train.jsonl")
        assert "dataset_config: " in refused(tmp_path, dataset_config="main")

    def test_hub_data_set_without_network(self, refused):
        line = refused("someone/nothing")
        assert "dataset_name: someone/nothing is neither a folder nor in the cache, and HF_HUB_OFFLINE" in line


class TestParts:
    """Contents as the OpenAI format has them: a list of parts."""

    def test_text_parts_are_read_as_their_text(self, load, write, tokenizer):
        rows = [
            {
                "problem": [
                    {"role": "user", "content": [{"type": "text", "text": "How "}, {"type": "text", "text": "many?"}]}
                ]
            },
            {"problem": [{"role": "user", "content": "And now?"}]},
        ]
        train, _ = load(write(rows), solution_column=None)
        assert [row["prompt"][-1]["content"] for row in train] == ["How many?", "And now?"]
        rendered = tokenizer.apply_chat_template(train[0]["prompt"], tokenize=False)
        assert "How many?" in rendered
        assert "type" not in rendered

    def test_no_content_is_an_empty_text(self, load, write):
        call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add"}}]}
        rows = [{"problem": [{"role": "user", "content": "a"}, call, {"role": "user", "content": "b"}]}]
        train, _ = load(write(rows), solution_column=None)
        assert train[0]["prompt"][2]["content"] == ""
        assert train[0]["prompt"][2]["tool_calls"][0]["function"]["name"] == "add"

    def test_image_parts_stay_beside_texts(self, write):
        parts = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
        rows = [
            {"problem": [{"role": "user", "content": parts}]},
            {"problem": [{"role": "user", "content": "And now?"}]},
        ]
        source = Source(name="data", prompt_column="problem", solution_column=None)
        train = as_conversations(Dataset.from_json(str(write(rows))), source, "Be brief.", print)
        assert image_column(train) == "prompt"
        (system, user), (_, plain) = (row["prompt"] for row in train)
        assert system["content"] == [{"type": "text", "text": "Be brief."}]
        assert [part["type"] for part in user["content"]] == ["image", "text"]
        assert plain["content"] == [{"type": "text", "text": "And now?"}]

    @pytest.mark.parametrize("column", ["image", "images"])
    def test_images_with_a_policy_that_reads_none_are_told(self, refused, write, policy, column):
        path = write([{"problem": "What is it?", "answer": "2", column: None}])
        model = {"model_name_or_path": str(policy), "model_revision": "main", "trust_remote_code": False}
        line = refused(path, **model)
        assert f"the data have images in '{column}', and the policy {policy} reads none; rename or drop" in line

    def test_a_text_policy_reads_texts_with_its_tokenizer(self, load, data, policy, tokenizer, tmp_path):
        train, _ = load(data)
        assert image_column(train) is None
        recipe_file = tmp_path / "r.yaml"
        recipe_file.write_text(f"model_name_or_path: {policy}\ndataset_name: x/y\nreward_funcs: [accuracy]\n")
        assert load_processor(load_recipe(recipe_file), tokenizer, train) is tokenizer
