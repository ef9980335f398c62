"""What a report is about, so that it can stand alone: whose answers, to what, how they were sampled, and what ± means."""

import math
from collections.abc import Iterable, Sequence

from dra_toolkit.evaluation.report.gather import Report, Row
from dra_toolkit.evaluation.results.published import SIZES
from dra_toolkit.evaluation.statistics.best_step import Choice
from dra_toolkit.evaluation.statistics.comparison import AVERAGE, against
from dra_toolkit.evaluation.statistics.intervals import Score
from dra_toolkit.evaluation.statistics.power import measured, told
from dra_toolkit.safe_text import visible

CONVENTION = "± is one standard error by problem, in tables and figures; at 0 and 100 the end of Wilson's 95 % interval"
METRICS = {"avg": "mean accuracy of n samples", "maj": "majority vote of n samples", "judged": "accuracy by the judge"}
SHOWN = ("temperature", "top_p", "max_new_tokens", "seed", "system_prompt", "chat_template", "limit", "dtype")


def title(report: Report, metrics: Iterable[str]) -> str:
    """Return what the table shows, of what."""
    return f"{report.where}: {', '.join(METRICS.get(name, name) for name in metrics)}, per cent"


def about(report: Report) -> dict[str, str]:
    """Return what one must know to read the scores, by a word for each; what is not known is left out."""
    found = [evaluation.facts for evaluation in report.evaluations]
    cells = [cell for row in report.rows for cell in row.cells.values()]
    names = ((name, [cell for cell in cells if cell.benchmark == name]) for name in report.benchmarks)
    settings = {name: _each(cell.settings.get(name) for cell in cells) for name in SHOWN}
    days = sorted(str(facts["finished"])[:10] for facts in found if facts.get("finished"))
    versions = {name for facts in found for name in (facts.get("versions") or {})}
    lines = {
        "model": _each(facts.get("model") for facts in found if not facts.get("step")) or report.base,
        "run": _each(facts.get("run") for facts in found),
        "benchmarks": "; ".join(
            f"{name}: {_each(next(iter(cell.scores.values())).problems or None for cell in of) or 'unknown'} problems, "
            f"n = {_each(cell.n or None for cell in of) or 'unknown'}"
            f", prompts {_each(cell.hash_examples for cell in of) or 'without a hash'}"
            for name, of in names
        ),
        "sampling": ", ".join(f"{name} {value}" for name, value in settings.items() if value),
        "engine": _each(facts.get("backend") for facts in found),
        "versions": ", ".join(
            f"{name} {_each(facts.get('versions', {}).get(name) for facts in found)}" for name in sorted(versions)
        ),
        "evaluated": " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
        "error": CONVENTION,
        "step": "; ".join(choice_text(report, choice) for choice in report.choices),
    }
    return {name: visible(line, one_line=True) for name, line in lines.items() if line}


def findings(report: Report, detect: float | None = None) -> list[str]:
    """Return what the answers show: steps that differ from their base, and what difference they can show at all."""
    lines = []
    for base in (row for row in report.rows if row.step == 0):
        steps = [row for row in report.rows if row.step and row.experiment == base.experiment]
        pairs = against(list(base.cells.values()), {row.label: list(row.cells.values()) for row in steps})
        several = f", corrected for {len(pairs)} comparisons" if len(pairs) > 1 else ""
        for label, pair in pairs.items():
            what = "" if pair.benchmark == AVERAGE else f" on {pair.benchmark}"
            verdict = pair.verdict.replace("the right one", label).replace("the left one", base.label)
            lines.append(f"{label} against {base.label}{what}{several}: {verdict}")
    return [*lines, *power_of(report.rows, report.benchmarks, detect)]


def power_of(rows: Sequence[Row], names: Iterable[str], detect: float | None = None) -> list[str]:
    """Return what difference between two rows the answers can show, on some benchmarks."""
    cells = {name: [row.cells[name] for row in rows if name in row.cells] for name in names}
    spreads = []
    for name, of in cells.items():
        problems = max(next(iter(cell.scores.values())).problems for cell in of) or SIZES.get(name, 0)
        if problems:
            spreads.append(measured(name, of, problems, min((cell.n for cell in of if cell.n), default=1)))
    if not spreads:
        return ["how many problems there are is not known, so neither is what difference can be seen"]
    lines = told(spreads, detect)
    if not any(cell.correct is not None for of in cells.values() for cell in of):
        lines.append("that is with the answers by problem; scores alone, as they are here, show less")
    return lines


def choice_text(report: Report, choice: Choice) -> str:
    """Return what a rule chooses, what that step scores here, and by how much that flatters it."""
    text = f"best step {choice.step}{f' of {choice.experiment}' if choice.experiment else ''} by {choice.rule}"
    row = next((row for row in report.rows if row.label == choice.label), None)
    if row is not None:
        here = report.average(row) if len(report.benchmarks) > 1 else row.score(report.benchmarks[0])
        text += "" if here is None else f": {points(here)}"
    if choice.optimism is not None:
        text += f"; expect about {100 * max(0.0, choice.optimism):.1f} points less on other problems"
    elif choice.optimism_at_most is not None:
        most = f"{100 * choice.optimism_at_most:.1f}"
        text += f"; by luck alone the best of equal steps would look {most} points better than it is"
    return text


def points(score: Score | None) -> str:
    """Return a score in per cent with its standard error in points, the bound at 0 and 100, or a dash."""
    if score is None:
        return "-"
    if score.value == 0:
        return f"0.0 (≤{100 * score.high:.1f})"
    if score.value == 1:
        return f"100 (≥{100 * score.low:.1f})"
    return f"{100 * score.value:.1f}" + ("" if math.isnan(score.error) else f" ± {100 * score.error:.1f}")


def _each(values: Iterable[object]) -> str:
    """Return the different values there are, a few of them."""
    known = list(dict.fromkeys(str(value) for value in values if value is not None and value != ""))
    return " / ".join(known[:4]) + (" / ..." if len(known) > 4 else "")
