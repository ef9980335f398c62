"""Read one value of a recipe as the type its key asks for."""

import math
from typing import Any

from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import did_you_mean
from dra_toolkit.recipe.keys import Key

KIND_NAMES = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "dict": "a mapping",
    "list": "a list",
    "list[str]": "a list of texts",
    "list[float]": "a list of numbers",
    "none": "null",
}
_TYPES = {"bool": bool, "str": str, "dict": dict}


def _in_range(key: Key, number: float) -> bool:
    low, high = -math.inf if key.low is None else key.low, math.inf if key.high is None else key.high
    return math.isfinite(number) and (number in key.also or low <= number <= high)


def range_of(key: Key) -> str:
    """Return the numbers that a key accepts, in words; empty where any will do."""
    if key.low is None and key.high is None:
        return ""
    numbers = f"at least {key.low:g}" if key.low is not None else ""
    ending = "" if key.high is None else f" and at most {key.high:g}"
    return numbers + ending + "".join(f", or {number:g}" for number in key.also)


def shown(value: Any) -> str:
    """Return a value as a message shows it, in at most 80 characters whatever was typed."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:50]}...{text[-20:]}"


class BadValueError(ValueError):
    """A value that its key does not accept; the message says what was found and expected."""


class OutOfRangeError(BadValueError):
    """A number that its key does not accept; `value` is that number."""

    def __init__(self, problem: str, value: float) -> None:
        super().__init__(problem)
        self.value = value


def is_of_kind(key: Key, value: Any) -> bool:
    """Return whether a value has one of the types that its key accepts."""
    return any(_as_kind(kind, value)[0] for kind in key.kinds)


def read_value(key: Key, found: Any) -> Any:
    """Return `found` as a value of `key`, or raise BadValueError.

    YAML's own surprises are mended: `1e-6` is a text to YAML and a number here, a single value stands for a list of one,
    and `no` or `off` (false to YAML) stand for the choice `no`, `off` or `none`.
    """
    if key.name == "scale_rewards" and isinstance(found, bool):
        found = "group" if found else "none"  # TRL's former spelling
    if found is False and "bool" not in key.kinds:
        found = next((choice for choice in key.choices if choice in ("no", "off", "none")), found)
    for kind in key.kinds:
        matched, value = _as_kind(kind, found)
        if matched:
            return _chosen(key, value)
    if key.choices:
        return _chosen(key, found)
    expected = " or ".join(KIND_NAMES.get(kind, kind) for kind in key.kinds)
    raise BadValueError(f"found {shown(found)}, expected {expected}")


def _as_kind(kind: str, found: Any) -> tuple[bool, Any]:
    """Return whether `found` can be read as `kind` without guessing, and the value."""
    if kind == "none":
        return found is None, None
    if found is None:
        return False, None
    if kind in _TYPES:
        return isinstance(found, _TYPES[kind]), found
    if kind == "int":
        whole = isinstance(found, int) or (isinstance(found, float) and found.is_integer())
        return whole and not isinstance(found, bool), int(found) if whole else None
    if kind == "float":
        return _as_float(found)
    return _as_list(kind, found) if kind.startswith("list") else (False, None)


def _as_float(found: Any) -> tuple[bool, Any]:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return False, None
    try:
        number = float(found)
    except (ValueError, OverflowError):
        return False, None
    return True, found if isinstance(found, int) else number


def _as_list(kind: str, found: Any) -> tuple[bool, Any]:
    items = found if isinstance(found, list) else [found]
    element = kind[5:-1] or "str"
    read = [_as_kind(element, item) for item in items]
    return all(matched for matched, _ in read), [value for _, value in read]


def _chosen(key: Key, value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and not _in_range(key, value):
        raise OutOfRangeError(f"found {shown(value)}, expected {range_of(key) or 'a finite number'}", value)
    for item in value if isinstance(value, list) else [value]:
        if not key.choices or (item is None and "none" in key.kinds) or item in key.choices:
            continue
        if not (key.dotted and isinstance(item, str) and is_dotted(item)):
            ending = " or a dotted path package.module.function" if key.dotted else ""
            nearest = did_you_mean(str(item), key.choices)
            raise BadValueError(f"found {shown(item)}, expected one of {', '.join(key.choices)}{ending}{nearest}")
    return value
