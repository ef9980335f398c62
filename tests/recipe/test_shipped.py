"""The shipped recipes keep what their headers and names promise."""

from __future__ import annotations

import sys

import pytest

from dra_toolkit.recipe import load_recipe
from dra_toolkit.recipe.check_users import import_problems
from dra_toolkit.recipe.inferred import steps_per_generation
from dra_toolkit.recipe.shipped import read_header, shipped_launch_configs, shipped_recipes

RECIPES = shipped_recipes()
RELEASED = [name for name in RECIPES if name.endswith("_as_released")]
FIRST_STARTS = ["qwen_gsm8k", "llama_math", "code_own_reward"]
ON_ONE = ["num_processes=1", "vllm_gpus=0"]


def test_the_papers_recipes_are_there():
    expected = {"grpo", "dra_grpo", "dr_grpo", "dra_dr_grpo", "dra_grpo_as_released", "dra_dr_grpo_as_released"}
    smaller = {"quickstart", "quickstart_grpo", "smollm2", "dra_grpo_lora", "dra_grpo_one_gpu"}
    assert expected | smaller | set(FIRST_STARTS) == set(RECIPES)
    assert set(shipped_launch_configs()) == {"ddp", "fsdp2", "single_gpu", "two_nodes", "zero2", "zero3"}


@pytest.mark.parametrize("name", RECIPES)
def test_header_says_purpose_hardware_and_cost(name):
    header = read_header(RECIPES[name])
    assert header["purpose"]
    assert header["hardware"]
    assert header["cost"]


@pytest.mark.parametrize("name", shipped_launch_configs())
def test_launch_configurations_say_what_they_are_for(name):
    assert read_header(shipped_launch_configs()[name])["purpose"]


@pytest.mark.parametrize("pair", [("grpo", "dra_grpo"), ("dr_grpo", "dra_dr_grpo")], ids="-".join)
def test_baseline_differs_in_the_adjustment_alone(pair):
    plain, adjusted = map(load_recipe, pair)
    assert {key for key in plain if plain[key] != adjusted[key]} == {"diversity", "output_dir"}
    assert plain["diversity"] == "none"
    assert adjusted["diversity"] == "graph_cut"
    assert plain["embedder"] != "none"  # measured all the same


@pytest.mark.parametrize("pair", [("dra_grpo", "dra_dr_grpo"), ("grpo", "dr_grpo")], ids="-".join)
def test_dr_grpo_differs_in_loss_and_scaling(pair):
    grpo, dr_grpo = map(load_recipe, pair)
    differing = {key for key in grpo if grpo[key] != dr_grpo[key]}
    assert differing - {"save_steps", "seed"} == {"loss_type", "scale_rewards", "output_dir"}
    assert (dr_grpo["loss_type"], dr_grpo["scale_rewards"]) == ("dr_grpo", "none")


@pytest.mark.parametrize("name", [name for name in RECIPES if load_recipe(name)["completions_per_step"] == 48])
@pytest.mark.parametrize(("overrides", "processes"), [([], None), (ON_ONE, 1)], ids=["as shipped", "one process"])
def test_a_step_has_eight_prompts_of_six(name, overrides, processes):
    recipe = load_recipe(name, overrides)
    assert recipe["num_processes"] == (processes or load_recipe(name)["num_processes"])
    per_micro_step = recipe["per_device_train_batch_size"] * recipe["num_processes"]
    assert per_micro_step * recipe["gradient_accumulation_steps"] == 48
    assert per_micro_step * steps_per_generation(recipe) == 48
    assert recipe["num_generations"] == 6


def test_dra_grpo_accumulates_what_its_processes_leave():
    three, one = load_recipe("dra_grpo"), load_recipe("dra_grpo", ON_ONE)
    assert (three["num_processes"], three["gradient_accumulation_steps"]) == (3, 4)
    assert (one["num_processes"], one["gradient_accumulation_steps"]) == (1, 12)
    assert (three["vllm_mode"], one["vllm_mode"]) == ("server", "colocate")
    assert one["use_vllm"] is True


def test_there_are_two_as_released():
    assert RELEASED == ["dra_dr_grpo_as_released", "dra_grpo_as_released"]


