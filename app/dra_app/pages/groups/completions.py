"""The completions of a group as HTML: cards beside each other, or one of them alone with what pushed it."""

from __future__ import annotations

from collections.abc import Sequence

from dra_app.group_view import CompletionView, GroupView
from dra_app.pages.groups.parts import mark_spans, whole_button
from dra_app.texts import drawn, parts_in
from dra_app.verdicts import verdict_mark
from dra_toolkit.drawing.numbers import aligned, short, signed
from dra_toolkit.drawing.svg import escaped, one_line
from dra_toolkit.groups import GroupRecord

MOST_IN_HEAD = 4
"""Reward functions whose values a card has in its head; the completion read alone has all."""
MOST_OPEN = 6_000
"""Characters of a thinking that is open where its completion is read alone."""
FOLDED = ("thinking", "tool result")


def cards_part(view: GroupView) -> str:
    """Return the completions as cards, the largest advantage first."""
    heads = aligned((view.completions[i].advantage for i in view.ranking), plus=True)
    cards = "".join(
        _card(view.completions[i], rank, head)
        for rank, (i, head) in enumerate(zip(view.ranking, heads, strict=True), 1)
    )
    return (
        '<div class="dra-cards-head"><h4>Completions by advantage</h4>'
        '<button type="button" class="chip" data-draw="1" aria-pressed="true">drawn</button>'
        '<span class="dra-note">a head opens its completion alone</span></div>'
        f'<div class="dra-cards">{cards}</div>'
    )


def _card(c: CompletionView, rank: int, advantage: str) -> str:
    facts = [
        ("plain", signed(c.plain), "advantage without the adjustment"),
        ("reward", short(c.total), "raw total reward"),
        ("adjusted", short(c.adjusted), "total reward after the adjustment"),
        ("weight", short(c.weight), "factor on the total"),
        ("tokens", f"{c.tokens:,}{' ✂ cut' if c.is_cut else ''}", "✂: cut at the longest length allowed"),
    ]
    if len(c.rewards) > 1:
        facts += [
            (one_line(name, 24), _reward(value), "raw value") for name, value in list(c.rewards.items())[:MOST_IN_HEAD]
        ]
    if c.answer is not None:
        facts.append(("answer", one_line(c.answer), "final answer"))
    listed = "".join(f'<span title="{escaped(said)}">{label} <b>{value}</b></span>' for label, value, said in facts)
    return (
        f'<article class="dra-card {_side(c)}" data-i="{c.index}" aria-label="completion {c.index}"><header>'
        f'<span class="rank">{rank}</span><a href="?completion={c.index}" data-read="{c.index}"><b class="advantage">'
        f"{_arrow(c)} {advantage}</b> <span>completion {c.index}</span></a>{verdict_mark(c.verdict)}{mark_spans(_marks(c))}"
        f'<span class="dra-card-tools"><button type="button" class="dra-quiet" data-compare="{c.index}">compare</button>'
        f'<button type="button" class="dra-quiet" data-raw="{c.index}" aria-pressed="false">raw text</button></span>'
        f'</header><div class="facts">{listed}</div>{_texts(c)}<div class="raw" hidden></div></article>'
    )


def _texts(c: CompletionView) -> str:
    """Return the parts of a text, thinking and what tools answered folded."""
    parts = []
    for place, (kind, shown) in enumerate(c.texts):
        text = f'<div class="dra-text" dir="auto" tabindex="0" data-text="{place}">{escaped(shown.text)}</div>'
        text += whole_button(shown, place, c.index)
        if kind in FOLDED:
            text = f'<details class="think"><summary>{kind} · {shown.whole:,} characters</summary>{text}</details>'
        elif kind:
            text = f'<div class="part {kind.split()[0]}"><h5>{escaped(kind)}</h5>{text}</div>'
        parts.append(text)
    if not any(kind not in FOLDED for kind, _ in c.texts):
        parts.append('<p class="dra-empty">No answer after the thinking.</p>')
    return "".join(parts)


def drawn_texts(record: GroupRecord, characters: int) -> dict[str, list[str]]:
    """Return for each completion its parts drawn: Markdown and formulas, as far as they are shown."""
    return {
        str(i): [drawn(part.text[:characters]) for part in parts_in(record.group, i)] for i in range(len(record.group))
    }


