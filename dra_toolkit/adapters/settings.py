"""The file that tells an adapter how to adjust, in the keys of a recipe that have a meaning there; the engine's command."""

import json
import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dra_toolkit.diversity import SETTING_KEYS, DiversitySettings, measure_options
from dra_toolkit.embedding import EmbedderSettings, check_text_embedder
from dra_toolkit.errors import RecipeError, RunError, SettingsError, did_you_mean
from dra_toolkit.recipe import Recipe, known_keys, recipe_of
from dra_toolkit.recipe.values import BadValueError, read_value
from dra_toolkit.recipe.yaml_text import read_mapping

EMBEDDER = tuple(key for key in known_keys() if key.startswith("embed"))
KEYS = (
    "output_dir",
    *(each.key for each in SETTING_KEYS.values() if not each.borrowed and each.field != "scope"),
    *measure_options(),
    *EMBEDDER,
    "record_embeddings",
    "record_texts",
)
"""What a settings file may say. A rank slice means the rows of one device of TRL; here groups are compared."""
ACTORS = ("embedder_actors", "embedder_gpus")
"""Keys of a settings file alone: Ray actors that embed (0: the process that adjusts), and the share of a GPU of each."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How an adapter adjusts, embeds and records."""

    recipe: Recipe
    """What is known of the run, as the run directory keeps it."""
    diversity: DiversitySettings
    embedder: EmbedderSettings | None
    embedder_actors: int = 0
    embedder_gpus: float = 0.0


def given_settings(path: Path | str | None, engine: str, key: str = "DRA_SETTINGS") -> EngineSettings:
    """Read the settings file that an engine was given by `key`; raises RunError where it was given none."""
    if not path:
        raise RunError(f"{key}: missing; `dra export-settings RECIPE {engine}` writes the file and the command")
    return read_settings(path)


def read_settings(path: Path | str) -> EngineSettings:
    """Read a settings file; raises RecipeError with every problem, one line each."""
    path = Path(path)
    text, found = read_mapping(path)
    problems, given = [], {"output_dir": f"runs/{path.stem}"}
    actors = {key: found.pop(key, 0) for key in ACTORS}
    for key, value in actors.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            problems.append(f"{path}: {key}: found {value!r}, expected a number from 0")
    for key, value in found.items():
        if key not in KEYS:
            problems.append(f"{path}: {key}: is not said here{did_you_mean(str(key), KEYS)}")
            continue
        try:
            given[key] = read_value(known_keys()[key], value)
        except BadValueError as error:
            problems.append(f"{path}: {key}: {error}")
    if problems:
        raise RecipeError(*problems)
    recipe = recipe_of(path.stem, given, text)
    try:
        diversity = recipe.diversity
    except SettingsError as error:
        raise RecipeError(*(f"{path}: {problem}" for problem in error.problems)) from None
    embedder = None if recipe.embedder.name == "none" else recipe.embedder
    if embedder is not None and (problem := check_text_embedder(embedder)):
        raise RecipeError(f"{path}: embedder: {problem}")
    return EngineSettings(recipe=recipe, diversity=diversity, embedder=embedder, **actors)


def settings_text(recipe: Recipe) -> str:
    """Return what a recipe says of the adjustment as a settings file; raises RecipeError for a rank slice."""
    if recipe.diversity.scope != "group":
        raise RecipeError("diversity_scope: rank_slice cuts TRL's batch of one device, which other engines do not have")
    own = {f"{recipe.diversity.measure}_{option.name}" for option in recipe.diversity.definition.options}
    said = [key for key in KEYS if key not in measure_options() or key in own]
    lines = [f"{key}: {json.dumps(recipe[key])}" for key in said]
    return "\n".join([f"# How rewards are adjusted in {recipe.name}, for an adapter of the DRA Toolkit.", *lines, ""])


ENGINES: dict[str, list[str]] = json.loads((files("dra_toolkit.adapters") / "engines.json").read_text(encoding="utf-8"))
"""Engine -> the parts of its command, to which one's own arguments are added."""


def command(engine: str, recipe: Recipe, file: Path) -> str:
    """Return the command of an engine, a line for each part; raises RecipeError for what the engine cannot do."""
    scaling = recipe.objective.scale_rewards
    if scaling == "batch" and engine != "ms-swift":
        raise RecipeError(f"scale_rewards: batch is not known to {engine}; group and none are")
    return " \\\n  ".join(ENGINES[engine]).format(
        file=shlex.quote(str(file)),
        plugin=shlex.quote(str(files("dra_toolkit.adapters") / "swift_plugin" / "register.py")),
        size=recipe.objective.num_generations,
        scaling=scaling,
        std=scaling == "group",
        without_std="" if scaling == "group" else " --disable-grpo-std-normalization",
    )
