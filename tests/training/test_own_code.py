"""Tools, environments, rollouts and reward models, as a recipe names them."""

from __future__ import annotations

import inspect
import json
import shutil
import sys

import numpy as np
import own_tools
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from trl import GRPOTrainer

from dra_toolkit.errors import DRAError, RecipeError
from dra_toolkit.recipe import known_keys, load_recipe
from dra_toolkit.recipe.check_users import import_problems
from dra_toolkit.recipe.keys import REFUSED
from dra_toolkit.training.build import _rollout, build_trainer
from dra_toolkit.training.data import load_tokenizer, training_splits

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
solution_column: null
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
max_steps: 1
save_strategy: "no"
"""


@pytest.fixture(scope="module")
def tool_policy(tmp_path_factory):
    return own_tools.save_tool_policy(tmp_path_factory.mktemp("tool_policy"))


@pytest.fixture
def recipe(tool_policy, tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"question": f"What is {i} + 2?"}) + "\n" for i in range(16)))
    (tmp_path / "beside_it.py").write_text("class Counter:\n    pass\n")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(policy=tool_policy, data=data))
    return lambda *overrides: load_recipe(path, [f"output_dir={tmp_path / 'run'}", *overrides])


def trained(recipe, tmp_path):
    tokenizer = load_tokenizer(recipe)
    train, _ = training_splits(recipe, tokenizer, lambda line: None)
    records = []
    trainer = build_trainer(
        recipe,
        tmp_path / "run/checkpoints",
        processing_class=tokenizer,
        train_dataset=train,
        on_groups=records.extend,
    )
    trainer.train()
    return trainer, records


def test_tools(recipe, tmp_path):
    trainer, records = trained(recipe("tools=[own_tools.multiply]", "reward_funcs=[letters.letters]"), tmp_path)
    assert trainer.tools == [own_tools.multiply]
    assert len(records) == 2


def test_an_environment_that_owns_its_reward(recipe, tmp_path):
    trainer, records = trained(recipe("environment_factory=own_tools.Counter"), tmp_path)
    assert trainer.reward_columns() == {"Counter": 1.0}
    assert records[0].group.rewards["Counter"].tolist() == [0, 0, 0, 0]


def test_a_rollout_function(recipe, tmp_path):
    _, records = trained(recipe("rollout_func=own_tools.rollout", "reward_funcs=[letters.letters]"), tmp_path)
    assert any("carry" in text for record in records for text in record.group.completions)


@pytest.mark.parametrize("made", [np.array, torch.tensor])
def test_a_rollout_may_hand_back_arrays(monkeypatch, made):
    found = {"prompt_ids": [made([1, 2])], "completion_ids": [made([3])], "logprobs": [made([-0.5])]}
    monkeypatch.setattr(own_tools, "rollout", lambda prompts, trainer: found)
    assert _rollout("own_tools.rollout")(["one"], None) is found
    found["completion_ids"] = [made([])]
    with pytest.raises(RecipeError, match=r"rollout_func: 'own_tools.rollout' did not return what is expected"):
        _rollout("own_tools.rollout")(["one"], None)


def test_a_reward_model_with_a_tokenizer_of_its_own(recipe, tmp_path):
    model = own_tools.save_reward_model(tmp_path / "judge")
    named = recipe(f"reward_funcs=[{model}, letters.letters]", f"reward_processing_classes=[{model}]")
    assert import_problems(named) == []
    trainer, records = trained(named, tmp_path)
    assert list(trainer.reward_columns()) == ["judge", "letters"]
    assert np.ptp(records[0].group.rewards["judge"]) > 0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("tools=[beside_it.nothing]", "tools: found 'beside_it.nothing'"),
        ("tools=[beside_it.Counter]", "'beside_it' holds a type there, expected a function"),
        ("environment_factory=beside_it.Countr", "environment_factory: found 'beside_it.Countr'"),
        ("rollout_func=nowhere.rollout", "rollout_func: found 'nowhere.rollout'"),
        ("reward_processing_classes=[a/b]", "reward_processing_classes: found 1 for 0 reward models"),
        ("reward_funcs=[accurcy]", "a reward model (a Hub id or a folder); did you mean 'accuracy'?"),
        ("optimizers=[x]", "optimizers: cannot be set here; they are objects"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_before_anything_is(recipe, override, told):
    given = [] if "reward_funcs" in override else ["reward_funcs=[accuracy]"]
    try:
        problems = import_problems(recipe(override, *given))
    except RecipeError as error:
        problems = error.problems
    (line,) = problems
    assert told in line


MISTAKEN = """
def undescribed(a: int) -> int:
    return a

