"""The Prompt page: the same prompt through training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import prompt_answers
from dra_app.pages.group_client import katex, script
from dra_app.pages.group_serve import served

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div data-part="prompt"><p class="dra-empty">Loading …</p></div>
  <div data-part="thumbs"></div>
  <div data-part="pairs"></div>
  <div class="dra-tip" data-part="tip" hidden></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def prompt_show(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, prompt_answers.show, params, alone=True)

    def prompt_thumbs(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, prompt_answers.thumbnails, params, alone=True)

    def prompt_pairs(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, prompt_answers.differences, params, alone=True)

    gr.HTML(
        SHELL,
        js_on_load=script("prompt", "enter"),
        server_functions=[prompt_show, prompt_thumbs, prompt_pairs],
        apply_default_css=False,
        elem_id="dra-prompt",
        **katex(),
    )
