"""The Evaluate page: step by benchmark, the curves, and two of the rows compared on the same problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import evaluate_answers
from dra_app.pages.group_client import script
from dra_app.pages.group_serve import served
from dra_app.pages.plot_frames import plotly_address

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div data-part="table"><p class="dra-empty">Loading …</p></div>
  <div class="dra-plots dra-wide" data-part="figures"></div>
  <div data-part="pair"></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def evaluate_show(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, evaluate_answers.show, params)

    def evaluate_pair(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, evaluate_answers.pair, params)

    def evaluate_csv(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, evaluate_answers.csv, params)

    gr.HTML(
        SHELL,
        js_on_load=script("plots", "evaluate", "enter"),
        server_functions=[evaluate_show, evaluate_pair, evaluate_csv],
        apply_default_css=False,
        elem_id="dra-evaluate",
        plotly_js=plotly_address(),
    )
