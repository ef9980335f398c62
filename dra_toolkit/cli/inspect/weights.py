"""`dra inspect weights`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import JSON, MODE, STEPS, ModeName, console, print_json

if TYPE_CHECKING:
    from dra_toolkit.inspection.weights import Weights


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(weights)


@user_errors
def weights(
    run: str = typer.Argument(None, help="A run directory, or a name under runs/; left out, the formulas alone."),
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Settings to replay the recorded groups with, by a recipe's keys."
    ),
    group: int = typer.Option(8, "--group", min=2, max=64, help="Completions of a group, for the formulas."),
    steps: str = STEPS,
    mode: ModeName = MODE,
    svg: Path = typer.Option(None, "--svg", help="Write the curves of this picture to a file."),
    as_json: bool = JSON,
) -> None:
    """Show how much right and wrong completions weigh against the group's success rate, by formula and as recorded.

    A weight is the sum of a side's advantages over the completions of the group. By formula all completions are unlike each
    other and equally likely, so that what is left is what the objective makes of rewards of 0 and 1.
    """
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.inspection.selection import read_steps
    from dra_toolkit.inspection.weights import every_formula, of_run, weights_svg, weights_view
    from dra_toolkit.runs import Run

    found: list[Weights] = []
    if run is not None:
        opened = Run.open(run)
        found = of_run(opened, read_changes(overrides or []), mode=mode.value, steps=read_steps(steps))
        group = len(found[0].groups) - 1
    found += every_formula(group)
    if svg is not None:
        svg.write_text(weights_svg(found), encoding="utf-8")
    if as_json:
        print_json({"group": group, "weights": found})
        return
    console().print(weights_view(found))
