"""The completions of a group: as cards, one alone with what pushed it, two side by side, and their texts."""

from typing import Any

from markupsafe import Markup

from dra_app import params as read
from dra_app.group_view import FOLDED, CompletionView, GroupView, view_of
from dra_app.pages import Answer
from dra_app.side_by_side import side_by_side
from dra_app.step_groups import MARKS
from dra_app.templates import part
from dra_app.texts import drawn as drawn_text
from dra_app.texts import page_of, parts_in, share_of
from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.drawing.numbers import NOT_KNOWN, short, signed
from dra_toolkit.drawing.svg import one_line
from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.runs import Run

MOST_IN_HEAD = 4
"""Reward functions whose values a card has in its head; the completion read alone has all."""
MOST_OPEN = 6_000
"""Characters of a thinking that is open where its completion is read alone."""
LARGEST_PART = 1_000


def text(run: Run, params: read.Params) -> Answer:
    """Return a piece of a text: `part` raw, prompt, or the number of a part; `of` the completion or the message."""
    record = record_of(run, params)
    kind = read.choice(params, "part", ("raw", "prompt", *map(str, range(LARGEST_PART))), "raw")
    group = record.group
    texts = [str(m) for m in group.prompt] if kind == "prompt" else [group.shown(i) for i in range(len(group))]
    of = read.whole(params, "of", 0) or 0
    if of >= len(texts):
        raise RunError(f"of: found {of}, expected less than {len(texts)}")
    whole = texts[of]
    if kind.isdecimal():
        parts = parts_in(record.group, of)
        whole = parts[int(kind)].text if int(kind) < len(parts) else ""
    piece, following = page_of(whole, read.whole(params, "start", 0) or 0)
    return {"text": piece, "next": following, "characters": len(whole)}


def compare(run: Run, params: read.Params) -> Answer:
    """Return two completions of a group side by side."""
    record, pair = record_of(run, params), read.pair(params)
    if pair is None or max(pair) >= len(record.group):
        raise RunError(f"pair: expected two completions from 0 to {len(record.group) - 1}")
    shown = pair_part(record, view_of(record, correct_by(run, record)), pair)
    return {"parts": {"pair": shown}, "state": {"pair": f"{pair[0]},{pair[1]}"}}


def completion(run: Run, params: read.Params) -> Answer:
    """Return one completion alone."""
    record, i = record_of(run, params), read.whole(params, "completion", 0) or 0
    if i >= len(record.group):
        raise RunError(f"completion: found {i}, the group has 0 to {len(record.group) - 1}")
    view = view_of(record, correct_by(run, record))
    return {"parts": {"reader": reader_part(view, record, i)}, "state": {"completion": i}}


def drawn(run: Run, params: read.Params) -> Answer:
    """Return the texts of the cards with Markdown and formulas drawn; asked after the cards, as it takes longer."""
    group = record_of(run, params).group
    shown = share_of(len(group))
    texts = ([drawn_text(part.text[:shown]) for part in parts_in(group, i)] for i in range(len(group)))
    return {"drawn": {str(i): parts for i, parts in enumerate(texts)}}


def record_of(run: Run, params: read.Params) -> GroupRecord:
    """Return the group that a request names."""
    batch, index = read.place(params)
    return run.group(read.whole(params, "step", 0) or 0, index, mode=read.mode(params), batch=batch)


def correct_by(run: Run, record: GroupRecord) -> str | None:
    """Return the reward function that tells right from wrong in the file of a group."""
    found = run.store.snapshot(mode=record.mode, steps=(record.step, record.step)).facts.values()
    return next((facts.correct_by for facts in found), None)


def cards_part(view: GroupView) -> Markup:
    """Return the completions as cards, the largest advantage first."""
    heads = aligned((view.completions[i].advantage for i in view.ranking), plus=True)
    chosen = [view.completions[i] for i in view.ranking]
    cards = [(c, head, _marks(c), _facts(c)) for c, head in zip(chosen, heads, strict=True)]
    return part("groups", "cards", cards, FOLDED)