def untyped(a):
    '''Give it back.

    Args:
        a: A number.
    '''
    return a

class NeedsAnAddress:
    def __init__(self, address):
        pass

class TakesNoRow:
    def reset(self):
        pass

    def get_reward(self):
        return 1.0

class Fits:
    def reset(self, **row):
        pass

    def get_reward(self):
        return 1.0

def of_its_own(completions, solved, **_):
    return solved

def of_environments(completions, environments, **_):
    return [1.0] * len(completions)

def no_dict(prompts, trainer):
    return None

def no_log_probs(prompts, trainer):
    return {"prompt_ids": [[1]] * len(prompts), "completion_ids": [[1]] * len(prompts)}

def one_too_few(prompts, trainer):
    return {"prompt_ids": [[1]] * len(prompts), "completion_ids": [[1]] * (len(prompts) - 1), "logprobs": None}

def nothing_sampled(prompts, trainer):
    return {"prompt_ids": [[1]] * len(prompts), "completion_ids": [[]] * len(prompts), "logprobs": None}

def texts(prompts, trainer):
    return {"prompt_ids": [[1]] * len(prompts), "completion_ids": ["a text"] * len(prompts), "logprobs": None}

def unreachable(prompts, trainer):
    raise ConnectionError("the server is down")

def solving(prompts, trainer):
    rows = [[1, 2] for _ in prompts]
    return {"prompt_ids": rows, "completion_ids": rows, "logprobs": None, "solved": [float(i % 2) for i in range(8)]}
