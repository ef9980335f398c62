"""`dra inspect runs`, `summary`, `compare`, `replay` and `weights`: runs as a whole, and under other settings."""

from contextlib import nullcontext
from pathlib import Path

import typer

from dra_toolkit.cli.common import JSON, answer, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, ONE_RUN, STEPS, Mode, app, open_run
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


@app.command()
@user_errors
def replay(
    run: str = ONE_RUN,
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Settings to replay with, by a recipe's keys; left out, the recorded ones."
    ),
    steps: str = STEPS,
    mode: Mode = MODE,
    top: int = typer.Option(20, min=0, help="Groups that change most, in the JSON."),
    as_json: bool = JSON,
) -> None:
    """Recompute the advantages under other settings, without a GPU, and show what would have changed.

    Without settings it checks that the recorded advantages are reproduced. Settings are a recipe's keys: diversity=none,
    negative_totals=multiply, scale_rewards=none; embedder=hash embeds the texts anew.
    """
    from dra_toolkit.cli.progress import counting
    from dra_toolkit.inspection.replay.run import replay_run
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.inspection.replay.view import as_plain, replay_view
    from dra_toolkit.inspection.selection import read_steps

    changes, wanted = read_changes(overrides or []), read_steps(steps)
    opened = open_run(run)
    embeds = changes.embedder is not None
    bar = counting("embedding", common.completions_of(opened, mode, wanted)) if embeds else nullcontext(lambda n: None)
    with bar as embedded:
        report = replay_run(opened, changes, mode=mode, steps=wanted, top=top, embedded=embedded)
    answer(as_json, as_plain(report), lambda out: [replay_view(report, place=str(opened.directory.path))])


@app.command()
@user_errors
def weights(
    run: str = typer.Argument(None, help="A run directory, or a name under runs/; left out, the formulas alone."),
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Settings to replay the recorded groups with, by a recipe's keys."
    ),
    group: int = typer.Option(8, min=2, max=64, help="Completions of a group, for the formulas."),
    steps: str = STEPS,
    mode: Mode = MODE,
    as_json: bool = JSON,
) -> None:
    """Show how much right and wrong completions weigh against the group's success rate, by formula and as recorded.

    A weight is the sum of a side's advantages over the completions of the group. By formula all completions are unlike each
    other and equally likely, so that what is left is what the objective makes of rewards of 0 and 1.
    """
    from dra_toolkit.inspection.replay.settings import read_changes
    from dra_toolkit.inspection.selection import read_steps
    from dra_toolkit.inspection.weights import every_formula, of_run, weights_view

    found = []
    if run is not None:
        found = of_run(open_run(run), read_changes(overrides or []), mode=mode, steps=read_steps(steps))
        group = len(found[0].groups) - 1
    found += every_formula(group)
    answer(as_json, {"group": group, "weights": found}, lambda out: [weights_view(found)])
