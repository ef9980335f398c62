"""What `dra inspect` shows, as Rich renderables. Model text enters only through `visible` and as `Text`, never as markup."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dra_toolkit.group_measures import shown_in
from dra_toolkit.group_outcomes import flipped, is_measured
from dra_toolkit.groups import GroupRecord, mean_of_known
from dra_toolkit.inspection.health import Note
from dra_toolkit.inspection.heatmap import heat_map
from dra_toolkit.inspection.overview import RunOverview
from dra_toolkit.safe_text import visible

BLOCKS = "▁▂▃▄▅▆▇█"
FEWEST_BLOCKS = 24
"""Characters that a curve has at least, where leaving out its lowest and highest value makes room for them."""
MARKS = "= all rewards equal   d duplicates   ± sign of an advantage changed by the adjustment"


def number(value: float, digits: int = 3) -> str:
    """Return a number, or a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve of at most `width` block characters, from the smallest to the largest value; NaN is a blank."""
    if not values or width < 1:
        return ""
    parts = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    shown = [mean_of_known(part) for part in parts if part] if len(values) > width else list(values)
    known = [value for value in shown if not math.isnan(value)]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if math.isnan(value) else BLOCKS[round((value - low) * scale)] for value in shown)


def run_view(overview: RunOverview, *, width: int) -> RenderableType:
    """Return a run at a glance: health notes, settings, a curve for each measure, problems."""
    parts: list[RenderableType] = [_title(f"{overview.name}: {overview.state}")]
    parts += [health_view(note) for note in overview.notes]
    parts.append(_settings(overview))
    if not overview.steps:
        parts.append(Text("No training groups are recorded yet; look again when the first step is done.", "yellow"))
    else:
        parts.append(_curves(overview, width=width))
    parts += [Text(visible(problem, one_line=True), "yellow") for problem in overview.problems]
    return Group(*parts)


def health_view(note: Note) -> Text:
    """Return a health note: what it says, its two signs, what to change."""
    text = Text(f"{note.name}: ", "bold yellow").append(note.says, "yellow")
    for sign in note.signs:
        text.append(f"\n    {visible(sign.what, one_line=True)}: {sign.before:.3g} -> {sign.after:.3g}")
    return text.append(f"\n    {note.advice}\n", "dim")


def _title(text: str) -> Text:
    return Text(visible(text, one_line=True), style="bold")


def _settings(overview: RunOverview) -> Table:
    table = Table.grid(padding=(0, 2))
    for key, value in overview.settings.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(Text(key, "dim"), Text(visible(shown, one_line=True)))
    return table


def _curves(overview: RunOverview, *, width: int) -> RenderableType:
    heads, rows, curves = _ends(overview)
    taken = sum(1 + max(map(len, column)) for column in zip(heads, *rows, strict=True))
    if width - taken < FEWEST_BLOCKS:
        heads, rows = heads[:3], [row[:3] for row in rows]
        taken = sum(1 + max(map(len, column)) for column in zip(heads, *rows, strict=True))
    blocks = max(8, width - taken - 2)
    table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=True)
    long, brief = "curve, lowest to highest", "curve"
    table.add_column(long if len(long) <= blocks else brief, no_wrap=True)
    for row, values in zip(rows, curves, strict=True):
        table.add_row(*row, Text(sparkline(values, blocks), "cyan"))
    flips = sum(step.flips for step in overview.steps)
    groups = sum(step.groups for step in overview.steps)
    counts = (
        f"{len(overview.steps):,} steps, {groups:,} groups, {overview.completions:,} completions recorded; "
        f"the adjustment changed the sign of {flips:,} advantages"
    )
    return Group(Padding(table, (1, 0)), Text(counts))


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


def short(value: float) -> str:
    """Return a number with three digits behind the point, or none where it is large."""
    return number(value, 3) if abs(value) < 100 else f"{value:.0f}"


def group_view(record: GroupRecord, *, width: int, lines: int | None) -> RenderableType:
    """Return one group in full; of each completion at most `lines` lines, or all if None."""
    where = f"{record.mode} step {record.step}, group {record.index}"
    where += f" of batch {record.batch}" if record.batch else ""
    parts: list[RenderableType] = [_title(where), *_prompt(record, lines), Text()]
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
    group, adjustment = record.group, record.adjustment
    table = Table(box=None, padding=(0, 1), collapse_padding=True)
    names = [visible(name, one_line=True) for name in group.rewards]
    judged = record.group.verdicts or ()
    heads = (
        "#",
        *(["verdict"] if judged else []),
        *names,
        "total",
        "redund.",
        "weight",
        "adjusted",
        "adv. plain",
        "adv. trained",
        "",
        "tokens",
        "end",
    )
    for head in heads:
        table.add_column(Text(head), justify="right", overflow="fold")
    changed = flipped(record)
    for i in range(len(group)):
        table.add_row(
            str(i),
            *(visible(verdict or "-", one_line=True) for verdict in judged[i : i + 1]),
            *(number(values[i], 2) for values in group.rewards.values()),
            number(adjustment.totals[i], 2),
            number(adjustment.redundancy[i], 2),
            number(adjustment.weights[i]),
            number(adjustment.adjusted[i]),
            number(record.plain_advantages[i]),
            _advantage(record.advantages[i]),
            Text("±" if changed[i] else "", "bold"),
            str(group.token_counts[i]),
            visible(group.finish_reasons[i], one_line=True),
        )
    return table


def _advantage(value: float) -> Text:
    return Text(f"{value:+.3f}", "bold blue" if value > 0 else "bold yellow" if value < 0 else "")


def _completions(record: GroupRecord, lines: int | None) -> Iterator[RenderableType]:
    """Yield the different texts, the most encouraged first; copies of one text share its heading."""
    copies: dict[str, list[int]] = {}
    for i in sorted(range(len(record.group)), key=lambda i: -record.advantages[i]):
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
