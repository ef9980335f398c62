"""`dra inspect groups`, `group` and `prompt`: groups of a step, one in full, and those of one prompt through training."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.inspect import common
from dra_toolkit.cli.inspect.common import MODE, ONE_RUN, Mode, app, open_run, place_options
from dra_toolkit.cli.printing import answer
from dra_toolkit.errors import RunError

if TYPE_CHECKING:
    from rich.console import Console

    from dra_toolkit.inspection.group_list import GroupRow, Pair, PromptHistory
    from dra_toolkit.runs import Run


@app.command()
@user_errors
def groups(
    run: str = common.RUN,
    step: int = typer.Option(None, help="One step, from 1; without any option, the last recorded."),
    steps: str = common.STEPS,
    mode: Mode = MODE,
    where: list[str] = common.WHERE,
    sort: str = typer.Option("index", help="A measure such as redundancy, the highest first, or index."),
    ascending: bool = typer.Option(False, "--ascending", help="The lowest first."),
    worst: int = typer.Option(None, min=1, metavar="N", help="The N groups most alike."),
    best: int = typer.Option(None, min=1, metavar="N", help="The N groups least alike."),
    flips: bool = typer.Option(False, "--flips", help="Only groups in which an advantage changed its sign."),
    duplicates: bool = typer.Option(False, "--duplicates", help="Only groups with equal texts."),
    zero_spread: bool = typer.Option(False, "--zero-spread", help="Only groups whose rewards are all equal."),
    limit: int = common.LIMIT,
    offset: int = common.OFFSET,
    as_json: bool = JSON,
) -> None:
    """List groups of a step, a range or the whole run, filtered and sorted by any measure."""
    from dra_toolkit.inspection.group_list import list_groups
    from dra_toolkit.inspection.selection import require_recorded
    from dra_toolkit.inspection.views import step_view

    if worst and best:
        raise RunError("--worst and --best: expected one of them")
    if step is not None and steps is not None:
        raise RunError("--step and --steps: expected one of them")
    asked = (flips, "flips > 0"), (duplicates, "distinct_ratio < 1"), (zero_spread, "zero_spread = 1")
    conditions = [*(where or []), *(condition for is_asked, condition in asked if is_asked)]
    opened = open_run(run)
    if step is None and steps is None and not (conditions or worst or best or sort != "index"):
        step = _last_step(opened, mode)
    if step is not None:
        opened.require_step(step, mode)
        steps = str(step)
    chosen = common.selection((mode,), steps, conditions)
    if flips and sort == "index":
        sort = "flips"
    if worst or best:
        sort, ascending, limit = "similarity", bool(best), worst or best
    page = list_groups(opened, chosen, sort=sort, ascending=ascending, limit=limit, offset=offset)
    if not page.total:
        require_recorded(opened, chosen.steps, mode)
    named = ("mode", "step", "batch", "index", "prompt_hash", "prompt")
    rows = [{**{name: getattr(row, name) for name in named}, **row.measures} for row in page.rows]
    document = {"run": opened.name, "mode": mode, "total": page.total, "offset": offset, "groups": rows}
    of = f"step {step}" if step is not None else f"steps {steps}" if steps else "all steps"
    title = f"{opened.name}: {mode} {of}"

    def shown(out: Console) -> Iterator[Any]:
        if not page.rows:
            yield f"{title}: no group is like that; {page.total} groups fit the filters"
            return
        yield step_view(page, title=title, width=out.width, sort=sort)
        yield common.page_note(len(page.rows), offset, page.total)

    answer(as_json, document, shown, _next(opened, page.rows, mode))


def _last_step(run: Run, mode: Mode) -> int:
    recorded = run.steps(mode)
    if not recorded:
        raise RunError(f"{run.name}: no {mode} groups are recorded yet")
    return recorded[-1]


def _next(run: Run, rows: Sequence[GroupRow], mode: Mode) -> list[str]:
    if not rows:
        return []
    first, at = rows[0], run.directory.path
    in_full = f"dra inspect group {at} {first.step} {first.index}{place_options(mode, first.batch)}"
    return [in_full, f"dra inspect prompt {at} {first.prompt_hash}{place_options(mode, 0)}"]


@app.command()
@user_errors
def group(
    run: str = ONE_RUN,
    step: int = typer.Argument(..., help="Step, from 1."),
    index: int = typer.Argument(..., help="Group within the step, from 0."),
    mode: Mode = MODE,
    batch: int = typer.Option(0, help="Generation batch, where one step has several."),
    lines: int = typer.Option(12, min=1, help="Lines shown of each text."),
    full: bool = typer.Option(False, "--full", help="Show the texts whole."),
    as_json: bool = JSON,
) -> None:
    """Show one group in full: similarity, rewards, weights, advantages, texts."""
    from dra_toolkit.inspection.plain import plain
    from dra_toolkit.inspection.views import group_view

    opened = open_run(run)
    record = opened.group(step, index, mode=mode, batch=batch)
    document = {"run": opened.name, **plain(record), "prompt_hash": record.prompt_hash} if as_json else {}
    at = opened.directory.path
    asked = (
        f"prompt {at} {record.prompt_hash}{place_options(mode, 0)}",
        f"near {at} {step} {index} 0{place_options(mode, batch)}",
        f"groups {at} --step {step}{place_options(mode, 0)}",
    )
    view = functools.partial(group_view, record, lines=None if full else lines)
    answer(as_json, document, lambda out: [view(width=out.width)], [f"dra inspect {each}" for each in asked])


@app.command()
@user_errors
def prompt(
    run: str = ONE_RUN,
    wanted: str = typer.Argument(..., metavar="PROMPT", help="A prompt's 16 hex digits, or a text that occurs in it."),
    between: tuple[int, int] = typer.Option(
        None, metavar="STEP STEP", help="Show how completions of two steps differ; left out, first and last."
    ),
    mode: Mode = MODE,
    limit: int = typer.Option(20, min=1, help="Groups listed, evenly chosen."),
    pairs: int = typer.Option(3, min=0, help="Differences shown, the least alike first."),
    embedder: str = typer.Option("hash", help="What finds the nearest completion of the earlier step."),
    as_json: bool = JSON,
) -> None:
    """Show one prompt through training, and how its completions of two steps differ from their nearest."""
    from dra_toolkit.inspection.group_list import find_prompt, look_at_prompt
    from dra_toolkit.inspection.views import history_view, pairs_view

    opened = open_run(run)
    history = look_at_prompt(opened, find_prompt(opened, wanted, mode), mode)
    earlier, later = between or (history.rows[0].step, history.rows[-1].step)
    found = _pairs(opened, history, mode, earlier, later, embedder, pairs)
    told = [{**vars(pair), "differences": pair.differences.stretches} for pair in found]
    document = {"run": opened.name, "history": history, "between": [earlier, later], "pairs": told}
    alone = "The prompt was sampled at one step only, so there is nothing to compare."
    pair_view = [pairs_view(found, earlier, later)] if found else [alone] if earlier == later else []
    last = history.rows[-1]
    place = f"{opened.directory.path} {last.step} {last.index}{place_options(mode, last.batch)}"
    shown = [history_view(history, limit=limit), *pair_view]
    answer(as_json, document, lambda out: shown, [f"dra inspect group {place}"])


def _pairs(
    run: Run, history: PromptHistory, mode: Mode, earlier: int, later: int, embedder: str, limit: int
) -> list[Pair]:
    """Return completions of the later step with their nearest of the earlier; raises RunError for a step without any."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.inspection.group_list import nearest_pairs

    by_step = {row.step: row for row in history.rows}
    for step in (earlier, later):
        if step not in by_step:
            known = ", ".join(map(str, list(by_step)[:20]))
            raise RunError(f"--between: the prompt has no group at step {step}; it has at {known}")
    if earlier == later or not limit:
        return []
    rows = by_step[earlier], by_step[later]
    before, after = (run.group(row.step, row.index, mode=mode, batch=row.batch) for row in rows)
    return nearest_pairs(before, after, load_embedder(EmbedderSettings(name=embedder)), limit=limit)
