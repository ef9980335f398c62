"""Pages of one's own: plain Gradio in a file, mounted beside the dashboard under `own/NAME/`.

docs/dashboard.md has an example. The file is the user's own and runs as such: it is read once, when the dashboard is started
with it, and never from a run.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_app.mounting import mount
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    import fastapi

    from dra_app.context import Context

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")


@dataclass(frozen=True, kw_only=True)
class OwnPage:
    """A page of the user's."""

    name: str
    """In the address."""
    title: str
    build: Callable[[Context], Any]
    """Makes the page, within Gradio's Blocks."""


def own_page(path: Path) -> OwnPage:
    """Return the page that a file holds; raises RunError for one that is none."""
    name = path.stem.lower()
    if not path.is_file() or path.suffix != ".py":
        raise RunError(f"--page: found {str(path)!r}, expected a Python file with a function build(context)")
    if not _NAME.fullmatch(name):
        raise RunError(f"--page: found the name {name!r}, expected letters, digits, - and _, a letter first")
    spec = importlib.util.spec_from_file_location(f"dra_own_{name.replace('-', '_')}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise RunError(f"--page: {path}: cannot be imported ({type(error).__name__}: {first_line(error)})") from None
    build = getattr(module, "build", None)
    if not callable(build):
        raise RunError(f"--page: {path}: has no function build(context)")
    return OwnPage(name=name, title=str(getattr(module, "TITLE", name))[:40], build=build)


def mount_own(app: fastapi.FastAPI, page: OwnPage, context: Context, theme: str | None = None) -> fastapi.FastAPI:
    """Return the application with the page under `own/NAME/`; raises RunError for a theme that Gradio lacks."""
    import gradio as gr

    if theme and "/" not in theme and theme.lower() not in (known := gr.utils.BUILT_IN_THEMES):
        raise RunError(f"--theme: Gradio has no {theme!r}, and the Hub's are OWNER/NAME{did_you_mean(theme, known)}")
    with gr.Blocks(title=page.title, analytics_enabled=False) as blocks:
        gr.HTML('<a href="../../">◂ dashboard</a>')
        page.build(context)
    return mount(app, blocks, f"/own/{page.name}", theme=theme)
