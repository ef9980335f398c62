"""What of the dashboard is in the address: the page, the run, and what each page shows of it.

    ?page=groups&run=ways-2&step=40&mode=train&batch=0&group=3

The browser keeps it there and sends it with every question, so that a reload, a bookmark or a link shows the same. The
server checks each value when it is used (`dra_app.data.params`): an address can be typed by anybody.
"""

from __future__ import annotations

from collections.abc import Mapping

PAGES: Mapping[str, str] = {
    "overview": "Overview",
    "groups": "Groups",
    "prompt": "Prompt",
    "what-if": "What if",
    "compare": "Compare",
    "search": "Search",
    "evaluate": "Evaluate",
}
"""Name of a page in the address -> what the reader sees."""
ALWAYS = ("page", "run", "still")
PLACE = ("step", "mode", "batch", "group", "prompt")
"""What stays when the reader goes to another page of the same run."""
OWN: Mapping[str, tuple[str, ...]] = {
    "overview": ("smooth",),
    "groups": ("sort", "descending", "marks", "measure", "low", "high", "pair"),
    "prompt": ("between",),
    "what-if": ("set",),
    "compare": ("other", "smooth"),
    "search": ("q", "regex", "case", "correct", "steps", "where", "offset"),
    "evaluate": ("metric", "left", "right"),
}
"""Page -> what only it has in the address."""


def keys() -> tuple[str, ...]:
    """Return every name that the address may have."""
    return tuple(dict.fromkeys((*ALWAYS, *PLACE, *(name for own in OWN.values() for name in own))))


def is_page(name: object) -> bool:
    """Return whether a page has that name."""
    return isinstance(name, str) and name in PAGES
