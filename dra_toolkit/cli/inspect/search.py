"""`dra inspect search` and `dra inspect near`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    print_json,
    print_next,
    selection,
)

if TYPE_CHECKING:
    from dra_toolkit.runs import Run


def register(app: typer.Typer) -> None:
    """Add the commands to `dra inspect`."""
    app.command()(search)
    app.command()(near)


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
    from dra_toolkit.inspection.text_search import Wanted
    from dra_toolkit.inspection.text_search import search as find

    wanted = Wanted(text=text, is_regex=regex, ignore_case=ignore_case, correct=correct)
    opened = open_run(run)
    hits = find(opened, wanted, selection(mode, steps, where), limit=limit, offset=offset, count=count)
    if as_json:
        print_json({"run": opened.name, "hits": hits})
        return
    out = console()
    if not hits.rows:
        out.print("No completion contains that; --ignore-case and --regex search more widely.")
        return
    out.print(hits_view(hits))
    last = offset + len(hits.rows)
    of = f" of {hits.total:,}" if hits.total is not None else ""
    more = f"; --offset {last} shows the next" if hits.has_more else ""
    out.print(f"{offset + 1:,} to {last:,}{of}{more}")
    first, at = hits.rows[0], opened.directory.path
    batch = f" --batch {first.batch}" if first.batch else ""
    print_next(out, [f"dra inspect group {at} {first.step} {first.group}{batch} --full"])


@user_errors
def near(
    run: str = ONE_RUN,
    step: int = typer.Argument(None, help="Step of the completion."),
    group: int = typer.Argument(None, help="Its group."),
    completion: int = typer.Argument(None, help="Its place in the group."),
    text: str = typer.Option(None, "--text", help="Compare with this text instead."),
    embedder: str = typer.Option("hash", "--embedder", help="What the similarity is measured with."),
    steps: str = STEPS,
    mode: ModeName = MODE,
    batch: int = typer.Option(0, "--batch", help="Generation batch of the completion."),
    limit: int = typer.Option(10, "--limit", min=1, help="Completions shown."),
    as_json: bool = JSON,
) -> None:
    """Find the completions most similar to one of the run, or to a text, by embedding those of the steps asked for."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.list_views import neighbours_view
    from dra_toolkit.inspection.near import nearest
    from dra_toolkit.inspection.step_range import read_steps

    opened = open_run(run)
    if (text is None) == (step is None or group is None or completion is None):
        raise RunError("near: expected STEP GROUP COMPLETION, or --text TEXT")
    if text is None:
        record = opened.group(step, group, mode=mode.value, batch=batch)
        if not 0 <= completion < len(record.group):
            raise RunError(f"near: the group has completions 0 to {len(record.group) - 1}, found {completion}")
        text = record.group.completions[completion]
    loaded, wanted = load_embedder(EmbedderSettings(name=embedder)), read_steps(steps)
    with _progress(opened, mode.value, wanted) as embedded:
        found = nearest(opened, text, loaded, mode=mode.value, steps=wanted, limit=limit, embedded=embedded)
    if as_json:
        print_json({"run": opened.name, "text": text, "embedder": embedder, "nearest": found})
        return
    out = console()
    if not found:
        out.print(f"No {mode.value} completion is recorded there.")
        return
    out.print(neighbours_view(found))
    first = found[0]
    print_next(out, [f"dra inspect group {opened.directory.path} {first.step} {first.group}"])


@contextmanager
def _progress(run: Run, mode: str, steps: tuple[int, int] | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    on_terminal = Console(stderr=True)
    if not on_terminal.is_terminal:
        yield lambda completions: None
        return
    first, last = steps or (0, (1 << 62) - 1)
    sql = "SELECT sum(size)::BIGINT FROM groups WHERE mode = $1 AND step BETWEEN $2 AND $3"
    total = run.query(sql, [mode, first, last], steps=steps).column(0)[0].as_py()
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=on_terminal, transient=True) as progress:
        task = progress.add_task("embedding", total=int(total or 0))
        yield lambda completions: progress.advance(task, completions)
