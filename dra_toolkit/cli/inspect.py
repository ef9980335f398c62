"""`dra inspect`: ask questions of recorded groups."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.errors import user_errors

if TYPE_CHECKING:
    from rich.console import Console

    from dra_toolkit.runs import Run

app = typer.Typer(help="Look at recorded groups; alone, the latest run.")


class ModeName(Enum):
    """Which groups: sampled to train on, or to evaluate."""

    train = "train"
    eval = "eval"


class SortName(Enum):
    """What the groups of a step are ordered by."""

    index = "index"
    reward = "reward"
    spread = "spread"
    similarity = "similarity"
    flips = "flips"


RUN = typer.Argument(None, help="A run directory, or a name under runs/; left out, the latest run.")
JSON = typer.Option(False, "--json", help="Print one JSON document.")
MODE = typer.Option(ModeName.train, "--mode", help="Groups sampled to train on, or to evaluate.")


@app.callback(invoke_without_command=True)
@user_errors
def inspect(context: typer.Context, as_json: bool = JSON) -> None:
    """Look at recorded groups; alone, the latest run."""
    if context.invoked_subcommand is None:
        _summary(None, as_json)


@app.command()
@user_errors
def summary(run: str = RUN, as_json: bool = JSON) -> None:
    """Show a run at a glance: its settings, and curves of rewards, similarity and advantages."""
    _summary(run, as_json)


@app.command()
@user_errors
def groups(
    run: str = RUN,
    step: int = typer.Option(None, "--step", help="Step, from 1; left out, the last recorded."),
    mode: ModeName = MODE,
    sort: SortName = typer.Option(SortName.index, "--sort", help="Order; all but index put the highest first."),
    as_json: bool = JSON,
) -> None:
    """Show the groups of one step."""
    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.questions import look_at_step
    from dra_toolkit.inspection.views import step_view

    opened = _open(run)
    steps = opened.steps(mode.value)
    if step is None and not steps:
        raise RunError(f"{opened.name}: no {mode.value} groups are recorded yet")
    at = steps[-1] if step is None else step
    found = look_at_step(opened, at, mode.value)
    if sort is not SortName.index:
        found.sort(key=lambda group: -getattr(group, sort.value))
    if as_json:
        _print_json({"run": opened.name, "mode": mode.value, "step": at, "groups": found})
        return
    console = _console()
    console.print(step_view(found, title=f"{opened.name}: {mode.value} step {at}", width=console.width))
    if found:
        first = found[0]
        _next(console, [f"dra inspect group {opened.directory.path} {at} {first.index}"])


@app.command()
@user_errors
def group(
    run: str = typer.Argument(..., help="A run directory, or a name under runs/."),
    step: int = typer.Argument(..., help="Step, from 1."),
    index: int = typer.Argument(..., help="Group within the step, from 0."),
    mode: ModeName = MODE,
    batch: int = typer.Option(0, "--batch", help="Generation batch, where one step has several."),
    lines: int = typer.Option(12, "--lines", min=1, help="Lines shown of each text."),
    full: bool = typer.Option(False, "--full", help="Show the texts whole."),
    as_json: bool = JSON,
) -> None:
    """Show one group in full: similarity, rewards, weights, advantages, texts."""
    from dra_toolkit.inspection.views import group_view

    opened = _open(run)
    record = opened.group(step, index, mode=mode.value, batch=batch)
    if as_json:
        _print_json({"run": opened.name, **_as_plain(record)})
        return
    console = _console()
    console.print(group_view(record, width=console.width, lines=None if full else lines))
    at = opened.directory.path
    _next(console, [f"dra inspect group {at} {step} {index + 1}", f"dra inspect groups {at} --step {step}"])


def _summary(run: str | None, as_json: bool) -> None:
    from dra_toolkit.inspection.questions import summarise
    from dra_toolkit.inspection.views import run_view

    opened = _open(run)
    overview = summarise(opened)
    if as_json:
        _print_json(overview)
        return
    console = _console()
    console.print(run_view(overview, width=console.width))
    if overview.steps:
        at, last = opened.directory.path, overview.steps[-1].step
        _next(console, [f"dra inspect groups {at} --step {last}", f"dra inspect group {at} {last} 0"])


def _open(run: str | None) -> Run:
    from dra_toolkit.runs import Run, latest_run

    return Run(latest_run()) if run is None else Run.open(run)


def _as_plain(record: Any) -> dict[str, Any]:
    from dra_toolkit.inspection.questions import plain

    found: dict[str, Any] = plain(record)
    return {**found, "prompt_hash": record.prompt_hash}


def _print_json(document: Any) -> None:
    from dra_toolkit.inspection.questions import plain

    print(json.dumps(plain(document)))


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def _next(console: Console, commands: list[str]) -> None:
    from rich.text import Text

    from dra_toolkit.safe_text import visible

    console.print(Text("\nNext:", "dim"))
    for command in commands:
        console.print(Text(f"  {visible(command, one_line=True)}"), soft_wrap=True)
