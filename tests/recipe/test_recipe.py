"""Recipes: what is accepted, where each value comes from, and what every mistake is answered with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dra_toolkit.errors import RecipeError, RunError
from dra_toolkit.recipe import Recipe, known_keys, load_recipe

GOOD = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [format]
embedder: hash
per_device_train_batch_size: 8
"""
SHIPPED = sorted(Path(__file__).parents[2].glob("recipes/*.yaml"))


@pytest.fixture
def write(tmp_path):
    def writer(text: str) -> Path:
        path = tmp_path / "r.yaml"
        path.write_text(text)
        return path

    return writer


def problems(path: Path, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    for line in caught.value.problems:
        assert "\n" not in line
    return caught.value.problems


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_shipped_recipes_load(path):
    recipe = load_recipe(path)
    assert recipe["output_dir"] == f"runs/{path.stem}"


def test_the_twin_differs_in_the_adjustment_alone():
    ours, twin = (load_recipe(p) for p in SHIPPED if p.stem in ("quickstart", "quickstart_grpo"))
    assert {key for key in ours if ours[key] != twin[key]} == {"diversity", "output_dir"}


def test_origin_of_each_value(write):
    recipe = load_recipe(write(GOOD), ["learning_rate=1e-4", "beta=0.04"])
    assert recipe.settings["learning_rate"].value == 1e-4
    assert recipe.settings["learning_rate"].origin == "override"
    assert recipe.settings["reward_funcs"].origin == "recipe"
    assert recipe.settings["diversity"].origin == "dra default"
    assert recipe.settings["logging_steps"].origin == "dra default"
    assert recipe.settings["temperature"].origin == "TRL default"
    assert set(recipe) == set(known_keys())


def test_defaults_are_the_papers(write):
    recipe = load_recipe(write(GOOD))
    assert (recipe["diversity"], recipe["similarity_floor"]) == ("graph_cut", 0.0)


def test_resolved_recipe_reads_back(write, tmp_path):
    recipe = load_recipe(write(GOOD))
    again = Recipe.from_json(recipe.to_json(), tmp_path)
    assert dict(again) == dict(recipe)
    assert again.settings == recipe.settings


def test_newer_resolved_recipe_is_refused(tmp_path):
    with pytest.raises(RunError, match="newer"):
        Recipe.from_json(json.dumps({"version": 99, "name": "x", "settings": {}}), tmp_path)


def test_yaml_spellings_are_mended(write):
    recipe = load_recipe(write(GOOD + "learning_rate: 1e-6\nreward_weights: 2\nmax_steps: 5.0\nscale_rewards: false\n"))
    assert recipe["learning_rate"] == 1e-6
    assert recipe["reward_weights"] == [2]
    assert recipe["max_steps"] == 5
    assert recipe["scale_rewards"] == "none"
    assert load_recipe(write(GOOD + "diversity: off\n"))["diversity"] == "none"
    assert load_recipe(write(GOOD + "save_strategy: no\n"))["save_strategy"] == "no"


class TestMistakes:
    def test_not_yaml(self, write):
        (line,) = problems(write("a: [1, 2\nb: 3"))
        assert "r.yaml:2: not YAML" in line

    def test_a_list(self, write):
        assert "found a list, expected a mapping" in problems(write("- a\n- b"))[0]

    def test_empty(self, write):
        assert "empty" in problems(write(""))[0]

    def test_binary(self, tmp_path):
        (tmp_path / "r.yaml").write_bytes(b"\xff\xfe\x00")
        assert "UTF-8" in problems(tmp_path / "r.yaml")[0]

    def test_missing_file_names_the_nearest(self, write):
        path = write(GOOD)
        assert "did you mean 'r.yaml'" in problems(path.with_name("t.yaml"))[0]

    def test_python_objects_are_not_built(self, write):
        assert "not YAML" in problems(write("a: !!python/object/apply:os.system ['echo']"))[0]

    def test_what_only_looks_like_a_number_or_a_date_is_a_text(self, write):
        recipe = load_recipe(write(GOOD + "run_name: 2024-13-45\n"), ["hub_model_id=0x_"])
        assert (recipe["run_name"], recipe["hub_model_id"]) == ("2024-13-45", "0x_")

    def test_a_value_that_contains_itself(self, write):
        (line,) = problems(write(GOOD + "reward_weights: &a [*a]\n"))
        assert "not YAML (*a contains itself)" in line

    def test_key_twice(self, write):
        assert "beta stands twice" in problems(write(GOOD + "beta: 1\nbeta: 2"))[0]

    def test_all_problems_at_once_with_the_nearest_names(self, write):
        lines = problems(write(GOOD + "lerning_rate: 1\nmax_steps: soon\nloss_type: grpo2\nzzz: 1"), "diversty=none")
        text = "\n".join(lines)
        assert len(lines) == 5
        assert "lerning_rate: unknown key; did you mean 'learning_rate'?" in text
        assert "max_steps: found 'soon', expected a whole number" in text
        assert "loss_type: found 'grpo2', expected one of grpo, dr_grpo" in text
        assert "zzz: unknown key" in text
        assert "override 'diversty=none': diversty: unknown key; did you mean 'diversity'?" in text

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("num_generations: 3", "num_generations: 3 does not divide the generation batch of 8"),
            ("num_generations: 1", "expected at least 2"),
            ("num_processes: 0", "num_processes: found 0"),
            ("generation_batch_size: 8\nsteps_per_generation: 1", "cannot be set together"),
            ("per_device_train_batch_size: 5\nnum_generations: 4", "the nearest that does is 5"),
            ("eval_strategy: steps\nper_device_eval_batch_size: 9", "completions per prompt in evaluation"),
            ("reward_weights: [1, 2]", "found 2 weights for 1 reward_funcs"),
            ("multi_objective_aggregation: normalize_then_sum", "would undo the diversity adjustment"),
            ("embedder: none", "embedder: none cannot measure"),
            ("embedder: minlm", "did you mean 'minilm'"),
            ("resume_from_checkpoint: x", "--resume"),
            ("hub_token: hf_x", "a token must not stand in a file"),
            ("dataset_streaming: true", "drawn by index"),
            ("trust_remote_code: true\nmodel_name_or_path: a/b", "full commit hash"),
            ("similarity_floor: low", "found 'low', expected a number or null"),
            ("bf16: 1", "expected true or false or null"),
            ("embedder_batch_tokens: 0", "at least 1"),
        ],
    )
    def test_impossible_values(self, write, line, said):
        keys = {part.split(":")[0] for part in line.split("\n")}
        base = "\n".join(row for row in GOOD.split("\n") if row.split(":")[0] not in keys)
        assert said in "\n".join(problems(write(f"{base}\n{line}")))

    def test_unknown_reward(self, write):
        (line,) = problems(write(GOOD.replace("[format]", "[acuracy]")))
        assert "did you mean 'accuracy'" in line

    @pytest.mark.parametrize("key", ["model_name_or_path", "dataset_name", "reward_funcs"])
    def test_missing(self, write, key):
        text = "\n".join(row for row in GOOD.split("\n") if not row.startswith(key))
        assert any(f"{key}: missing" in line for line in problems(write(text)))

    def test_missing_data_file_names_the_nearest(self, write, tmp_path):
        (tmp_path / "train.jsonl").write_text("{}\n")
        (line,) = problems(write(GOOD), f"dataset_name={tmp_path}/trian.jsonl")
        assert "did you mean 'train.jsonl'" in line

    def test_empty_data_file(self, write, tmp_path):
        (tmp_path / "train.jsonl").touch()
        assert "is empty" in problems(write(GOOD), f"dataset_name={tmp_path}/train.jsonl")[0]

    def test_single_file_is_not_evaluated_on_itself(self, write, tmp_path):
        (tmp_path / "train.jsonl").write_text("{}\n")
        lines = problems(write(GOOD), f"dataset_name={tmp_path}/train.jsonl", "eval_strategy=steps")
        assert "has no held-out part; put train.jsonl and test.jsonl into a folder" in lines[0]

    def test_unknown_builtin(self, write):
        assert "builtin:ways" in problems(write(GOOD), "dataset_name=builtin:way")[0]


