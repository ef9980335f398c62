"""The pages of the dashboard: each is a folder here that holds all of it, and is found by being here.

    pages/NAME/__init__.py   PAGE: its title, what of it is in the address, what the browser may ask it
    pages/NAME/page.html     its HTML before anything is asked, and the parts that answers fill (`dra_app.templates`)
    pages/NAME/page.js       what a click does

    ?page=groups&run=ways-2&step=40&mode=train&batch=0&group=3

The browser keeps what is shown in the address and sends it with every question, so that a reload, a bookmark or a link
shows the same. Each value is checked when it is used (`dra_app.params`): an address can be typed by anybody.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dra_app.context import Context
from dra_toolkit.runs import Run

Answer = dict[str, Any]
"""`parts`: name of a part of the page -> HTML; `state`: what goes into the address; `error`: what is wrong in one line."""
ALWAYS = ("run", "still")
PLACE = ("step", "mode", "batch", "group", "completion", "prompt")
"""What stays in the address when the reader goes to another page of the same run."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page."""

    title: str
    place: int
    """Pages stand in the bar in this order."""
    keys: Sequence[str]
    """What of the address it shows, beside the run."""
    questions: Sequence[Callable[[Run, Mapping[str, Any]], Answer]] = ()
    """What the browser may ask of a run, by the name of the function."""
    context_questions: Sequence[Callable[[Context, Mapping[str, Any]], Answer]] = ()
    """What it may ask of all runs."""
    alone: bool = False
    """No two of its questions read one run at a time: reading a group keeps the file of the last one open."""


@functools.cache
def pages() -> dict[str, Page]:
    """Return the pages by their names in the address, in the order of the bar."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    found = {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}").PAGE for name in names}
    return dict(sorted(found.items(), key=lambda item: item[1].place))


def spread(places: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many, evenly spread, the first and the last among them."""
    if len(places) <= most:
        return list(places)
    return [places[round(i * (len(places) - 1) / max(1, most - 1))] for i in range(most)]
