"""What can go wrong because of the user, and how it is said.

A `DRAError` is a mistake that its reader can mend: each of its problems is one complete line that names the place, what was
found, what was expected and the nearest right name, and is printed without a traceback. Any other exception is a bug.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

from dra_toolkit.safe_text import visible

LONGEST = 290
"""Characters of a problem, whatever it quotes: a line of 300 with the word `error` before it."""
UNFOLDS = "what is read there unfolds to more than this machine's memory"


class DRAError(Exception):
    """A mistake the user can mend; `problems` holds one complete line for each."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(one_line, problems))
        super().__init__("\n".join(self.problems))


def one_line(problem: str) -> str:
    """Return a problem as one plain line of at most `LONGEST` characters, less a part of its middle or of a long word."""
    line = visible(" ".join(problem.splitlines()), one_line=True)
    if len(line) > LONGEST:
        line = re.sub(r"\S{120,}", lambda word: f"{word[0][:70]}...{word[0][-30:]}", line)
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 3]} ... {line[-(LONGEST * 2 // 3 - 5) :]}"  # what mends it stands at the end
    return line


class RecipeError(DRAError):
    """The recipe, or data or a model that it names, cannot be used."""


class RunError(DRAError):
    """A run directory cannot be written, read or resumed as asked."""


class RewardError(DRAError, ValueError):
    """A reward function cannot be used, or did not return what it should."""


class EmbedderError(DRAError):
    """The named embedder does not exist, is not installed, or may not be loaded."""


class MeasureError(DRAError):
    """The named diversity measure does not exist, cannot be used, or lacks what it measures."""


class SettingsError(DRAError, ValueError):
    """Settings that cannot be, or cannot go together; `found` holds the name and the problem of each."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        super().__init__(*(f"{name}: {problem}" for name, problem in found))
        self.found = found


class LaunchError(DRAError):
    """Training could not be started, or its process ended without finishing."""


class EvaluationError(DRAError):
    """A checkpoint, benchmark or result cannot be evaluated, read or compared as asked."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the choice nearest to `name`, or an empty string if none is near."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


def counted(number: int, noun: str) -> str:
    """Return `1 task`, `2,000 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
