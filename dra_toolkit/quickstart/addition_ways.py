"""Five ways to add two numbers, each in its own words and with equations that a program can check."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class Steps:
    """Passes the result of each step through, except that one may be off."""

    at: int = -1
    off_by: int = 0
    results: list[int] = field(default_factory=list)

    def __call__(self, result: int) -> int:
        result += self.off_by if len(self.results) == self.at else 0
        self.results.append(result)
        return result


def _column(a: int, b: int, step: Steps) -> tuple[str, int]:
    ones = step(a % 10 + b % 10)
    carry, digit = divmod(ones, 10)
    tens = step(a // 10 + b // 10 + carry)
    return (
        f"Ones column: {a % 10} + {b % 10} = {ones}, write {digit}, carry {carry}. "
        f"Tens column: {a // 10} + {b // 10} + {carry} = {tens}, write {tens}."
    ), 10 * tens + digit


def _split(a: int, b: int, step: Steps) -> tuple[str, int]:
    tens = step(a // 10 * 10 + b // 10 * 10)
    units = step(a % 10 + b % 10)
    total = step(tens + units)
    return (
        f"Split both numbers: tens make {a // 10 * 10} + {b // 10 * 10} = {tens} "
        f"and units make {a % 10} + {b % 10} = {units}. Together {tens} + {units} = {total}."
    ), total


def _jump(a: int, b: int, step: Steps) -> tuple[str, int]:
    landing = step(a + b // 10 * 10)
    total = step(landing + b % 10)
    return (
        f"Jump along the line from {a}: big leap {a} + {b // 10 * 10} = {landing}, "
        f"little hops {landing} + {b % 10} = {total}."
    ), total


def _round(a: int, b: int, step: Steps) -> tuple[str, int]:
    extra = -b % 10
    rounded = step(b + extra)
    over = step(a + rounded)
    total = step(over - extra)
    return (
        f"Round up: {b} + {extra} = {rounded}. Easy sum {a} + {rounded} = {over}. "
        f"Give back the extra {extra}: {over} - {extra} = {total}."
    ), total


def _move(a: int, b: int, step: Steps) -> tuple[str, int]:
    moved = -b % 10
    less = step(a - moved)
    more = step(b + moved)
    total = step(less + more)
    return (
        f"Move over {moved}: one side falls to {a} - {moved} = {less}, "
        f"other side grows to {b} + {moved} = {more}, same total {less} + {more} = {total}."
    ), total


WAYS: dict[str, tuple[str, Callable[[int, int, Steps], tuple[str, int]]]] = {
    "column": ("Ones column", _column),
    "split": ("Split both", _split),
    "jump": ("Jump along", _jump),
    "round": ("Round up", _round),
    "move": ("Move over", _move),
}
STYLES = tuple(WAYS)
"""Names of the five styles."""
KEY_PHRASES = {name: phrase for name, (phrase, _) in WAYS.items()}
"""For each style the words, in this spelling, that every derivation in it holds and no derivation in another does."""
