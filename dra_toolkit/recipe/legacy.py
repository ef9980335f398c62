"""Recipes of 2025 as they are: legacy keys in today's words, with a note for each, and the defaults of their time."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dra_toolkit.recipe.keys import known_keys
from dra_toolkit.recipe.legacy_defaults import DR_GRPO, set_legacy_defaults
from dra_toolkit.recipe.legacy_tables import DROPPED, MARKERS, NOTHING, RENAMED
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


@dataclass(kw_only=True)
class Translation:
    """What was given, in today's keys."""

    given: list[Given] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """One line for each legacy key."""
    problems: list[str] = field(default_factory=list)
    is_legacy: bool = False
    """Whether the recipe is of 2025, so that the defaults of its time hold."""
    dr_grpo_named_by: str | None = None
    """The key of the recipe that names Dr. GRPO."""


class _Seen:
    """What the recipe and the overrides say in all, on which the meaning of one legacy key may depend."""

    def __init__(self, given: Sequence[Given]) -> None:
        self.values = {(origin, key): value for _, key, value, origin in given}

    def last(self, key: str) -> Any:
        """Return the value that counts, or None."""
        return self.values.get(("override", key), self.values.get(("recipe", key)))

    def overrides(self, *keys: str) -> bool:
        """Return whether an override says one of today's keys, in either spelling."""
        said = {key for origin, key in self.values if origin == "override"}
        said |= {RENAMED[key].today for key in said & RENAMED.keys()}
        return not said.isdisjoint(keys)

    def other(self, origin: Origin, key: str) -> str | None:
        """Return another name in the same source of what a legacy key is called today."""
        today = RENAMED[key].today
        spellings = (today, *(name for name, legacy in RENAMED.items() if legacy.today == today and name < key))
        return next((name for name in spellings if (origin, name) in self.values), None)


def translate(given: Sequence[Given]) -> Translation:
    """Return what was given with today's keys in place of legacy ones; values of today's keys stay as they are.

    A legacy key that stands beside another name of the same key in one source, the recipe or the overrides, is a problem, as
    is one that cannot be had any more.
    """
    seen, done = _Seen(given), Translation()
    for where, key, found, origin in given:
        if key not in RENAMED and key not in DROPPED:
            done.given.append((where, key, found, origin))
            continue
        try:
            today, value, note = _translated(key, found, origin, seen)
        except BadValueError as error:
            done.problems.append(f"{where}: {key}: {error}")
            continue
        if today:
            done.given.append((where, today, value, origin))
        if note not in done.notes and not (today and origin == "recipe" and seen.overrides(today)):
            done.notes.append(note)
    recipe = {key: value for _, key, value, origin in given if origin == "recipe"}
    done.is_legacy = any(marker in recipe for marker in MARKERS)
    named = (key for key in ("hub_model_id", "output_dir") if _DR_GRPO_NAME.search(str(recipe.get(key, ""))))
    done.dr_grpo_named_by = next(named, None) if done.is_legacy else None
    return done


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
    """Return today's key, or None where nothing stands for the legacy one, its value, and the note; raises BadValueError."""
    if problem := check_no_token(key, found):
        raise BadValueError(problem.partition(": ")[2])
    if key in DROPPED:
        dropped = DROPPED[key]
        if dropped.only is not None and found not in dropped.only:
            shown = "" if "token" in key else f"found {found!r}; "
            raise BadValueError(f"{shown}has no equivalent; {dropped.why}")
        return None, None, f"{key}: has no meaning any more; {dropped.why}"
    legacy = RENAMED[key]
    today, value = legacy.today, legacy.read(found)
    # without vLLM, or where an override asks for another engine than the recipe's, its device means nothing
    displaced = origin == "recipe" and seen.overrides(*_ENGINE_KEYS)
    if value is NOTHING or (key == "vllm_device" and (displaced or seen.last("use_vllm") is not True)):
        return None, None, f"{key}: has no effect here; today's name is {today}"
    read_value(known_keys()[today], value)
    if other := seen.other(origin, key):
        raise BadValueError(f"{other} is another name of the same key, and stands there too; leave one of them out")
    if value is found:
        return today, value, f"{key}: today's name is {today}{legacy.remark}"
    return today, value, f"{key}: {_shown(found)} is {today}: {_shown(value)} today{legacy.remark}"


def _shown(value: Any) -> str:
    """Return a value as YAML would write it, on one line."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, default=str)
