"""How commands print: JSON and lines, a console, a document in either shape, and what to type next."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import one_line
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from rich.console import Console


JSON_VERSION = 1
"""Of the documents that commands print with --json, `errors` among them; raised when a key goes or changes its meaning."""


def print_problems(problems: Sequence[str], *, as_json: bool = False) -> None:
    """Print each problem as one plain line, whatever it quotes, and all as one document too."""
    if as_json:
        print_json({"errors": problems})
    for problem in problems:
        print(f"error: {one_line(problem)}", file=sys.stderr)


def print_json(document: Any) -> None:
    """Print one JSON document, an object, with the version of its shape."""
    from dra_toolkit.inspection.plain import plain

    print(json.dumps({"version": JSON_VERSION, **plain(document)}), flush=True)


def print_lines(lines: Sequence[str]) -> None:
    """Print lines that may quote anything."""
    for line in lines:
        print(visible(line, one_line=True))


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes no text for markup."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def print_next(where: Console, commands: Sequence[str | tuple[str, str]]) -> None:
    """Print what may be typed next, each command with its purpose if it has one."""
    from rich.text import Text

    where.print(Text("\nNext:", "dim"))
    for each in commands:
        command, purpose = (each, "") if isinstance(each, str) else each
        where.print(Text(visible(f"  {command:<44} {purpose}".rstrip(), one_line=True)), soft_wrap=True)


def answer(
    as_json: bool,
    document: Any,
    shown: Callable[[Console], Iterable[Any]],
    following: Sequence[str | tuple[str, str]] = (),
) -> None:
    """Print a document as JSON, or what is `shown` of it on a console, and what may be typed next."""
    if as_json:
        print_json(document)
        return
    out = console()
    for each in shown(out):
        out.print(each)
    if following:
        print_next(out, following)
