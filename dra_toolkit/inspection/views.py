"""What `dra inspect` shows, as Rich renderables. Model text enters only through `visible` and as `Text`, never as markup."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from dra_toolkit.group_measures import is_measured, shown_in
from dra_toolkit.groups import Array, GroupRecord
from dra_toolkit.inspection.group_html import by_advantage, number_heads, number_rows, place_of, signed
from dra_toolkit.inspection.health import Note
from dra_toolkit.inspection.overview import RunOverview
from dra_toolkit.inspection.terminal import safe, short, sparkline, table
from dra_toolkit.safe_text import visible

FEWEST_BLOCKS = 24
"""Characters that a curve has at least, where leaving out its lowest and highest value makes room for them."""
MARKS = "= all rewards equal   d duplicates   ± sign of an advantage changed by the adjustment"


def run_view(overview: RunOverview, *, width: int) -> RenderableType:
    """Return a run at a glance: health notes, settings, a curve for each measure, problems."""
    parts: list[RenderableType] = [safe(f"{overview.name}: {overview.state}", "bold")]
    parts += [health_view(note) for note in overview.notes]
    settings = Table.grid(padding=(0, 2))
    for key, value in overview.settings.items():
        settings.add_row(Text(key, "dim"), safe(", ".join(map(str, value)) if isinstance(value, list) else value))
    parts.append(settings)
    if not overview.steps:
        parts.append(Text("No training groups are recorded yet; look again when the first step is done.", "yellow"))
    else:
        parts.append(_curves(overview, width=width))
    parts += [safe(problem, "yellow") for problem in overview.problems]
    return Group(*parts)


def health_view(note: Note) -> Text:
    """Return a health note: what it says, its two signs, what to change."""
    text = Text(f"{note.name}: ", "bold yellow").append(note.says, "yellow")
    for sign in note.signs:
        text.append(f"\n    {visible(sign.what, one_line=True)}: {sign.before:.3g} -> {sign.after:.3g}")
    return text.append(f"\n    {note.advice}\n", "dim")


def _curves(overview: RunOverview, *, width: int) -> RenderableType:
    heads, rows, curves = _ends(overview)
    taken = sum(1 + max(map(len, column)) for column in zip(heads, *rows, strict=True))
    if width - taken < FEWEST_BLOCKS:
        heads, rows = heads[:3], [row[:3] for row in rows]
        taken = sum(1 + max(map(len, column)) for column in zip(heads, *rows, strict=True))
    blocks = max(8, width - taken - 2)
    long, brief = "curve, lowest to highest", "curve"
    columns = [heads[0], *(f">{head}" for head in heads[1:]), long if len(long) <= blocks else brief]
    drawn = [Text(sparkline(values, blocks), "cyan", no_wrap=True) for values in curves]
    shown = table(columns, ([*row, curve] for row, curve in zip(rows, drawn, strict=True)), pad_edge=False)
    flips = sum(step.flips for step in overview.steps)
    groups = sum(step.groups for step in overview.steps)
    counts = (
        f"{len(overview.steps):,} steps, {groups:,} groups, {overview.completions:,} completions recorded; "
        f"the adjustment changed the sign of {flips:,} advantages"
    )
    return Group(Padding(shown, (1, 0)), Text(counts))


def _ends(overview: RunOverview) -> tuple[list[str], list[list[str]], list[list[float]]]:
    """Return heads, rows and curves of the measures that are known: first, last, lowest and highest value of each."""
    heads = ["", f"step {overview.steps[0].step}", f"step {overview.steps[-1].step}", "lowest", "highest"]
    rows, curves = [], []
    for measure in shown_in("steps"):
        values = [step[measure.name] for step in overview.steps]
        known = [value for value in values if not math.isnan(value)]
        if known:
            rows.append([measure.label, *map(short, (values[0], values[-1], min(known), max(known)))])
            curves.append(values)
    return heads, rows, curves


def group_view(record: GroupRecord, *, width: int, lines: int | None) -> RenderableType:
    """Return one group in full; of each completion at most `lines` lines, or all if None."""
    parts: list[RenderableType] = [safe(place_of(record), "bold"), *_prompt(record, lines), Text()]
    if is_measured(record):
        parts += [Text("Similarity of the completions", "bold"), heat_map(record.adjustment.similarity, columns=width)]
    else:
        parts.append(Text("Similarity was not measured (embedder: none).\n", "yellow"))
    parts += [_numbers(record), Text(MARKS, "dim"), Text()]
    parts += _completions(record, lines)
    return Group(*parts)


def _prompt(record: GroupRecord, lines: int | None) -> Iterator[RenderableType]:
    for message in record.group.prompt:
        text = Text().append(f"{visible(message.role, one_line=True)}: ", "dim")
        text.append(_cut(visible(str(message)), lines))
        yield text
    if record.group.gold is not None:
        yield Text("gold: ", "dim").append(_cut(visible(record.group.gold), lines))


def _numbers(record: GroupRecord) -> Table:
    shown = table(number_heads(record), number_rows(record, _advantage, safe))
    for column in shown.columns:
        column.justify = "right"
    return shown


def _advantage(value: float) -> Text:
    return Text(signed(value), "bold blue" if value > 0 else "bold yellow" if value < 0 else "")


def _completions(record: GroupRecord, lines: int | None) -> Iterator[RenderableType]:
    """Yield the different texts, the most encouraged first; copies of one text share its heading."""
    copies: dict[str, list[int]] = {}
    for i in by_advantage(record):
        copies.setdefault(record.group.shown(i), []).append(i)
    for completion, indices in copies.items():
        title = Text(", ".join(f"#{i}" for i in indices))
        title.append(f"  {len(indices)} times the same text," if len(indices) > 1 else "")
        title.append("  advantage ").append(_advantage(record.advantages[indices[0]]))
        yield Rule(title, align="left", style="dim", characters="─")
        text = visible(completion)
        yield Text(_cut(text, lines)) if text else Text("(empty)", "dim")


def _cut(text: str, lines: int | None) -> str:
    """Return the first lines, of at most 400 characters each, and how much was left out."""
    if lines is None:
        return text
    rows = text.split("\n")
    kept = "\n".join(row[:400] for row in rows[:lines])
    left_out = len(text) - len(kept)
    return f"{kept}\n… {left_out} more characters; --full shows them" if left_out else kept


SHADES = ("#002248", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")
"""From dark blue to yellow in even lightness (after the cividis colour map, Nuñez et al. 2018): readers with any colour
vision see the same order. On the first three text is white."""
CELL = 5
"""Characters of a cell."""


def heat_map(similarity: Array, *, columns: int) -> Text:
    """Return the matrix (G, G) with row and column numbers, at most `columns` characters wide.

    A group too wide for the terminal is shown for its first completions, with a note how many are left out.
    """
    G = len(similarity)
    shown = max(1, min(G, (columns - CELL) // CELL))
    text = Text(no_wrap=True)
    text.append(" " * CELL + "".join(f"{f'#{j}':>{CELL - 1}} " for j in range(shown)) + "\n", style="dim")
    for i in range(shown):
        text.append(f"{f'#{i}':>{CELL - 1}} ", style="dim")
        for j in range(shown):
            value = float(similarity[i, j])
            written = f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}".replace("0.", ".", 1)
            written = f"{'-':^{CELL}}" if np.isnan(value) else f"{written:>{CELL - 1}} "
            text.append(written, style=_style(value))
        text.append("\n")
    if shown < G:
        text.append(f"{G - shown} more completions are left out: the terminal is too narrow\n", style="dim")
    return text


def _style(value: float) -> Style:
    if np.isnan(value):
        return Style()
    place = round(float(np.clip(value, 0.0, 1.0)) * (len(SHADES) - 1))
    return Style(color="#ffffff" if place < 3 else "#000000", bgcolor=SHADES[place])
