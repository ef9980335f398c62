"""`dra inspect compare`: two runs side by side."""

from __future__ import annotations

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import JSON, MODE, ModeName, console, open_run, print_json, print_next


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(compare)


@user_errors
def compare(
    left: str = typer.Argument(..., help="A run directory, or a name under runs/."),
    right: str = typer.Argument(..., help="Another."),
    mode: ModeName = MODE,
    limit: int = typer.Option(10, "--limit", min=0, help="Prompts shown, those with the largest gap first."),
    as_json: bool = JSON,
) -> None:
    """Compare two runs: settings, step by step, and on the prompts that both saw."""
    from dra_toolkit.inspection.comparison import compare as ask
    from dra_toolkit.inspection.list_views import comparison_view

    runs = open_run(left), open_run(right)
    found = ask(*runs, mode=mode.value, limit=limit)
    if as_json:
        print_json(found)
        return
    out = console()
    out.print(comparison_view(found, width=out.width))
    if found.prompts:
        prompt = found.prompts[0].prompt_hash
        print_next(out, [f"dra inspect prompt {run.directory.path} {prompt}" for run in runs])