def reader_part(view: GroupView, record: GroupRecord, i: int) -> str:
    """Return one completion alone: how it stands in its group, why it was pushed, and its text."""
    c = view.completions[i]
    place = view.ranking.index(i)
    before = view.ranking[place - 1] if place else None
    after = view.ranking[place + 1] if place + 1 < len(view.ranking) else None
    others = "".join(
        f'<option value="{j}">{j}: {signed(view.completions[j].advantage)}</option>' for j in view.ranking if j != i
    )
    compare = (
        f'<label>beside <select data-beside aria-label="compare with completion"><option value="">choose</option>{others}'
        "</select></label>"
    )
    return (
        f'<article class="dra-card dra-alone {_side(c)}" data-i="{i}" aria-label="completion {i}"><header>'
        f"{_way(before, '◀', 'previous completion (b)')}<b>{place + 1} of {len(view.ranking)}</b>"
        f"{_way(after, '▶', 'next completion (n)')}"
        f'<h4 tabindex="-1"><span class="advantage">{_arrow(c)} {signed(c.advantage)}</span> completion {i}</h4>'
        f'{verdict_mark(c.verdict)}{mark_spans(_marks(c))}<span class="dra-card-tools">{compare}'
        '<button type="button" class="dra-quiet" data-copy-text>copy</button>'
        f'<button type="button" class="dra-quiet" data-raw="{i}" aria-pressed="false">raw text</button>'
        '<button type="button" class="dra-quiet" data-all>all completions</button></span></header>'
        f'<div class="dra-why">{_advantage_table(c)}{_reward_table(c, view)}{_neighbours(c)}</div>'
        f'{_reader_texts(record, i)}<div class="raw" hidden></div></article>'
    )


def _way(to: int | None, sign: str, said: str) -> str:
    where = "disabled" if to is None else f'data-read="{to}"'
    return f'<button type="button" class="dra-quiet" {where} title="{said}" aria-label="{said}">{sign}</button>'


def _advantage_table(c: CompletionView) -> str:
    """Return how the advantage is made: the raw part and what the adjustment added are the recorded one."""
    raw, added, whole = aligned((c.plain, c.advantage - c.plain, c.advantage), plus=True)
    return _table(
        "advantage",
        (
            ("from the raw rewards", raw, ""),
            ("from the adjustment", added, "flip" if c.flip else ""),
            ("as trained", whole, "sum"),
            ("redundancy", short(c.redundancy), ""),
            ("weight on the reward", short(c.weight), ""),
        ),
    )


def _reward_table(c: CompletionView, view: GroupView) -> str:
    rows = [
        (
            f"{one_line(name, 60)}{' (tells right from wrong)' if name == view.correct_by else ''}",
            f"{_reward(c.rewards[name])} → {_reward(c.parts[name])}",
            "",
        )
        for name in view.functions
    ]
    rows += [("total", short(c.total), "sum"), ("adjusted", short(c.adjusted), "")]
    answer = f"<p>answer <b>{one_line(c.answer, 200)}</b></p>" if c.answer is not None else ""
    gold = f"<p>reference <b>{one_line(c.gold, 200)}</b></p>" if c.gold is not None else ""
    cut = " ✂ cut at the longest length allowed" if c.is_cut else ""
    tokens = f"<p>{c.tokens:,} tokens, {c.characters:,} characters{cut}</p>"
    return _table("rewards: value → weighted", rows, f"{answer}{gold}{tokens}")


def _neighbours(c: CompletionView) -> str:
    if not c.neighbours:
        return ""
    listed = "".join(
        f'<li><button type="button" class="dra-quiet" data-beside-of="{j}">completion {j}: {short(value)}</button></li>'
        for j, value in c.neighbours
    )
    return f'<div><h5>most like it</h5><ol class="dra-near">{listed}</ol></div>'


def _table(title: str, rows: Sequence[tuple[str, str, str]], after: str = "") -> str:
    body = "".join(f'<tr class="{kind}"><th scope="row">{name}</th><td>{value}</td></tr>' for name, value, kind in rows)
    return f"<div><h5>{title}</h5><table><tbody>{body}</tbody></table>{after}</div>"


def _reader_texts(record: GroupRecord, i: int) -> str:
    parts, found = [], parts_in(record.group, i)
    for part in found:
        body = f'<div class="dra-text dra-drawn" dir="auto">{drawn(part.text)}</div>'
        if part.kind in FOLDED:
            summary = f"<summary>{part.kind} · {len(part.text):,} characters</summary>"
            is_open = len(part.text) <= MOST_OPEN or len(found) == 1
            body = f'<details class="think"{" open" if is_open else ""}>{summary}{body}</details>'
        elif part.kind:
            body = f'<div class="part {part.kind.split()[0]}"><h5>{escaped(part.kind)}</h5>{body}</div>'
        parts.append(body)
    return "".join(parts) or '<p class="dra-empty">The completion is empty.</p>'


def _reward(value: float | None) -> str:
    return "abstained" if value is None else short(value)


def _marks(c: CompletionView) -> list[tuple[str, str]]:
    copies = [("copies", f" {chr(ord('A') + c.copy % 26)}")] if c.copy is not None else []
    return [("flips", "")] * c.flip + copies


def _side(c: CompletionView) -> str:
    return "up" if c.advantage > 0 else "down" if c.advantage < 0 else "even"


def _arrow(c: CompletionView) -> str:
    return {"up": "▲", "down": "▼", "even": "●"}[_side(c)]