"""


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "tools=[mistaken.undescribed]",
            "tools: TRL refuses it: Cannot generate JSON schema for undescribed",
        ),
        (
            "tools=[mistaken.untyped]",
            "tools: TRL refuses it: Argument a is missing a type hint in function untyped",
        ),
        ("environment_factory=mistaken.NeedsAnAddress", "'mistaken.NeedsAnAddress' raised TypeError"),
        ("environment_factory=mistaken.TakesNoRow", "'mistaken.TakesNoRow.reset' raised TypeError"),
        ("environment_factory={easy: mistaken.Fits}", "the column 'environment' says None, expected easy"),
        *(
            (
                f"rollout_func=mistaken.{name}",
                f"'mistaken.{name}' did not return what is expected: a dict with prompt_ids",
            )
            for name in ("no_dict", "no_log_probs", "one_too_few", "nothing_sampled", "texts")
        ),
        ("rollout_func=mistaken.unreachable", "raised ConnectionError: the server is down"),
    ],
)
def test_what_trl_cannot_use_of_the_users_own_is_one_line(recipe, tmp_path, monkeypatch, override, told):
    (tmp_path / "mistaken.py").write_text(MISTAKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mistaken", raising=False)
    with pytest.raises(RecipeError) as caught:
        trained(recipe(override, "reward_funcs=[letters.letters]"), tmp_path)
    (line,) = caught.value.problems
    assert told in line


def test_a_reward_model_that_gives_no_reward_is_one_line(recipe, policy, tmp_path):
    model = own_tools.save_reward_model(tmp_path / "judge")
    for name in ("three", "broken", "silent", "small"):
        shutil.copytree(model, tmp_path / name)
    (tmp_path / "broken/model.safetensors").write_bytes(b"nothing")
    config = AutoConfig.from_pretrained(model, num_labels=3)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "three")
    config = AutoConfig.from_pretrained(model, num_labels=1, vocab_size=20)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / "small")
    (tmp_path / "silent/chat_template.jinja").unlink()
    told = {
        policy: "does not give one number, it lacks weights for score.weight",
        tmp_path / "three": "three does not give one number, it lacks weights for score.weight",
        tmp_path / "broken": "broken cannot be loaded",
        tmp_path / "silent": "silent has no chat template; name the right one",
        tmp_path / "small": "small reads 20); name the right one",
    }
    for name, expected in told.items():
        with pytest.raises(RecipeError) as caught:
            trained(recipe(f"reward_funcs=[{name}]"), tmp_path)
        (line,) = caught.value.problems
        assert expected in line


def test_a_reward_reads_what_a_rollout_or_an_environment_gives_beside_the_columns(recipe, tmp_path, monkeypatch):
    (tmp_path / "mistaken.py").write_text(MISTAKEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mistaken", raising=False)
    _, records = trained(recipe("rollout_func=mistaken.solving", "reward_funcs=[mistaken.of_its_own]"), tmp_path)
    assert [record.group.rewards["of_its_own"].tolist() for record in records] == [[0, 1, 0, 1], [0, 1, 0, 1]]
    made = recipe("environment_factory=mistaken.Fits", "reward_funcs=[mistaken.of_environments]")
    trainer, _ = trained(made, tmp_path)
    assert list(trainer.reward_columns()) == ["of_environments", "Fits"]
    with pytest.raises(RecipeError, match="asks for 'solved', which is no column"):
        recipe("reward_funcs=[mistaken.of_its_own]")


@pytest.mark.parametrize("given", ["{easy: [own_tools.Counter]}", "{easy: 3}"])
def test_what_is_no_path_of_an_environment_is_one_line(recipe, given):
    with pytest.raises(RecipeError, match="expected a dotted path") as caught:
        recipe(f"environment_factory={given}")
    assert len(caught.value.problems) == 1


def test_the_column_says_which_environment_a_row_is_for(recipe, tmp_path):
    rows = [{"question": f"What is {i} + 2?", "environment": ("easy", "hard")[i % 2]} for i in range(16)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    both = "environment_factory={easy: own_tools.Counter, hard: own_tools.Counter}"
    trainer, _ = trained(recipe(both, "reward_funcs=[letters.letters]"), tmp_path)
    assert trainer.reward_columns() == {"letters": 1.0, "Counter": 1.0}
    with pytest.raises(RecipeError, match="the column 'environment' says 'hard', expected easy, hart; did you mean"):
        trained(recipe(both.replace("hard", "hart"), "reward_funcs=[letters.letters]"), tmp_path)


def test_what_cannot_go_together_is_one_line(recipe, tmp_path, monkeypatch):
    (tmp_path / "mistaken.py").write_text("def diversity(completions, **_):\n    return [1.0] * len(completions)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mistaken", raising=False)
    told = {
        (
            "rollout_func=own_tools.rollout",
            "dynamic_sampling_rounds=1",
        ): "found 1 with rollout_func, for which no other",
        ("reward_funcs=[mistaken.diversity]",): "'diversity' cannot be told from the adjustment; rename it",
    }
    for overrides, expected in told.items():
        with pytest.raises(DRAError) as caught:
            trained(recipe(*overrides, *(["reward_funcs=[letters.letters]"] if len(overrides) > 1 else [])), tmp_path)
        (line,) = caught.value.problems
        assert expected in line


def test_two_tools_of_one_name_are_one_line(recipe):
    with pytest.raises(RecipeError, match="tools: found multiply, multiply, expected a name of its own for each"):
        recipe("tools=[own_tools.multiply, beside_it.multiply]", "reward_funcs=[accuracy]")


def test_a_template_without_tools_is_one_line(recipe, policy, tmp_path):
    named = recipe(f"model_name_or_path={policy}", "tools=[own_tools.multiply]", "reward_funcs=[letters.letters]")
    with pytest.raises(RecipeError, match="tools: TRL refuses it: The provided chat template does not support tool"):
        trained(named, tmp_path)


def test_settings_that_do_nothing_are_noted(recipe):
    named = recipe("max_tool_calling_iterations=3", "label_smoothing_factor=0.1", "reward_funcs=[accuracy]")
    assert [note for note in named.notes if "has no effect" in note] == [
        "label_smoothing_factor: has no effect, GRPO's loss has no labels",
        "max_tool_calling_iterations: has no effect, the recipe names no tools and no environment_factory",
    ]
    used = recipe("max_tool_calling_iterations=3", "tools=[own_tools.multiply]", "reward_funcs=[accuracy]")
    assert not [note for note in used.notes if "has no effect" in note]


def test_every_argument_of_trls_trainer_can_be_said_or_is_refused_with_the_reason():
    arguments = set(inspect.signature(GRPOTrainer.__init__).parameters) - {"self"}
    assert arguments - set(known_keys()) - set(REFUSED) == set()
