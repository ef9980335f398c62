"""The Compare page as HTML. Everything is escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dra_app.pages.compare.sides import Side
from dra_app.palette import series
from dra_app.run_curves import Curves
from dra_app.texts import beginning
from dra_toolkit.drawing.numbers import aligned, short, signed
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.groups import GroupRecord, mean_of_known
from dra_toolkit.inspection.comparison import Comparison, PromptPair
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

MOST_COMPLETIONS = 6
CHARACTERS = 1_500


OUTCOMES = ("reward", "correct_share", "similarity", "distinct_answers", "zero_spread", "tokens")
"""Measures of the last tenth of the steps that stand beside the settings."""


def chooser_part(runs: Sequence[Run], known: Sequence[str]) -> str:
    """Return the chosen runs as buttons that leave them out, and a list of the others to add."""
    chosen = "".join(_chosen(run.name, i) for i, run in enumerate(runs))
    names = {run.name for run in runs}
    options = "".join(
        f'<option value="{escaped(name)}">{escaped(name)}</option>' for name in known if name not in names
    )
    return f'{chosen} <select data-add aria-label="add a run"><option value="">add a run …</option>{options}</select>'


def _chosen(name: str, place: int) -> str:
    leave = "disabled" if place == 0 else f'data-leave="{escaped(name)}"'
    return (
        f'<button type="button" class="chip" {leave} title="{escaped(name)}" style="border-color:{series(place)[0]}">'
        f"{escaped(name[:40])}{'' if place == 0 else ' ✕'}</button>"
    )


def _ends(curves: Curves, name: str) -> float | None:
    values = curves.measures.get(name)
    return None if values is None else mean_of_known(values[-max(1, len(values) // 10) :])


def table_part(found: Sequence[tuple[Run, Curves]]) -> str:
    """Return the runs as a table: the settings in which they differ, and how each ended."""
    keys = differing_keys([run.recipe for run, _ in found])
    ends = {name: aligned(_ends(curves, name) for _, curves in found) for name in OUTCOMES}
    heads = "".join(f'<th scope="col">{escaped(name.replace("_", " "))}</th>' for name in (*OUTCOMES, "steps"))
    heads += "".join(f'<th scope="col" class="text">{escaped(key)}</th>' for key in keys)
    rows = "".join(
        f'<tr><th scope="row" style="border-left:4px solid {series(i)[0]}">{escaped(run.name[:60])}</th>'
        f"{''.join(f'<td>{ends[name][i]}</td>' for name in OUTCOMES)}<td>{len(curves.steps):,}</td>"
        f"{''.join(f'<td class=text>{escaped(_value(run.recipe.get(key)))}</td>' for key in keys)}</tr>"
        for i, (run, curves) in enumerate(found)
    )
    note = "outcomes: means over the last tenth of the steps; settings: those in which the runs differ"
    return (
        f'<section><div class="dra-scroll short"><table class="dra-plain"><thead><tr><th scope="col">run</th>{heads}</tr>'
        f'</thead><tbody>{rows}</tbody></table></div><p class="dra-note">{note}</p></section>'
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
    shown = beginning(record.group.shown(i).strip(), CHARACTERS)
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


def _value(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else "not set" if value is None else str(value)
    return visible(shown, one_line=True)[:160]
