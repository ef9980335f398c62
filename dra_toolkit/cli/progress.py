"""How training looks in the terminal: a live line for people, plain lines for pipes, JSON lines for scripts."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from dra_toolkit.safe_text import visible

PLAIN_EVERY_SECONDS = 10.0


class Display(Protocol):
    """Shows events as they come."""

    def show(self, event: dict[str, Any]) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class JsonDisplay:
    """Passes each event on as a JSON line on standard output."""

    def show(self, event: dict[str, Any]) -> None:
        """Print the event."""
        print(json.dumps(event), flush=True)

    def close(self) -> None:
        """Nothing to restore."""


class PlainDisplay:
    """A line for each phase and notice, and one for the newest step every few seconds."""

    def __init__(self) -> None:
        self._last_step = -PLAIN_EVERY_SECONDS

    def show(self, event: dict[str, Any]) -> None:
        """Print the event as one line, or leave it out."""
        kind = event["event"]
        if kind in ("phase", "notice"):
            self._line(event["text"])
        elif kind == "step":
            due = time.monotonic() - self._last_step >= PLAIN_EVERY_SECONDS
            if due or event["step"] == event["of"]:
                self._last_step = time.monotonic()
                self._line(f"step {event['step']}/{event['of']}  {step_figures(event)}")
        elif kind == "evaluation" and time.monotonic() - self._last_step >= PLAIN_EVERY_SECONDS:
            self._last_step = time.monotonic()
            self._line(evaluation_line(event))

    def _line(self, text: str) -> None:
        print(visible(text, one_line=True), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to restore."""


class LiveDisplay:
    """One line that is redrawn: phase or step, a bar, rewards and similarity, time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        self._task = self._progress.add_task("starting", total=None, figures="")
        self._started = False

    def show(self, event: dict[str, Any]) -> None:
        """Redraw the line, or print a notice above it."""
        self._progress.start()  # not before there is something to show: a refusal leaves no line behind
        kind = event["event"]
        if kind == "phase":
            self._progress.update(self._task, description=event["text"])
        elif kind == "notice":
            self._progress.console.print(Text(f"note: {visible(event['text'], one_line=True)}", style="yellow"))
        elif kind == "step":
            self._show_step(event)
        elif kind == "evaluation":
            self._progress.update(self._task, description=evaluation_line(event))

    def _show_step(self, event: dict[str, Any]) -> None:
        if not self._started:  # the time left is that of steps, so the clock starts at the first one
            self._progress.reset(self._task, total=event["of"], description="training", figures="")
            self._started = True
        figures = step_figures(event)
        self._progress.update(
            self._task, description="training", total=event["of"], completed=event["step"], figures=figures
        )

    def close(self) -> None:
        """Stop redrawing."""
        self._progress.stop()


def evaluation_line(event: dict[str, Any]) -> str:
    """Return how far an evaluation is: `evaluating, batch 12/94`."""
    return f"evaluating, batch {event['done']}/{event['of']}"


def step_figures(event: dict[str, Any]) -> str:
    """Return a step's figures: `reward 0.53  adjusted 0.21  similarity 0.48`."""
    named = (("reward", "reward"), ("adjusted", "adjusted_reward"), ("similarity", "similarity"))
    figures = [f"{label} {event[key]:.2f}" for label, key in named if event.get(key) is not None]
    figures += [f"golds not read {event['unread_golds']:.0%}"] if event.get("unread_golds") else []
    return "  ".join(figures)


def make_display(*, as_json: bool) -> Display:
    """Return what suits the terminal."""
    if as_json:
        return JsonDisplay()
    console = Console(stderr=True)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()
