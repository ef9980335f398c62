"""`dra inspect search`."""

from __future__ import annotations

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import (
    JSON,
    LIMIT,
    MODE,
    OFFSET,
    ONE_RUN,
    STEPS,
    WHERE,
    ModeName,
    console,
    open_run,
    place_options,
    print_json,
    print_next,
    selection,
)


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command()(search)


@user_errors
def search(
    run: str = ONE_RUN,
    text: str = typer.Argument(..., help="What a completion contains."),
    regex: bool = typer.Option(False, "--regex", help="Take TEXT for a regular expression."),
    ignore_case: bool = typer.Option(False, "--ignore-case", help="Take capitals for small letters."),
    correct: bool = typer.Option(None, "--correct/--wrong", help="Only right, or only wrong completions."),
    steps: str = STEPS,
    mode: ModeName = MODE,
    where: list[str] = WHERE,
    count: bool = typer.Option(False, "--count", help="Count all completions found, which reads the whole run."),
    limit: int = LIMIT,
    offset: int = OFFSET,
    as_json: bool = JSON,
) -> None:
    """Find completions that contain a text, or match a regular expression."""
    from dra_toolkit.inspection.list_views import hits_view
    from dra_toolkit.inspection.selection import require_recorded
    from dra_toolkit.inspection.text_search import Wanted
    from dra_toolkit.inspection.text_search import search as find

    wanted = Wanted(text=text, is_regex=regex, ignore_case=ignore_case, correct=correct)
    opened = open_run(run)
    chosen = selection(mode, steps, where)
    hits = find(opened, wanted, chosen, limit=limit, offset=offset, count=count)
    if not hits.rows:
        require_recorded(opened, chosen.steps, mode.value)
    if as_json:
        print_json({"run": opened.name, "hits": hits})
        return
    out = console()
    if not hits.rows:
        more = "no more completions contain" if offset else "no completion contains"
        out.print(f"{more} that; --ignore-case and --regex search more widely.".capitalize())
        return
    out.print(hits_view(hits))
    last = offset + len(hits.rows)
    total = f" of {hits.total:,}" if hits.total is not None else ""
    more = f"; --offset {last} shows the next" if hits.has_more else ""
    out.print(f"{offset + 1:,} to {last:,}{total}{more}")
    first, at = hits.rows[0], opened.directory.path
    of = place_options(first.mode, first.batch)
    print_next(
        out,
        [
            f"dra inspect group {at} {first.step} {first.group}{of} --full",
            f"dra inspect near {at} {first.step} {first.group} {first.completion}{of}",
        ],
    )
