"""Curves of a report with Plotly: accuracy by step, pass@k by k, diversity of the samples by step."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.evaluation.outcomes import EvaluationError
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics import Score

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito's colours: told apart with any colour vision, on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7f7f7f")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, HEIGHT = 960, 540


def figures(report: Report, diversity: Mapping[str, Mapping[str, Score]] | None = None) -> dict[str, go.Figure]:
    """Return the figures that a report has data for, by name.

    diversity: label -> similarity and Vendi score of the samples, where they were measured.
    """
    steps = [row for row in report.rows if row.step is not None]
    found: dict[str, Any] = {}
    if len(steps) > 1:
        found["accuracy"] = _accuracy(report, steps)
    if any(len(cell.ks) > 1 for row in report.rows for cell in row.cells.values()):
        found["pass-at-k"] = _pass_at_k(report)
    if diversity and len(steps) > 1:
        found["diversity"] = _diversity(steps, diversity)
    return found


def _accuracy(report: Report, rows: Sequence[Row]) -> go.Figure:
    figure = _figure("training step", "accuracy, mean of n samples (%)")
    for number, name in enumerate(report.benchmarks):
        _line(figure, name, [(row.step, row.score(name)) for row in rows], COLOURS[number % len(COLOURS)])
    if len(report.benchmarks) > 1:
        _line(figure, "average", [(row.step, report.average(row)) for row in rows], "#000000", width=3)
    return figure


def _pass_at_k(report: Report) -> go.Figure:
    figure = _figure("k, samples of a problem", "pass@k, mean over benchmarks (%)")
    figure.update_xaxes(type="log")
    chosen = [row for row in report.rows if len(row.cells) == len(report.benchmarks)]
    ends = chosen if len(chosen) <= 4 else [chosen[i * (len(chosen) - 1) // 3] for i in range(4)]
    for number, row in enumerate(ends):
        ks = sorted(set.intersection(*(set(cell.ks) for cell in row.cells.values())))
        values = [(k, report.average(row, f"pass@{k}") or row.score(report.benchmarks[0], f"pass@{k}")) for k in ks]
        _line(figure, row.label, values, COLOURS[number % len(COLOURS)])
    return figure


def _diversity(rows: Sequence[Row], diversity: Mapping[str, Mapping[str, Score]]) -> go.Figure:
    figure = _figure("training step", "similarity of the n samples of a problem")
    values = [(row.step, diversity.get(row.label, {}).get("similarity")) for row in rows]
    _line(figure, "mean similarity", values, COLOURS[0], scale=1)
    vendi = [(row.step, diversity.get(row.label, {}).get("vendi_score")) for row in rows]
    _line(figure, "Vendi score (right)", vendi, COLOURS[1], scale=1, axis="y2")
    right = {"title": {"text": "Vendi score: samples that count as different"}, "overlaying": "y", "side": "right"}
    figure.update_layout(yaxis2={**right, "showgrid": False, "rangemode": "tozero"})
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
) -> None:
    import plotly.graph_objects as go

    known = [(at, score) for at, score in values if score is not None]
    if not known:
        return
    up = [scale * (score.high - score.value) for _, score in known]
    down = [scale * (score.value - score.low) for _, score in known]
    figure.add_trace(
        go.Scatter(
            x=[at for at, _ in known],
            y=[scale * score.value for _, score in known],
            error_y={"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1},
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": width},
            yaxis=axis,
        )
    )


def write_html(figure: go.Figure, path: Path) -> None:
    """Write a page that opens without a network."""
    path.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")


def write_png(figure: go.Figure, path: Path) -> None:
    """Write a picture with a browser that is installed; raises EvaluationError where there is none or it fails."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise EvaluationError(f"{path}: no picture without a browser; install chromium, or use the HTML page beside it")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        inside = figure.to_html(include_plotlyjs=True, full_html=False, config={"displayModeBar": False})
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{inside}</body>', "utf-8")
        command = [
            browser,
            "--headless=new",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to start as root otherwise
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=2",
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{HEIGHT}",
            "--virtual-time-budget=5000",
            f"--screenshot={path.absolute()}",
            page.as_uri(),
        ]
        try:
            ran = subprocess.run(command, capture_output=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EvaluationError(f"{path}: {browser} did not draw the picture ({error})") from None
    if ran.returncode or not path.is_file():
        raise EvaluationError(f"{path}: {browser} did not draw the picture (status {ran.returncode})")
