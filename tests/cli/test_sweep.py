"""Several seeds or values in one command: which runs they are, where they lie, and what is refused."""

from __future__ import annotations

import json

import pytest
from shaped import held
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.cli.sweep import each_run
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import load_recipe


def settings(overrides, sweep=()) -> list[dict[str, object]]:
    keys = ("seed", "learning_rate", "diversity", "sweep")
    recipes = [load_recipe("quickstart", each) for each in each_run("quickstart", overrides, sweep)]
    return [{**{key: recipe[key] for key in keys}, "at": str(recipe.output_dir)} for recipe in recipes]


def test_one_value_of_each_key_is_one_run_as_before():
    assert each_run("quickstart", ["seed=3", "reward_funcs=[format, accuracy]"], []) == [
        ["seed=3", "reward_funcs=[format, accuracy]"]
    ]


def test_each_seed_is_a_run_of_its_own_and_says_what_it_belongs_to():
    runs = settings(["seed=1,2,3", "output_dir=there/mine"])
    assert [run["seed"] for run in runs] == [1, 2, 3]
    assert [run["at"] for run in runs] == [f"there/mine-seed-{seed}" for seed in (1, 2, 3)]
    assert {run["sweep"] for run in runs} == {"mine by seed"}


def test_values_of_two_keys_are_combined():
    runs = settings(["seed=1,2"], ["diversity=none,graph_cut"])
    assert [(run["diversity"], run["seed"]) for run in runs] == [
        ("none", 1), ("none", 2), ("graph_cut", 1), ("graph_cut", 2)
    ]  # fmt: skip
    assert len({run["at"] for run in runs}) == 4
    assert {run["sweep"] for run in runs} == {"quickstart by diversity and seed"}


def test_names_and_numbers_with_signs_are_places():
    (first, second) = settings(["learning_rate=1e-5,2e-5"])
    assert (first["at"], second["learning_rate"]) == ("runs/quickstart-learning_rate-1e-5", 2e-5)


@pytest.mark.parametrize(
    ("overrides", "sweep", "said"),
    [
        (["seed=1,1"], [], "seed=1,1: a value stands twice"),
        (["seed=1,2"], ["seed=3,4"], "--sweep seed=1,2: expected KEY=VALUE,VALUE, each key once"),
        ([], ["seed"], "--sweep seed: expected KEY=VALUE,VALUE"),
        ([], ["sed=1,2"], "sed: unknown key; did you mean 'seed'"),
        (["seed=1,x"], [], "seed: found 'x', expected a whole number"),
    ],
)
def test_mistakes_are_one_line(overrides, sweep, said):
    with pytest.raises(RecipeError, match=said):
        settings(overrides, sweep)


@pytest.mark.process
def test_a_dry_run_shows_every_place_and_its_json_every_run():
    arguments = ["train", "quickstart", "seed=1,2", "--dry-run"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "runs/quickstart-seed-2" in shown.stdout
    assert shown.stdout.index("learning_rate") < shown.stdout.index("# train")
    told = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    held("dra train RECIPE seed=1,2 --dry-run", told, apart=["runs[].notes[]", "runs[].commands[].environment.<name>"])
    assert [run["settings"]["seed"]["value"] for run in told["runs"]] == [1, 2]
    refused = CliRunner().invoke(app, [*arguments[:3], "--slurm", "job.sh"])
    assert (refused.exit_code, "writes one run" in refused.stderr) == (2, True)
