"""Keys that this toolkit had once: runs that hold them open, replay and resume; recipes say what to do instead."""

from __future__ import annotations

import json

import pytest
from recorded import make_run, record, record_all

from dra_toolkit.errors import RecipeError
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.launch.start import prepared
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Run

GONE = "cosine_as_released_max_value_wrong"
RECIPE = "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\nembedder: hash\n"


@pytest.fixture
def old_run(tmp_path):
    """A run of the time when the key was there, and the recipe that it was started with."""
    directory = make_run(tmp_path / "run")
    record_all(directory, [record(1)])
    document = json.loads(directory.resolved.read_text())
    document["settings"] |= {
        GONE: {"value": -0.5, "origin": "dra default"},
        "a_key_of_long_ago": {"value": 3, "origin": "recipe"},
    }
    directory.resolved.write_text(json.dumps(document))
    recipe = tmp_path / "old.yaml"
    recipe.write_text(f"{RECIPE}{GONE}: -0.5\noutput_dir: {directory.path}\n")
    return directory, recipe


def test_it_opens_and_its_keys_are_read_by_owner(old_run):
    recipe = Run.open(old_run[0].path).recipe
    assert (recipe[GONE], recipe["a_key_of_long_ago"]) == (-0.5, 3)
    assert GONE not in recipe.owned_by("reward")


def test_it_replays(old_run):
    assert replay_run(Run.open(old_run[0].path), read_changes(["negative_totals=multiply"])) is not None


def test_it_resumes_with_the_recipe_it_was_started_with(old_run):
    directory, path = old_run
    recipe = load_recipe(path)
    assert any(note.startswith(f"{GONE}: has no meaning any more") for note in recipe.notes)
    directory.write_status("stopped", attempt=1)
    with prepared(recipe, resume=True, overwrite=False) as start:
        assert start.run.path == directory.path


def test_a_value_that_would_be_lost_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "r.yaml").write_text(f"{RECIPE}{GONE}: -2.0\n")
    with pytest.raises(RecipeError, match=f"{GONE}: found -2.0; has no equivalent; .* a reward of your own"):
        load_recipe(tmp_path / "r.yaml")
