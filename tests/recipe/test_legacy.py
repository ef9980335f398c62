"""Recipes of 2025 as they are: what each legacy key becomes, the defaults of their time, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe, known_keys, load_recipe
from dra_toolkit.recipe.keys import OUR_DEFAULTS, REFUSED
from dra_toolkit.recipe.legacy_defaults import LEGACY_DEFAULTS
from dra_toolkit.recipe.legacy_tables import DROPPED, MARKERS, NOTHING, RENAMED

OPEN_RS = """
model_name_or_path: deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B
model_revision: main
torch_dtype: bfloat16
attn_implementation: flash_attention_2
dataset_name: knoveleng/open-rs
system_prompt: "Think first. Put the answer within \\\\boxed{{}}."
bf16: true
use_vllm: true
vllm_device: auto
vllm_enforce_eager: true
vllm_gpu_memory_utilization: 0.7
vllm_max_model_len: 4608
do_eval: false
gradient_accumulation_steps: 4
gradient_checkpointing: true
gradient_checkpointing_kwargs:
  use_reentrant: false
hub_model_id: OpenRS-GRPO
hub_strategy: every_save
learning_rate: 1.0e-06
log_completions: true
log_level: info
logging_first_step: true
logging_steps: 1
logging_strategy: steps
lr_scheduler_type: cosine_with_min_lr
lr_scheduler_kwargs:
  min_lr_rate: 0.1
max_prompt_length: 512
max_completion_length: 3584
max_steps: 500
num_generations: 6
num_train_epochs: 1
output_dir: data/OpenRS-GRPO
overwrite_output_dir: true
per_device_eval_batch_size: 6
per_device_train_batch_size: 6
push_to_hub: true
report_to:
- wandb
reward_funcs:
- format
- cosine
reward_weights:
- 1.0
- 2.0
save_strategy: "steps"
save_steps: 50
seed: 42
temperature: 0.7
warmup_ratio: 0.1
"""
DRA = OPEN_RS.replace("OpenRS-GRPO", "DRA-GRPO").replace("train_batch_size: 6", "train_batch_size: 4 #6")
DRA_GRPO = f"{DRA.replace('seed: 42', 'seed: 2025')}SMI_reweighting: True\nextractor_name: jina"
DRA_DR_GRPO = f"{DRA.replace('DRA-GRPO', 'DRA-DR_GRPO').replace('save_steps: 50', 'save_steps: 25')}"
DRA_DR_GRPO += "SMI_reweighting: True\nextractor_name: jina"
OFFICIAL = {"open_rs_grpo": OPEN_RS, "dra_grpo": DRA_GRPO, "dra_dr_grpo": DRA_DR_GRPO}

TODAY = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [format]
embedder: hash
"""
SHORT = f"{TODAY}SMI_reweighting: false\n"
"""A legacy recipe with nothing else of its time."""


@pytest.fixture
def load(tmp_path):
    def loader(text: str, *overrides: str) -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_text(text)
        return load_recipe(path, overrides)

    return loader


