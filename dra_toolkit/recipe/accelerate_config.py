"""Accelerate's configuration files: the shipped ones by name, anybody's by path, checked before accelerate sees them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.recipe.keys import known_keys, stored
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.recipe.shipped import shipped_launch_configs
from dra_toolkit.recipe.values import BadValueError, read_value

SUPPORTED = ("NO", "MULTI_GPU", "MULTI_CPU", "DEEPSPEED", "FSDP")
LAYOUT_KEYS = ("num_processes", "num_machines", "machine_rank", "main_process_ip", "main_process_port")
"""What both a recipe and such a file can say; the recipe's word counts."""


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """What the launcher needs to know of a configuration file."""

    path: Path
    distributed_type: str
    """One of `SUPPORTED`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The whole file."""

    @property
    def layout(self) -> dict[str, Any]:
        """Return what the file says of processes and machines."""
        given = {key: self.values[key] for key in LAYOUT_KEYS if self.values.get(key) is not None}
        return {key: read_value(known_keys()[key], value) for key, value in given.items()}


def accelerate_keys() -> dict[str, Any]:
    """Return the stored table of accelerate's keys."""
    return stored("accelerate_keys.json")


def read_accelerate_config(name: str) -> AccelerateConfig:
    """Read a shipped configuration by its name, or a file; raises RecipeError with a line for each problem."""
    from dra_toolkit.recipe.yaml_text import read_mapping

    path = _find(name)
    try:
        _, found = read_mapping(path)
        problems = [f"{path}: {problem}" for problem in _problems(found)]
    except RecipeError as error:
        problems = list(error.problems)
    if problems:
        raise RecipeError(*(f"accelerate_config: {problem}" for problem in problems))
    return AccelerateConfig(path=path, distributed_type=found.get("distributed_type") or "NO", values=found)


def accelerate_values(recipe: Recipe) -> Mapping[str, Any]:
    """Return the whole file that a recipe names, empty where it names none; raises RecipeError for one that is wrong."""
    name = recipe.launch.accelerate_config
    return {} if name is None else read_accelerate_config(name).values


def _find(name: str) -> Path:
    shipped = shipped_launch_configs()
    path = shipped.get(name, Path(os.path.expanduser(name)))
    if os.path.isfile(path):
        return path
    raise RecipeError(
        f"accelerate_config: found {name!r}, expected one of {', '.join(shipped)} or an existing file"
        f"{did_you_mean(name, shipped)}"
    )


def _problems(found: Mapping[str, Any]) -> Iterator[str]:
    known = accelerate_keys()
    for key in found:
        if key not in known["config"]:
            yield f"unknown key {key}{did_you_mean(str(key), known['config'])}"
    for section in ("deepspeed_config", "fsdp_config"):
        inner = found.get(section) or {}
        if not isinstance(inner, dict):
            yield f"{section}: found a {type(inner).__name__}, expected a mapping"
            continue
        for key in inner:
            if key not in known[section]:
                yield f"{section}: unknown key {key}{did_you_mean(str(key), known[section])}"
    for key in LAYOUT_KEYS:
        try:
            read_value(known_keys()[key], found[key]) if found.get(key) is not None else None
        except BadValueError as error:
            yield f"{key}: {error}"
    kind = found.get("distributed_type", "NO")
    if kind is not False and kind not in SUPPORTED:  # YAML reads an unquoted NO as false
        yield f"distributed_type: found {kind!r}, expected one of {', '.join(SUPPORTED)}"
    environment = found.get("compute_environment", "LOCAL_MACHINE")
    if environment != "LOCAL_MACHINE":
        yield f"compute_environment: found {environment!r}, expected LOCAL_MACHINE"
