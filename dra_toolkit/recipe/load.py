"""From a YAML file and `key=value` overrides to a checked recipe; all problems at once, one line each."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.recipe.checks import check
from dra_toolkit.recipe.derived import derive
from dra_toolkit.recipe.keys import OUR_DEFAULTS, REFUSED, known_keys
from dra_toolkit.recipe.legacy import Given, apply_legacy_defaults, translate
from dra_toolkit.recipe.places import placed
from dra_toolkit.recipe.recipe import Origin, Recipe, Setting
from dra_toolkit.recipe.shipped import find_recipe, shipped_recipes
from dra_toolkit.recipe.tokens import check_no_token, check_text, shown_override
from dra_toolkit.recipe.traps import notes
from dra_toolkit.recipe.values import BadValueError, OutOfRangeError, read_value


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override, resolve and check a recipe: a file, or a shipped recipe by its name.

    Raises RecipeError with every problem found, each one line: file, key, what was found, what was expected.
    """
    recipe, problems = examine_recipe(path, overrides)
    if problems:
        raise RecipeError(*problems)
    return recipe


def examine_recipe(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Recipe, list[str]]:
    """Return a recipe as far as it can be read, and every problem with it; a value that is wrong is left at its default.

    Raises RecipeError only for a file that is no recipe at all.
    """
    from dra_toolkit.recipe.yaml_text import read_mapping

    path = find_recipe(path)
    text, mapping = read_mapping(path)
    is_shipped = path.absolute() in shipped_recipes().values()
    folder = path.parent if not is_shipped or path.with_suffix(".py").is_file() else None
    empty = Recipe(name=path.stem, settings={}, folder=folder, text=text)
    given: list[Given] = [(f"{path}", key, value, "recipe") for key, value in mapping.items()]
    overridden: list[Given] = [
        (f"override {shown_override(item)!r}", *read_override(item), "override") for item in overrides
    ]
    recipe, problems = _resolved(empty, path, [*given, *overridden])
    times = Counter(key for _, key, _, _ in overridden)
    problems += [f"override {key}: stands {count} times; say it once" for key, count in times.items() if count > 1]
    problems += [f"{path}: {problem}" for problem in (*check_text(text), *check(recipe))]
    if problems:
        return recipe, problems
    own = {*notes(_resolved(empty, path, given)[0])} if is_shipped else set()  # chosen by whoever wrote it
    return replace(recipe, notes=(*recipe.notes, *(note for note in notes(recipe) if note not in own))), []


def _resolved(empty: Recipe, path: Path, given: Sequence[Given]) -> tuple[Recipe, list[str]]:
    """Return the recipe with what is given, what follows from it and defaults; notes on legacy keys; and what is wrong."""
    translation = translate(given)
    problems = [*translation.problems]
    settings = _defaults(path)
    for where, key, found, origin in translation.given:
        if problem := _set(settings, key, placed(key, found, origin, empty.folder), origin):
            problems.append(f"{where}: {problem}")
    legacy_notes = tuple(apply_legacy_defaults(settings, translation))
    problems += [f"{path}: {problem}" for problem in derive(settings)]
    return replace(empty, settings=settings, notes=legacy_notes), problems


def read_override(item: str) -> tuple[str, Any]:
    """Return key and value of `key=value`, or raise RecipeError."""
    from dra_toolkit.recipe.yaml_text import BadYamlError, read_yaml

    key, equals, value = item.partition("=")
    key = key.strip().removeprefix("--")
    if not equals or not key:
        raise RecipeError(f"override {shown_override(item)!r}: expected key=value")
    with contextlib.suppress(BadYamlError):
        return key, read_yaml(value) if value.strip() else None
    return key, value


def recipe_of(name: str, known: Mapping[str, Any], text: str) -> Recipe:
    """Return a recipe that says what is known of a run that no recipe started; what is no key of ours is left out."""
    settings = _defaults(Path(name))
    settings |= {
        key: Setting(value=value, origin="recipe")
        for key, value in known.items()
        if key in settings and value != settings[key].value
    }
    return Recipe(name=name, settings=settings, text=text)


def _defaults(path: Path) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    for key in known_keys().values():
        ours = key.owner in ("dra", "reward", "measure")
        settings[key.name] = Setting(value=key.default, origin="dra default" if ours else "TRL default")
    settings |= {name: Setting(value=value, origin="dra default") for name, value in OUR_DEFAULTS.items()}
    return settings | {"output_dir": Setting(value=f"runs/{path.stem}", origin="dra default")}


def _set(settings: dict[str, Setting], key: str, found: Any, origin: Origin) -> str | None:
    """Put one given value in place, or return the problem with it."""
    keys = known_keys()
    if key in REFUSED:
        return f"{key}: cannot be set here; {REFUSED[key]}"
    if key not in keys:
        return f"{key}: unknown key{did_you_mean(str(key), keys)}"
    if problem := check_no_token(key, found):
        return problem
    try:
        settings[key] = Setting(value=read_value(keys[key], found), origin=origin)
    except OutOfRangeError as error:  # set all the same, so that no default is blamed for what it says of others
        settings[key] = Setting(value=error.value, origin=origin)
        return f"{key}: {error}"
    except BadValueError as error:
        return f"{key}: {error}"
    return None
