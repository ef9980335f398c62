"""A run as HTML for notebooks: what it is, and its curves."""

from __future__ import annotations

import numpy as np

from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.group_measures import shown_in
from dra_toolkit.inspection.group_html import safe_html
from dra_toolkit.inspection.overview import look_at_steps
from dra_toolkit.runs import Run


def run_html(run: Run) -> str:
    """Return a run as HTML without script or anything fetched."""
    steps = look_at_steps(run)
    head = f"<h4>{safe_html(run.name)}: {safe_html(run.directory.status()['state'])}</h4>"
    if not steps:
        return f"{head}<p>No training groups are recorded yet.</p>"
    groups = sum(step.groups for step in steps)
    figures = []
    at = np.array([step.step for step in steps])
    for measure in shown_in("notebook"):
        values = np.array([step[measure.name] for step in steps], dtype=np.float64)
        if drawn := curves([Line(name=measure.label, steps=at, values=values, colour="#3465a4")], y_title=measure.unit):
            figures.append(f'<div style="display:inline-block;width:380px;font-size:10px">{measure.label}{drawn}</div>')
    return f"{head}<p>{len(steps)} steps, {groups} groups</p>{''.join(figures)}"
