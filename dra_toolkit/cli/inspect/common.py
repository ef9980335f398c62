"""What the commands of `dra inspect` share: their options, how they open a run, and how they name places in it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Literal

import typer

from dra_toolkit.cli.common import OPENED
from dra_toolkit.cli.groups import with_default

if TYPE_CHECKING:
    from dra_toolkit.inspection.selection import Selection
    from dra_toolkit.runs import Run

app = typer.Typer(
    cls=with_default("summary"),
    help="Look at recorded groups; alone, the latest run. `dra inspect RUN` is `dra inspect summary RUN`.",
)

Mode = Literal["train", "eval", "discarded"]
RUN = typer.Argument(None, help="A run directory, or a name under runs/; left out, the latest run.")
ONE_RUN = typer.Argument(..., help="A run directory, or a name under runs/.")
MODE = typer.Option("train", "--mode", help="Groups sampled to train on, to evaluate, or discarded.")
STEPS = typer.Option(None, "--steps", help="A step, or a range: 10..20, 10.., ..20.")
WHERE = typer.Option(
    None, "--where", metavar="'NAME OP NUMBER'", help="Groups with a measure such as 'flips > 0'; may be repeated."
)
LIMIT = typer.Option(20, "--limit", min=1, help="Rows shown.")
OFFSET = typer.Option(0, "--offset", min=0, help="Rows skipped, for the next page.")


def open_run(run: str | None) -> Run:
    """Return the run of a folder or name, or the latest."""
    from dra_toolkit.runs import Run, latest_run

    gc.freeze()  # what was loaded stays: it is not searched for garbage
    opened = Run(latest_run()) if run is None else Run.open(run)
    if left_out := opened.texts_left_out():
        typer.echo(left_out, err=True)
    OPENED.append(opened)
    return opened


def selection(modes: tuple[Mode, ...], steps: str | None, where: list[str] | None) -> Selection:
    """Return which groups the options ask for."""
    from dra_toolkit.inspection.selection import Selection, read_condition, read_steps

    return Selection(modes=modes, steps=read_steps(steps), conditions=tuple(map(read_condition, where or [])))


def completions_of(run: Run, mode: Mode, steps: tuple[int, int] | None) -> int:
    """Return how many completions some steps have."""
    from dra_toolkit.inspection.selection import LAST

    sql = "SELECT sum(size)::BIGINT FROM groups WHERE mode = $1 AND step BETWEEN $2 AND $3"
    return run.query(sql, [mode, *(steps or (0, LAST))], steps=steps).column(0)[0].as_py() or 0


def place_options(mode: str, batch: int) -> str:
    """Return the options that name a group of another mode or batch than the usual."""
    return (f" --batch {batch}" if batch else "") + (f" --mode {mode}" if mode != "train" else "")


def page_note(shown: int, offset: int, total: int) -> str:
    """Return which rows of how many are shown, and the option that shows the next."""
    if not total:
        return "none"
    text = f"{offset + 1:,} to {offset + shown:,} of {total:,}"
    return text + (f"; --offset {offset + shown} shows the next" if offset + shown < total else "")
