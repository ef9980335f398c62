"""A group and a run as HTML, for notebooks and reports; the numbers are those of the terminal too.

Model text enters only through `safe_html`.
"""

from collections.abc import Iterable, Iterator
from html import escape

from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.drawing.similarity_map import similarity_map
from dra_toolkit.group_measures import GroupMeasure, is_measured, shown_in
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.group_numbers import answers_told, by_advantage, number_heads, number_rows, place_of, signed
from dra_toolkit.inspection.overview import Curves, step_curves
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

CHARACTERS = 20_000
"""Of a text at most; the rest is counted."""


def group_html(record: GroupRecord) -> str:
    """Return a group as HTML without script, style sheet or anything fetched: numbers, similarity, texts."""
    return "".join(_parts(record))


def _parts(record: GroupRecord) -> Iterator[str]:
    yield f"<h3>{place_of(record)}</h3>\n"
    if record.discard_reason:
        yield f"<p>discarded: {safe_html(record.discard_reason)}</p>\n"
    for message in record.group.prompt:
        yield f"<p>{safe_html(message.role)}</p><pre>{_cut(str(message))}</pre>\n"
    if record.group.gold is not None:
        yield f"<p>gold</p><pre>{_cut(record.group.gold)}</pre>\n"
    lines = ["".join(f"<th>{safe_html(head)}</th>" for head in number_heads(record))]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in number_rows(record, _advantage, safe_html)]
    yield f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>\n<p>{answers_told(record)}</p>\n"
    if is_measured(record):
        drawn = similarity_map(record.adjustment.similarity)
        yield f'<details><summary>Similarity</summary><div style="max-width:24rem;font-size:10px">{drawn}</div></details>\n'
    for i in by_advantage(record):
        yield (
            f"<details open><summary>#{i}, advantage {_advantage(record.advantages[i])}</summary>"
            f"<pre>{_cut(record.group.shown(i))}</pre></details>\n"
        )


def _advantage(value: float) -> str:
    return f'<span class="{"up" if value > 0 else "down" if value < 0 else ""}">{signed(value)}</span>'


def _cut(text: str) -> str:
    left = len(text) - CHARACTERS
    return safe_html(text[:CHARACTERS]) + (f"\n… {left:,} more characters" if left > 0 else "")


def safe_html(text: object) -> str:
    """Return text that no browser takes for anything else: escaped, and what shows nothing or turns the line spelt out."""
    return escape(visible(str(text)))


def run_html(run: Run) -> str:
    """Return a run as HTML without script or anything fetched."""
    steps = step_curves(run)
    head = f"<h4>{safe_html(run.name)}: {safe_html(run.directory.status()['state'])}</h4>"
    if not len(steps["step"]):
        return f"{head}<p>No training groups are recorded yet.</p>"
    style = "display:inline-block;width:380px;font-size:10px"
    drawn = (f'<div style="{style}">{label}{figure}</div>' for label, figure in figures(steps, shown_in("notebook")))
    return f"{head}<p>{len(steps['step'])} steps</p>{''.join(drawn)}"


def figures(steps: Curves, measures: Iterable[GroupMeasure]) -> Iterator[tuple[str, str]]:
    """Yield the name and the curve, as SVG, of each measure that is known at some step."""
    for m in measures:
        line = Line(name=m.label, steps=steps["step"], values=steps[m.name], colour="#3465a4")
        if drawn := curves([line], y_title=m.unit, percent=m.percent, zero=m.from_zero):
            yield m.label, drawn
