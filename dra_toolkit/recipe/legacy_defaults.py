"""The defaults of 2025 that are others today, and when a recipe of that time still has them."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.legacy_tables import TABLES
from dra_toolkit.recipe.recipe import Setting


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
LEGACY_DEFAULTS = tuple(LegacyDefault(**entry) for entry in TABLES["defaults"])
"""In the order in which they are set, since some depend on others."""
DR_GRPO: dict[str, str] = TABLES["dr_grpo"]
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
