"""The Compare page as HTML. Everything is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dra_app.data.compared import Side
from dra_app.data.group_texts import beginning
from dra_app.figures.svg import escaped, short, signed
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.comparison import Comparison, PromptPair
from dra_toolkit.safe_text import visible

MOST_COMPLETIONS = 6
CHARACTERS = 1_500


def settings_part(found: Comparison) -> str:
    """Return the recipe keys with different values."""
    if not found.settings:
        return '<section><h4>Recipes</h4><p class="dra-note">The recipes of the two runs are the same.</p></section>'
    rows = "".join(
        f'<tr><th scope="row">{escaped(key)}</th><td class="text">{escaped(_value(a))}</td>'
        f'<td class="text">{escaped(_value(b))}</td></tr>'
        for key, (a, b) in found.settings.items()
    )
    return (
        '<section><h4>Recipes differ in</h4><div class="dra-scroll short"><table class="dra-plain"><thead><tr><th></th>'
        f"{_heads(found)}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def prompts_part(found: Comparison, chosen: str | None) -> str:
    """Return the prompts with the largest gaps between the two runs."""
    if not found.prompts:
        return '<section><h4>Prompts</h4><p class="dra-note">No prompt was sampled in both runs.</p></section>'
    error = "" if math.isnan(found.gap_error) else f" ± {found.gap_error:.3f}"
    said = (
        f"{found.shared_prompts:,} prompts were sampled in both; the mean reward of {escaped(found.right)} is "
        f"{short(abs(found.mean_gap))}{error} {'higher' if found.mean_gap > 0 else 'lower'} there. The largest gaps:"
    )
    rows = "".join(_prompt_row(pair, pair.prompt_hash == chosen) for pair in found.prompts)
    names = ("prompt", "reward, left", "right", "right - left", "similarity, left", "right")
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<section><h4>The same prompts</h4><p class="dra-note">{said}</p><div class="dra-scroll short">'
        '<table class="dra-plain dra-sides"><thead><tr>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _prompt_row(pair: PromptPair, is_chosen: bool) -> str:
    return (
        f'<tr data-prompt="{escaped(pair.prompt_hash)}" tabindex="0"{" class=chosen" if is_chosen else ""}>'
        f'<td class="text" dir="auto">{escaped(visible(pair.prompt[:160], one_line=True))}</td>'
        f'<td class="left-ink">{short(pair.left_reward)}</td><td class="right-ink">{short(pair.right_reward)}</td>'
        f'<td><b>{signed(pair.gap)}</b></td><td class="left-ink">{short(pair.left_similarity)}</td>'
        f'<td class="right-ink">{short(pair.right_similarity)}</td></tr>'
    )


def prompt_part(left: Side, right: Side) -> str:
    """Return the groups of a prompt in both runs, side by side."""
    record = left.record or right.record
    text = record.group.prompt[-1].content if record and record.group.prompt else ""
    return (
        f'<section class="dra-chosen-prompt"><h4>This prompt in both</h4><div class="dra-prompt"><div class="dra-text" '
        f'dir="auto">{escaped(beginning(text, CHARACTERS).text)}</div></div>'
        f'<div class="dra-two">{_side(left, "left")}{_side(right, "right")}</div></section>'
    )


def _side(side: Side, kind: str) -> str:
    head = f'<h5 class="{kind}-ink">{escaped(side.run_id)}</h5>'
    record = side.record
    if record is None:
        return f'<div>{head}<p class="dra-empty">{escaped(visible(side.problem, one_line=True))}</p></div>'
    place = {"step": record.step, "batch": record.batch, "group": record.index}
    data = " ".join(f'data-{name}="{value}"' for name, value in place.items())
    said = f"step {record.step} of {_steps(side.steps)}; mean reward {short(float(record.adjustment.totals.mean()))}"
    link = f'<a href="#" data-open="{escaped(side.run_id)}" {data}>open the group</a>'
    cards = "".join(_card(record, i) for i in _by_advantage(record)[:MOST_COMPLETIONS])
    left_out = len(record.group) - MOST_COMPLETIONS
    more = f'<p class="dra-note">{left_out} more completions in the group.</p>' if left_out > 0 else ""
    return f'<div>{head}<p class="dra-note">{said} · {link}</p>{cards}{more}</div>'


def _card(record: GroupRecord, i: int) -> str:
    advantage = float(record.advantages[i])
    kind = "up" if advantage > 0 else "down" if advantage < 0 else "even"
    shown = beginning(record.group.completions[i].strip(), CHARACTERS)
    cut = " …" if shown.is_cut else ""
    total = short(float(record.adjustment.totals[i]))
    return (
        f'<article class="dra-card {kind}"><header><b class="advantage">{signed(advantage)}</b><span class="number">'
        f"completion {i} · reward {total}</span></header>"
        f'<div class="dra-text" dir="auto">{escaped(shown.text)}{cut}</div></article>'
    )


def _by_advantage(record: GroupRecord) -> list[int]:
    return sorted(range(len(record.group)), key=lambda i: -float(record.advantages[i]))


def _steps(steps: Sequence[int]) -> str:
    shown = ", ".join(map(str, steps[-6:]))
    return f"…, {shown}" if len(steps) > 6 else shown


def _heads(found: Comparison) -> str:
    return (
        f'<th scope="col" class="text left-ink">{escaped(found.left)}</th>'
        f'<th scope="col" class="text right-ink">{escaped(found.right)}</th>'
    )


def _value(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else "not set" if value is None else str(value)
    return visible(shown, one_line=True)[:160]