def problems(load, text: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        load(text, *overrides)
    for line in caught.value.problems:
        assert "\n" not in line
    return caught.value.problems


def legacy_defaults(recipe: Recipe) -> dict[str, object]:
    return {key: s.value for key, s in recipe.settings.items() if s.origin == "legacy default"}


def about(recipe: Recipe, key: str) -> list[str]:
    return [note for note in recipe.notes if note.startswith(f"{key}: ")]


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_recipes_load_as_they_are(load, name):
    recipe = load(OFFICIAL[name])
    given = {key: s.value for key, s in recipe.settings.items() if s.origin == "recipe"}
    assert given["dtype"] == "bfloat16"
    assert (given["vllm_gpus"], given["vllm_max_model_length"], given["warmup_steps"]) == (1, 4608, 0.1)
    assert (given["temperature"], given["max_prompt_length"], given["vllm_gpu_memory_utilization"]) == (0.7, 512, 0.7)
    assert recipe["vllm_mode"] == "server"
    assert recipe["num_processes"] * recipe["gradient_accumulation_steps"] == 12
    for key in ("torch_dtype", "vllm_device", "vllm_max_model_len", "overwrite_output_dir", "warmup_ratio"):
        assert len(about(recipe, key)) == 1, key
    assert set(recipe) == set(known_keys())


def test_every_legacy_default_of_the_dra_grpo_recipe(load):
    assert legacy_defaults(load(DRA_GRPO)) == {
        "beta": 0.04,
        "use_bias_correction_kl": False,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "vllm_importance_sampling_correction": False,
        "optim": "adamw_torch",
        "accelerate_config": "zero2",
        "num_processes": 3,
    }


def test_released_recipe_of_dr_grpo_is_trained_as_dr_grpo(load):
    recipe = load(DRA_DR_GRPO)
    assert (recipe["loss_type"], recipe["scale_rewards"], recipe["diversity"]) == ("dr_grpo", "none", "graph_cut")
    (note,) = about(recipe, "hub_model_id")
    assert "loss_type=grpo scale_rewards=group" in note
    undone = load(DRA_DR_GRPO, "loss_type=grpo", "scale_rewards=group")
    assert (undone["loss_type"], undone["scale_rewards"], about(undone, "hub_model_id")) == ("grpo", "group", [])


@pytest.mark.parametrize(
    ("name", "is_dr"),
    [("x/dr-grpo", 1), ("Dr.GRPO", 1), ("DRA-DR_GRPO-2", 1), ("DRA-GRPO", 0), ("xdr-grpo", 0), ("dr-grpox", 0)],
)
def test_dr_grpo_is_seen_in_the_output_folder(load, name, is_dr):
    assert load(f"{SHORT}output_dir: data/{name}")["loss_type"] == ("dr_grpo" if is_dr else "grpo")


def test_open_rs_is_plain_grpo(load):
    recipe = load(OPEN_RS)
    assert (recipe["diversity"], recipe.settings["diversity"].origin) == ("none", "legacy default")
    assert recipe["loss_type"] == "grpo"


def test_legacy_defaults_of_a_recipe_that_says_little(load):
    got = legacy_defaults(load(SHORT))
    assert got["temperature"] == 0.9
    assert got["top_k"] == 50
    assert (got["max_prompt_length"], got["max_completion_length"]) == (512, 256)
    assert not {"vllm_gpus", "vllm_importance_sampling_correction", "ref_model_sync_steps", "embedder"} & set(got)
    assert load(f"{SHORT}sync_ref_model: true")["ref_model_sync_steps"] == 64


def test_legacy_defaults_are_told_in_one_line_and_the_corrected_rewards_in_another(load):
    recipe = load(DRA_GRPO)
    (line,) = about(recipe, "legacy defaults")
    assert "beta 0.04" in line
    assert "docs/legacy-recipes.md" in line
    assert all(f"{key} " in line for key in legacy_defaults(recipe))
    (rewards,) = about(recipe, "reward_funcs")
    assert "cosine_as_released" in rewards
    assert "format_as_released" in rewards


def test_notes_on_the_translation_come_first(load):
    recipe = load(DRA_GRPO)
    assert recipe.notes[0] == "torch_dtype: today's name is dtype"
    assert [note.split(":")[0] for note in recipe.notes].index("legacy defaults") < len(recipe.notes) - 1
    assert all("\n" not in note for note in recipe.notes)


@pytest.mark.parametrize("marker", MARKERS)
def test_each_marker_alone_brings_the_legacy_defaults(load, marker):
    value = {"vllm_device": "auto", "vllm_max_model_len": 64, "SMI_reweighting": "false", "extractor_name": "jina"}[
        marker
    ]
    recipe = load(f"{TODAY.replace('embedder: hash', '')}{marker}: {value}")
    assert recipe["beta"] == 0.04


@pytest.mark.parametrize("line", ["torch_dtype: float32", "warmup_ratio: 0.1", "overwrite_output_dir: true"])
def test_other_legacy_keys_change_no_default(load, line):
    recipe = load(f"{TODAY}{line}")
    assert legacy_defaults(recipe) == {}
    assert len(about(recipe, line.split(":")[0])) == 1


def test_a_legacy_spelling_among_the_overrides_changes_no_default(load):
    recipe = load(TODAY, "SMI_reweighting=false")
    assert legacy_defaults(recipe) == {}
    assert (recipe["diversity"], recipe.settings["diversity"].origin) == ("none", "override")


@pytest.mark.parametrize("override", ["dtype=float32", "torch_dtype=float32"])
@pytest.mark.parametrize("line", ["dtype: bfloat16", "torch_dtype: bfloat16"])
def test_an_override_wins_in_either_spelling(load, line, override):
    recipe = load(f"{TODAY}{line}", override)
    assert (recipe["dtype"], recipe.settings["dtype"].origin) == ("float32", "override")
    told = about(recipe, "torch_dtype")
    assert len(told) == override.startswith("torch")


def test_what_is_given_wins_over_the_legacy_default(load):
    recipe = load(f"{SHORT}beta: 0.1", "temperature=0.5")
    assert (recipe["beta"], recipe.settings["beta"].origin) == (0.1, "recipe")
    assert (recipe["temperature"], recipe.settings["temperature"].origin) == (0.5, "override")


def test_two_spellings_in_one_source_are_one_line(load):
    (line,) = problems(load, f"{TODAY}torch_dtype: bfloat16\ndtype: float32")
    assert line.endswith("dtype is another name of the same key, and stands there too; leave one of them out")
    assert "r.yaml: torch_dtype: " in line
    (line,) = problems(load, f"{TODAY}diversity: none\nSMI_reweighting: true")
    assert "SMI_reweighting: diversity is another name" in line
    (line,) = problems(load, TODAY, "warmup_ratio=0.1", "warmup_steps=5")
    assert "override 'warmup_ratio=0.1'" in line
    (line,) = problems(load, f"{TODAY}optim: sgd\nadafactor: true")
    assert "adafactor" in line
    assert load(f"{TODAY}optim: sgd\nadafactor: false")["optim"] == "sgd", "which asks for nothing"


def test_a_repeated_override_is_refused(load):
    with pytest.raises(RecipeError, match="override torch_dtype: stands 2 times; say it once"):
        load(TODAY, "torch_dtype=float16", "torch_dtype=float32")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("torch_dtype: bflot16", "torch_dtype: found 'bflot16', expected one of auto"),
        ("vllm_device: cpu", "vllm_device: found 'cpu', expected auto or cuda:N"),
        ("SMI_reweighting: yes please", "SMI_reweighting: found 'yes please', expected true or false"),
        ("extractor_name: bge", "extractor_name: found 'bge', expected jina or nomic"),
        ("warmup_ratio: 1.5", "warmup_ratio: found 1.5, expected a number from 0 to below 1"),
        ("adafactor: [1]", "adafactor: found [1], expected true or false"),
    ],
)
def test_bad_legacy_values_are_told_under_their_own_name(load, line, expected):
    text = f"{TODAY}use_vllm: true\nbeta: 0.0\naccelerate_config: ddp\n{line}"
    assert any(expected in problem for problem in problems(load, text))
    assert len(problems(load, text)) == 1