def _facts(c: CompletionView) -> list[tuple[str, str, str]]:
    """Return what the head of a card says: name, value, meaning."""
    facts = [
        ("plain", signed(c.plain), "advantage without the adjustment"),
        ("reward", short(c.total), "raw total reward"),
        ("adjusted", short(c.adjusted), "total reward after the adjustment"),
        ("weight", short(c.weight), "factor on the total"),
        ("tokens", f"{c.tokens:,}{' ✂ cut' if c.is_cut else ''}", "✂: cut at the longest length allowed"),
    ]
    functions = list(c.rewards.items())[:MOST_IN_HEAD] if len(c.rewards) > 1 else []
    facts += [(Markup(one_line(name, 24)), _reward(value), "raw value") for name, value in functions]
    return facts if c.answer is None else [*facts, ("answer", Markup(one_line(c.answer)), "final answer")]


def reader_part(view: GroupView, record: GroupRecord, i: int) -> Markup:
    """Return one completion alone: how it stands in its group, why it was pushed, and its text."""
    c, found = view.completions[i], parts_in(record.group, i)
    parts = [
        (each.kind, len(each.text), len(each.text) <= MOST_OPEN or len(found) == 1, drawn_text(each.text))
        for each in found
    ]
    tables = (("advantage", _advantage(c), ()), ("rewards: value → weighted", _rewards(c, view), _told(c)))
    return part("groups", "reader", c, view, view.ranking.index(i), _marks(c), tables, parts, FOLDED)


def _advantage(c: CompletionView) -> list[tuple[str, str, str]]:
    """Return how the advantage is made: the raw part and what the adjustment added are the recorded one."""
    raw, added, whole = aligned((c.plain, c.advantage - c.plain, c.advantage), plus=True)
    return [
        ("from the raw rewards", raw, ""),
        ("from the adjustment", added, "flip" if c.flip else ""),
        ("as trained", whole, "sum"),
        ("redundancy", short(c.redundancy), ""),
        ("weight on the reward", short(c.weight), ""),
    ]


def _rewards(c: CompletionView, view: GroupView) -> list[tuple[str, str, str]]:
    names = [f"{name}{' (tells right from wrong)' if name == view.correct_by else ''}" for name in view.functions]
    values = aligned(c.rewards[name] for name in view.functions)
    *weighted, total, adjusted = aligned([*(c.parts[name] for name in view.functions), c.total, c.adjusted])
    shown = [f"{v} → {w}" if v != NOT_KNOWN else "abstained" for v, w in zip(values, weighted, strict=True)]
    rows = [(name, value, "") for name, value in zip(names, shown, strict=True)]
    return [*rows, ("total", total, "sum"), ("adjusted", adjusted, "")]


def _told(c: CompletionView) -> list[tuple[str, str]]:
    cut = " ✂ cut at the longest length allowed" if c.is_cut else ""
    length = f"{c.tokens:,} tokens, {c.characters:,} characters{cut}"
    told = (("answer", c.answer), ("reference", c.gold), ("length", length))
    return [(name, said) for name, said in told if said is not None]


def pair_part(record: GroupRecord, view: GroupView, pair: tuple[int, int]) -> Markup:
    """Return two completions side by side."""
    first, second = (part("groups", "pair_head", view.completions[i]) for i in pair)
    texts = (record.group.completions[pair[0]], record.group.completions[pair[1]])
    note = f"similarity {short(float(view.similarity[pair]))}"
    return side_by_side((first, second), texts, note, closes=True)


def _reward(value: float | None) -> str:
    return "abstained" if value is None else short(value)


def _marks(c: CompletionView) -> list[tuple[Any, ...]]:
    copies = [("copies", chr(ord("A") + c.copy % 26))] if c.copy is not None else []
    shown = [("flips", "")] * c.flip + copies
    return [(mark, MARKS[mark][0], ": ".join(MARKS[mark][1:]), more) for mark, more in shown]
