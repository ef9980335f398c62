"""How work looks in the terminal: plain lines for pipes, JSON lines for scripts.

What an event of training, or of an evaluation, looks like is said once, as `Shown`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dra_toolkit.cli.printing import JSON_VERSION
from dra_toolkit.safe_text import visible

PLAIN_EVERY_SECONDS = 10.0

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What an event looks like: a line, and what changes of a bar."""

    line: str = ""
    style: str = ""
    """Of the line above the bars; without one it is for pipes only."""
    is_progress: bool = False
    """Whether the line says how far it is, and so is printed every few seconds only."""
    bar: str = ""
    """The bar that changes; the first one has no name."""
    description: str | None = None
    done: int | None = None
    of: int | None = None
    figures: str = ""


Reader = Callable[[Event], Iterable[Shown]]


class Display:
    """Shows events as they come: here each as a JSON line on standard output."""

    def show(self, event: Event) -> None:
        """Show one event."""
        print(json.dumps({"version": JSON_VERSION, **event}), flush=True)

    def close(self) -> None:
        """Leave the terminal as it was found."""


class Lines(Display):
    """Plain lines on standard error."""

    def __init__(self, read: Reader) -> None:
        self._read, self._last = read, -PLAIN_EVERY_SECONDS

    def show(self, event: Event) -> None:
        """Print the event as one line, or leave it out."""
        for shown in self._read(event):
            now = time.monotonic()
            is_due = now - self._last >= PLAIN_EVERY_SECONDS or (shown.done is not None and shown.done == shown.of)
            if shown.line and (is_due or not shown.is_progress):
                self._last = now if shown.is_progress else self._last
                print(visible(shown.line, one_line=True), file=sys.stderr, flush=True)
