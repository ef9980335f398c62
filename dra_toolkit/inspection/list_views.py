"""What the listing commands of `dra inspect` show, as Rich renderables; model text only through `visible` and as `Text`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dra_toolkit.group_measures import GROUP_MEASURES, shown_in
from dra_toolkit.inspection.comparison import Comparison
from dra_toolkit.inspection.near import Neighbour
from dra_toolkit.inspection.prompt_history import Pair, PromptHistory
from dra_toolkit.inspection.run_list import RunRow
from dra_toolkit.inspection.text_search import Hits
from dra_toolkit.inspection.views import number, sparkline
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


def safe(text: Any, style: str = "") -> Text:
    """Return a text of one line that nothing in it can colour, move or break."""
    return Text(visible(str(text), one_line=True), style)


def runs_view(rows: Sequence[RunRow]) -> RenderableType:
    """Return runs as a table, with the recipe keys in which they differ."""
    table = _table("run", *(">state", ">steps", ">last", ">completions", ">reward"), "differs in")
    for row in rows:
        differs = ", ".join(f"{key}={value}" for key, value in list(row.differences.items())[:DIFFERENCES])
        if len(row.differences) > DIFFERENCES:
            differs += f", and {len(row.differences) - DIFFERENCES} more"
        table.add_row(
            safe(row.name),
            safe(row.state, "red" if row.problem else ""),
            f"{row.steps:,}",
            "-" if row.last_step is None else str(row.last_step),
            f"{row.completions:,}",
            number(float("nan") if row.reward is None else row.reward, 2),
            safe(row.problem or differs, "yellow" if row.problem else "dim"),
        )
    return table


def hits_view(hits: Hits) -> RenderableType:
    """Return the places where a text was found, each with what stands around it."""
    table = _table(">step", ">group", ">#", ">times", "found")
    for hit in hits.rows:
        shown = Text(no_wrap=True, overflow="ellipsis")
        before = visible(hit.before, one_line=True)
        shown.append(before if len(before) <= BEFORE else f"…{before[-BEFORE:]}", "dim")
        shown.append(visible(hit.found, one_line=True), "bold yellow")
        shown.append(visible(hit.after, one_line=True), "dim")
        group = f"{hit.batch}/{hit.group}" if hit.batch else str(hit.group)
        table.add_row(str(hit.step), group, str(hit.completion), str(hit.times), shown)
    return table


def neighbours_view(found: Sequence[Neighbour]) -> RenderableType:
    """Return completions with their similarity, the most similar first."""
    table = _table(">similarity", ">step", ">group", ">#", "completion")
    for each in found:
        group = f"{each.batch}/{each.group}" if each.batch else str(each.group)
        text = safe(each.text[:400])
        text.no_wrap, text.overflow = True, "ellipsis"
        table.add_row(number(each.similarity), str(each.step), group, str(each.completion), text)
    return table


def history_view(history: PromptHistory, *, limit: int) -> RenderableType:
    """Return a prompt and its groups by step; of more than `limit`, evenly chosen ones."""
    measures = shown_in("prompt")
    table = _table(">step", ">group", *(f">{measure.short}" for measure in measures))
    rows = history.rows
    if len(rows) > limit:
        rows = tuple(rows[i * (len(rows) - 1) // (limit - 1)] for i in range(limit)) if limit > 1 else rows[-1:]
    for row in rows:
        group = f"{row.batch}/{row.index}" if row.batch else str(row.index)
        table.add_row(str(row.step), group, *(number(row[measure.name], 2) for measure in measures))
    head = Text(f"prompt {history.prompt_hash}, {len(history.rows)} groups", "bold")
    curve = Text("reward  ").append(sparkline([row["reward"] for row in history.rows], 60), "cyan")
    return Group(head, Text(visible(history.prompt)[:2_000]), Text(), curve, table)


def pairs_view(pairs: Sequence[Pair], earlier: int, later: int) -> RenderableType:
    """Return how completions of a later step differ from the nearest ones of an earlier step."""
    parts: list[RenderableType] = [
        Text(f"step {later} against the nearest of step {earlier}: ", "bold")
        .append("only earlier", "red strike")
        .append("  ")
        .append("only later", "green")
    ]
    for pair in pairs:
        title = f"#{pair.later} and #{pair.earlier} of step {earlier}, similarity {number(pair.similarity, 2)}"
        parts += [
            Rule(Text(title), align="left", style="dim", characters="─"),
            difference_text(pair.differences.stretches),
        ]
    return Group(*parts)


def difference_text(stretches: Iterable[Stretch]) -> Text:
    """Return stretches of two texts: what only one has is coloured and bracketed, so that it shows without colour too."""
    text = Text()
    for stretch in stretches:
        shown = visible(_middle_left_out(stretch.text))
        if stretch.kind == "left":
            text.append(f"[-{shown}-]", "red strike")
        elif stretch.kind == "right":
            text.append(f"{{+{shown}+}}", "green")
        else:
            text.append(shown)
    lines = text[:CHARACTERS].split("\n")
    left_out = len(text) - sum(len(line) + 1 for line in lines[:LINES]) + 1
    if left_out <= 0:
        return text
    return Text("\n").join([*lines[:LINES], Text(f"… {left_out:,} more characters", "dim")])


def _middle_left_out(text: str) -> str:
    left_out = len(text) - 2 * ENDS
    return text if left_out <= ENDS else f"{text[:ENDS]} … {left_out:,} characters … {text[-ENDS:]}"


def comparison_view(found: Comparison, *, width: int) -> RenderableType:
    """Return two runs side by side."""
    parts: list[RenderableType] = [
        Text.assemble(safe(found.left, "bold cyan"), " against ", safe(found.right, "bold magenta"))
    ]
    if found.settings:
        settings = _table("setting", "left", "right")
        for key, (left, right) in found.settings.items():
            settings.add_row(safe(key), safe(left), safe(right))
        parts += [settings, Text()]
    if found.steps:
        parts.append(Text(f"{len(found.steps)} steps in both; the difference is that of the last third", "dim"))
        table = _table("mean over groups", ">left", ">right", ">right - left", "left", "right")
        curve = max(8, (width - 72) // 2)
        for each in found.curves:
            left, right = each.left.tolist(), each.right.tolist()
            if all(value != value for value in [*left, *right]):
                continue
            table.add_row(
                GROUP_MEASURES[each.measure].label,
                number(left[-1]),
                number(right[-1]),
                f"{each.difference():+.3f}" if each.difference() == each.difference() else "-",
                Text(sparkline(left, curve), "cyan"),
                Text(sparkline(right, curve), "magenta"),
            )
        parts += [table, Text()]
    parts.append(_prompts(found))
    return Group(*parts)


def _prompts(found: Comparison) -> RenderableType:
    if not found.prompts:
        return Text("No prompt is in both runs.", "yellow")
    error = "" if found.gap_error != found.gap_error else f" ± {found.gap_error:.3f}"
    text = (
        f"{found.shared_prompts:,} prompts in both: right - left reward {found.mean_gap:+.3f}{error}; the largest gaps:"
    )
    table = _table(">left", ">right", ">gap", "prompt", "")
    for pair in found.prompts:
        prompt = safe(pair.prompt[:200])
        prompt.no_wrap, prompt.overflow = True, "ellipsis"
        table.add_row(
            number(pair.left_reward, 2), number(pair.right_reward, 2), f"{pair.gap:+.2f}", pair.prompt_hash, prompt
        )
    return Group(Text(text), table)


def rows_view(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> RenderableType:
    """Return the answer to a query as a table."""
    table = _table()
    for name in columns:
        table.add_column(safe(name), overflow="fold")
    for row in rows:
        table.add_row(*(safe("" if value is None else _rounded(value)) for value in row))
    return table


def _rounded(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 400 else f"{text[:400]}…"


def _table(*heads: str) -> Table:
    """Return a table; a head that begins with > is aligned to the right."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True)
    for head in heads:
        right = head.startswith(">")
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(head.removeprefix(">"), justify=justify, no_wrap=right, overflow="fold")
    return table
