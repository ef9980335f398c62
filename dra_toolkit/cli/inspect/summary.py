"""`dra inspect runs` and `dra inspect summary`."""

from __future__ import annotations

from pathlib import Path

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import JSON, OFFSET, RUN, console, open_run, page_note, print_json, print_next


def register(app: typer.Typer) -> None:
    """Add the commands to `dra inspect`."""
    app.command()(runs)
    app.command()(summary)


@user_errors
def runs(
    folder: Path = typer.Argument(None, help="A folder of runs; left out, $DRA_RUNS or runs/."),
    limit: int = typer.Option(50, "--limit", min=1, help="Runs shown, the latest first."),
    offset: int = OFFSET,
    as_json: bool = JSON,
) -> None:
    """List the runs of a folder: state, steps, reward, and in what their recipes differ."""
    from rich.text import Text

    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.list_views import runs_view
    from dra_toolkit.inspection.overview import list_runs
    from dra_toolkit.runs import runs_root
    from dra_toolkit.safe_text import visible

    root = folder or runs_root()
    if folder is not None and not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder")
    page = list_runs(root, limit=limit, offset=offset)
    if as_json:
        print_json({"folder": str(root), "total": page.total, "offset": offset, "runs": page.rows})
        return
    where = console()
    if not page.rows:
        said = f"{root}: there are {page.total} runs" if page.total else f"{root}: no runs yet"
        where.print(Text(visible(f"{said}.", one_line=True)), soft_wrap=True)
        print_next(where, [f"dra inspect runs {root}" if page.total else "dra train recipes/quickstart.yaml"])
        return
    where.print(runs_view(page.rows))
    where.print(page_note(len(page.rows), offset, page.total))
    print_next(where, [f"dra inspect summary {page.rows[0].path}"])


@user_errors
def summary(run: str = RUN, as_json: bool = JSON) -> None:
    """Show a run at a glance: health notes, settings, and curves of rewards, similarity and advantages."""
    show_summary(run, as_json)


def show_summary(run: str | None, as_json: bool) -> None:
    """Show a run, or the latest, at a glance."""
    from dra_toolkit.inspection.overview import summarise
    from dra_toolkit.inspection.views import run_view

    opened = open_run(run)
    overview = summarise(opened)
    if as_json:
        print_json(overview)
        return
    where = console()
    where.print(run_view(overview, width=where.width))
    if overview.steps:
        at, last = opened.directory.path, overview.steps[-1].step
        print_next(
            where,
            [
                f"dra inspect groups {at} --step {last}",
                f"dra inspect groups {at} --worst 10",
                f"dra inspect group {at} {last} 0",
            ],
        )
