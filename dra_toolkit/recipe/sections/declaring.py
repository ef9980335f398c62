"""How a key of a recipe is declared: once, on a field of a section, from which its checks, help and reading follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from dra_toolkit.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a recipe key accepts and what holds when it is left out."""

    name: str
    kinds: tuple[str, ...]
    """Accepted types: bool, int, float, str, dict, list[str], list[float], none."""
    default: Any = None
    choices: tuple[str, ...] = ()
    """Accepted texts, where there is a closed list."""
    dotted: bool = False
    """Whether a dotted path is accepted besides the choices."""
    low: float | None = None
    """Smallest number accepted."""
    high: float | None = None
    """Largest number accepted."""
    also: tuple[float, ...] = ()
    """Numbers accepted outside that range, which mean something else."""
    owner: str = "dra"
    """Whose key it is: `dra`, `reward`, `measure`, or the TRL class that takes it as an argument."""
    help: str = ""
    on_card: bool = False
    """Whether a model card states it."""
    in_summary: bool = False
    """Whether the summary of a run shows it."""


def ours(default: Any, help: str, *, choices: tuple[str, ...] = (), dotted: bool = False, **uses: Any) -> Any:
    """Return the field of a key of our own; its kinds are the field's type. uses: range and flags of `Key`."""
    declared = {"default": default, "help": help, "choices": choices, "dotted": dotted, **uses}
    return field(metadata={"ours": True, "declared": declared})


def trls(*, needed: bool = False, **uses: bool) -> Any:
    """Return the field of an argument of TRL's, whose kinds and default are those of the stored table.

    needed: a checked recipe has it, so that its type lacks the none of TRL's
    """
    return field(metadata={"ours": False, "declared": uses, "needed": needed})


def kinds_of(annotation: str) -> tuple[str, ...]:
    """Return the kinds that a type in words says.

    >>> kinds_of("list[str] | dict[str, Any] | None")
    ('list[str]', 'dict', 'none')
    """
    named = (part.strip() for part in annotation.split("|"))
    return tuple("none" if part == "None" else part.partition("[")[0] if "dict" in part else part for part in named)


class Section:
    """Keys that belong together, each an attribute of its own name and type."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the section of a recipe; a recorded recipe that is older than a key has that key's default.

        Raises RunError for a recorded value of another kind than its key has.
        """
        from dra_toolkit.recipe.keys import known_keys
        from dra_toolkit.recipe.values import is_of_kind, shown

        read = {}
        for name in (each.name for each in fields(cls)):  # type: ignore[arg-type]
            key = known_keys()[name]
            read[name] = value = values.get(name, key.default)
            if value != key.default and not is_of_kind(key, value):
                raise RunError(f"{name}: the recorded recipe has {shown(value)}, which such a key cannot hold")
        return cls(**read)
