"""Curves of a report with Plotly: accuracy by step, pass@k by k and by step, diversity of the samples by step."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dra_toolkit.evaluation.report.diversity import Measured, distinct_answers, sampled_pass
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito's colours: told apart with any colour vision, on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7f7f7f")
DASHES = ("solid", "dash", "dot", "dashdot")
WIDTH, HEIGHT = 960, 540


def figures(report: Report, diversity: Measured | None = None) -> dict[str, go.Figure]:
    """Return the figures that a report has data for, by name.

    diversity: label -> similarity and Vendi score of the samples, where they were measured.
    """
    runs = _runs(report.rows)
    sampled = any(sampled_pass(row) for row in report.rows)
    found: dict[str, Any] = {}
    if runs:
        found["accuracy"] = _accuracy(report, runs)
    if any(len(cell.ks) > 1 for row in report.rows for cell in row.cells.values()):
        found["pass-at-k"] = _pass_at_k(report)
    if runs and sampled:
        found["pass-at-k-by-step"] = _pass_by_step(runs)
        found["diversity"] = _diversity(runs, diversity or {})
    return found


def _runs(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return rows that are steps, by what their labels share but the number: each is a line from step to step."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.step is not None:
            found.setdefault(re.sub(r"[_\-/]?(?:step|checkpoint)?[_\-]?\d+$", "", row.label), []).append(row)
    return {stem: of for stem, of in found.items() if len(of) > 1}


def _name(runs: Mapping[str, object], stem: str, name: str) -> str:
    return name if len(runs) == 1 else f"{name}, {stem}"


def _accuracy(report: Report, runs: Mapping[str, Sequence[Row]]) -> go.Figure:
    figure = _figure("training step", "accuracy, mean of n samples (%)")
    for run, (stem, rows) in enumerate(runs.items()):
        dash = DASHES[run % len(DASHES)]
        for number, name in enumerate(report.benchmarks):
            values = [(row.step, row.score(name)) for row in rows]
            colour = COLOURS[(number if len(report.benchmarks) > 1 else run) % len(COLOURS)]
            _line(figure, _name(runs, stem, name), values, colour, dash=dash)
        if len(report.benchmarks) > 1:
            values = [(row.step, report.average(row)) for row in rows]
            _line(figure, _name(runs, stem, "average"), values, "#000000", width=3, dash=dash)
    return figure


def _pass_at_k(report: Report) -> go.Figure:
    figure = _figure("k, samples of a problem", "pass@k, mean over benchmarks (%)")
    known = sorted({k for row in report.rows for cell in row.cells.values() for k in cell.ks})
    figure.update_xaxes(type="log", tickvals=[k for k in known if k & (k - 1) == 0 or k == known[-1]])
    chosen = [row for row in report.rows if len(row.cells) == len(report.benchmarks)]
    ends = chosen if len(chosen) <= 4 else [chosen[i * (len(chosen) - 1) // 3] for i in range(4)]
    for number, row in enumerate(ends):
        ks = sorted(set.intersection(*(set(cell.ks) for cell in row.cells.values())))
        values = [(k, report.average(row, f"pass@{k}") or row.score(report.benchmarks[0], f"pass@{k}")) for k in ks]
        _line(figure, row.label, values, COLOURS[number % len(COLOURS)])
    return figure


def _pass_by_step(runs: Mapping[str, Sequence[Row]]) -> go.Figure:
    figure = _figure("training step", "pass@k, mean over benchmarks (%)")
    for stem, rows in runs.items():
        known = [(row.step, sampled_pass(row)) for row in rows]
        ks = sorted(set.union(*(set(found) for _, found in known)))
        powers = [k for k in ks if k & (k - 1) == 0 or k == ks[-1]]
        for number, k in enumerate(powers):
            values = [(step, found.get(k)) for step, found in known]
            _plain(figure, _name(runs, stem, f"pass@{k}"), values, COLOURS[number % len(COLOURS)], scale=100)
    return figure


def _diversity(runs: Mapping[str, Sequence[Row]], measured: Measured) -> go.Figure:
    figure = _figure("training step", "mean similarity of the n samples" if measured else "")
    for number, (stem, rows) in enumerate(runs.items()):
        for name, shown, axis, at in (
            ("similarity", "mean similarity", "y", 0),
            ("vendi_score", "Vendi score", "y2", 1),
        ):
            values = [(row.step, measured.get(row.label, {}).get(name)) for row in rows]
            colour = COLOURS[(3 * number + at) % len(COLOURS)]
            _line(figure, _name(runs, stem, shown), values, colour, scale=1, axis=axis)
        counts = [(row.step, distinct_answers(row)) for row in rows]
        colour = COLOURS[(3 * number + 2) % len(COLOURS)]
        _plain(figure, _name(runs, stem, "distinct answers"), counts, colour, scale=1, axis="y2")
    what = "of n samples: distinct answers" + (", Vendi score" if measured else "")
    right = {"title": {"text": what}, "overlaying": "y", "side": "right", "showgrid": False, "rangemode": "tozero"}
    right["tickmode"] = "auto"  # else its ticks follow the other axis, at odd numbers
    figure.update_layout(yaxis2=right, yaxis={"visible": bool(measured)})
    return figure


def _figure(across: str, up: str) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
        xaxis_title=across,
        yaxis_title=up,
        legend={"orientation": "h", "y": 1.1},
        font={"family": "system-ui, sans-serif", "size": 14},
        margin={"l": 70, "r": 70, "t": 40, "b": 60},
    )
    return figure


def _line(
    figure: go.Figure,
    name: str,
    values: Sequence[tuple[int | None, Score | None]],
    colour: str,
    *,
    scale: float = 100,
    width: int = 2,
    axis: str = "y",
    dash: str = "solid",
) -> None:
    """Draw means with their 95 % intervals; one whose error is not known has no bar."""
    known = [(at, score) for at, score in values if score is not None]
    if not known:
        return
    bars = [(0.0, 0.0) if math.isnan(s.error) else (s.high - s.value, s.value - s.low) for _, s in known]
    trace = _trace(figure, name, [(at, s.value) for at, s in known], colour, scale, axis)
    up, down = ([scale * side for side in sides] for sides in zip(*bars, strict=True))
    trace.error_y = {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1}
    trace.line.update(width=width, dash=dash)


def _plain(
    figure: go.Figure,
    name: str,
    values: Sequence[tuple[int | None, float | None]],
    colour: str,
    *,
    scale: float,
    axis: str = "y",
) -> None:
    known = [(at, value) for at, value in values if value is not None]
    if known:
        _trace(figure, name, known, colour, scale, axis)


def _trace(
    figure: go.Figure, name: str, values: Sequence[tuple[int | None, float]], colour: str, scale: float, axis: str
) -> Any:
    """Add a line; Plotly reads a part of HTML in names, so theirs is escaped."""
    import plotly.graph_objects as go

    shown = html.escape(visible(name, one_line=True), quote=False)
    line = {"color": colour, "width": 2}
    x, y = [at for at, _ in values], [scale * value for _, value in values]
    figure.add_trace(go.Scatter(x=x, y=y, name=shown, mode="lines+markers", line=line, yaxis=axis))
    return figure.data[-1]
