"""Values from the address bar or from a page's script, checked: whatever a request holds, it is one of what is allowed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode

Params = Mapping[str, Any]
MODES: tuple[Mode, ...] = ("train", "eval", "discarded")
_HASH = re.compile(r"[0-9a-f]{16}")
LARGEST = 1 << 31


def whole(params: Params, name: str, default: int | None = None) -> int | None:
    """Return a number from 0 up; the default where it is absent or empty. Raises RunError for anything else."""
    if (value := params.get(name)) in (None, ""):
        return default
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,10}", str(value)) or int(value) >= LARGEST:
        raise RunError(f"{name}: found {str(value)[:40]!r}, expected a whole number from 0")
    return int(value)


def choice(params: Params, name: str, known: Sequence[str], default: str) -> str:
    """Return one of the known values. Raises RunError, naming them, for anything else."""
    value = params.get(name) or default
    if value not in known:
        raise RunError(f"{name}: found {str(value)[:40]!r}, expected one of {', '.join(known)}")
    return str(value)


def mode(params: Params) -> Mode:
    """Return which groups are asked for."""
    return cast(Mode, choice(params, "mode", MODES, "train"))


def place(params: Params) -> tuple[int, int]:
    """Return generation batch and index of a group; 0 where they are absent."""
    return whole(params, "batch", 0) or 0, whole(params, "group", 0) or 0


def identity(params: Params, name: str = "prompt") -> str | None:
    """Return the identity of a prompt, 16 hex digits, or None where it is absent."""
    if (value := params.get(name)) in (None, ""):
        return None
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise RunError(f"{name}: found {str(value)[:40]!r}, expected 16 hexadecimal digits")
    return value


def several(params: Params, name: str) -> list[str]:
    """Return the parts of a value with commas between; none where it is absent."""
    value = params.get(name)
    return [part for part in str(value)[:20_000].split(",") if part] if value else []


def flag(params: Params, name: str) -> bool:
    """Return whether a value is on: `1`, `true`."""
    return str(params.get(name, "")).lower() in ("1", "true")


def pair(params: Params, name: str = "pair") -> tuple[int, int] | None:
    """Return two numbers with a comma between, or None where they are absent."""
    found = several(params, name)
    if not found:
        return None
    if len(found) != 2:
        raise RunError(f"{name}: found {len(found)} numbers, expected two")
    first, second = (whole({name: part}, name, 0) or 0 for part in found)
    return first, second
