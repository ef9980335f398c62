"""The Overview page: whether the run is well, its curves, and the runs beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import overview_answers
from dra_app.pages.group_client import script
from dra_app.pages.group_serve import served
from dra_app.pages.plot_frames import plotly_address

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div data-part="notes"></div>
  <div data-part="facts"><p class="dra-empty">Loading …</p></div>
  <div data-part="runs"></div>
  <div class="dra-plot-bar" data-part="bar" hidden>
    <span class="dra-note">a click on a point opens the groups of its step</span>
    <label>mean of <select data-smooth aria-label="smoothing"><option value="">some steps</option>
      <option value="1">1 step</option><option value="5">5 steps</option><option value="20">20 steps</option>
      <option value="100">100 steps</option></select></label>
  </div>
  <div class="dra-plots" data-part="figures"></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def overview_show(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, overview_answers.show, params)

    def overview_functions(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, overview_answers.functions, params)

    def overview_health(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, overview_answers.health, params)

    def overview_csv(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, overview_answers.csv, params)

    def overview_runs(params: dict[str, Any]) -> dict[str, Any]:
        return overview_answers.runs(context, params)

    gr.HTML(
        SHELL,
        js_on_load=script("plots", "overview", "enter"),
        server_functions=[overview_show, overview_functions, overview_health, overview_csv, overview_runs],
        apply_default_css=False,
        elem_id="dra-overview",
        plotly_js=plotly_address(),
    )
