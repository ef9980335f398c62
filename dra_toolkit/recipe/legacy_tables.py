"""What has changed since the recipes of 2025: keys, and the defaults of their time, as `legacy_2025.json` has them.

Read from GRPOConfig, ModelConfig and ScriptArguments of TRL 0.14 to 0.17 (the defaults: 0.15.2, of which DRA-GRPO carries a
copy with two keys of its own), from transformers 4.48 to 4.50, and from the scripts of DRA-GRPO and Open-RS.
"""

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.keys import stored
from dra_toolkit.recipe.recipe import Setting
from dra_toolkit.recipe.values import BadValueError

NOTHING = object()
"""What a legacy value means today where it asked for nothing."""


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A legacy key that has an equivalent."""

    today: str
    of: str
    """Where it was valid."""
    nothing: Sequence[Any] = ()
    """Values that asked for nothing."""
    values: Sequence[tuple[Any, Any]] = ()
    """Values that are written otherwise today."""
    pattern: str | None = None
    """Texts that are 1 today."""
    is_share: bool = False
    """Whether any share of the whole is accepted, from 0 to below 1."""
    expected: str = ""
    """Every accepted value in words; empty: today's key says it."""
    remark: str = ""
    """What else to know, beginning with its punctuation."""

    def read(self, found: Any) -> Any:
        """Return today's value, or NOTHING; raises BadValueError."""
        if any(_is_same(found, value) for value in self.nothing):
            return NOTHING
        for then, today in self.values:
            if _is_same(found, then):
                return found if _is_same(then, today) else today
        if self.pattern and isinstance(found, str) and re.fullmatch(self.pattern, found):
            return 1
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not self.expected or (self.is_share and is_number and 0 <= found < 1):
            return found
        raise BadValueError(f"found {found!r}, expected {self.expected}")


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A legacy key without an equivalent."""

    of: str
    why: str
    """Why it is not needed, or what to say in its place."""
    only: Sequence[Any] | None = None
    """Values that can be left out; any other is an error, because it would be lost. None: every value."""


@dataclass(frozen=True, kw_only=True)
class LegacyDefault:
    """A default that a legacy recipe relied on and that is another today."""

    key: str
    value: Any
    today: Any
    when: str
    """One of `CONDITIONS`."""
    why: str
    """What the old value does."""
    source: str


Settings = Mapping[str, Setting]


def _is_same(found: Any, value: Any) -> bool:
    return type(found) is type(value) and bool(found == value)


def _names_own_server(settings: Settings) -> bool:
    """Return whether nothing given speaks of another engine than a server of the run's own."""
    others = ("vllm_mode", "vllm_server_base_url", "vllm_server_host")
    return settings["use_vllm"].value is True and not any(settings[key].is_given for key in others)


def _several_processes(settings: Settings) -> bool:
    """Return whether the accelerate configuration leaves the number of processes open and starts several."""
    with contextlib.suppress(RecipeError):  # a file that cannot be read is told by the checks
        name = settings["accelerate_config"].value
        config = read_accelerate_config(name) if name is not None else None
        return config is None or (config.distributed_type != "NO" and "num_processes" not in config.layout)
    return True


CONDITIONS: dict[str, Callable[[Settings], bool]] = {
    "always": lambda settings: True,
    "with SMI_reweighting": lambda settings: settings["diversity"].value != "none",
    "with use_vllm": lambda settings: settings["use_vllm"].value is True,
    "without use_vllm": lambda settings: settings["use_vllm"].value is not True,
    "with use_vllm, where nothing is said of another engine": _names_own_server,
    "with vllm_gpus": lambda settings: bool(settings["vllm_gpus"].value),
    "with sync_ref_model": lambda settings: settings["sync_ref_model"].value is True,
    "unless accelerate_config says it": _several_processes,
}
"""When a legacy default holds, in words."""

_TABLES = stored("legacy_2025.json")
MARKERS: tuple[str, ...] = tuple(_TABLES["markers"])
"""Keys that no recipe of today has: a recipe with one of them gets the defaults of its time."""
RENAMED = {name: Renamed(**entry) for name, entry in _TABLES["renamed"].items()}
"""Legacy name -> today's key, whose value is read by `read`."""
DROPPED = {name: Dropped(**entry) for name, entry in _TABLES["dropped"].items()}
"""Legacy name -> why nothing stands in its place."""
LEGACY_DEFAULTS = tuple(LegacyDefault(**entry) for entry in _TABLES["defaults"])
"""In the order in which they are set, since some depend on others."""
DR_GRPO: dict[str, str] = _TABLES["dr_grpo"]
"""What the released repository's second script, of Dr. GRPO, did otherwise."""


def set_legacy_defaults(settings: dict[str, Setting], *, dr_grpo: bool) -> list[str]:
    """Set each legacy default whose key was not given and whose condition holds; return the keys that were set.

    dr_grpo: whether the recipe is for the released repository's script of Dr. GRPO.
    """
    done = []
    for default in LEGACY_DEFAULTS:
        if settings[default.key].is_given or not CONDITIONS[default.when](settings):
            continue
        value = DR_GRPO.get(default.key, default.value) if dr_grpo else default.value
        settings[default.key] = Setting(value=value, origin="legacy default")
        done.append(default.key)
    return done
