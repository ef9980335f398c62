"""Recipes of 2025 as they are: legacy keys in today's words, with a note for each, and the defaults of their time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.recipe.keys import known_keys
from dra_toolkit.recipe.legacy_tables import (
    DR_GRPO,
    DROPPED,
    MARKERS,
    NOTHING,
    RENAMED,
    set_legacy_defaults,
)
from dra_toolkit.recipe.recipe import Origin, Setting
from dra_toolkit.recipe.tokens import check_no_token
from dra_toolkit.recipe.values import BadValueError, read_value
from dra_toolkit.rewards import REWARDS

Given = tuple[str, str, Any, Origin]
"""Where a value was given, its key, the value, and its origin."""

PAGE = "docs/legacy-recipes.md"
AS_RELEASED = "recipes/dra_grpo_as_released.yaml"
_DR_GRPO_NAME = re.compile(r"(?<![a-z])dr[-_.]{1,2}grpo(?![a-z])", re.IGNORECASE)
_ENGINE_KEYS = ("vllm_gpus", "vllm_mode", "vllm_server_base_url", "vllm_server_host")
_PLAIN = re.compile(r"[\w.:/-]+")


@dataclass(frozen=True, kw_only=True)
class Translation:
    """What was given, in today's keys."""

    given: list[Given]
    notes: list[str]
    """One line for each legacy key."""
    problems: list[str]
    is_legacy: bool
    """Whether the recipe is of 2025, so that the defaults of its time hold."""
    dr_grpo_named_by: str | None = None
    """The key of the recipe that names Dr. GRPO."""


class _Seen:
    """What the recipe and the overrides say in all, on which the meaning of one legacy key may depend."""

    def __init__(self, given: Sequence[Given]) -> None:
        self._values = {(origin, key): value for _, key, value, origin in given}
        self._translated: dict[tuple[Origin, str], tuple[str, Any]] = {}

    def last(self, key: str) -> Any:
        """Return the value that counts, or None."""
        return self._values.get(("override", key), self._values.get(("recipe", key)))

    def overrides(self, *keys: str) -> bool:
        """Return whether an override says one of today's keys, in either spelling."""
        said = {key for origin, key in self._values if origin == "override"}
        said |= {RENAMED[key].today for key in said & RENAMED.keys()}
        return not said.isdisjoint(keys)

    def other(self, origin: Origin, key: str, today: str) -> tuple[str, Any] | None:
        """Return another spelling of `today` in the same source and its value in today's words, if there is one."""
        if (origin, today) in self._values:
            return today, self._values[origin, today]
        spelled = self._translated.get((origin, today))
        return spelled if spelled and spelled[0] != key else None

    def add(self, origin: Origin, key: str, today: str, value: Any) -> None:
        """Remember what a legacy key means."""
        self._translated[origin, today] = key, value


def translate(given: Sequence[Given]) -> Translation:
    """Return what was given with today's keys in place of legacy ones; values of today's keys stay as they are.

    A legacy key that stands beside today's in the same source (the recipe, or the overrides) with another value is a
    problem, as is one that cannot be had any more.
    """
    seen = _Seen(given)
    result: list[Given] = []
    notes: dict[str, None] = {}
    problems: list[str] = []
    for where, key, found, origin in given:
        if key not in RENAMED and key not in DROPPED:
            result.append((where, key, found, origin))
            continue
        try:
            today, value, note = _translated(key, found, origin, seen)
        except BadValueError as error:
            problems.append(f"{where}: {key}: {error}")
            continue
        if today:
            result.append((where, today, value, origin))
        if not (today and origin == "recipe" and seen.overrides(today)):
            notes[note] = None
    recipe = {key: value for _, key, value, origin in given if origin == "recipe"}
    is_legacy = any(marker in recipe for marker in MARKERS)
    named = (key for key in ("hub_model_id", "output_dir") if _DR_GRPO_NAME.search(str(recipe.get(key, ""))))
    return Translation(
        given=result,
        notes=list(notes),
        problems=problems,
        is_legacy=is_legacy,
        dr_grpo_named_by=next(named, None) if is_legacy else None,
    )


