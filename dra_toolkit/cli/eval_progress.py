"""How an evaluation looks in the terminal: bars for people, plain lines for pipes, JSON lines for scripts."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from dra_toolkit.cli.progress import Display, JsonDisplay
from dra_toolkit.safe_text import visible

PLAIN_EVERY_SECONDS = 10.0


class _Counts:
    """Checkpoints and answers done, over all slots."""

    def __init__(self) -> None:
        self.checkpoints = self.of = self.answers = self.of_answers = 0
        self._done: dict[tuple[str, str], int] = {}
        self._started = 0.0

    def plan(self, event: dict[str, Any]) -> None:
        """Take a plan; a later one, of further checkpoints, is added."""
        self.of += event["checkpoints"]
        self.of_answers += event["answers"]

    def progress(self, event: dict[str, Any]) -> None:
        """Count new answers; the first event of a benchmark says what was there before."""
        self._started = self._started or time.monotonic()
        cell = event["label"], event["benchmark"]
        self.answers += event["done"] - self._done.get(cell, event["done"])
        self._done[cell] = event["done"]

    def time_left(self) -> str:
        """Return how long the rest will take at the speed so far, in words; empty before that is known."""
        if self.answers == 0 or self.answers >= self.of_answers:
            return ""
        seconds = (time.monotonic() - self._started) / self.answers * (self.of_answers - self.answers)
        return f"  about {seconds / 60:.0f} min left" if seconds >= 90 else f"  about {seconds:.0f} s left"


class PlainDisplay:
    """A line for each phase, notice and finished benchmark, and one for the progress every few seconds."""

    def __init__(self) -> None:
        self._counts = _Counts()
        self._last = time.monotonic()

    def show(self, event: dict[str, Any]) -> None:
        """Print the event as one line, or leave it out."""
        kind = event["event"]
        if kind == "plan":
            self._counts.plan(event)
            if event["checkpoints"]:
                self._line(_plan_text(event))
        elif kind in ("phase", "notice"):
            self._line(_with_label(event))
        elif kind == "evaluated":
            self._line(_evaluated_text(event))
        elif kind == "checkpoint" and event["state"] != "started":
            self._counts.checkpoints += 1
        elif kind == "progress":
            self._counts.progress(event)
            if time.monotonic() - self._last >= PLAIN_EVERY_SECONDS:
                self._last = time.monotonic()
                counts = f"{self._counts.answers}/{self._counts.of_answers} answers"
                where = f"{event['label']} {event['benchmark']} {event['done']}/{event['of']}"
                done = f"checkpoint {self._counts.checkpoints + 1}/{self._counts.of}  {counts}"
                self._line(f"{done}{self._counts.time_left()}  {where}")

    def _line(self, text: str) -> None:
        print(visible(text, one_line=True), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to restore."""


class LiveDisplay:
    """A bar for all answers with the time left, and one for each slot with its checkpoint and benchmark."""

    def __init__(self, console: Console) -> None:
        self._counts = _Counts()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        self._all = self._progress.add_task("starting", total=None)
        self._slots: dict[str, TaskID] = {}
        self._progress.start()

    def show(self, event: dict[str, Any]) -> None:
        """Redraw a bar, or print a line above them."""
        kind = event["event"]
        if kind == "plan":
            self._counts.plan(event)
            self._progress.update(self._all, total=self._counts.of_answers, description=self._overall())
        elif kind == "phase" and "slot" not in event:
            self._progress.update(self._all, description=event["text"])
        elif kind == "notice":
            self._above(f"note: {_with_label(event)}", "yellow")
        elif kind == "evaluated":
            self._above(_evaluated_text(event), "green")
        elif kind == "checkpoint" and event["state"] != "started":
            self._counts.checkpoints += 1
            self._progress.update(self._all, description=self._overall())
        elif "slot" in event:
            self._show_slot(event)

    def _show_slot(self, event: dict[str, Any]) -> None:
        if event["slot"] not in self._slots:
            self._slots[event["slot"]] = self._progress.add_task("", total=None)
        task, kind = self._slots[event["slot"]], event["event"]
        if kind == "progress":
            self._counts.progress(event)
            text = f"  {event['label']}  {event['benchmark']}"
            self._progress.update(task, description=text, completed=event["done"], total=event["of"])
            self._progress.update(self._all, completed=self._counts.answers, description=self._overall())
        elif kind == "scoring":
            text = f"  {event['label']}  {event['benchmark']}: scoring, {event['left']} left"
            self._progress.update(task, description=text)
        elif kind == "phase":
            self._progress.update(task, description=f"  {event['label']}  {event['text']}")

    def _overall(self) -> str:
        return f"checkpoint {min(self._counts.checkpoints + 1, max(1, self._counts.of))}/{self._counts.of}  answers"

    def _above(self, text: str, style: str) -> None:
        self._progress.console.print(Text(visible(text, one_line=True), style=style))

    def close(self) -> None:
        """Stop redrawing."""
        self._progress.stop()


def make_display(*, as_json: bool) -> Display:
    """Return what suits the terminal."""
    if as_json:
        return JsonDisplay()
    console = Console(stderr=True)
    return LiveDisplay(console) if console.is_terminal else PlainDisplay()


def _plan_text(event: dict[str, Any]) -> str:
    kept = f", {event['kept']} evaluations are kept" if event["kept"] else ""
    return f"{event['checkpoints']} checkpoints to evaluate, {event['answers']} answers to generate{kept}"


def _with_label(event: dict[str, Any]) -> str:
    return f"{event['label']}: {event['text']}" if "label" in event else str(event["text"])


def _evaluated_text(event: dict[str, Any]) -> str:
    seconds = sum(event["seconds"][part] for part in ("loading", "generation", "scoring", "other"))
    return f"{event['label']}  {event['benchmark']}  {100 * event['accuracy']:.1f}%  ({seconds:.0f} s)"
