"""The bar on top of every page: which run, which page, whether it follows the run, light or dark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dra_app import state
from dra_app.figures.svg import escaped
from dra_app.pages.group_client import script
from dra_toolkit.errors import DRAError

if TYPE_CHECKING:
    from dra_app.context import Context

SHELL = """
<div class="dra">
  <header class="dra-top">
    <b class="dra-brand">DRA<span> Toolkit</span></b>
    <label class="dra-run"><span class="dra-hidden">run</span><select data-run aria-label="run"></select></label>
    <span class="dra-state" data-state hidden></span>
    <nav class="dra-nav" aria-label="pages">{links}</nav>
    <span class="dra-tools">
      <button type="button" data-live aria-pressed="true" title="follow the run while it is written">live</button>
      <button type="button" data-theme title="light or dark" aria-label="light or dark">◐</button>
    </span>
  </header>
  <div class="dra-message" data-part="message" role="alert" hidden></div>
  <div class="dra-welcome" data-part="welcome" hidden></div>
</div>
"""


def build(context: Context) -> None:
    """Make the bar and what it asks of the server."""
    import gradio as gr

    def shell_look(params: dict[str, Any]) -> dict[str, Any]:
        return look(context, params)

    links = "".join(f'<a href="?page={name}" data-page="{name}">{said}</a>' for name, said in state.PAGES.items())
    gr.HTML(
        SHELL.replace("{links}", links),
        js_on_load=script("shell"),
        server_functions=[shell_look],
        apply_default_css=False,
        elem_id="dra-shell",
        address_keys=json.dumps({"always": state.ALWAYS, "place": state.PLACE, "own": state.OWN}),
    )


def look(context: Context, params: Any) -> dict[str, Any]:
    """Return what the bar shows: the runs, the state of the one shown, and a stamp that tells whether it was written to."""
    ids = context.run_ids()
    answer: dict[str, Any] = {"runs": ids, "welcome": "" if ids else welcome(context)}
    run_id = str(params.get("run") or "") if isinstance(params, dict) else ""
    if not ids or not run_id:
        return answer
    try:
        run = context.run(run_id)
        answer["state"] = str(run.directory.status()["state"])[:20]
        answer["stamp"] = f"{context.stamp(run_id)} {answer['state']}"
    except DRAError as error:
        answer["gone"] = "; ".join(error.problems)
    return answer


def welcome(context: Context) -> str:
    """Return what an empty root shows: how to get a first run."""
    return (
        f"<h3>No runs yet</h3><p>This page looks for runs in <code>{escaped(context.root)}</code>, and goes on by itself "
        "when one appears.</p><dl><dt>Train a small model on this machine</dt><dd><code>dra train recipes/quickstart.yaml"
        "</code></dd><dt>Look around first, with a small recorded run</dt><dd><code>dra app --demo</code></dd>"
        "<dt>Show runs that lie elsewhere</dt><dd><code>dra app FOLDER</code></dd></dl>"
    )