class TestModelFolder:
    @pytest.fixture
    def model(self, tmp_path):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        return folder

    def test_no_config(self, write, model):
        (model / "config.json").unlink()
        assert "has no config.json" in problems(write(GOOD), f"model_name_or_path={model}")[0]

    def test_no_tokenizer(self, write, model):
        assert "has no tokenizer" in problems(write(GOOD), f"model_name_or_path={model}")[0]

    def test_no_chat_template(self, write, model):
        (model / "tokenizer_config.json").write_text("{}")
        assert "no chat template" in problems(write(GOOD), f"model_name_or_path={model}")[0]

    def test_complete(self, write, model):
        (model / "tokenizer_config.json").write_text('{"chat_template": "x"}')
        assert load_recipe(write(GOOD), [f"model_name_or_path={model}"])["model_name_or_path"] == str(model)

    def test_not_there(self, write):
        assert "expected a Hub id or an existing folder" in problems(write(GOOD), "model_name_or_path=./nowhere")[0]


class TestNotes:
    def test_saving_inside_a_generation(self, write):
        recipe = load_recipe(write(GOOD + "num_iterations: 2\nsave_steps: 5\n"))
        assert any("save_steps: 5 is not a multiple of 2" in note for note in recipe.notes)
        assert not any("save_steps" in note for note in load_recipe(write(GOOD)).notes)

    def test_parameter_of_a_reward_that_is_not_used(self, write):
        recipe = load_recipe(write(GOOD + "cosine_max_length: 100\n"))
        assert recipe.notes[-1:] == ("cosine_max_length: has no effect, cosine is not among reward_funcs",)


def test_table_of_trl_arguments_is_that_of_the_installed_trl():
    root = Path(__file__).parents[2]
    sys.path.insert(0, str(root / "tools"))
    try:
        import trl_arguments
    finally:
        sys.path.pop(0)
    assert trl_arguments.TABLE.read_text() == trl_arguments.document(), "run `make docs`"


def test_reading_a_recipe_loads_nothing_heavy(write):
    code = (
        "import sys; from dra_toolkit.recipe import load_recipe; load_recipe(sys.argv[1]);"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'pyarrow', 'pandas', 'duckdb', 'sympy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(write(GOOD))], check=True)
