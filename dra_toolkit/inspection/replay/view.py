"""A replay as the terminal shows it, and as plain values for scripts."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.drawing.numbers import percent
from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.replay.differences import Place, Sums
from dra_toolkit.inspection.replay.run import TOLERANCE, ReplayReport
from dra_toolkit.inspection.replay.settings import recipe_lines
from dra_toolkit.inspection.terminal import safe, spread_over, table
from dra_toolkit.safe_text import visible

MOST_STEPS = 12
"""Steps shown, evenly spread over those that were replayed."""


def as_plain(report: ReplayReport) -> dict[str, Any]:
    """Return everything a replay found, as JSON can hold it."""
    found = report.differences
    worst = None if found.worst is None else {**asdict(found.worst), "error": found.worst.error}
    told: dict[str, Any] = plain(
        {
            "run": report.run,
            "mode": report.mode,
            "changed": report.changes.written(),
            "settings": recipe_lines(report.settings, report.estimator, report.embedder),
            "settings_vary": report.settings_vary,
            "total": _plain_sums(found.total()),
            "largest_difference": worst,
            "beyond_rounding": found.beyond_rounding,
            "steps": [{"step": step, **_plain_sums(sums)} for step, sums in found.steps.items()],
            "groups": found.groups,
            "problems": report.problems,
        }
    )
    return told


def replay_view(report: ReplayReport, *, place: str) -> RenderableType:
    """Return the report for the terminal; `place` is the run as it is typed in a command."""
    parts: list[RenderableType] = [safe(_title(report), "bold"), Text()]
    lines = ["# settings of the replay, as recipe lines"]
    lines += recipe_lines(report.settings, report.estimator, report.embedder)
    lines += ["# the recorded settings changed along the run; these are the last"] if report.settings_vary else []
    parts += [safe(f"  {line}", "dim") for line in lines]
    if not report.changes:
        parts += [Text(), _verdict(report)]
    else:
        parts += [Text(), _totals(report.differences.total()), Text(), _steps(report), *_groups(report, place)]
    parts += [safe(problem, "yellow") for problem in report.problems]
    return Group(*parts)


def _title(report: ReplayReport) -> str:
    steps, total = list(report.differences.steps), report.differences.total()
    what = "with " + ", ".join(report.changes.written()) if report.changes else "with the recorded settings"
    return (
        f"{report.run}: {report.mode} steps {steps[0]} to {steps[-1]} replayed {what}: "
        f"{total.groups:,} groups, {total.completions:,} completions"
    )


def _verdict(report: ReplayReport) -> Text:
    found = report.differences
    if found.worst is None:
        return Text("No group was replayed.")
    where = _where(found.worst)
    if found.worst.error <= TOLERANCE:
        return Text(
            f"Reproduced: the largest difference from a recorded advantage is {found.worst.error:.1e} ({where})."
        )
    if not found.beyond_rounding:
        return Text(
            f"Reproduced as far as rounding goes: the largest difference is {found.worst.error:.1e} ({where}), no more "
            "than float32 totals, or embeddings recorded in float16, explain in that group."
        )
    wrong = found.wrong or found.worst
    return Text(
        f"Not reproduced: {found.beyond_rounding:,} advantages differ by more than {TOLERANCE:g} and than rounding "
        f"explains; the largest of these differences is {wrong.error:.3g} ({_where(wrong)}).",
        "yellow",
    )


def _where(place: Place) -> str:
    batch = f" of batch {place.batch}" if place.batch else ""
    return (
        f"step {place.step}, group {place.group}{batch}, completion {place.completion}: "
        f"{place.recorded:.4g} recorded, {place.replayed:.4g} replayed"
    )


def _totals(sums: Sums) -> Table:
    mean = [value / max(1, sums.completions) for value in (sums.recorded, sums.replayed)]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right")
    for value, what in (
        (f"{sums.changed_groups:,}", f"groups with another advantage, {_share(sums.changed_groups, sums.groups)}"),
        (f"{sums.flips:,}", f"completions pushed the other way, {_share(sums.flips, sums.completions)}"),
        (f"{sums.rank_swaps:,}", f"pairs in a group ranked the other way, {_share(sums.rank_swaps, sums.pairs)}"),
        (percent(sums.moved_share), "of the gradient's weight moved: sum |A' - A| over sum |A|"),
        (percent(sums.moved_share_tokens), "the same, each completion weighted by its tokens"),
        (f"{mean[0]:.4f}", f"mean |advantage| recorded, {mean[1]:.4f} replayed"),
    ):
        grid.add_row(value, what)
    return grid


def _steps(report: ReplayReport) -> Table:
    rows = []
    for step, sums in spread_over(list(report.differences.steps.items()), MOST_STEPS):
        means = (f"{value / max(1, sums.completions):.3f}" for value in (sums.recorded, sums.replayed))
        rows.append([step, sums.groups, sums.flips, sums.rank_swaps, percent(sums.moved_share), *means])
    return table((">step", ">groups", ">flips", ">rank swaps", ">moved", ">mean |A|", ">replayed"), rows)


def _groups(report: ReplayReport, place: str) -> Iterator[RenderableType]:
    if report.differences.groups:
        yield Text("\nGroups that change most", "bold")
    for group in report.differences.groups[:5]:
        batch = f" --batch {group.batch}" if group.batch else ""
        mode = "" if report.mode == "train" else f" --mode {report.mode}"
        command = f"dra inspect group {place} {group.step} {group.group}{batch}{mode}"
        flips = f", {group.flips} flips" if group.flips else ""
        yield Text(visible(f"  {command}    moved {group.moved:.2f}{flips}", one_line=True), no_wrap=True)


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole)} of {whole:,}" if whole else "of none"


def _plain_sums(sums: Sums) -> dict[str, Any]:
    each = max(1, sums.completions)
    shares = {"moved_share": sums.moved_share, "moved_share_tokens": sums.moved_share_tokens}
    means = {"abs_advantage_recorded": sums.recorded / each, "abs_advantage_replayed": sums.replayed / each}
    return {**asdict(sums), **shares, **means}
