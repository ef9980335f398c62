"""`dra inspect replay` and `weights`: recorded groups under other settings."""

from contextlib import nullcontext

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, ONE_RUN, STEPS, Mode, app, open_run
from dra_toolkit.cli.printing import answer


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
    from dra_toolkit.cli.bars import counting
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
