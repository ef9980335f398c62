"""The What-if page: what every advantage would have been under other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import what_if_answers
from dra_app.pages.group_client import katex, script
from dra_app.pages.group_serve import served
from dra_app.pages.groups_answers import recorded_steps

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = f"""
<div class="dra" data-robust="{what_if_answers.preset("robust")}">
  <div class="dra-bar" role="toolbar" aria-label="step and group">
    <button type="button" data-by="-1" aria-label="previous step" title="previous step (left arrow)">◀</button>
    <input type="range" data-slider min="0" max="0" value="0" aria-label="step">
    <button type="button" data-by="1" aria-label="next step" title="next step (right arrow)">▶</button>
    <span>step <b data-step>&ndash;</b></span>
    <button type="button" data-group-by="-1" aria-label="previous group" title="previous group (k)">▲</button>
    <span>group <b data-group>&ndash;</b></span>
    <button type="button" data-group-by="1" aria-label="next group" title="next group (j)">▼</button>
    <nav class="dra-links"><a data-page="groups" href="#">read this group</a></nav>
  </div>
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div class="dra-columns narrow">
    <aside class="dra-side">
      <div data-part="form"><p class="dra-empty">Loading …</p></div><div data-part="lines"></div>
    </aside>
    <main><div data-part="group"></div><div data-part="all-step"></div><div data-part="all-run"></div>
      <div data-part="figures"></div></main>
  </div>
  <div class="dra-tip" data-part="tip" hidden></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def what_if_group(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, what_if_answers.show_group, params, alone=True)

    def what_if_steps(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, recorded_steps, params, alone=True)

    def what_if_one_step(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, what_if_answers.show_step, params, alone=True)

    def what_if_run(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, what_if_answers.show_run, params, alone=True)

    gr.HTML(
        SHELL,
        js_on_load=script("what_if", "enter"),
        server_functions=[what_if_group, what_if_steps, what_if_one_step, what_if_run],
        apply_default_css=False,
        elem_id="dra-what-if",
        **katex(),
    )