@pytest.mark.parametrize("line", ["vllm_dtype: float16", "split_batches: true", "cosine_max_value_wrong: -1.0"])
def test_a_key_that_would_be_lost_is_an_error(load, line):
    key = line.split(":")[0]
    (problem,) = problems(load, f"{TODAY}{line}")
    assert f"{key}: found" in problem
    assert "no equivalent" in problem


def test_a_token_under_a_legacy_key_is_not_repeated(load):
    (line,) = problems(load, f"{TODAY}push_to_hub_token: secret-words")
    assert "secret-words" not in line
    assert "push_to_hub_token" in line
    line, *_ = problems(load, TODAY, "wandb_entity=hf_" + "a" * 34)
    assert "a" * 34 not in line


def test_each_legacy_key_without_meaning_is_named(load):
    harmless = {key: dropped.only[0] if dropped.only else "x" for key, dropped in DROPPED.items() if dropped.only != []}
    text = TODAY + "\n".join(f"{key}: {'null' if v is None else repr(v).lower()}" for key, v in harmless.items())
    recipe = load(text)
    for key in harmless:
        assert len(about(recipe, key)) == 1, key
    assert legacy_defaults(recipe) == {}


def test_vllm_device_means_nothing_without_vllm(load):
    recipe = load(DRA_GRPO, "use_vllm=false")
    assert (recipe["vllm_gpus"], recipe["use_vllm"]) == (0, False)
    assert "has no effect" in about(recipe, "vllm_device")[0]
    assert recipe["top_k"] == 50


