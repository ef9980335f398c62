"""The Groups page as HTML, part by part: the step's table, the group's head and figures. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from dra_app.figure import figure
from dra_app.group_view import GroupView
from dra_app.pages.groups.histogram import step_histogram
from dra_app.step_groups import COLUMNS, HISTOGRAMS, MARKS, Row, StepGroups, has_mark
from dra_toolkit.drawing.numbers import aligned, short
from dra_toolkit.drawing.similarity_map import similarity_map, stretched
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.group_measures import GROUP_MEASURES

FIRST_ROWS = 24
"""Rows of the table that are drawn at once; the page adds the others when these are on the screen."""
MOST_ROWS = 500
"""Rows of the table at most; the filters find the others."""


def _head(name: str) -> tuple[str, str]:
    """Return the head of a column and what it means."""
    measure = GROUP_MEASURES.get(name)
    return (measure.short, measure.meaning) if measure else ("group", "batch and index of the group")


def mark_spans(marks: Sequence[tuple[str, str]]) -> str:
    """Return marks as symbols in their colours; each says what it means on hover."""
    return "".join(
        f'<span class="mark {mark}" title="{escaped(f"{MARKS[mark][1]}: {MARKS[mark][2]}")}">{MARKS[mark][0]}{said}</span>'
        for mark, said in marks
    )


def step_parts(groups: StepGroups, name: str, rows: Sequence[str]) -> dict[str, str]:
    """Return the filters, the histogram and the table of a step; what has not changed the page leaves as it is."""
    return {
        "chips": _chips(groups),
        "measure": _measures(groups.view.measure),
        "histogram": step_histogram(groups, name),
        "table": _table(groups, rows),
    }


def _measures(chosen: str) -> str:
    options = "".join(
        f'<option value="{name}"{" selected" if name == chosen else ""}>{escaped(name.replace("_", " "))}</option>'
        for name in HISTOGRAMS
    )
    return (
        f'<label class="measure">histogram of <select data-measure="1" aria-label="measure of the histogram">{options}'
        "</select></label>"
    )


def _chips(groups: StepGroups) -> str:
    view = groups.view
    chips = "".join(
        f'<button type="button" class="chip {mark}" data-mark="{mark}" aria-pressed="{str(mark in view.marks).lower()}" '
        f'title="{escaped(said)}">{symbol} {name} <b>{groups.counts[mark]}</b></button>'
        for mark, (symbol, name, said) in MARKS.items()
    )
    clear = ""
    if view.marks or view.low is not None or view.high is not None:
        between = ""
        if view.low is not None or view.high is not None:
            between = f", {view.measure.replace('_', ' ')} {short(view.low)} to {short(view.high)}"
        clear = (
            f'<button type="button" class="chip clear" data-clear="1">✕ clear filters</button>'
            f'<span class="dra-note">{len(groups.rows)} of {groups.total} groups{escaped(between)}</span>'
        )
    return f'<div class="dra-filters">{chips}{clear}</div>'


def _table(groups: StepGroups, rows: Sequence[str]) -> str:
    if not groups.rows:
        return '<p class="dra-empty">No group of this step passes the filters. Clear them to see all groups.</p>'
    view = groups.view
    heads = "".join(
        f'<th scope="col" aria-sort="{_sorted(name, view.sort, view.descending)}"><button type="button" data-sort="{name}" '
        f'title="{escaped(_head(name)[1])}">{_head(name)[0]}'
        f"{' ▾' if name == view.sort and view.descending else ' ▴' if name == view.sort else ''}</button></th>"
        + ("<th>marks</th>" if name == "group_index" else "")
        for name in COLUMNS
    )
    body = "".join(rows[:FIRST_ROWS])
    more = len(groups.rows) - MOST_ROWS
    note = f'<p class="dra-note">{more} more groups: sort or filter to see them.</p>' if more > 0 else ""
    return (
        f'<div class="dra-scroll" tabindex="0" aria-label="groups of the step"><table class="dra-groups"><thead>'
        f"<tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _sorted(name: str, sort: str, descending: bool) -> str:
    return "none" if name != sort else "descending" if descending else "ascending"


def table_rows(groups: StepGroups) -> list[str]:
    """Return the rows of the table, each number with the decimals of its column."""
    shown = groups.rows[:MOST_ROWS]
    columns = [aligned(row[name] for row in shown) for name in COLUMNS[1:]]
    return [_row(row, numbers) for row, *numbers in zip(shown, *columns, strict=True)]


def _row(row: Row, numbers: Sequence[str]) -> str:
    place = str(row["group_index"]) if not row["batch"] else f"{row['batch']}·{row['group_index']}"
    marks = [(mark, str(row["flips"]) if mark == "flips" else "") for mark in MARKS if has_mark(row, mark)]
    return (
        f'<tr data-batch="{row["batch"]}" data-group="{row["group_index"]}" data-prompt="{escaped(row["prompt_hash"])}" '
        f'tabindex="0"><th scope="row">{place}</th><td class="marks">{mark_spans(marks)}</td>'
        f"{''.join(f'<td>{number}</td>' for number in numbers)}</tr>"
    )


def head_part(view: GroupView, title: str) -> str:
    """Return the title of a group, the ways from it, its prompt."""
    why = (
        f'<p class="dra-note">Discarded before training: {escaped(view.discard_reason)}</p>'
        if view.discard_reason
        else ""
    )
    return (
        f'<header class="dra-group-head"><h3>{escaped(title)}</h3><nav class="dra-links">'
        '<a data-page="what-if" href="#">what if</a><a data-page="prompt" href="#">this prompt through training</a></nav>'
        f"</header>{why}{_prompt(view)}"
    )


def _prompt(view: GroupView) -> str:
    """Return the prompt, its last message open."""
    messages = "".join(
        f"<details{' open' if place == len(view.prompt) - 1 else ''}><summary>{escaped(role)}</summary>"
        f'<div class="dra-text" dir="auto" tabindex="0">{escaped(shown.text)}</div>{whole_button(shown, "prompt", place)}'
        "</details>"
        for place, (role, shown) in enumerate(view.prompt)
    )
    return f'<section class="dra-prompt" aria-label="prompt">{messages}</section>'


def whole_button(shown: object, part: object, of: int) -> str:
    """Return a button that shows the rest of a text, where there is more of it."""
    if not shown.is_cut:  # type: ignore[attr-defined]
        return ""
    return (
        f'<button type="button" class="dra-quiet" data-whole="{part}" data-of="{of}">show whole '
        f"({shown.whole:,} characters)</button>"  # type: ignore[attr-defined]
    )


def map_figure(
    view: GroupView,
    name: str,
    *,
    chosen: tuple[int, int] | None = None,
    is_stretched: bool = False,
    compares: bool = True,
) -> str:
    """Return the similarity map in its frame; compares: a click on a cell compares two completions."""
    if not view.measured:
        return (
            '<figure class="dra-figure"><figcaption><b>Similarity of completions</b></figcaption><p class="dra-empty">Not '
            "measured: the run was recorded with <code>embedder: none</code>.</p></figure>"
        )
    S = view.similarity
    span = stretched(S) if is_stretched else (0.0, 1.0)
    drawing = similarity_map(S, order=view.order, chosen=chosen, span=span)
    negative = '<span><i class="dra-key minus"></i>negative</span>' if (S < 0).any() else ""
    hint = "<span>click a cell to compare two texts</span>" if compares else ""
    button = (
        f'<button type="button" class="dra-quiet" data-stretch="1" aria-pressed="{str(is_stretched).lower()}">'
        f"{'scale stretched' if is_stretched else 'stretch the scale'}</button>"
        if compares
        else ""
    )
    legend = (
        f'<div class="dra-legend"><span>{short(span[0])}<i class="dra-ramp"></i>{short(span[1])}</span>{negative}{hint}'
        f"{button}</div>"
    )
    rows = [["completion", *range(len(S))], *([i, *row] for i, row in enumerate(S.tolist()))]
    return figure("Similarity of completions", drawing, rows=rows, name=f"{name}-similarity", legend=legend)
