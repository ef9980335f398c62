"""The Evaluate page as HTML. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from dra_toolkit.drawing.svg import escaped
from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.statistics.best_step import Choice
from dra_toolkit.evaluation.statistics.comparison import Paired
from dra_toolkit.evaluation.statistics.scores import Score
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

NOTHING = "&ndash;"


def nothing_part(run: Run) -> str:
    """Return what to do where nothing is evaluated."""
    return (
        f'<div class="dra-empty">Nothing of <b>{escaped(run.name)}</b> is evaluated yet.<br>'
        f"<code>dra eval {escaped(run.name)} --all-steps</code> evaluates its checkpoints on benchmarks; the scores appear "
        "here by themselves.</div>"
    )


def table_part(report: Report, metric: str, metrics: Sequence[str]) -> str:
    """Return the scores, a row for each model or step, a column for each benchmark."""
    several = len(report.benchmarks) > 1
    names = [*report.benchmarks, *(["average"] if several else [])]
    heads = "".join(f'<th scope="col">{escaped(name)}</th>' for name in names)
    body = "".join(_row(report, row, metric, several) for row in report.rows)
    options = "".join(
        f'<option value="{escaped(name)}"{" selected" if name == metric else ""}>{escaped(name)}</option>'
        for name in metrics
    )
    problems = "".join(f"<li>{escaped(visible(problem, one_line=True))}</li>" for problem in report.problems[:5])
    damaged = f'<div class="dra-message" role="status"><ul>{problems}</ul></div>' if problems else ""
    return (
        f'<section><div class="dra-plot-bar"><h4>Scores</h4><label>score <select data-metric aria-label="score">{options}'
        f'</select></label></div>{damaged}<div class="dra-scroll short"><table class="dra-plain"><thead><tr>'
        f'<th scope="col">model or step</th>{heads}<th scope="col">samples</th></tr></thead><tbody>{body}</tbody></table>'
        f'</div><p class="dra-note">in % of the problems, ± standard error by problem; the 95 % interval on hover</p>'
        f"{''.join(map(_choice, report.choices))}{_notes(report)}</section>"
    )


def _row(report: Report, row: Row, metric: str, several: bool) -> str:
    cells = [row.score(name, metric) for name in report.benchmarks]
    if several:
        cells.append(report.average(row, metric))
    counts = sorted({cell.n for cell in row.cells.values()})
    samples = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else NOTHING
    return (
        f'<tr><th scope="row">{escaped(visible(row.label, one_line=True))}</th>{"".join(map(_cell, cells))}'
        f"<td>{samples}</td></tr>"
    )


def _cell(score: Score | None) -> str:
    if score is None:
        return f"<td>{NOTHING}</td>"
    error = "" if score.error != score.error else f" <small>± {100 * score.error:.1f}</small>"
    said = f"95 %: {100 * score.low:.1f} to {100 * score.high:.1f}, {score.problems} problems"
    return f'<td title="{said}">{100 * score.value:.1f}{error}</td>'


def _choice(choice: Choice) -> str:
    optimism = ""
    if choice.optimism is not None:
        optimism = f"; fresh problems would score about {100 * max(0.0, choice.optimism):.1f} points lower"
    elif choice.optimism_at_most is not None:
        optimism = (
            f"; by luck alone the best of equal steps would look {100 * choice.optimism_at_most:.1f} points better"
        )
    of = f" of {escaped(choice.experiment)}" if choice.experiment else ""
    found = f"<b>step {choice.step}{of}</b> ({choice.value:.3f}{optimism})"
    return f'<p class="dra-note">Best step by {escaped(choice.rule)}: {found}</p>'


def _notes(report: Report) -> str:
    """Return what limits the comparison of the rows, and whether any step was chosen without looking at the benchmarks."""
    notes = [*report.notes]
    if report.choices and not any(choice.honest for choice in report.choices):
        notes.append("no rule that leaves these benchmarks out: training rewards are not known")
    return "".join(f'<p class="dra-note">{escaped(visible(note, one_line=True))}</p>' for note in notes)


def pair_part(labels: Sequence[str], left: str, right: str, found: Sequence[Paired], problem: str) -> str:
    """Return two rows compared, right minus left, with the finding in words."""
    body = "".join(map(_pair_row, found))
    table = (
        '<div class="dra-scroll short"><table class="dra-plain"><thead><tr><th>benchmark</th><th class="left-ink">left</th>'
        '<th class="right-ink">right</th><th>difference</th><th>95 %</th><th>problems</th><th class="text">finding</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
        if found
        else f'<p class="dra-empty">{escaped(visible(problem, one_line=True))}</p>'
    )
    return (
        '<section><div class="dra-bar-form"><h4>Compared on the same problems</h4>'
        f'<label class="left-ink">left {_select("left", labels, left)}</label>'
        f'<label class="right-ink">right {_select("right", labels, right)}</label></div>{table}'
        '<p class="dra-note">right minus left in points; the 95 % interval is that of a t test over problems</p></section>'
    )


def _pair_row(pair: Paired) -> str:
    return (
        f'<tr><th scope="row">{escaped(pair.benchmark)}</th>'
        f"<td>{100 * pair.left:.1f}</td><td>{100 * pair.right:.1f}</td>"
        f"<td><b>{100 * pair.difference:+.1f}</b></td><td>{100 * pair.low:+.1f} to {100 * pair.high:+.1f}</td>"
        f'<td>{pair.problems}</td><td class="text">{escaped(pair.verdict)}</td></tr>'
    )


def _select(name: str, labels: Sequence[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{escaped(label)}"{" selected" if label == chosen else ""}>{escaped(label)}</option>'
        for label in labels
    )
    return f'<select data-pick="{name}" aria-label="{name}">{options}</select>'
