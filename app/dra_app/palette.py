"""The colours of the style sheet as figures name them: one for each meaning, and those of lines without a meaning."""

FUNCTIONS = 6
"""Colours without a meaning, for runs and reward functions; beyond that they repeat, with another dash or pattern."""
DASHES = ("", "7 4", "2 3", "8 3 2 3")


def colour(meaning: str) -> str:
    """Return the colour of a meaning as CSS has it, on whichever ground the reader looks."""
    return f"var(--dra-{meaning})"


def series(number: int) -> tuple[str, str]:
    """Return the colour and the dash of one of several lines that have no meaning of their own."""
    return colour(f"fn{number % FUNCTIONS}"), DASHES[number // FUNCTIONS % len(DASHES)]
