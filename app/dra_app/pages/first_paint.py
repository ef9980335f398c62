"""What the reader sees before Gradio has started in the browser: the Overview as it will be, drawn by the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dra_app import palette, state
from dra_app.data.curves import is_read
from dra_app.data.run_lines import MOST_RUNS
from dra_app.figures.preview import preview
from dra_app.figures.svg import escaped
from dra_app.pages import overview_answers
from dra_app.pages.group_client import style as pages_style
from dra_toolkit.errors import DRAError

if TYPE_CHECKING:
    from dra_app.context import Context

_CLIENT = Path(__file__).parent.parent / "client"
_DARK = (
    '<script>(()=>{const asked=new URLSearchParams(location.search).get("__theme");const first=document.getElementById('
    '"dra-first");if(asked?asked==="dark":matchMedia("(prefers-color-scheme: dark)").matches)first.classList.add("dark")'
    "})()</script>"
)
_CANVAS = re.compile(r'(data-figure="([\w-]+)".*?<div class="dra-canvas" data-plot>)', re.DOTALL)


def style() -> str:
    """Return the style sheet of all pages, for the head of the page."""
    return palette.style() + pages_style() + (_CLIENT / "shell.css").read_text(encoding="utf-8")


def first_paint(context: Context, query: Mapping[str, str]) -> str:
    """Return the Overview of the run in the address; nothing for another page, or where there is none to show."""
    if query.get("page", "overview") != "overview" or not query.get("run"):
        return ""
    try:
        run = context.run(query["run"])
        answer = overview_answers.show(run, {"smooth": query.get("smooth")})
        is_known = all(is_read(context.run(run_id)) for run_id in context.run_ids()[:MOST_RUNS])
        runs = overview_answers.runs(context, {"run": run.name})["parts"]["runs"] if is_known else ""
        parts = [overview_answers.known_notes(run), answer["parts"]["facts"], runs]
    except DRAError:
        return ""  # told by the page itself
    shown = {key: preview(figure) for key, figure in answer["figures"].items()}
    figures = _CANVAS.sub(lambda found: found[1] + shown.get(found[2], ""), answer["parts"]["figures"])
    links = "".join(
        f"<a{' aria-current=page' if name == 'overview' else ''}>{said}</a>" for name, said in state.PAGES.items()
    )
    return (
        f'<div id="dra-first" class="dra" aria-hidden="true"><header class="dra-top"><b class="dra-brand">DRA<span> Toolkit'
        f'</span></b><span class="dra-run"><select><option>{escaped(run.name)}</option></select></span>'
        f'<nav class="dra-nav">{links}</nav></header>{"".join(parts)}<div class="dra-plot-bar">&nbsp;</div>'
        f'<div class="dra-plots">{palette.themed(figures)}</div></div>{_DARK}'
    )
