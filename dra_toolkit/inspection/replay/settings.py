"""What a replay changes: recipe keys and values, put over the settings that were recorded."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dra_toolkit.diversity import (
    SCALINGS,
    SETTING_KEYS,
    DiversitySettings,
    Estimator,
    Scaling,
    diversity_settings,
    estimator_of,
    is_dotted,
    load_labeller,
    load_measure,
    measure_options,
)
from dra_toolkit.embedding import EmbedderSettings, check_text_embedder
from dra_toolkit.errors import MeasureError, RecipeError, SettingsError, did_you_mean
from dra_toolkit.groups import Mode
from dra_toolkit.recipe import known_keys
from dra_toolkit.recipe.load import read_override
from dra_toolkit.recipe.sections import DIVERSITY_PRESETS, PRESET, SCALING, Embedding
from dra_toolkit.recipe.values import BadValueError, read_value
from dra_toolkit.runs import FileFacts

EMBEDDER_KEYS = tuple(each.name for each in fields(Embedding))
LABELS, MEASURE = SETTING_KEYS["labels"].key, SETTING_KEYS["measure"].key


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Settings that a replay changes, by recipe key; everything else stays as it was recorded."""

    given: dict[str, Any] = field(default_factory=dict)
    embedder: EmbedderSettings | None = None
    """What the texts are embedded with anew; None keeps the recorded similarity."""

    def __bool__(self) -> bool:
        return bool(self.given)

    @property
    def labels_by(self) -> str | None:
        """The user's own function that makes the clusters, where the changes name one: the texts are then read."""
        name = self.given.get(LABELS, "")
        return name if is_dotted(name) else None

    def settings(self, facts: FileFacts, mode: Mode) -> DiversitySettings:
        """Return how rewards are adjusted in the replay of a file; raises RecipeError for what cannot go together."""
        changed = {key: value for key, value in self.given.items() if key in _keys_of_settings()}
        if not changed:
            return recorded_settings(facts, mode)
        defaults = {name: key.default for name, key in known_keys().items()}
        recipe = {**defaults, **recorded_settings(facts, mode).as_recipe(), **changed}
        try:
            return diversity_settings(recipe)
        except SettingsError as error:
            raise RecipeError(*error.problems) from None

    def estimator(self, facts: FileFacts) -> Estimator:
        """Return how advantages are made in the replay of a file."""
        given = self.given.get(SCALING)
        return facts.made if given is None else estimator_of(given)

    def written(self) -> list[str]:
        """Return the changes as `key=value`, as they can be typed."""
        return [f"{key}={_written(value)}" for key, value in self.given.items()]


def recorded_settings(facts: FileFacts, mode: Mode) -> DiversitySettings:
    """Return how the rewards of a file were adjusted: evaluation is measured and never adjusted."""
    return DiversitySettings(measure="none") if mode == "eval" else facts.diversity


def replay_keys() -> tuple[str, ...]:
    """Return the recipe keys that a replay can change."""
    return (*_keys_of_settings(), PRESET, SCALING, *EMBEDDER_KEYS)


def recipe_lines(settings: DiversitySettings, made: Estimator, embedder: str) -> list[str]:
    """Return settings as lines that can stand in a recipe."""
    values = {**settings.as_recipe(), "embedder": embedder}
    scaling = scaling_of(made)
    said = f"{SCALING}: {scaling}" if scaling else f"# advantages: {made}"
    return [*(f"{key}: {_written(value)}" for key, value in values.items()), said]


def scaling_of(made: Estimator) -> Scaling | None:
    """Return the `scale_rewards` that makes advantages so; None for another engine's."""
    return next((name for name in SCALINGS if estimator_of(name) == made), None)


def read_changes(overrides: Sequence[str]) -> Changes:
    """Read `key=value` items with a recipe's keys; raises RecipeError with every problem found."""
    given: dict[str, Any] = {}
    problems = [problem for item in overrides for problem in _read(given, item)]
    if problems:
        raise RecipeError(*problems)
    if (name := given.pop(PRESET, None)) is not None:  # it says something of every key that presets are about
        keys = dict.fromkeys(key for preset in DIVERSITY_PRESETS.values() for key in preset)
        given = {key: DIVERSITY_PRESETS[name].get(key, known_keys()[key].default) for key in keys} | given
    embedder = _embedder(given)
    try:
        if is_dotted(given.get(MEASURE, "")):
            load_measure(given[MEASURE])
        if is_dotted(given.get(LABELS, "")):
            load_labeller(given[LABELS])
    except MeasureError as error:
        raise RecipeError(*error.problems) from None
    return Changes(given=given, embedder=embedder)


def _read(given: dict[str, Any], item: str) -> Iterator[str]:
    """Put one value in place, or yield the problem with it."""
    keys = replay_keys()
    try:
        key, found = read_override(item)
        if key in keys:
            given[key] = read_value(known_keys()[key], found)
            return
    except RecipeError as error:
        yield error.problems[0]
    except BadValueError as error:
        yield f"override {item!r}: {key}: {error}"
    else:
        why = "no recorded group depends on it" if key in known_keys() else "unknown key"
        known = f"; a replay changes {', '.join(keys)}"
        yield f"override {item!r}: {key}: {why}{did_you_mean(key, keys) or known}"


def _embedder(given: dict[str, Any]) -> EmbedderSettings | None:
    if "embedder" not in given:
        without = [key for key in EMBEDDER_KEYS if key in given]
        if without:
            raise RecipeError(*(f"{key}: has no effect on a replay without embedder=NAME" for key in without))
        return None
    settings = Embedding.of(given).settings
    if problem := check_text_embedder(settings):
        raise RecipeError(f"embedder: {problem}")
    return settings


def _keys_of_settings() -> list[str]:
    return [*(each.key for each in SETTING_KEYS.values()), *measure_options()]


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.replace(".", "_").isidentifier() else json.dumps(value)
