"""`dra inspect runs`, `summary` and `compare`: runs as a whole."""

from pathlib import Path

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, Mode, app, open_run
from dra_toolkit.cli.printing import answer
from dra_toolkit.errors import RunError


@app.command()
@user_errors
def runs(
    folder: Path = typer.Argument(None, help="A folder of runs; left out, $DRA_RUNS or runs/."),
    limit: int = typer.Option(50, min=1, help="Runs shown, the latest first."),
    offset: int = common.OFFSET,
    as_json: bool = JSON,
) -> None:
    """List the runs of a folder: state, steps, reward, and in what their recipes differ."""
    from dra_toolkit.inspection.group_list import list_runs
    from dra_toolkit.inspection.views import runs_view
    from dra_toolkit.runs import runs_root
    from dra_toolkit.safe_text import visible

    root = folder or runs_root()
    if folder is not None and not folder.is_dir():
        raise RunError(f"{folder}: there is no such folder")
    page = list_runs(root, limit=limit, offset=offset)
    document = {"folder": str(root), "total": page.total, "offset": offset, "runs": page.rows}
    if page.rows:
        shown, following = [runs_view(page.rows)], f"dra inspect summary {page.rows[0].path}"
        shown.append(common.page_note(len(page.rows), offset, page.total))
    else:
        said = f"{root}: there are {page.total} runs" if page.total else f"{root}: no runs yet"
        shown, following = [visible(f"{said}.", one_line=True)], f"dra inspect runs {root}"
    answer(as_json, document, lambda out: shown, [following if page.total else "dra train quickstart"])


@app.command()
@user_errors
def summary(run: str = common.RUN, as_json: bool = JSON) -> None:
    """Show a run at a glance: health notes, settings, and curves of rewards, similarity and advantages."""
    from dra_toolkit.inspection.overview import summarise
    from dra_toolkit.inspection.views import run_view

    opened = open_run(run)
    overview = summarise(opened)
    at, last = opened.directory.path, overview.steps[-1].step if overview.steps else None
    asked = (f"groups {at} --step {last}", f"groups {at} --worst 10", f"group {at} {last} 0") if last else ()
    following = [f"dra inspect {each}" for each in asked]
    answer(as_json, overview, lambda out: [run_view(overview, width=out.width)], following)


@app.command()
@user_errors
def compare(
    runs: list[str] = typer.Argument(..., metavar="RUN OTHER...", help="Run directories, or names under runs/."),
    mode: Mode = MODE,
    limit: int = typer.Option(10, min=0, help="Of two runs: prompts shown, those with the largest gap first."),
    as_json: bool = JSON,
) -> None:
    """Compare two runs: settings, step by step, and on the prompts that both saw; or more: each setting over its seeds."""
    from dra_toolkit.inspection.comparison import compare as ask
    from dra_toolkit.inspection.comparison import compare_settings, settings_view
    from dra_toolkit.inspection.views import comparison_view

    opened = [open_run(run) for run in runs]
    if len(opened) < 2:
        raise RunError(f"found one run, {runs[0]}, expected two or more: dra inspect compare RUN OTHER")
    if len(opened) > 2:
        many = compare_settings(opened, mode=mode)
        answer(as_json, many, lambda out: [settings_view(many)])
        return
    found = ask(*opened, mode=mode, limit=limit)
    asked = [
        f"dra inspect prompt {run.directory.path} {each.prompt_hash}" for run in opened for each in found.prompts[:1]
    ]
    answer(as_json, found, lambda out: [comparison_view(found, width=out.width)], asked)
