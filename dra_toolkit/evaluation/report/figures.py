"""Curves of a report with Matplotlib: accuracy by step, pass@k by k and by step, diversity of the samples by step."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.evaluation.report.about import about
from dra_toolkit.evaluation.report.answers import Measured, distinct_answers, sampled_pass
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart with any colour vision, on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#7f7f7f")
LOOKS: tuple[dict[str, Any], ...] = tuple({"linestyle": d, "marker": m} for m in "os^D" for d in ("-", "--", ":", "-."))
KINDS = ("png", "pdf", "svg")
STYLE = {"linewidth": 1.8, "markersize": 4, "capsize": 2, "elinewidth": 1}
MOST_ROWS = 4
Values = Sequence[tuple[int | None, Score | float | None]]


def figures(report: Report, diversity: Measured | None = None) -> dict[str, Figure]:
    """Return the figures that a report has data for, by name.

    diversity: similarity and Vendi score of the samples by label, where they were measured.
    """
    runs = _runs(report.rows)
    found: dict[str, Figure] = {}
    if runs:
        found["accuracy"] = _accuracy(report, runs)
    if any(len(cell.ks) > 1 for row in report.rows for cell in row.cells.values()):
        found["pass-at-k"] = _pass_at_k(report)
    if runs and any(sampled_pass(row) for row in report.rows):
        found["pass-at-k-by-step"] = _pass_by_step(report, runs)
        found["diversity"] = _diversity(report, runs, diversity or {})
    return found


def drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file of one of `KINDS`."""
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _runs(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return rows that are steps by their experiment: each is a line from step to step."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.step is not None:
            found.setdefault(row.experiment, []).append(row)
    return {name: of for name, of in found.items() if len(of) > 1}


def _name(runs: Mapping[str, object], stem: str, name: str) -> str:
    return name if len(runs) == 1 else f"{name}, {stem}"


def _accuracy(report: Report, runs: Mapping[str, Sequence[Row]]) -> Figure:
    figure, axes = _figure(report, "accuracy by step", "training step", "accuracy, mean of n samples (%)")
    several = len(report.benchmarks) > 1
    for run, (stem, rows) in enumerate(runs.items()):
        style = LOOKS[run % len(LOOKS)]
        for number, name in enumerate(report.benchmarks):
            values = [(row.step, row.score(name)) for row in rows]
            shift = number - len(report.benchmarks) / 2
            _line(axes, _name(runs, stem, name), values, number if several else run, shift=shift, **style)
        if several:
            values = [(row.step, report.average(row)) for row in rows]
            _line(axes, _name(runs, stem, "average"), values, color="black", linewidth=3, **style)
    for step in {choice.step for choice in report.choices}:
        axes.axvline(step, color="#999999", linewidth=1, zorder=0)
        rules = [f"{each.experiment} {each.rule}".split(",")[0].strip() for each in report.choices if each.step == step]
        words = _plain("\n".join(line for rule in rules for line in textwrap.wrap(rule, 60)))
        side = "left" if step < np.mean(axes.get_xlim()) else "right"
        style = {"rotation": 90, "ha": side, "ma": "left", "va": "bottom", "fontsize": 8, "clip_on": True}
        axes.text(step, 0.01, words, transform=axes.get_xaxis_transform(), in_layout=False, **style)
    return _labelled(figure, axes)


def _pass_at_k(report: Report) -> Figure:
    whole = [row for row in report.rows if len(row.cells) == len(report.benchmarks)]
    chosen = {choice.label for choice in report.choices}
    spread = whole if len(whole) <= MOST_ROWS else [whole[i * (len(whole) - 1) // 3] for i in range(MOST_ROWS)]
    rows = [row for row in whole if row in spread or row.label in chosen]
    some = f", {len(rows)} of {len(report.rows)} rows" if len(rows) < len(report.rows) else ""
    figure, axes = _figure(report, f"pass@k{some}", "k, samples of a problem", "pass@k, mean over benchmarks (%)")
    axes.set_xscale("log", base=2)
    for number, row in enumerate(rows):
        ks = sorted(set.intersection(*(set(cell.ks) for cell in row.cells.values())))
        values = [(k, report.average(row, f"pass@{k}") or row.score(report.benchmarks[0], f"pass@{k}")) for k in ks]
        _line(axes, row.label, values, number)
    return _labelled(figure, axes)


def _pass_by_step(report: Report, runs: Mapping[str, Sequence[Row]]) -> Figure:
    figure, axes = _figure(report, "pass@k by step", "training step", "pass@k, mean over benchmarks (%)")
    for look, (stem, rows) in zip(cycle(LOOKS), runs.items(), strict=False):
        known = [(row.step, sampled_pass(row)) for row in rows]
        ks = sorted(set.union(*(set(found) for _, found in known)))
        for number, k in enumerate(k for k in ks if k & (k - 1) == 0 or k == ks[-1]):
            _line(axes, _name(runs, stem, f"pass@{k}"), [(step, found.get(k)) for step, found in known], number, **look)
    return _labelled(figure, axes)


def _diversity(report: Report, runs: Mapping[str, Sequence[Row]], measured: Measured) -> Figure:
    what = "of n samples: distinct answers" + (", Vendi score" if measured else "")
    figure, axes = _figure(report, "diversity of the samples", "training step", what)
    other = axes.twinx() if measured else axes
    for number, (stem, rows) in enumerate(runs.items()):
        vendi, similarity = (
            [(row.step, measured.get(row.label, {}).get(name)) for row in rows]
            for name in ("vendi_score", "similarity")
        )
        counts = [(row.step, distinct_answers(row)) for row in rows]
        look = {"scale": 1, **LOOKS[number % len(LOOKS)]}
        _line(axes, _name(runs, stem, "distinct answers"), counts, 0, **look)
        _line(axes, _name(runs, stem, "Vendi score"), vendi, 1, **look)
        _line(other, _name(runs, stem, "mean similarity"), similarity, 2, **look)
    if measured:
        other.set_ylabel("mean similarity of the n samples")
        other.legend(loc="lower right", fontsize=9)
    return _labelled(figure, axes)


def _figure(report: Report, what: str, across: str, up: str) -> tuple[Figure, Axes]:
    """Return an empty figure with its title above and what it is about below."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.hashsalt"] = matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    axes = figure.add_subplot(xlabel=across, ylabel=up)
    axes.set_title(_plain("\n".join(textwrap.wrap(f"{report.where}: {what}", 100))), fontsize=11, loc="left")
    lines = [*about(report).items(), *(("note", note) for note in report.notes)]
    told = "\n".join(line for name, text in lines for line in textwrap.wrap(f"{name}: {text}", 150))
    figure.supxlabel(_plain(told), fontsize=6, ha="left", x=0.02)
    return figure, axes


def _labelled(figure: Figure, axes: Axes) -> Figure:
    if axes.lines:
        axes.legend(fontsize=9)
    axes.grid(alpha=0.3)
    return figure


def _line(
    axes: Axes, name: str, values: Values, number: int = 0, *, scale: float = 100, shift: float = 0.0, **style: Any
) -> None:
    """Draw values, means with ± one standard error as in the tables; shift: points to the side, so that bars stay apart."""
    known = [(at, value) for at, value in values if at is not None and value is not None]
    if not known:
        return
    steps = [step for step, _ in known]
    at = [step + 0.004 * shift * (max(steps) - min(steps)) for step in steps]
    scores = [(value.value, value.error) if isinstance(value, Score) else (value, 0.0) for _, value in known]
    means, errors = scale * np.transpose(scores)
    style = {"color": COLOURS[number % len(COLOURS)], **STYLE, **style}
    axes.errorbar(at, means, yerr=np.nan_to_num(errors), label=_plain(name), **style)


def _plain(text: str) -> str:
    """Return a text with no control characters, in which a dollar is one, and a letter that the font lacks its number."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    lines = (visible(line, one_line=True) for line in text.replace("$", r"\$").split("\n"))
    return "\n".join("".join(c if font.get_char_index(ord(c)) else f"[U+{ord(c):04X}]" for c in line) for line in lines)
