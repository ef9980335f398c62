"""The Groups page: the groups of a step, and one group in full.

The page is one element: a click asks the server once, and the answer is the HTML of what changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import groups_answers
from dra_app.pages.group_client import katex, script, style
from dra_app.pages.group_serve import served

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <div class="dra-bar" role="toolbar" aria-label="step">
    <button type="button" data-by="-1" aria-label="previous step" title="previous step (left arrow)">◀</button>
    <input type="range" data-slider min="0" max="0" value="0" aria-label="step">
    <button type="button" data-by="1" aria-label="next step" title="next step (right arrow)">▶</button>
    <span>step <b data-step>&ndash;</b></span>
    <button type="button" data-play aria-label="play the steps" title="play the steps (p)">▶▶</button>
    <span class="dra-seg" role="group" aria-label="which groups">
      <button type="button" data-mode="train" aria-pressed="true">training</button>
      <button type="button" data-mode="eval" aria-pressed="false">evaluation</button>
      <button type="button" data-mode="discarded" aria-pressed="false">discarded</button>
    </span>
    <details class="dra-help"><summary title="keys (?)" aria-label="keys">?</summary><div><dl>
      <dt><kbd>j</kbd> <kbd>k</kbd> or <kbd>↓</kbd> <kbd>↑</kbd></dt><dd>next, previous group of the table</dd>
      <dt><kbd>→</kbd> <kbd>←</kbd> or <kbd>l</kbd> <kbd>h</kbd></dt><dd>next, previous step</dd>
      <dt><kbd>p</kbd></dt><dd>play, pause</dd>
      <dt><kbd>Esc</kbd></dt><dd>close the comparison</dd>
      <dt><kbd>?</kbd></dt><dd>this help</dd>
    </dl></div></details>
  </div>
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div class="dra-columns" data-part="page">
    <div class="dra-side">
      <div data-part="chips"><p class="dra-empty">Loading …</p></div><div data-part="measure"></div>
      <div data-part="histogram"></div><div data-part="table"></div>
    </div>
    <main><div data-part="group"></div><div data-part="pair"></div><div data-part="cards"></div></main>
  </div>
  <div class="dra-tip" data-part="tip" hidden></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def groups_show(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, groups_answers.show, params, alone=True)

    def groups_steps(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, groups_answers.recorded_steps, params, alone=True)

    def groups_text(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, groups_answers.text_of, params, alone=True)

    def groups_compare(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, groups_answers.compare, params, alone=True)

    gr.HTML(
        f"<style>{style()}</style>{SHELL}",
        js_on_load=script("groups", "enter"),
        server_functions=[groups_show, groups_steps, groups_text, groups_compare],
        apply_default_css=False,
        elem_id="dra-groups",
        **katex(),
    )
