"""The What-if page as HTML: the form, the summaries, the group, the recipe lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dra_app.figure import figure, line_key
from dra_app.group_bars import pairs
from dra_app.group_view import known, view_of
from dra_app.pages.groups.parts import map_figure
from dra_app.pages.what_if.ranking import Outcome
from dra_app.pages.what_if.results import GroupWhatIf
from dra_app.pages.what_if.settings import Field, shown
from dra_app.palette import colour
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.numbers import aligned, percent, short
from dra_toolkit.drawing.svg import escaped
from dra_toolkit.inspection.replay.differences import Differences, Sums


def form_part(fields: Sequence[Field]) -> str:
    """Return the form; a setting that differs from the recorded one is marked and can be put back."""
    changed = sum(field.is_changed for field in fields)
    reset = '<button type="button" class="dra-quiet" data-reset="1">back to recorded</button>' if changed else ""
    preset = '<button type="button" class="dra-quiet" data-preset="robust">robust preset</button>'
    said = f"{changed} changed" if changed else "as recorded"
    return (
        f'<header class="dra-form-head"><h4>Settings</h4><span class="dra-note">{said}</span>{preset}{reset}</header>'
        f'<div class="dra-form">{"".join(map(_field, fields))}</div>'
    )


def _field(field: Field) -> str:
    recorded = escaped(shown(field.recorded))
    name = f'data-key="{field.key}" data-recorded="{recorded}" aria-label="{escaped(field.label)}"'
    if field.choices:
        why = field.disabled or {}
        options = "".join(
            f'<option value="{escaped(choice)}"{" selected" if choice == field.value else ""}'
            f"{' disabled' if choice in why and choice != field.value else ''}>{escaped(choice)}"
            f"{f' ({escaped(why[choice])})' if choice in why else ''}</option>"
            for choice in field.choices
        )
        control = f"<select {name}>{options}</select>"
    else:
        value = "" if field.value is None else shown(field.value)
        empty = 'placeholder="none" data-empty="null"' if field.may_be_empty else "required"
        step = "1" if field.whole else "any"
        limits = 'min="-1" max="1"' if field.key in ("similarity_floor", "diversity_label_threshold") else ""
        control = f'<input type="number" step="{step}" {limits} {name} value="{escaped(value)}" {empty}>'
    was = f'<span class="was">recorded: {recorded}</span>' if field.is_changed else ""
    kind = " changed" if field.is_changed else ""
    label = f"<span>{escaped(field.label)}</span>{control}{was}"
    return f'<label class="dra-field{kind}" title="{escaped(field.help)}">{label}</label>'


def tiles(title: str, sums: Sums, note: str = "", extra: str = "") -> str:
    """Return what changed as a row of numbers."""
    each = max(1, sums.completions)
    facts = (
        ("sign flips", f"{sums.flips:,}", _share(sums.flips, sums.completions), "completions pushed the other way"),
        (
            "rank swaps",
            f"{sums.rank_swaps:,}",
            _share(sums.rank_swaps, sums.pairs),
            "pairs of a group ranked the other way",
        ),
        ("gradient moved", percent(sums.moved_share), "", "sum of |A' - A| over sum of |A|"),
        ("by tokens", percent(sums.moved_share_tokens), "", "the same, each completion weighted by its tokens"),
        ("mean |A|", short(sums.replayed / each), f"recorded {short(sums.recorded / each)}", "mean absolute advantage"),
    )
    boxes = "".join(
        f'<div class="dra-tile" title="{escaped(said)}"><span>{name}</span><b>{value}</b><small>{small}</small></div>'
        for name, value, small, said in facts
    )
    return (
        f'<section class="dra-tiles"><header><h4>{escaped(title)}</h4><span class="dra-note">{note}</span>{extra}</header>'
        f"<div>{boxes}</div></section>"
    )


def group_part(found: GroupWhatIf) -> str:
    """Return what the settings asked for change in the group."""
    record = found.record
    place = f"group {record.index}" if not record.batch else f"batch {record.batch}, group {record.index}"
    return tiles(f"Step {record.step}, {place}", found.sums, f"{len(record.group)} completions")


def figures_part(found: GroupWhatIf, name: str) -> str:
    """Return the bars, the numbers by completion and the heat map."""
    view = view_of(found.record)
    then, adjusted = found.replayed.advantages, found.replayed.adjustment.adjusted
    both = pairs(
        view,
        f"{name}-what-if-advantages",
        "Advantage: as trained and what if",
        "advantage",
        (
            ("trained", "as trained", lambda c: c.advantage),
            ("what-if", "what if", lambda c: known(float(then[c.index]))),
        ),
        marked=lambda c: c.advantage * float(then[c.index]) < 0,
        mark="sign flipped",
        may_differ=True,
    )
    totals = pairs(
        view,
        f"{name}-what-if-rewards",
        "Reward: raw, adjusted, what if",
        "total reward",
        (
            ("raw", "raw", lambda c: c.total),
            ("adjusted", "adjusted", lambda c: c.adjusted),
            ("what-if", "what if", lambda c: known(float(adjusted[c.index]))),
        ),
    )
    bars = f'<div class="dra-figures">{both}{totals}</div>'
    heat = map_figure(view, name, compares=False)
    return f'{bars}<div class="dra-what-if-grid">{_table(found)}{heat}</div>'


def _table(found: GroupWhatIf) -> str:
    record, after = found.record, found.replayed
    heads = ("#", "advantage", "→", "change", "flip", "reward", "weight", "→", "adjusted", "→")
    order = [int(i) for i in (-after.advantages).argsort(kind="stable")]
    was, then = record.advantages[order], after.advantages[order]
    columns = [
        aligned(was.tolist(), plus=True),
        [f"<b>{value}</b>" for value in aligned(then.tolist(), plus=True)],
        aligned((then - was).tolist(), plus=True),
        [
            '<span class="mark flips" title="sign flipped">⇅</span>' if is_flip else ""
            for is_flip in (was * then < 0).tolist()
        ],
        *(
            aligned(values[order].tolist())
            for values in (
                record.adjustment.totals,
                record.adjustment.weights,
                after.adjustment.weights,
                record.adjustment.adjusted,
                after.adjustment.adjusted,
            )
        ),
    ]
    body = [
        f'<tr data-i="{i}"><th scope="row">{i}</th>{"".join(f"<td>{number}</td>" for number in numbers)}</tr>'
        for i, *numbers in zip(order, *columns, strict=True)
    ]
    head = "".join(f'<th scope="col">{said}</th>' for said in heads)
    return (
        '<div class="dra-scroll short"><table class="dra-what-if"><caption>recorded → what if, by the new advantage'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def step_part(step: int, differences: Differences) -> str:
    """Return the whole step, and its groups that change most."""
    sums = differences.total()
    note = f"{sums.changed_groups:,} of {sums.groups:,} groups change"
    return tiles(f"Step {step}, all groups", sums, note) + most_changed(differences)


def most_changed(differences: Differences) -> str:
    """Return links to the groups that change most."""
    if not differences.groups:
        return ""
    links = "".join(
        f'<button type="button" class="chip" data-goto="{g.step},{g.batch},{g.group}" '
        f'title="sum of |A\' - A| {g.moved:.2f}">'
        f"{f'step {g.step}, ' if len(differences.steps) > 1 else ''}group {f'{g.batch}·' if g.batch else ''}{g.group}"
        f"{f' <span class=flips>⇅{g.flips}</span>' if g.flips else ''}</button>"
        for g in differences.groups
    )
    return f'<p class="dra-note most">change most: {links}</p>'


def run_part(sums: Sums | None, share: float = 0.0, name: str = "") -> str:
    """Return the whole run: a button, the progress, or the result."""
    if sums is None:
        return (
            '<section class="dra-tiles"><header><h4>The whole run</h4><button type="button" class="dra-quiet" '
            'data-run-all="1">recompute all steps</button></header></section>'
        )
    if share < 1:
        stop = '<button type="button" class="dra-quiet" data-stop="1">stop</button>'
        extra = f'<progress max="1" value="{share:.3f}"></progress>{stop}'
        return tiles(f"The whole run, {100 * share:.0f} % seen", sums, extra=extra)
    note = f"{sums.completions:,} completions; {sums.changed_groups:,} of {sums.groups:,} groups change"
    return tiles("The whole run", sums, note)


def ranking_part(found: Sequence[Outcome], steps: Sequence[int], run: str) -> str:
    """Return several settings as a table, and the mean advantage of right and wrong by the group's success rate."""
    buttons = "".join(
        f'<button type="button" class="dra-quiet" data-rank="{whole}">{said}</button>'
        for whole, said in (("", "over this step"), ("1", "over the run"))
    )
    head = f'<section class="dra-tiles"><header><h4>Several settings side by side</h4>{buttons}</header>'
    if not found:
        return f"{head}</section>"
    columns = (
        ("right below wrong", "pairs of a right and a wrong completion of which the wrong one is pushed higher"),
        ("|A| on copies", "share of the absolute advantage on texts that their group has more than once"),
        ("rare right", "share of the encouragement of right completions in groups of which at most a quarter is right"),
        ("mean |A|", "against the recorded one"),
    )
    heads = "".join(f'<th scope="col" title="{escaped(said)}">{name}</th>' for name, said in columns)
    recorded = next((outcome.whole for outcome in found if not outcome.given), 0.0)
    rows = "".join(_ranked(outcome, recorded) for outcome in found)
    where = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps from {steps[0]} to {steps[-1]}"
    figures = "".join(_by_rate(outcome, run) for outcome in found if outcome.rights.any())
    return (
        f'{head}<div class="dra-scroll short"><table class="dra-plain dra-ranking"><caption>{where}; a click takes a setting'
        f'</caption><thead><tr><th scope="col" class="text">setting</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        f'</div><div class="dra-plots">{figures}</div></section>'
    )


