"""Every key that a recipe may have: ours, TRL's own arguments by their own names, and the rewards' parameters."""

import functools
import json
from collections.abc import Iterator
from dataclasses import Field, fields
from importlib import resources
from typing import Any

from dra_toolkit.diversity import SCALINGS, SETTING_KEYS, measure_options
from dra_toolkit.recipe.sections import DIVERSITY_PRESETS, SECTIONS, Key, Section
from dra_toolkit.recipe.sections.declaring import kinds_of
from dra_toolkit.rewards import reward_parameters

__all__ = ["BUILTINS", "BUILTIN_PREFIX", "DIVERSITY_PRESETS", "OUR_KEYS", "REFUSED", "Key", "flagged", "known_keys"]

BUILTIN_PREFIX = "builtin:"
BUILTINS = ("ways",)
"""Models and data sets that the toolkit makes itself, named `builtin:NAME` where an id or a folder could stand."""


def _declared() -> Iterator[tuple[Field[Any], bool]]:
    """Yield the fields of all sections, and whether each is a key of our own."""
    for section in SECTIONS:
        for each in fields(section):  # type: ignore[arg-type]
            yield each, each.metadata["ours"]


def _of_the_adjustment() -> Iterator[Key]:
    """Yield the keys of `DiversitySettings`, as they are declared there."""
    for each in SETTING_KEYS.values():
        if not each.borrowed:
            own = (f.name for f in fields(Key) if f.name not in ("low", "high"))  # DiversitySettings checks its ranges
            found = {name: getattr(each, name) for name in own if hasattr(each, name)}
            yield Key(name=each.key, **found, in_summary=each.field == "measure")


OUR_KEYS = (
    *(
        Key(name=each.name, kinds=kinds_of(str(each.type)), **each.metadata["declared"])
        for each, is_ours in _declared()
        if is_ours
    ),
    *_of_the_adjustment(),
)
"""The keys that are not TRL's, a reward's or a measure's."""

OUR_DEFAULTS: dict[str, Any] = {"logging_steps": 1, "disable_tqdm": True}
"""TRL arguments whose default differs here: a metrics line for every step, and no second progress bar."""


@functools.cache
def stored(name: str) -> dict[str, Any]:
    """Return a stored table; tests hold those of TRL's and accelerate's keys against what is installed."""
    return json.loads(resources.files("dra_toolkit.recipe").joinpath(name).read_text(encoding="utf-8"))


_RULES = stored("key_rules.json")
REFUSED: dict[str, str] = _RULES["refused"]
"""Keys that TRL knows and a recipe may not set, with what to do instead."""
CHOICES: dict[str, tuple[str, ...]] = {"scale_rewards": SCALINGS, **{k: tuple(v) for k, v in _RULES["choices"].items()}}
"""Closed lists of values that TRL states in words only."""
RANGES = {key: (range["low"], range["high"]) for range in _RULES["ranges"] for key in range["keys"]}
"""The numbers of TRL's that have a smallest and a largest value, which it does not check itself."""
ALSO = {key: tuple(numbers) for key, numbers in _RULES["also"].items()}
"""Numbers outside that mean that something is left out."""

MAY_CHANGE = frozenset(_RULES["may_change"])
"""Settings that a resumed run may have different: how long it goes on, where, how fast, and what it leaves behind."""
LAYOUT = frozenset(_RULES["layout"])
"""Settings that say how processes share a step; they may differ where every step has the same completions."""
PROCESSES = "num_processes"
TRL_TABLE = "trl_arguments.json"
HOW_LONG = ("max_steps", "num_train_epochs")
"""The keys that say when a run is finished."""
OWN_OF_A_MACHINE = ("machine_rank", "output_dir")
"""The keys that machines of one run may have different."""


@functools.cache
def known_keys() -> dict[str, Key]:
    """Return every key by name; where a name is ours and TRL's, ours."""
    declared = {each.name: each.metadata["declared"] for each, is_ours in _declared() if not is_ours}
    keys = {
        name: Key(
            name=name,
            kinds=tuple(entry["kinds"]),
            default=entry["default"],
            choices=CHOICES.get(name, tuple(entry.get("choices", ()))),
            owner=entry["owner"],
            low=RANGES.get(name, (None, None))[0],
            high=RANGES.get(name, (None, None))[1],
            also=ALSO.get(name, ()),
            **declared.get(name, {}),
        )
        for name, entry in stored(TRL_TABLE)["arguments"].items()
        if name not in REFUSED
    }
    for name, parameter in reward_parameters().items():
        annotation = parameter.annotation
        written = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        kinds = tuple(part.strip().replace("None", "none") for part in written.split("|"))
        keys[name] = Key(name=name, kinds=kinds, default=parameter.default, owner="reward")
    for name, option in measure_options().items():
        keys[name] = Key(name=name, kinds=("float",), default=option.default, owner="measure", help=option.meaning)
    keys |= {key.name: key for key in OUR_KEYS}
    return keys


def flagged(flag: str, *sections: type[Section]) -> tuple[str, ...]:
    """Return the keys of sections, or of all and of the adjustment, that have a flag of `Key`."""
    wanted = [each.name for section in sections or SECTIONS for each in fields(section)]  # type: ignore[arg-type]
    names = wanted if sections else [*wanted, *(key.name for key in _of_the_adjustment())]
    return tuple(name for name in names if getattr(known_keys()[name], flag))