@pytest.mark.parametrize(
    "override", ["vllm_gpus=0", "vllm_mode=colocate", "vllm_server_base_url=http://127.0.0.1:8000"]
)
def test_an_override_may_choose_another_engine(load, override):
    recipe = load(DRA_GRPO, override)
    assert (recipe["vllm_gpus"], recipe["use_vllm"]) == (0, True)


def test_vllm_device_as_an_override_counts(load):
    recipe = load(DRA_GRPO.replace("vllm_device: auto", ""), "vllm_device=cuda:3")
    assert (recipe["vllm_gpus"], recipe.settings["vllm_gpus"].origin) == (1, "override")


def test_layout_follows_another_accelerate_configuration(load, tmp_path):
    config = tmp_path / "four.yaml"
    config.write_text("distributed_type: MULTI_GPU\nnum_processes: 6\n")
    recipe = load(DRA_GRPO, f"accelerate_config={config}")
    assert (recipe["num_processes"], recipe.settings["num_processes"].origin) == (6, "derived")
    assert load(DRA_GRPO, "accelerate_config=zero3")["num_processes"] == 3
    assert load(SHORT, "accelerate_config=single_gpu")["num_processes"] == 1


def test_rewards_of_the_script_hold_where_the_recipe_names_none(load):
    recipe = load(SHORT.replace("reward_funcs: [format]", ""))
    assert recipe["reward_funcs"] == ["accuracy", "format", "tag_count"]


def test_embedder_of_a_legacy_recipe_is_jina(load):
    text = DRA_GRPO.replace("extractor_name: jina", "")
    assert (load(text)["embedder"], load(text, "embedder=hash")["embedder"]) == ("jina", "hash")
    assert load(DRA_GRPO.replace("jina", "nomic"))["embedder"] == "nomic"


def test_experiment_3_of_open_rs_takes_its_length_in_tokens(load):
    recipe = load(OPEN_RS, "--cosine_max_len=3000")
    assert recipe["cosine_max_length"] == 3000
    assert "in tokens" in about(recipe, "cosine_max_len")[0]


def test_legacy_keys_are_none_of_todays_and_lead_to_todays():
    keys = known_keys()
    legacy = set(RENAMED) | set(DROPPED)
    assert not legacy & set(keys)
    assert legacy & set(REFUSED) <= {"callbacks"}  # names of open-r1 in a recipe of 2025, objects in one of today
    assert not set(RENAMED) & set(DROPPED)
    assert {renamed.today for renamed in RENAMED.values()} <= set(keys)
    assert set(MARKERS) <= set(RENAMED)


def test_null_asks_for_nothing_where_it_was_the_default(load):
    assert RENAMED["per_gpu_train_batch_size"].read(None) is NOTHING
    recipe = load(f"{TODAY}per_gpu_train_batch_size: null\nadafactor: false\ntorch_dtype: null")
    assert (recipe.settings["optim"].origin, recipe["dtype"]) == ("TRL default", "float32")


@pytest.mark.parametrize("entry", LEGACY_DEFAULTS, ids=lambda entry: entry.key)
def test_todays_default_is_stated_as_it_is(entry):
    today = OUR_DEFAULTS.get(entry.key, known_keys()[entry.key].default)
    assert entry.today == today
    assert entry.value != today or entry.key == "scale_rewards"


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("recipes/*.yaml")), ids=lambda path: path.name)
def test_shipped_recipes_need_no_translation(path):
    assert legacy_defaults(load_recipe(path)) == {}
