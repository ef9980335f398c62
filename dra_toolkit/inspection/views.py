"""What `dra inspect` shows, as Rich renderables. Model text enters only through `visible` and as `Text`, never as markup."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dra_toolkit.group_measures import GROUP_MEASURES, is_measured, shown_in
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.comparison import Comparison, Curve
from dra_toolkit.inspection.group_list import IN_ORDER, GroupRow, Pair, PromptHistory, RunRow
from dra_toolkit.inspection.group_numbers import answers_told, by_advantage, number_heads, number_rows, place_of, signed
from dra_toolkit.inspection.near import Neighbour
from dra_toolkit.inspection.overview import Note, RunOverview
from dra_toolkit.inspection.selection import Page
from dra_toolkit.inspection.terminal import (
    cut_at_the_end,
    difference_text,
    heat_map,
    narrow_tables,
    number,
    safe,
    short,
    sparkline,
    spread_over,
    table,
)
from dra_toolkit.inspection.text_search import Hits
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
    """Return first, last, lowest and highest value of each measure that is known, and its curve where there is room."""
    steps = overview.steps
    found = {m.label: [step[m.name] for step in steps] for m in shown_in("steps")}
    found = {label: values for label, values in found.items() if not np.isnan(values).all()}
    heads = ["", f"step {steps[0].step}", f"step {steps[-1].step}", "lowest", "highest"]
    rows = [[label, *map(short, (v[0], v[-1], np.nanmin(v), np.nanmax(v)))] for label, v in found.items()]
    if width - _taken([heads, *rows]) < FEWEST_BLOCKS:
        heads, rows = heads[:3], [row[:3] for row in rows]
    blocks = max(8, width - _taken([heads, *rows]) - 2)
    drawn = [Text(sparkline(values, blocks), "cyan", no_wrap=True) for values in found.values()]
    columns = [heads[0], *(f">{head}" for head in heads[1:]), "curve"]
    shown = table(columns, ([*row, curve] for row, curve in zip(rows, drawn, strict=True)), pad_edge=False)
    groups, flips = sum(step.groups for step in steps), sum(step.flips for step in steps)
    there, read = (round(np.nansum([step[name] * step.groups for step in steps])) for name in ("size", "answers_read"))
    counts = (
        f"{len(steps):,} steps, {groups:,} groups, {overview.completions:,} completions recorded; "
        f"the adjustment changed the sign of {flips:,} advantages; answers read {read:,} of {there:,}"
    )
    return Group(Padding(shown, (1, 0)), Text(counts))


def _taken(rows: list[list[str]]) -> int:
    """Return the width of columns."""
    return sum(1 + max(map(len, column)) for column in zip(*rows, strict=True))


def group_view(record: GroupRecord, *, width: int, lines: int | None) -> RenderableType:
    """Return one group in full; of each completion at most `lines` lines, or all if None."""
    parts: list[RenderableType] = [safe(place_of(record), "bold"), *_prompt(record, lines), Text()]
    if is_measured(record):
        parts += [Text("Similarity of the completions", "bold"), heat_map(record.adjustment.similarity, columns=width)]
    else:
        parts.append(Text("Similarity was not measured (embedder: none).\n", "yellow"))
    columns = list(zip(number_heads(record), *number_rows(record, _advantage, safe), strict=True))
    parts += [
        *narrow_tables(columns, width, apart="total"),
        Text(MARKS, "dim"),
        Text(answers_told(record), "dim"),
        Text(),
    ]
    parts += _completions(record, lines)
    return Group(*parts)


def _prompt(record: GroupRecord, lines: int | None) -> Iterator[RenderableType]:
    for message in record.group.prompt:
        text = Text().append(f"{visible(message.role, one_line=True)}: ", "dim")
        text.append(_cut(visible(str(message)), lines))
        yield text
    if record.group.gold is not None:
        yield Text("gold: ", "dim").append(_cut(visible(record.group.gold), lines))


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
    kept = "\n".join(row[:400] for row in text.split("\n")[:lines])
    left_out = len(text) - len(kept)
    return f"{kept}\n… {left_out} more characters; --full shows them" if left_out else kept


BEFORE = 30
"""Characters shown before what was found."""
DIFFERENCES = 4
"""Recipe keys shown in which a run differs."""


def runs_view(rows: Sequence[RunRow]) -> RenderableType:
    """Return runs as a table, with the recipe keys in which they differ."""
    cells = []
    for row in rows:
        differs = ", ".join(f"{key}={value}" for key, value in list(row.differences.items())[:DIFFERENCES])
        if len(row.differences) > DIFFERENCES:
            differs += f", and {len(row.differences) - DIFFERENCES} more"
        state = safe(row.state, "red" if row.problem else "")
        last = "-" if row.last_step is None else row.last_step
        note = safe(row.problem or differs, "yellow" if row.problem else "dim")
        cells.append([row.name, state, f"{row.steps:,}", last, f"{row.completions:,}", number(row.reward, 2), note])
    return table(("run", ">state", ">steps", ">last", ">completions", ">reward", "differs in"), cells)


def hits_view(hits: Hits) -> RenderableType:
    """Return the places where a text was found, each with what stands around it."""
    rows = []
    for hit in hits.rows:
        before = visible(hit.before, one_line=True)
        shown = Text(no_wrap=True, overflow="ellipsis")
        if hit.turn is not None:
            shown.append(f"turn {hit.turn}, {visible(str(hit.role), one_line=True)}: ", "cyan")
        shown.append(before if len(before) <= BEFORE else f"…{before[-BEFORE:]}", "dim")
        shown.append(visible(hit.found, one_line=True), "bold yellow").append(visible(hit.after, one_line=True), "dim")
        rows.append([hit.step, _group(hit.batch, hit.group), hit.completion, hit.times, shown])
    return table((">step", ">group", ">#", ">times", "found"), rows)


def neighbours_view(found: Sequence[Neighbour]) -> RenderableType:
    """Return completions with their similarity, the most similar first."""
    rows = (
        [number(n.similarity), n.step, _group(n.batch, n.group), n.completion, cut_at_the_end(n.text)] for n in found
    )
    return table((">similarity", ">step", ">group", ">#", "completion"), rows)


def history_view(history: PromptHistory, *, limit: int) -> RenderableType:
    """Return a prompt and its groups by step; of more than `limit`, evenly chosen ones."""
    measures = shown_in("prompt")
    rows = (
        [row.step, _group(row.batch, row.index), *(number(row[measure.name], 2) for measure in measures)]
        for row in spread_over(history.rows, limit)
    )
    head = Text(f"prompt {history.prompt_hash}, {len(history.rows)} groups", "bold")
    curve = Text("reward  ").append(sparkline([row["reward"] for row in history.rows], 60), "cyan")
    shown = table((">step", ">group", *(f">{measure.short}" for measure in measures)), rows)
    return Group(head, Text(visible(history.prompt)[:2_000]), Text(), curve, shown)


def _group(batch: int, index: int) -> str:
    return f"{batch}/{index}" if batch else str(index)


def pairs_view(pairs: Sequence[Pair], earlier: int, later: int) -> RenderableType:
    """Return how completions of a later step differ from the nearest ones of an earlier step."""
    head = (f"step {later} against the nearest of step {earlier}: ", "bold")
    parts: list[RenderableType] = [Text.assemble(head, ("only earlier", "red strike"), "  ", ("only later", "green"))]
    for pair in pairs:
        title = f"#{pair.later} and #{pair.earlier} of step {earlier}, similarity {number(pair.similarity, 2)}"
        rule = Rule(Text(title), align="left", style="dim", characters="─")
        parts += [rule, difference_text(pair.differences.stretches)]
    return Group(*parts)


def comparison_view(found: Comparison, *, width: int) -> RenderableType:
    """Return two runs side by side."""
    title = Text.assemble(safe(found.left, "bold cyan"), " against ", safe(found.right, "bold magenta"))
    parts: list[RenderableType] = [title]
    if found.settings:
        rows = ([key, left, right] for key, (left, right) in found.settings.items())
        parts += [table(("setting", "left", "right"), rows), Text()]
    if found.steps:
        parts.append(Text(f"{len(found.steps)} steps in both; the difference is that of the last third", "dim"))
        known = [each for each in found.curves if not np.isnan([each.left, each.right]).all()]
        heads = ("mean over groups", ">left", ">right", ">right - left", "left", "right")
        parts += [table(heads, (_curve(each, max(8, (width - 72) // 2)) for each in known)), Text()]
    parts.append(_prompts(found))
    return Group(*parts)


def _curve(each: Curve, width: int) -> list[Any]:
    left, right, difference = each.left.tolist(), each.right.tolist(), each.difference()
    return [
        GROUP_MEASURES[each.measure].label,
        number(left[-1]),
        number(right[-1]),
        "-" if np.isnan(difference) else f"{difference:+.3f}",
        Text(sparkline(left, width), "cyan"),
        Text(sparkline(right, width), "magenta"),
    ]


def _prompts(found: Comparison) -> RenderableType:
    if not found.prompts:
        return Text("No prompt is in both runs.", "yellow")
    error = "" if np.isnan(found.gap_error) else f" ± {found.gap_error:.3f}"
    text = f"{found.shared_prompts:,} prompts in both: right - left reward {found.mean_gap:+.3f}{error}; largest gaps:"
    rows = (
        [number(p.left_reward, 2), number(p.right_reward, 2), f"{p.gap:+.2f}", p.prompt_hash, cut_at_the_end(p.prompt)]
        for p in found.prompts
    )
    return Group(Text(text), table((">left", ">right", ">gap", "prompt", ""), rows))


Cell = Callable[[GroupRow], str]
_SHOWN = ("similarity", "reward", "adjusted", "correct_share", "distinct_ratio", "reward_spread", "vendi_score")
"""Measures that have a column; a narrow terminal does without the last ones."""
_PROMPT = 20
"""Characters that the prompts get at least."""
_IN_MARKS = ("flips", "zero_spread")
"""Measures that the marks show."""


def step_view(page: Page[GroupRow], *, title: str, width: int, sort: str = IN_ORDER) -> RenderableType:
    """Return a page of groups as a table of at most `width` characters; a measure sorted by always has its column."""
    columns = _columns(page, sort)
    while _width(columns) + _PROMPT > width and next(reversed(columns)) in {*_SHOWN} - {sort}:
        columns.popitem()
    rows = (
        [*(cells[i] for _, cells in columns.values()), _marks(group), cut_at_the_end(group.prompt)]
        for i, group in enumerate(page.rows)
    )
    shown = table([*(f">{head}" for head, _ in columns.values()), "marks", "prompt"], rows)
    shown.columns[-2].no_wrap = True
    heading = Text(visible(title, one_line=True), "bold", no_wrap=True, overflow="ellipsis")
    return Group(heading, shown, Text(MARKS, "dim"))


def _columns(page: Page[GroupRow], sort: str) -> dict[str, tuple[str, list[str]]]:
    """Return head and cells of each column but the last two, by name."""
    cells: dict[str, tuple[str, Cell]] = {}
    if len({(group.mode, group.step) for group in page.rows}) > 1:
        cells["step"] = "step", lambda group: str(group.step)
    if any(group.batch for group in page.rows):
        cells["batch"] = "batch", lambda group: str(group.batch)
    cells["group"] = "group", lambda group: str(group.index)
    first = [] if sort in (IN_ORDER, *_IN_MARKS) else [sort]
    cells |= {name: (GROUP_MEASURES[name].short, _cell(name)) for name in dict.fromkeys([*first, *_SHOWN])}
    return {name: (head, [cell(group) for group in page.rows]) for name, (head, cell) in cells.items()}


def _cell(name: str) -> Cell:
    return lambda group: number(group[name], 2) if name in _SHOWN else short(group[name])


def _width(columns: dict[str, tuple[str, list[str]]]) -> int:
    return sum(1 + max(map(len, [head, *cells])) for head, cells in columns.values()) + len(" marks  ")


def _marks(group: GroupRow) -> Text:
    marks = Text()
    marks.append("=" if group["zero_spread"] else " ", "yellow")
    marks.append("d" if group["distinct_ratio"] < 1 else " ", "magenta")
    marks.append(f"±{group['flips']:.0f}" if group["flips"] else "", "bold")
    return marks
