"""A run as HTML for notebooks: what it is, and its curves."""

from __future__ import annotations

import math

from dra_toolkit.group_measures import shown_in
from dra_toolkit.inspection.export.curves import curve
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
    for measure in shown_in("notebook"):
        values = [step[measure.name] for step in steps]
        if not all(map(math.isnan, values)):
            drawn = curve([step.step for step in steps], values)
            drawn = drawn.replace("<path ", '<path fill="none" stroke="#3465a4" stroke-width="1.5" ')
            figures.append(f'<div style="display:inline-block;width:320px;font-size:9px">{measure.label}{drawn}</div>')
    return f"{head}<p>{len(steps)} steps, {groups} groups</p>{''.join(figures)}"
