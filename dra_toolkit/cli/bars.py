"""Bars for people: what suits the terminal, and how much of a count is done."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

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

from dra_toolkit.cli.progress import Display, Event, Lines, Reader, Shown
from dra_toolkit.safe_text import visible


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
