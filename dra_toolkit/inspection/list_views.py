"""What the listing commands of `dra inspect` show, as Rich renderables; model text only through `visible` and as `Text`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from dra_toolkit.group_measures import GROUP_MEASURES, shown_in
from dra_toolkit.inspection.comparison import Comparison, Curve
from dra_toolkit.inspection.group_list import IN_ORDER, GroupRow, Pair, PromptHistory
from dra_toolkit.inspection.near import Neighbour
from dra_toolkit.inspection.overview import RunRow
from dra_toolkit.inspection.selection import Page
from dra_toolkit.inspection.terminal import cut_at_the_end, number, safe, short, sparkline, spread_over, table
from dra_toolkit.inspection.text_search import Hits
from dra_toolkit.inspection.views import MARKS
from dra_toolkit.inspection.word_differences import Stretch
from dra_toolkit.safe_text import visible

BEFORE = 30
"""Characters shown before what was found."""
LINES = 30
"""Lines shown of one difference."""
CHARACTERS = 3_000
"""Characters shown of one difference."""
ENDS = 100
"""Characters shown of the beginning and the end of a long stretch of it."""
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


def difference_text(stretches: Iterable[Stretch]) -> Text:
    """Return stretches of two texts: what only one has is coloured and bracketed, so that it shows without colour too."""
    text = Text()
    for stretch in stretches:
        left_out = len(stretch.text) - 2 * ENDS
        ends = f"{stretch.text[:ENDS]} … {left_out:,} characters … {stretch.text[-ENDS:]}"
        shown = visible(stretch.text if left_out <= ENDS else ends)
        looks = {"left": (f"[-{shown}-]", "red strike"), "right": (f"{{+{shown}+}}", "green"), "both": (shown, "")}
        text.append(*looks[stretch.kind])
    lines = text[:CHARACTERS].split("\n")
    left_out = len(text) - sum(len(line) + 1 for line in lines[:LINES]) + 1
    if left_out <= 0:
        return text
    return Text("\n").join([*lines[:LINES], Text(f"… {left_out:,} more characters", "dim")])


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
    text = (
        f"{found.shared_prompts:,} prompts in both: right - left reward {found.mean_gap:+.3f}{error}; the largest gaps:"
    )
    rows = (
        [number(p.left_reward, 2), number(p.right_reward, 2), f"{p.gap:+.2f}", p.prompt_hash, cut_at_the_end(p.prompt)]
        for p in found.prompts
    )
    return Group(Text(text), table((">left", ">right", ">gap", "prompt", ""), rows))


def rows_view(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> RenderableType:
    """Return the answer to a query as a table."""
    texts = ([f"{v:.6g}" if isinstance(v, float) else "" if v is None else str(v) for v in row] for row in rows)
    cells = ([text if len(text) <= 400 else f"{text[:400]}…" for text in row] for row in texts)
    return table((f" {name}" if str(name).startswith(">") else name for name in columns), cells)


Cell = Callable[[GroupRow], str]
_DIGITS = {
    "reward": 2,
    "reward_spread": 2,
    "adjusted": 2,
    "similarity": 2,
    "vendi_score": 1,
    "distinct_ratio": 2,
    "correct_share": 2,
}
"""Measure -> digits behind the point, in the order of the columns."""
_DROPPED = ("distinct_ratio", "adjusted", "reward_spread", "vendi_score", "correct_share", "reward", "similarity")
"""What a narrow terminal does without, the first one first."""
_PROMPT = 20
"""Characters that the prompts get at least."""
_IN_MARKS = ("flips", "zero_spread")
"""Measures that the marks show."""


def step_view(page: Page[GroupRow], *, title: str, width: int, sort: str = IN_ORDER) -> RenderableType:
    """Return a page of groups as a table of at most `width` characters; a measure sorted by always has its column."""
    columns = _columns(page, sort)
    for name in _DROPPED:
        if name != sort and _width(columns) + _PROMPT > width:
            columns.pop(name, None)
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
    cells |= {name: (GROUP_MEASURES[name].short, _cell(name, digits)) for name, digits in _DIGITS.items()}
    if sort not in (IN_ORDER, *_IN_MARKS, *cells):
        cells[sort] = GROUP_MEASURES[sort].short, lambda group: short(group[sort])
    return {name: (head, [cell(group) for group in page.rows]) for name, (head, cell) in cells.items()}


def _cell(name: str, digits: int) -> Cell:
    return lambda group: number(group[name], digits)


def _width(columns: dict[str, tuple[str, list[str]]]) -> int:
    return sum(1 + max(map(len, [head, *cells])) for head, cells in columns.values()) + len(" marks  ")


def _marks(group: GroupRow) -> Text:
    marks = Text()
    marks.append("=" if group["zero_spread"] else " ", "yellow")
    marks.append("d" if group["distinct_ratio"] < 1 else " ", "magenta")
    marks.append(f"±{group['flips']:.0f}" if group["flips"] else "", "bold")
    return marks
