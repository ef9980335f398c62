"""The pages' HTML: Jinja templates, which escape every value that is not HTML already.

A page's `page.html` is what it shows before anything is asked; its macros are the parts that answers fill.
"""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.drawing.numbers import percent, short, signed
from dra_toolkit.drawing.svg import one_line
from dra_toolkit.safe_text import visible


def page_template(page: str) -> Template:
    """Return the template of a page by its name in the address."""
    return template(f"pages/{page.replace('-', '_')}/page.html")


def part(page: str, macro: str, *values: object, **named: object) -> Markup:
    """Return what a macro of a page's template makes of values."""
    return Markup(getattr(page_template(page).module, macro)(*values, **named))


def shared(macro: str, *values: object, **named: object) -> Markup:
    """Return what a macro that all pages share makes of values."""
    return Markup(getattr(template("client/shared.html").module, macro)(*values, **named))


def template(path: str) -> Template:
    """Return a template by its path from here."""
    return _environment().get_template(path)


@functools.cache
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.policies["json.dumps_kwargs"] = {}  # the pages keep their order
    found.filters |= {
        "aligned": aligned,
        "line": _line,
        "many": "{:,}".format,
        "percent": percent,
        "points": _points,
        "short": short,
        "signed": signed,
        "visible": visible,
        "words": lambda key: Markup(escape(key).replace("_", Markup("_<wbr>"))),
    }
    return found


def _line(text: object, characters: int = 80) -> Markup:
    return Markup(one_line(text, characters))


def _points(share: float, sign: str = "") -> str:
    return f"{100 * share:{sign}.1f}"
