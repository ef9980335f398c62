"""From a recipe to TRL's own configuration."""

from __future__ import annotations

import pytest
from trl import ModelConfig

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe
from dra_toolkit.recipe.inferred import reward_arguments
from dra_toolkit.training.build import grpo_config

RECIPE = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [cosine]
embedder: hash
bf16: false
per_device_train_batch_size: 8
max_completion_length: 99
"""


@pytest.fixture
def recipe(tmp_path):
    def load(*overrides: str):
        path = tmp_path / "r.yaml"
        path.write_text(RECIPE)
        return load_recipe(path, [f"output_dir={tmp_path}/my-run", *overrides])

    return load


def config(recipe, tmp_path):
    return grpo_config(recipe, tmp_path / "checkpoints", ModelConfig(**recipe.owned_by("ModelConfig")))


def test_trl_gets_what_the_recipe_says_and_its_own_defaults_for_the_rest(recipe, tmp_path):
    built = config(recipe("loss_type=dr_grpo", "scale_rewards=none", "learning_rate=1e-4"), tmp_path)
    assert (built.loss_type, built.scale_rewards, built.learning_rate) == ("dr_grpo", "none", 1e-4)
    assert (built.beta, built.temperature, built.logging_steps) == (0.0, 1.0, 1)
    assert built.output_dir == str(tmp_path / "checkpoints")
    assert built.model_init_kwargs == {"revision": "main", "attn_implementation": None, "dtype": "float32"}


def test_a_whole_number_for_a_fraction_is_one(recipe, tmp_path):
    built = config(recipe("adam_beta1=0", f"beta={10**30}", "save_steps=3", "learning_rate=1"), tmp_path)
    numbers = (built.adam_beta1, built.beta, built.learning_rate, built.save_steps)
    assert [(type(number), number) for number in numbers] == [(float, 0), (float, 1e30), (float, 1), (int, 3)]
    with pytest.raises(RecipeError, match=r"learning_rate: found 1000.*expected a number"):
        recipe(f"learning_rate={10**400}")


def test_run_and_hub_model_are_named_after_the_run(recipe, tmp_path):
    built = config(recipe("push_to_hub=true"), tmp_path)
    assert (built.run_name, built.hub_model_id) == ("my-run", "my-run")
    assert config(recipe("push_to_hub=true", "hub_model_id=me/x"), tmp_path).hub_model_id == "me/x"


def test_what_trl_refuses_is_one_line(recipe, tmp_path):
    with pytest.raises(RecipeError, match="TRL refuses it: auto_find_batch_size") as caught:
        config(recipe("auto_find_batch_size=true"), tmp_path)
    assert len(caught.value.problems) == 1


def test_cosine_length_is_the_longest_completion_unless_given(recipe):
    assert reward_arguments(recipe())["cosine_max_length"] == 99
    assert reward_arguments(recipe("cosine_max_length=7"))["cosine_max_length"] == 7


def test_diversity_settings(recipe):
    settings = recipe("diversity=none", "similarity_floor=null").diversity
    assert (settings.measure, settings.similarity_floor) == ("none", None)
