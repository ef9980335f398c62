"""What has changed since the recipes of 2025: keys, and the defaults of their time, as `legacy_2025.json` has them.

Read from GRPOConfig, ModelConfig and ScriptArguments of TRL 0.14 to 0.17 (the defaults: 0.15.2, of which DRA-GRPO carries a
copy with two keys of its own), from transformers 4.48 to 4.50, and from the scripts of DRA-GRPO and Open-RS.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.recipe.keys import stored
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


def _is_same(found: Any, value: Any) -> bool:
    return type(found) is type(value) and bool(found == value)


TABLES = stored("legacy_2025.json")
MARKERS: tuple[str, ...] = tuple(TABLES["markers"])
"""Keys that no recipe of today has: a recipe with one of them gets the defaults of its time."""
RENAMED = {name: Renamed(**entry) for name, entry in TABLES["renamed"].items()}
"""Legacy name -> today's key, whose value is read by `read`."""
DROPPED = {name: Dropped(**entry) for name, entry in TABLES["dropped"].items()}
"""Legacy name -> why nothing stands in its place."""
