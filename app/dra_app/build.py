"""The dashboard as Gradio Blocks: the bar on top, and below it one block for each page, of which one is shown."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from dra_app.context import Context
from dra_app.state import PAGES

if TYPE_CHECKING:
    import gradio as gr

TITLE = "DRA Toolkit"


def build_blocks(context: Context) -> gr.Blocks:
    """Return the dashboard of the runs that a context gives."""
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        for name in ("shell", *PAGES):
            with gr.Column(elem_id=f"dra-page-{name}", elem_classes="dra-page"):
                _module(name).build(context)
    return blocks


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"dra_app.pages.{name.replace('-', '_')}")
