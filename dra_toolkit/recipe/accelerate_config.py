"""Accelerate's configuration files: the shipped ones by name, anybody's by path, checked before accelerate sees them."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RecipeError, did_you_mean
from dra_toolkit.recipe.keys import known_keys
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.recipe.shipped import shipped_launch_configs
from dra_toolkit.recipe.values import BadValueError, read_value
from dra_toolkit.recipe.yaml_text import BadYamlError, read_yaml

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


@functools.cache
def accelerate_keys() -> dict[str, Any]:
    """Return the stored table of accelerate's keys; a test holds it against the installed accelerate."""
    return json.loads(resources.files("dra_toolkit.recipe").joinpath("accelerate_keys.json").read_text())


def read_accelerate_config(name: str) -> AccelerateConfig:
    """Read a shipped configuration by its name, or a file; raises RecipeError with a line for each problem."""
    path = _find(name)
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except BadYamlError as error:
        line = f":{error.line}" if error.line else ""
        raise RecipeError(f"accelerate_config: {path}{line} is not YAML ({error})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"accelerate_config: {path} cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise RecipeError(f"accelerate_config: {path} holds a {type(found).__name__}, expected accelerate's mapping")
    problems = [f"accelerate_config: {path}: {problem}" for problem in _problems(found)]
    if problems:
        raise RecipeError(*problems)
    kind = found.get("distributed_type", "NO")
    return AccelerateConfig(path=path, distributed_type="NO" if kind is False else kind, values=found)


def accelerate_values(recipe: Recipe) -> Mapping[str, Any]:
    """Return the whole file that a recipe names, empty where it names none; raises RecipeError for one that is wrong."""
    name = recipe.launch.accelerate_config
    return {} if name is None else read_accelerate_config(name).values


def _find(name: str) -> Path:
    shipped = shipped_launch_configs()
    if name in shipped:
        return shipped[name]
    path = Path(os.path.expanduser(name))
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
    yield from _layout_problems(found)
    kind = found.get("distributed_type", "NO")
    if kind is not False and kind not in SUPPORTED:  # YAML reads an unquoted NO as false
        yield f"distributed_type: found {kind!r}, expected one of {', '.join(SUPPORTED)}"
    environment = found.get("compute_environment", "LOCAL_MACHINE")
    if environment != "LOCAL_MACHINE":
        yield f"compute_environment: found {environment!r}, expected LOCAL_MACHINE"


def _layout_problems(found: Mapping[str, Any]) -> Iterator[str]:
    for key in LAYOUT_KEYS:
        if found.get(key) is None:
            continue
        try:
            read_value(known_keys()[key], found[key])
        except BadValueError as error:
            yield f"{key}: {error}"
