"""What the group pages send to the browser once: their script, their style, and where KaTeX lies among Gradio's files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from dra_app import palette
from dra_app.figures.group_bars import FUNCTIONS as SERIES

_CLIENT = Path(__file__).parent.parent / "client"


@functools.cache
def script(*names: str) -> str:
    """Return the parts of a page's script as one."""
    return "\n".join((_CLIENT / f"{name}.js").read_text(encoding="utf-8") for name in ("base", *names))


@functools.cache
def style() -> str:
    """Return the style sheet that all pages share; one of them sends it."""
    return series_style() + (_CLIENT / "pages.css").read_text(encoding="utf-8")


def series_style() -> str:
    """Return the colours of reward functions, which have no meaning of their own, in light and in dark."""
    rules = []
    for number in range(SERIES):
        light, dark = palette.LIGHT.function(number)[0], palette.DARK.function(number)[0]
        rules.append(f":root{{--dra-fn{number}:{light}}}.dark{{--dra-fn{number}:{dark}}}")
        rules.append(f".dra svg .fn{number}{{fill:var(--dra-fn{number})}}")
        rules.append(f".dra-key.fn{number}{{background:var(--dra-fn{number})}}")
    return "".join(rules)


@functools.cache
def katex() -> dict[str, Any]:
    """Return where the page finds the KaTeX that Gradio ships, by the names of its props; empty if it ships none.

    Without it formulas are shown as they were written.
    """
    import gradio

    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    scripts, sheets = sorted(assets.glob("katex-*.js")), sorted(assets.glob("katex-*.css"))
    if not scripts or not sheets:
        return {"katex_js": "", "katex_css": ""}
    return {"katex_js": f"assets/{scripts[0].name}", "katex_css": f"assets/{sheets[0].name}"}
