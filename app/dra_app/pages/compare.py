"""The Compare page: two runs, their curves in the same figures, and the same prompt side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import compare_answers
from dra_app.pages.group_client import script
from dra_app.pages.plot_frames import plotly_address

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <div class="dra-bar-form">
    <span><b class="left-ink" data-left>&ndash;</b> <span class="dra-note">solid, beside</span></span>
    <label class="right-ink"><select data-other aria-label="other run"></select> <span class="dra-note">dashed</span></label>
    <label style="margin-left:auto">mean of <select data-smooth aria-label="smoothing"><option value="">some steps</option>
    <option value="1">1 step</option><option value="5">5 steps</option><option value="20">20 steps</option>
    <option value="100">100 steps</option></select></label>
  </div>
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div class="dra-plots" data-part="figures"><p class="dra-empty">Loading …</p></div>
  <div data-part="settings"></div>
  <div data-part="prompts"></div>
  <div data-part="prompt"></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def compare_show(params: dict[str, Any]) -> dict[str, Any]:
        return compare_answers.answered(context, compare_answers.show, params)

    def compare_prompts(params: dict[str, Any]) -> dict[str, Any]:
        return compare_answers.answered(context, compare_answers.prompts, params)

    def compare_prompt(params: dict[str, Any]) -> dict[str, Any]:
        return compare_answers.answered(context, compare_answers.prompt, params)

    def compare_csv(params: dict[str, Any]) -> dict[str, Any]:
        return compare_answers.answered(context, compare_answers.csv, params)

    gr.HTML(
        SHELL,
        js_on_load=script("plots", "compare", "enter"),
        server_functions=[compare_show, compare_prompts, compare_prompt, compare_csv],
        apply_default_css=False,
        elem_id="dra-compare",
        plotly_js=plotly_address(),
    )