def apply_legacy_defaults(settings: dict[str, Setting], translation: Translation) -> Iterator[str]:
    """Set the defaults of the recipe's time where it is of 2025; yield all notes on its translation, one line each."""
    yield from translation.notes
    if not translation.is_legacy:
        return
    done = set_legacy_defaults(settings, dr_grpo=translation.dr_grpo_named_by is not None)
    if translation.dr_grpo_named_by and set(DR_GRPO) & set(done):
        yield (
            f"{translation.dr_grpo_named_by}: names Dr. GRPO, which the released repository chose by its script; "
            "loss_type=grpo scale_rewards=group trains GRPO instead"
        )
    rewards = [name for name in settings["reward_funcs"].value or () if f"{name}_as_released" in REWARDS]
    if rewards:
        released = ", ".join(f"{name}_as_released" for name in rewards)
        yield (
            f"reward_funcs: {', '.join(rewards)} are this toolkit's corrected ones; {released} and {AS_RELEASED} give the "
            "released behaviour"
        )
    if done:
        yield f"legacy defaults: {', '.join(f'{key} {_shown(settings[key].value)}' for key in done)} ({PAGE})"


def _translated(key: str, found: Any, origin: Origin, seen: _Seen) -> tuple[str | None, Any, str]:
    """Return today's key, or None where nothing stands for the legacy one, its value, and the note.

    Raises BadValueError.
    """
    if problem := check_no_token(key, found):
        raise BadValueError(problem.partition(": ")[2])
    if key in DROPPED:
        _check_harmless(key, found)
        return None, None, f"{key}: has no meaning any more; {DROPPED[key].why}"
    legacy = RENAMED[key]
    value = legacy.read(found)
    if value is NOTHING or (key == "vllm_device" and not _asks_for_server(origin, seen)):
        return None, None, f"{key}: has no effect here; today's name is {legacy.today}"
    read_value(known_keys()[legacy.today], value)
    _check_same(key, found, value, origin, seen)
    seen.add(origin, key, legacy.today, value)
    if value is found:
        return legacy.today, value, f"{key}: today's name is {legacy.today}{legacy.remark}"
    return legacy.today, value, f"{key}: {_shown(found)} is {legacy.today}: {_shown(value)} today{legacy.remark}"


def _check_harmless(key: str, found: Any) -> None:
    """Raise BadValueError if leaving the key out would lose something."""
    legacy = DROPPED[key]
    if legacy.only is None or any(found is value or found == value for value in legacy.only):
        return
    shown = "" if "token" in key else f"found {found!r}; "
    raise BadValueError(f"{shown}has no equivalent; {legacy.why}")


def _asks_for_server(origin: Origin, seen: _Seen) -> bool:
    """Return whether vLLM is used at all, and no override asks for another engine than the recipe's."""
    displaced = origin == "recipe" and seen.overrides(*_ENGINE_KEYS)
    return seen.last("use_vllm") is True and not displaced


def _check_same(key: str, found: Any, value: Any, origin: Origin, seen: _Seen) -> None:
    """Raise BadValueError if the same source says today's key in another spelling with another value."""
    today = RENAMED[key].today
    other = seen.other(origin, key, today)
    if other is None or _as_read(today, other[1]) == _as_read(today, value):
        return
    means = f"found {_shown(found)}" + ("" if value is found else f", today {today}: {_shown(value)}")
    raise BadValueError(
        f"{means}, but {other[0]}, another name of the same key, {'means' if other[0] != today else 'is'} "
        f"{_shown(other[1])}; leave one of them out"
    )


def _as_read(key: str, value: Any) -> Any:
    try:
        return read_value(known_keys()[key], value)
    except BadValueError:
        return value  # told when it is set


def _shown(value: Any) -> str:
    """Return a value as YAML would write it, on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, default=str)