def _ranked(outcome: Outcome, recorded: float) -> str:
    name = f'<th scope="row" class="text"><code>{escaped(outcome.name.replace(",", " "))}</code></th>'
    if outcome.problem:
        return f'<tr>{name}<td colspan="4" class="text">{escaped(outcome.problem)}</td></tr>'
    shares = (
        (outcome.inverted, outcome.pairs),
        (outcome.copies, outcome.whole),
        (outcome.rare, outcome.encouraged),
        (outcome.whole, recorded),
    )
    cells = "".join(f"<td>{percent(part / whole if whole else None)}</td>" for part, whole in shares)
    return f'<tr data-take="{escaped(outcome.given)}" tabindex="0">{name}{cells}</tr>'


def _by_rate(outcome: Outcome, run: str) -> str:
    """Return the mean advantage of right and of wrong completions by the success rate of their group."""
    middles = (np.arange(len(outcome.right)) + 0.5) * 100 / len(outcome.right)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {"right": outcome.right / outcome.rights, "wrong": outcome.wrong / outcome.wrongs}
    lines = [
        Line(name=name, steps=middles, values=values, colour=colour("up" if name == "right" else "down"))
        for name, values in means.items()
    ]
    drawing = curves(lines, y_title="mean advantage", x_title="success rate of the group, %", size=(380, 170))
    rows = [
        ["success_rate", *means],
        *zip(middles.tolist(), *(values.tolist() for values in means.values()), strict=True),
    ]
    legend = line_key(*((line.name, line.colour, "") for line in lines))
    name = f"{run}-ranking-{outcome.given or 'recorded'}"
    return figure(outcome.name.replace(",", " "), drawing, rows=rows, name=name, legend=legend) if drawing else ""


def recipe_part(lines: Sequence[tuple[str, bool]]) -> str:
    """Return the settings as recipe lines: the changed ones to copy, and all of them."""
    changed = "\n".join(line for line, is_changed in lines if is_changed)
    whole = "\n".join(line for line, _ in lines)
    first = f'<pre data-copy="1">{escaped(changed)}</pre>' if changed else '<p class="dra-note">Nothing is changed.</p>'
    button = '<button type="button" class="dra-quiet" data-copy-lines="1">copy</button>' if changed else ""
    return (
        f'<header class="dra-form-head"><h4>As recipe lines</h4>{button}</header>{first}'
        f"<details><summary>all settings of the adjustment</summary><pre>{escaped(whole)}</pre></details>"
    )


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole)} of {whole:,}" if whole else ""
