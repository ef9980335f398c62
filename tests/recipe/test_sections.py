"""The sections of a recipe: every key declared once, with the type that TRL's table says, readable in older recipes too."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from dra_toolkit.recipe import Recipe, Setting, known_keys, load_recipe
from dra_toolkit.recipe.keys import HOW_LONG, LAYOUT, MAY_CHANGE, OWN_OF_A_MACHINE, TRL_TABLE, flagged, stored
from dra_toolkit.recipe.sections import SECTIONS, Embedding, Launch
from dra_toolkit.recipe.sections.declaring import kinds_of
from dra_toolkit.recipe.shipped import shipped_recipes

FIELDS = [(section, each) for section in SECTIONS for each in fields(section)]


def test_each_key_is_declared_once():
    assert max(Counter(each.name for _, each in FIELDS).values()) == 1


@pytest.mark.parametrize("declared", [each for _, each in FIELDS], ids=lambda each: each.name)
def test_types_are_those_of_the_key(declared):
    kinds = set(kinds_of(str(declared.type)))
    if not declared.metadata["ours"]:
        table = set(stored(TRL_TABLE)["arguments"][declared.name]["kinds"])
        assert kinds == (table - {"none"} if declared.metadata["needed"] else table)
    assert kinds <= set(known_keys()[declared.name].kinds)


@pytest.mark.parametrize("name", shipped_recipes())
def test_sections_say_what_the_recipe_says(name):
    recipe = load_recipe(name)
    for section, declared in FIELDS:
        assert getattr(section.of(recipe), declared.name) == recipe[declared.name]


def test_a_recipe_older_than_a_key_has_its_default():
    old = Recipe(name="old", settings={"num_processes": Setting(value=3, origin="recipe")})
    assert (old.launch.num_processes, old.launch.num_machines) == (3, 1)
    assert old.embedder == Embedding.of({}).settings


def test_sections_derive_what_follows():
    assert Launch.of({"num_processes": 8, "num_machines": 2, "machine_rank": 1}).local_processes == 4
    assert not Launch.of({"machine_rank": 1}).is_first_machine


def test_flags_are_of_keys_that_exist():
    for flag in ("on_card", "in_summary"):
        assert set(flagged(flag)) <= set(known_keys())
    assert {*MAY_CHANGE, *LAYOUT, *HOW_LONG, *OWN_OF_A_MACHINE} <= set(known_keys())
    assert "learning_rate" not in MAY_CHANGE


def test_no_recipe_is_read_by_a_string_outside_its_package():
    import runpy

    places = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "recipe_keys.py"))["places"]
    root = Path(__file__).parents[2]
    for path in [*(root / "dra_toolkit").rglob("*.py"), *(root / "app").rglob("*.py")]:
        if "dra_toolkit/recipe/" not in str(path):
            assert not [key for _, key, reads in places(path) if reads], path
