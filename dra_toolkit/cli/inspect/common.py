"""What the commands of `dra inspect` share: their options, how they open a run and how they print."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from dra_toolkit.inspection.selection import Selection
    from dra_toolkit.runs import Run


class ModeName(Enum):
    """Which groups."""

    train = "train"
    eval = "eval"
    discarded = "discarded"


RUN = typer.Argument(None, help="A run directory, or a name under runs/; left out, the latest run.")
ONE_RUN = typer.Argument(..., help="A run directory, or a name under runs/.")
JSON = typer.Option(False, "--json", help="Print one JSON document.")
MODE = typer.Option(ModeName.train, "--mode", help="Groups sampled to train on, to evaluate, or discarded.")
STEPS = typer.Option(None, "--steps", help="A step, or a range: 10..20, 10.., ..20.")
WHERE = typer.Option(
    None, "--where", metavar="'NAME OP NUMBER'", help="Groups with a measure such as 'flips > 0'; may be repeated."
)
LIMIT = typer.Option(20, "--limit", min=1, help="Rows shown.")
OFFSET = typer.Option(0, "--offset", min=0, help="Rows skipped, for the next page.")


def open_run(run: str | None) -> Run:
    """Return the run of a folder or name, or the latest."""
    from dra_toolkit.runs import Run, latest_run

    return Run(latest_run()) if run is None else Run.open(run)


def selection(mode: ModeName, steps: str | None, where: list[str] | None) -> Selection:
    """Return which groups the options ask for."""
    from dra_toolkit.inspection.selection import Selection, read_condition, read_steps

    return Selection(
        modes=(mode.value,),
        steps=read_steps(steps),
        conditions=tuple(map(read_condition, where or [])),
    )


def print_json(document: Any) -> None:
    """Print one JSON document."""
    from dra_toolkit.inspection.plain import plain

    print(json.dumps(plain(document)))


def console() -> Console:
    """Return a console that takes no text for markup."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def print_next(where: Console, commands: list[str]) -> None:
    """Print what may be typed next."""
    from rich.text import Text

    from dra_toolkit.safe_text import visible

    where.print(Text("\nNext:", "dim"))
    for command in commands:
        where.print(Text(f"  {visible(command, one_line=True)}"), soft_wrap=True)


def place_options(mode: str, batch: int) -> str:
    """Return the options that name a group of another mode or batch than the usual."""
    return (f" --batch {batch}" if batch else "") + (f" --mode {mode}" if mode != "train" else "")


def page_note(shown: int, offset: int, total: int) -> str:
    """Return which rows of how many are shown, and the option that shows the next."""
    if not total:
        return "none"
    text = f"{offset + 1:,} to {offset + shown:,} of {total:,}"
    return text + (f"; --offset {offset + shown} shows the next" if offset + shown < total else "")
