"""How far a command is that reads all completions of some steps, where there is a terminal to say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dra_toolkit.groups import Mode
    from dra_toolkit.runs import Run


@contextmanager
def comparing(run: Run, mode: Mode, steps: tuple[int, int] | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; yield what is called with the completions done since the last call."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dra_toolkit.inspection.selection import LAST

    on_terminal = Console(stderr=True)
    if not on_terminal.is_terminal:
        yield lambda completions: None
        return
    sql = "SELECT sum(size)::BIGINT FROM groups WHERE mode = $1 AND step BETWEEN $2 AND $3"
    total = run.query(sql, [mode, *(steps or (0, LAST))], steps=steps).column(0)[0].as_py()
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=on_terminal, transient=True) as progress:
        task = progress.add_task("comparing", total=int(total or 0))
        yield lambda completions: progress.advance(task, completions)
