"""The Search page: a text or an expression over all completions of a run, with filters, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dra_app.pages import search_answers
from dra_app.pages.group_client import script
from dra_app.pages.group_serve import served

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <form class="dra-bar-form" data-form role="search">
    <input type="search" name="q" placeholder="text in the completions" aria-label="text in the completions"
      autocomplete="off">
    <button class="dra-primary">Search</button>
    <label><input type="checkbox" name="regex" value="1"> regular expression</label>
    <label><input type="checkbox" name="case" value="1"> match case</label>
    <label>groups <select name="mode"><option value="">training</option><option value="eval">evaluation</option>
    <option value="discarded">discarded</option></select></label>
    <label>completions <select name="correct"><option value="">all</option><option value="1">correct</option>
    <option value="0">wrong</option></select></label>
    <label>steps <input name="steps" size="8" placeholder="all"
      title="a step, or a range such as 10..20, 10.. or ..20"></label>
    <label>groups where <input name="where" size="14" placeholder="flips &gt; 0" title="a measure, a comparison and a number,
 such as flips &gt; 0 or similarity &gt;= 0.9; several with commas"></label>
  </form>
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div data-part="hits"></div>
</div>
"""


def build(context: Context) -> None:
    """Make the page and what it asks of the server."""
    import gradio as gr

    def search_show(params: dict[str, Any]) -> dict[str, Any]:
        return served(context, search_answers.show, params)

    gr.HTML(
        SHELL,
        js_on_load=script("search", "enter"),
        server_functions=[search_show],
        apply_default_css=False,
        elem_id="dra-search",
    )
