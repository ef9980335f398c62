"""The Groups page as HTML, part by part: the step's table, the group's head, figures and cards. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from dra_app.data.group_detail import CompletionView, GroupView
from dra_app.data.group_step import COLUMNS, HISTOGRAMS, MARKS, Row, StepGroups, has_mark
from dra_app.data.group_texts import Shown
from dra_app.figures import group_bars, group_heatmap, group_histogram
from dra_app.figures.svg import escaped, short, signed
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.inspection.word_differences import Differences
from dra_toolkit.safe_text import visible

HEADS = {
    "group_index": "group",
    "reward": "reward",
    "reward_spread": "spread",
    "adjusted": "adjusted",
    "similarity": "similarity",
    "vendi_score": "Vendi",
    "abs_advantage": "|A|",
    "correct_share": "correct",
    "tokens": "tokens",
}
FIRST_ROWS = 24
"""Rows of the table that are drawn at once; the page adds the others when these are on the screen."""
MOST_ROWS = 500
"""Rows of the table at most; the filters find the others."""


def mark_spans(marks: Sequence[tuple[str, str]]) -> str:
    """Return marks as symbols in their colours; each says what it means on hover."""
    return "".join(
        f'<span class="mark {mark}" title="{escaped(f"{MARKS[mark][1]}: {MARKS[mark][2]}")}">{MARKS[mark][0]}{said}</span>'
        for mark, said in marks
    )


def _meaning(name: str) -> str:
    return GROUP_MEASURES[name].meaning if name in GROUP_MEASURES else "batch and index of the group"


def marks_of(row: Row) -> list[tuple[str, str]]:
    """Return the marks of a group, with the number of its flips."""
    counts = {"flips": str(row["flips"])}
    return [(mark, counts.get(mark, "")) for mark in MARKS if has_mark(row, mark)]


def step_parts(groups: StepGroups, name: str) -> dict[str, str]:
    """Return the filters, the histogram and the table of a step; what has not changed the page leaves as it is."""
    return {
        "chips": _chips(groups),
        "measure": _measures(groups.view.measure),
        "histogram": group_histogram.step_histogram(groups, name),
        "table": _table(groups),
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


def _table(groups: StepGroups) -> str:
    if not groups.rows:
        return '<p class="dra-empty">No group of this step passes the filters. Clear them to see all groups.</p>'
    view = groups.view
    heads = "".join(
        f'<th scope="col" aria-sort="{_sorted(name, view.sort, view.descending)}"><button type="button" data-sort="{name}" '
        f'title="{escaped(_meaning(name))}">{HEADS[name]}'
        f"{' ▾' if name == view.sort and view.descending else ' ▴' if name == view.sort else ''}</button></th>"
        + ("<th>marks</th>" if name == "group_index" else "")
        for name in COLUMNS
    )
    body = "".join(map(_row, groups.rows[:FIRST_ROWS]))
    more = len(groups.rows) - MOST_ROWS
    note = f'<p class="dra-note">{more} more groups: sort or filter to see them.</p>' if more > 0 else ""
    widths = "".join(f'<col class="{"wide" if name == "marks" else ""}">' for name in ("group", "marks", *COLUMNS[1:]))
    return (
        f'<div class="dra-scroll"><table class="dra-groups"><colgroup>{widths}</colgroup><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def late_rows(groups: StepGroups) -> str:
    """Return the rows of the table that come after the first."""
    return "".join(map(_row, groups.rows[FIRST_ROWS:MOST_ROWS]))


def _sorted(name: str, sort: str, descending: bool) -> str:
    return "none" if name != sort else "descending" if descending else "ascending"


def _row(row: Row) -> str:
    place = str(row["group_index"]) if not row["batch"] else f"{row['batch']}·{row['group_index']}"
    numbers = "".join(f"<td>{short(row[name])}</td>" for name in COLUMNS[1:])
    return (
        f'<tr data-batch="{row["batch"]}" data-group="{row["group_index"]}" data-prompt="{escaped(row["prompt_hash"])}" '
        f'tabindex="-1"><th scope="row">{place}</th><td class="marks">{mark_spans(marks_of(row))}</td>{numbers}</tr>'
    )


def group_part(view: GroupView, name: str, title: str, links: str, chosen: tuple[int, int] | None = None) -> str:
    """Return the head of a group and its figures."""
    figures = (
        group_heatmap.similarity_map(view, name, chosen=chosen),
        group_bars.rewards(view, name),
        group_bars.advantages(view, name),
        group_bars.reward_functions(view, name),
    )
    why = (
        f'<p class="dra-note">Discarded before training: {escaped(view.discard_reason)}</p>'
        if view.discard_reason
        else ""
    )
    return (
        f'<header class="dra-group-head"><h3>{escaped(title)}</h3>{links}</header>{why}{prompt_part(view)}'
        f'<div class="dra-figures">{"".join(figures)}</div>'
    )


def prompt_part(view: GroupView) -> str:
    """Return the prompt, its last message open."""
    messages = "".join(
        f"<details{' open' if place == len(view.prompt) - 1 else ''}><summary>{escaped(role)}</summary>"
        f"{_text(shown, 'prompt', place)}</details>"
        for place, (role, shown) in enumerate(view.prompt)
    )
    return f'<section class="dra-prompt" aria-label="prompt">{messages}</section>'


def cards_part(view: GroupView) -> str:
    """Return the completions as cards, the largest advantage first."""
    note = ""
    if view.has_formulas:
        note = '<button type="button" class="chip" data-formulas="1" aria-pressed="true">formulas drawn</button>'
    cards = "".join(_card(view.completions[i], rank, view) for rank, i in enumerate(view.ranking, start=1))
    return (
        f'<div class="dra-cards-head"><h4>Completions by advantage</h4>{note}</div>'
        f'<div class="dra-cards" data-formulas-in="{int(view.has_formulas)}">{cards}</div>'
    )


def _card(c: CompletionView, rank: int, view: GroupView) -> str:
    side = "up" if c.advantage > 0 else "down" if c.advantage < 0 else "even"
    arrow = {"up": "▲", "down": "▼", "even": "●"}[side]
    marks = [("flips", "")] * c.flip + [("copies", f" {chr(ord('A') + c.copy % 26)}" if c.copy is not None else "")] * (
        c.copy is not None
    )
    facts = [
        ("plain", signed(c.plain), "advantage without the adjustment"),
        ("reward", short(c.total), "raw total reward"),
        ("adjusted", short(c.adjusted), "total reward after the adjustment"),
        ("weight", short(c.weight), "factor on the total"),
        ("tokens", f"{c.tokens:,}{' ✂ cut' if c.is_cut else ''}", "✂: cut at the longest length allowed"),
    ]
    if c.answer is not None:
        facts.append(("answer", escaped(one_line(c.answer)), "final answer"))
    listed = "".join(f'<span title="{escaped(said)}">{label} <b>{value}</b></span>' for label, value, said in facts)
    think = ""
    if c.think is not None:
        size = f"{c.think.whole:,} characters"
        think = (
            f'<details class="think"><summary>thinking · {size}</summary>{_text(c.think, "think", c.index)}</details>'
        )
    reply = (
        _text(c.reply, "reply", c.index) if c.reply.whole else '<p class="dra-empty">No answer after the thinking.</p>'
    )
    return (
        f'<article class="dra-card {side}" data-i="{c.index}" aria-label="completion {c.index}">'
        f'<header><span class="rank">{rank}</span><b class="advantage">{arrow} {signed(c.advantage)}</b>'
        f'<span class="number">completion {c.index}</span>{mark_spans(marks)}'
        f'<button type="button" class="dra-quiet" data-raw="{c.index}" aria-pressed="false">raw text</button></header>'
        f'<div class="facts">{listed}</div>{think}{reply}<div class="raw" hidden></div></article>'
    )


def one_line(text: str, characters: int = 80) -> str:
    """Return the beginning of a text on one line, with what is not printable spelt out; not escaped."""
    return visible(text[:characters], one_line=True) + ("…" if len(text) > characters else "")


def _text(shown: Shown, part: str, i: int) -> str:
    more = ""
    if shown.is_cut:
        more = (
            f'<button type="button" class="dra-quiet" data-whole="{part}" data-of="{i}">show whole '
            f"({shown.whole:,} characters)</button>"
        )
    return f'<div class="dra-text" dir="auto">{escaped(shown.text)}</div>{more}'


def pair_part(left: CompletionView, right: CompletionView, found: Differences, similarity: float | None) -> str:
    """Return two completions of a group side by side, with a button that closes them."""
    heads = [f"completion {c.index} · advantage {signed(c.advantage)} · reward {short(c.total)}" for c in (left, right)]
    return differences_part(heads[0], heads[1], found, f"similarity {short(similarity)}", closes=True)


def differences_part(left: str, right: str, found: Differences, note: str, *, closes: bool = False) -> str:
    """Return two texts side by side under their heads, the words that only one of them has marked."""
    columns = []
    for side, head, tag in (("left", left, "del"), ("right", right, "ins")):
        pieces = "".join(
            shown if stretch.kind == "both" else f"<{tag}>{shown}</{tag}>"
            for stretch in found.stretches
            if stretch.kind in ("both", side)
            for shown in [escaped(visible(stretch.text))]
        )
        columns.append(f'<div><h5>{escaped(head)}</h5><div class="dra-text" dir="auto">{pieces}</div></div>')
    cut = " Only the beginnings are compared." if found.is_cut else ""
    close = '<button type="button" class="dra-quiet" data-close="1">close</button>' if closes else ""
    said = f"{note} · {100 * found.ratio:.0f} % of the characters in common.{cut}"
    return (
        '<section class="dra-pair" aria-label="two completions side by side"><header>'
        f'<span class="dra-note">{escaped(said)}</span>{close}</header>'
        f'<div class="columns">{"".join(columns)}</div></section>'
    )
