"""`dra inspect groups` and `dra inspect group`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.cli.inspect.common import (
    JSON,
    LIMIT,
    MODE,
    OFFSET,
    ONE_RUN,
    RUN,
    STEPS,
    WHERE,
    ModeName,
    console,
    open_run,
    page_note,
    place_options,
    print_json,
    print_next,
    selection,
)

if TYPE_CHECKING:
    from dra_toolkit.inspection.group_list import GroupRow
    from dra_toolkit.runs import Run


def register(app: typer.Typer) -> None:
    """Add the commands to `dra inspect`."""
    app.command()(groups)
    app.command()(group)


@user_errors
def groups(
    run: str = RUN,
    step: int = typer.Option(None, "--step", help="One step, from 1; without any option, the last recorded."),
    steps: str = STEPS,
    mode: ModeName = MODE,
    where: list[str] = WHERE,
    sort: str = typer.Option("index", "--sort", help="A measure such as redundancy, the highest first, or index."),
    ascending: bool = typer.Option(False, "--ascending", help="The lowest first."),
    worst: int = typer.Option(None, "--worst", min=1, metavar="N", help="The N groups most alike."),
    best: int = typer.Option(None, "--best", min=1, metavar="N", help="The N groups least alike."),
    flips: bool = typer.Option(False, "--flips", help="Only groups in which an advantage changed its sign."),
    duplicates: bool = typer.Option(False, "--duplicates", help="Only groups with equal texts."),
    zero_spread: bool = typer.Option(False, "--zero-spread", help="Only groups whose rewards are all equal."),
    limit: int = LIMIT,
    offset: int = OFFSET,
    as_json: bool = JSON,
) -> None:
    """List groups of a step, a range or the whole run, filtered and sorted by any measure."""
    from dra_toolkit.errors import RunError
    from dra_toolkit.inspection.group_list import list_groups
    from dra_toolkit.inspection.list_views import step_view
    from dra_toolkit.inspection.selection import require_recorded

    if worst and best:
        raise RunError("--worst and --best: expected one of them")
    if step is not None and steps is not None:
        raise RunError("--step and --steps: expected one of them")
    asked = (
        (flips, "flips > 0"),
        (duplicates, "distinct_ratio < 1"),
        (zero_spread, "zero_spread = 1"),
    )
    conditions = [*(where or []), *(condition for is_asked, condition in asked if is_asked)]
    opened = open_run(run)
    if step is None and steps is None and not (conditions or worst or best or sort != "index"):
        step = _last_step(opened, mode)
    if step is not None:
        opened.require_step(step, mode.value)
        steps = str(step)
    chosen = selection(mode, steps, conditions)
    if flips and sort == "index":
        sort = "flips"
    if worst or best:
        sort, ascending, limit = "similarity", bool(best), worst or best
    page = list_groups(opened, chosen, sort=sort, ascending=ascending, limit=limit, offset=offset)
    if not page.total:
        require_recorded(opened, chosen.steps, mode.value)
    if as_json:
        rows = [{**_flat(row), **row.measures} for row in page.rows]
        print_json({"run": opened.name, "mode": mode.value, "total": page.total, "offset": offset, "groups": rows})
        return
    where_to = console()
    of = f"step {step}" if step is not None else f"steps {steps}" if steps else "all steps"
    title = f"{opened.name}: {mode.value} {of}"
    if not page.rows:
        where_to.print(f"{title}: no group is like that; {page.total} groups fit the filters")
        return
    where_to.print(step_view(page, title=title, width=where_to.width, sort=sort))
    where_to.print(page_note(len(page.rows), offset, page.total))
    print_next(where_to, _next(opened, page.rows[0], mode))


def _flat(row: Any) -> dict[str, Any]:
    names = ("mode", "step", "batch", "index", "prompt_hash", "prompt")
    return {name: getattr(row, name) for name in names}


def _last_step(run: Run, mode: ModeName) -> int:
    from dra_toolkit.errors import RunError

    recorded = run.steps(mode.value)
    if not recorded:
        raise RunError(f"{run.name}: no {mode.value} groups are recorded yet")
    return recorded[-1]


def _next(run: Run, first: GroupRow, mode: ModeName) -> list[str]:
    at = run.directory.path
    return [
        f"dra inspect group {at} {first.step} {first.index}{place_options(mode.value, first.batch)}",
        f"dra inspect prompt {at} {first.prompt_hash}{place_options(mode.value, 0)}",
    ]


@user_errors
def group(
    run: str = ONE_RUN,
    step: int = typer.Argument(..., help="Step, from 1."),
    index: int = typer.Argument(..., help="Group within the step, from 0."),
    mode: ModeName = MODE,
    batch: int = typer.Option(0, "--batch", help="Generation batch, where one step has several."),
    lines: int = typer.Option(12, "--lines", min=1, help="Lines shown of each text."),
    full: bool = typer.Option(False, "--full", help="Show the texts whole."),
    as_json: bool = JSON,
) -> None:
    """Show one group in full: similarity, rewards, weights, advantages, texts."""
    from dra_toolkit.inspection.plain import plain
    from dra_toolkit.inspection.views import group_view

    opened = open_run(run)
    record = opened.group(step, index, mode=mode.value, batch=batch)
    if as_json:
        print_json({"run": opened.name, **plain(record), "prompt_hash": record.prompt_hash})
        return
    where = console()
    where.print(group_view(record, width=where.width, lines=None if full else lines))
    at = opened.directory.path
    print_next(
        where,
        [
            f"dra inspect prompt {at} {record.prompt_hash}{place_options(mode.value, 0)}",
            f"dra inspect near {at} {step} {index} 0{place_options(mode.value, batch)}",
            f"dra inspect groups {at} --step {step}{place_options(mode.value, 0)}",
        ],
    )