@pytest.mark.parametrize("name", RELEASED)
def test_as_released_keeps_the_faults_of_the_released_code(name):
    recipe = load_recipe(name)
    assert recipe["diversity_scope"] == "rank_slice"
    assert recipe["per_device_train_batch_size"] % recipe["num_generations"]  # so that slices mix prompts
    assert recipe["similarity_floor"] is None
    assert recipe["negative_totals"] == "divide"
    assert recipe["diversity_weights"] == "raw"
    assert recipe["zero_spread_groups"] == "adjust"
    assert recipe["reward_funcs"] == ["format_as_released", "cosine_as_released"]
    assert recipe["reward_weights"] == [1.0, 2.0]


@pytest.mark.parametrize("name", ["dra_grpo", "dra_dr_grpo", "dra_grpo_lora", "dra_grpo_one_gpu", "quickstart"])
def test_the_method_done_right_compares_whole_groups_above_zero(name):
    recipe = load_recipe(name)
    assert (recipe["diversity"], recipe["diversity_scope"]) == ("graph_cut", "group")
    assert recipe["similarity_floor"] == 0.0
    assert not any("released" in reward for reward in recipe["reward_funcs"])


@pytest.mark.parametrize("name", RELEASED)
def test_as_released_differs_from_done_right_in_those_faults_alone(name):
    recipe, right = load_recipe(name), load_recipe(name.removesuffix("_as_released"))
    assert {key for key in recipe if recipe[key] != right[key]} == {
        "output_dir",
        "solution_column",
        "reward_funcs",
        "diversity_scope",
        "similarity_floor",
        "vllm_importance_sampling_correction",
    }


@pytest.mark.parametrize("name", RECIPES)
def test_gpus_in_the_header_are_those_that_the_recipe_takes(name):
    recipe, hardware = load_recipe(name), read_header(RECIPES[name])["hardware"]
    if "GPU" in hardware:
        assert int(hardware.split()[0]) == recipe["num_processes"] + recipe["vllm_gpus"]
    else:
        assert hardware == "2 CPU cores"
        assert not recipe["use_vllm"]


@pytest.mark.parametrize("name", FIRST_STARTS)
def test_the_first_starts_say_nothing_that_surprises_and_find_their_rewards(name):
    recipe = load_recipe(name)
    assert recipe.notes == ()
    assert import_problems(recipe) == []
    assert "not run" in read_header(RECIPES[name])["cost"]


@pytest.mark.process
def test_the_reward_of_the_code_recipe_tells_right_from_wrong():
    sys.path.insert(0, str(RECIPES["code_own_reward"].parent))
    from code_own_reward import passes

    tests = ["assert double(2) == 4", "assert double(-1) == -2"]
    right, half, loop = "def double(x):\n    return 2 * x", "def double(x):\n    return x * x", "while True: pass"
    said = [f"Here:\n```python\n{code}\n```" for code in (right, half, loop, "exit(0)")]
    assert passes([*said, "no code"], [tests] * 5) == [1.0, 0.5, 0.0, 0.0, 0.0]


def test_the_reward_of_smollm2_reads_the_last_number_and_forms_leave_numbers_out():
    sys.path.insert(0, str(RECIPES["smollm2"].parent))
    from smollm2 import form, last_number

    said = ["8", "The answer is -3.", "2 + 6 = 8", "8 is not 9", "no number", ""]
    completions = [[{"role": "assistant", "content": text}] for text in said]
    assert last_number(completions, ["8", "-3", "8", "8", "0", "0"]) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert form(["The answer is 8.", "the  answer is 12\n", "2 + 6 = 8\n\nWell done", "8. Well", "8", ""]) == [
        "the answer is #",
        "the answer is #",
        "# + # = #",
        "#",
        "#",
        "",
    ]


def test_what_a_shipped_recipe_chose_is_not_warned_of_however_its_file_is_named(monkeypatch):
    path = shipped_recipes()["quickstart"]
    monkeypatch.chdir(path.parents[1])
    by_file = load_recipe(path.relative_to(path.parents[1]))
    assert by_file.notes == load_recipe("quickstart").notes == ()
