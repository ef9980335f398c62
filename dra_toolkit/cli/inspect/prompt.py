"""`dra inspect prompt`: the same prompt through training."""

from __future__ import annotations

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import (
    JSON,
    MODE,
    ONE_RUN,
    ModeName,
    console,
    open_run,
    place_options,
    print_json,
    print_next,
)


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(prompt)


@user_errors
def prompt(
    run: str = ONE_RUN,
    wanted: str = typer.Argument(..., metavar="PROMPT", help="A prompt's 16 hex digits, or a text that occurs in it."),
    between: tuple[int, int] = typer.Option(
        None,
        "--between",
        metavar="STEP STEP",
        help="Show how completions of two steps differ; left out, first and last.",
    ),
    mode: ModeName = MODE,
    limit: int = typer.Option(20, "--limit", min=1, help="Groups listed, evenly chosen."),
    pairs: int = typer.Option(3, "--pairs", min=0, help="Differences shown, the least alike first."),
    embedder: str = typer.Option("hash", "--embedder", help="What finds the nearest completion of the earlier step."),
    as_json: bool = JSON,
) -> None:
    """Show one prompt through training, and how its completions of two steps differ from their nearest."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.group_list import find_prompt, look_at_prompt, nearest_pairs
    from dra_toolkit.inspection.list_views import history_view, pairs_view

    opened = open_run(run)
    history = look_at_prompt(opened, find_prompt(opened, wanted, mode.value), mode.value)
    by_step = {row.step: row for row in history.rows}
    earlier, later = between or (history.rows[0].step, history.rows[-1].step)
    for step in (earlier, later):
        if step not in by_step:
            known = ", ".join(map(str, list(by_step)[:20]))
            raise RunError(f"--between: the prompt has no group at step {step}; it has at {known}")
    found = []
    if earlier != later and pairs:
        records = [
            opened.group(step, by_step[step].index, mode=mode.value, batch=by_step[step].batch)
            for step in (earlier, later)
        ]
        loaded = load_embedder(EmbedderSettings(name=embedder))
        found = nearest_pairs(records[0], records[1], loaded, limit=pairs)
    if as_json:
        told = [{**vars(pair), "differences": pair.differences.stretches} for pair in found]
        print_json({"run": opened.name, "history": history, "between": [earlier, later], "pairs": told})
        return
    where = console()
    where.print(history_view(history, limit=limit))
    if found:
        where.print(pairs_view(found, earlier, later))
    elif earlier == later:
        where.print("The prompt was sampled at one step only, so there is nothing to compare.")
    last = history.rows[-1]
    of = place_options(mode.value, last.batch)
    print_next(where, [f"dra inspect group {opened.directory.path} {last.step} {last.index}{of}"])
