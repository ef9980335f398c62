"""A run as HTML for notebooks: what it is, and its curves."""

from __future__ import annotations

import math

from dra_toolkit.inspection.export.curves import curve
from dra_toolkit.inspection.group_html import safe_html
from dra_toolkit.inspection.overview import look_at_steps
from dra_toolkit.runs import Run

SHOWN = {
    "reward": "reward, raw",
    "adjusted": "reward, adjusted",
    "similarity": "similarity",
    "distinct_answers": "distinct answers",
}
"""Measure -> what its curve is called."""


def run_html(run: Run) -> str:
    """Return a run as HTML without script or anything fetched."""
    steps = look_at_steps(run)
    head = f"<h4>{safe_html(run.name)}: {safe_html(run.directory.status()['state'])}</h4>"
    if not steps:
        return f"{head}<p>No training groups are recorded yet.</p>"
    groups = sum(step.groups for step in steps)
    figures = []
    for measure, label in SHOWN.items():
        values = [step.means[measure] for step in steps]
        if not all(map(math.isnan, values)):
            drawn = curve([step.step for step in steps], values)
            drawn = drawn.replace("<path ", '<path fill="none" stroke="#3465a4" stroke-width="1.5" ')
            figures.append(f'<div style="display:inline-block;width:320px;font-size:9px">{label}{drawn}</div>')
    return f"{head}<p>{len(steps)} steps, {groups} groups</p>{''.join(figures)}"
