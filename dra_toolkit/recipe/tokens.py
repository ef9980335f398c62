"""Keeps tokens out of recipes, which are copied into the run directory and onto model cards, and out of messages."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dra_toolkit.recipe.keys import known_keys

HIDDEN = "***"
_SUSPICIOUS = re.compile(r"token|key|secret|password|credential", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(hf_|hub_|hf_hub_|auth_|access_|api_|use_auth_)?token|(\w+_)?(api_?key|password|secret)", re.IGNORECASE
)
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}|\bwandb_v1_\w{20,}|\bgh[po]_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{30,}")
_MEND = "a token must not stand in a file; use `hf auth login`, `wandb login` or the environment"


def shown_override(item: str) -> str:
    """Return an override as a message may show it: without its value where that may be a token."""
    key, equals, value = item.partition("=")
    name = key.strip().removeprefix("--")
    if (_SUSPICIOUS.search(name) and name not in known_keys()) or _TOKEN.search(value):
        return f"{_TOKEN.sub(HIDDEN, key)}{equals}{HIDDEN}"
    return _TOKEN.sub(HIDDEN, item)


def check_no_token(key: str, found: Any) -> str | None:
    """Return the problem with a setting that holds a token, or None; the problem does not repeat it."""
    for place, value in _texts(key, found):
        if _SECRET_NAME.fullmatch(place.rpartition(".")[2]) or _TOKEN.search(value):
            return f"{place}: holds what looks like a token; {_MEND}"
    return None


def check_text(text: str) -> Iterator[str]:
    """Yield a problem for each line of a recipe that holds a token anywhere, comments included."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _TOKEN.search(line):
            yield f"line {number}: holds what looks like a token; {_MEND}"


def _texts(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every text inside a value with the place where it stands."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{place}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(place, inner)
