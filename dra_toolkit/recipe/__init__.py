"""A recipe: one flat YAML file that starts a training run, read and checked in milliseconds, without torch."""

from dra_toolkit.recipe.keys import BUILTIN_PREFIX, BUILTINS, Key, known_keys
from dra_toolkit.recipe.load import load_recipe, recipe_of
from dra_toolkit.recipe.recipe import Recipe, Setting

__all__ = ["BUILTINS", "BUILTIN_PREFIX", "Key", "Recipe", "Setting", "known_keys", "load_recipe", "recipe_of"]
