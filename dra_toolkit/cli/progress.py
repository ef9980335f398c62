"""How work looks in the terminal: bars for people, plain lines for pipes, JSON lines for scripts.

What an event of training, or of an evaluation, looks like is said once, as `Shown`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dra_toolkit.cli.common import JSON_VERSION
from dra_toolkit.errors import counted
from dra_toolkit.safe_text import visible

PLAIN_EVERY_SECONDS = 10.0
LONGEST_PHASE = 32
"""Characters of a phase that stand beside a bar; a longer one is a line of its own, so that nothing of it is cut."""

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


class Bars(Display):
    """Bars that are redrawn, and lines above them."""

    def __init__(self, read: Reader, console: Console) -> None:
        columns = (
            *(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=None)),
            *(MofNCompleteColumn(), TextColumn("{task.fields[figures]}", markup=False)),
            TimeRemainingColumn(compact=True),
        )
        self._read, self._progress = read, Progress(*columns, console=console, expand=True)
        self._tasks: dict[str, TaskID] = {"": self._progress.add_task("starting", total=None, figures="")}

    def show(self, event: Event) -> None:
        """Redraw a bar, or print a line above them."""
        self._progress.start()  # not before there is something to show: a refusal leaves no line behind
        for shown in self._read(event):
            if shown.style:
                self._progress.console.print(Text(visible(shown.line, one_line=True), style=shown.style))
            if shown.description is not None or shown.of is not None:
                self._redraw(shown)

    def _redraw(self, shown: Shown) -> None:
        if shown.bar not in self._tasks:
            self._tasks[shown.bar] = self._progress.add_task("", total=None, figures="")
        task = self._tasks[shown.bar]
        if shown.of is not None and self._progress.tasks[task].total is None:
            self._progress.reset(task, total=shown.of)  # the time left is that of what is counted
        self._progress.update(
            task, description=shown.description, completed=shown.done, total=shown.of, figures=shown.figures
        )

    def close(self) -> None:
        """Stop redrawing."""
        self._progress.stop()


def make_display(read: Reader, *, as_json: bool) -> Display:
    """Return what suits the terminal."""
    if as_json:
        return Display()
    console = Console(stderr=True)
    return Bars(read, console) if console.is_terminal else Lines(read)


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how many completions of `total` are done; yield what is told how many more are."""
    done = 0

    def shown(event: Event) -> Iterator[Shown]:
        if total:
            yield Shown(line=f"{what}: {done}/{total}", is_progress=True, description=what, done=done, of=total)

    def advance(completions: int) -> None:
        nonlocal done
        done += completions
        display.show({})

    with closing(make_display(shown, as_json=False)) as display:
        advance(0)
        yield advance


def training_events(event: Event) -> Iterator[Shown]:
    """Yield what an event of training looks like."""
    kind = event["event"]
    if kind == "phase" and len(event["text"]) > LONGEST_PHASE:
        yield Shown(line=event["text"], style="bold")
    elif kind == "phase":
        yield Shown(line=event["text"], description=event["text"], done=event.get("step"), of=event.get("of"))
    elif kind == "notice":
        yield Shown(line=f"note: {event['text']}", style="yellow")
    elif kind == "step":
        step, of, figures = event["step"], event["of"], _step_figures(event)
        line = f"step {step}/{of}  {figures}"
        yield Shown(line=line, is_progress=True, description="training", done=step, of=of, figures=figures)
    elif kind == "evaluation":
        line = f"evaluating, batch {event['done']}/{event['of']}"
        yield Shown(line=line, is_progress=True, description=line)


def _step_figures(event: Event) -> str:
    """Return a step's figures: `reward 0.53  adjusted 0.21  similarity 0.48`."""
    named = (("reward", "reward"), ("adjusted", "adjusted_reward"), ("similarity", "similarity"))
    figures = [f"{label} {event[key]:.2f}" for label, key in named if event.get(key) is not None]
    figures += [f"golds not read {event['unread_golds']:.0%}"] if event.get("unread_golds") else []
    return "  ".join(figures)


class EvaluationEvents:
    """A bar for all answers, and one for each slot with its checkpoint and benchmark; counts over all slots."""

    def __init__(self) -> None:
        self._checkpoints = self._of = self._answers = self._of_answers = 0
        self._done: dict[tuple[str, str], int] = {}
        self._started = 0.0

    def __call__(self, event: Event) -> Iterator[Shown]:
        """Yield what an event looks like."""
        kind, slot = event["event"], event.get("slot", "")
        said = f"{event['label']}: {event.get('text')}" if "label" in event else event.get("text", "")
        if kind == "plan":
            yield self._planned(event)
        elif kind == "phase":
            yield Shown(line=said, bar=slot, description=f"  {event['label']}  {event['text']}" if slot else said)
        elif kind == "notice":
            yield Shown(line=f"note: {said}", style="yellow")
        elif kind == "evaluated":
            seconds = sum(event["seconds"][part] for part in ("loading", "generation", "scoring", "other"))
            scored = f"{event['label']}  {event['benchmark']}  {100 * event['accuracy']:.1f}%"
            yield Shown(line=f"{scored}  ({seconds:.0f} s)", style="green")
        elif kind == "checkpoint" and event["state"] != "started":
            self._checkpoints += 1
            yield Shown(description=self._overall())
        elif kind == "progress":
            yield from self._progressed(event, slot)

    def _planned(self, event: Event) -> Shown:
        """Take a plan; a later one, of further checkpoints, is added."""
        self._of += event["checkpoints"]
        self._of_answers += event["answers"]
        kept = f", {counted(event['kept'], 'evaluation')} kept" if event["kept"] else ""
        answers = counted(event["answers"], "answer")
        text = f"{counted(event['checkpoints'], 'checkpoint')} to evaluate, {answers} to generate{kept}"
        return Shown(line=text if event["checkpoints"] else "", description=self._overall(), of=self._of_answers)

    def _progressed(self, event: Event, slot: str) -> Iterator[Shown]:
        """Count new answers; the first event of a benchmark says what was there before."""
        self._started = self._started or time.monotonic()
        cell = event["label"], event["benchmark"]
        self._answers += event["done"] - self._done.get(cell, event["done"])
        self._done[cell] = event["done"]
        where = f"{event['label']} {event['benchmark']} {event['done']}/{event['of']}"
        counts = f"{self._overall()[:-9]}  {self._answers}/{self._of_answers} answers"
        line = f"{counts}{self._time_left()}  {where}"
        yield Shown(bar=slot, description=f"  {'  '.join(cell)}", done=event["done"], of=event["of"])
        yield Shown(line=line, is_progress=True, description=self._overall(), done=self._answers, of=self._of_answers)

    def _overall(self) -> str:
        return f"checkpoint {min(self._checkpoints + 1, max(1, self._of))}/{self._of}  answers"

    def _time_left(self) -> str:
        """Return how long the rest will take at the speed so far, in words; empty before that is known."""
        if self._answers == 0 or self._answers >= self._of_answers:
            return ""
        seconds = (time.monotonic() - self._started) / self._answers * (self._of_answers - self._answers)
        return f"  about {seconds / 60:.0f} min left" if seconds >= 90 else f"  about {seconds:.0f} s left"
