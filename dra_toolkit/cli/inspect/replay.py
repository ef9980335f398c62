"""`dra inspect replay`: what other settings would have made of the recorded groups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.errors import user_errors

if TYPE_CHECKING:
    from dra_toolkit.inspection.replay.settings import Changes
    from dra_toolkit.runs import Run


class ReplayMode(Enum):
    """Which groups are replayed."""

    train = "train"
    eval = "eval"
    discarded = "discarded"


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(replay)


@user_errors
def replay(
    run: str = typer.Argument(..., help="A run directory, or a name under runs/."),
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Settings to replay with, by a recipe's keys; left out, the recorded ones."
    ),
    steps: str = typer.Option(None, "--steps", help="A step, or a range: 10..20, 10.., ..20."),
    mode: ReplayMode = typer.Option(ReplayMode.train, "--mode", help="Which groups."),
    top: int = typer.Option(20, "--top", min=0, help="Groups that change most, in the JSON."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Recompute the advantages under other settings, without a GPU, and show what would have changed.

    Without settings it checks that the recorded advantages are reproduced. Settings are a recipe's keys: diversity=none,
    negative_totals=multiply, scale_rewards=none; embedder=hash embeds the texts anew.
    """
    from rich.console import Console

    from dra_toolkit.inspection.replay.run import replay_run
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.inspection.replay.view import as_plain, replay_view
    from dra_toolkit.inspection.selection import read_steps
    from dra_toolkit.runs import Run

    changes, wanted = read_changes(overrides or []), read_steps(steps)
    opened = Run.open(run)
    with _progress(opened, changes, mode.value, wanted) as embedded:
        report = replay_run(opened, changes, mode=mode.value, steps=wanted, top=top, embedded=embedded)
    if as_json:
        print(json.dumps(as_plain(report)))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(replay_view(report, place=str(opened.directory.path)), soft_wrap=False)


@contextmanager
def _progress(run: Run, changes: Changes, mode: str, steps: tuple[int, int] | None) -> Iterator[Callable[[int], None]]:
    """Show how many completions are embedded, where there is a terminal and something to embed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if changes.embedder is None or not console.is_terminal:
        yield lambda completions: None
        return
    first, last = steps or (0, (1 << 62) - 1)
    count = run.query(
        "SELECT sum(size) FROM groups WHERE mode = $1 AND step BETWEEN $2 AND $3", [mode, first, last], steps=steps
    ).column(0)[0]
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("embedding", total=int(count.as_py() or 0))
        yield lambda completions: progress.advance(task, completions)
