"""`dra inspect search`: completions that say something."""

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, ONE_RUN, Mode, app, open_run, place_options
from dra_toolkit.cli.printing import answer


@app.command()
@user_errors
def search(
    run: str = ONE_RUN,
    text: str = typer.Argument(..., help="What a completion contains."),
    regex: bool = typer.Option(False, "--regex", help="Take TEXT for a regular expression."),
    ignore_case: bool = typer.Option(False, "--ignore-case", help="Take capitals for small letters."),
    correct: bool = typer.Option(None, "--correct/--wrong", help="Only right, or only wrong completions."),
    steps: str = common.STEPS,
    mode: Mode = MODE,
    where: list[str] = common.WHERE,
    count: bool = typer.Option(False, "--count", help="Count all completions found, which reads the whole run."),
    limit: int = common.LIMIT,
    offset: int = common.OFFSET,
    as_json: bool = JSON,
) -> None:
    """Find completions that contain a text, or match a regular expression."""
    from dra_toolkit.inspection.selection import require_recorded
    from dra_toolkit.inspection.text_search import Wanted
    from dra_toolkit.inspection.text_search import search as find
    from dra_toolkit.inspection.views import hits_view

    wanted = Wanted(text=text, is_regex=regex, ignore_case=ignore_case, correct=correct)
    opened = open_run(run)
    chosen = common.selection((mode,), steps, where)
    hits = find(opened, wanted, chosen, limit=limit, offset=offset, count=count)
    if not hits.rows:
        require_recorded(opened, chosen.steps, mode)
    last = offset + len(hits.rows)
    total = f" of {hits.total:,}" if hits.total is not None else ""
    more = f"; --offset {last} shows the next" if hits.has_more else ""
    none = f"{'No more completions contain' if offset else 'No completion contains'} that"
    shown = [hits_view(hits), f"{offset + 1:,} to {last:,}{total}{more}"] if hits.rows else []
    following = []
    for first in hits.rows[:1]:
        place, of = f"{opened.directory.path} {first.step} {first.group}", place_options(first.mode, first.batch)
        following = [f"dra inspect group {place}{of} --full", f"dra inspect near {place} {first.completion}{of}"]
    more_widely = f"{none}; --ignore-case and --regex search more widely."
    answer(as_json, {"run": opened.name, "hits": hits}, lambda out: shown or [more_widely], following)
