"""What commands share: how they say what went wrong, print JSON and tables, show progress, and what to type next."""

from __future__ import annotations

import difflib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from errno import EACCES, EDQUOT, EFBIG, EIO, EMFILE, ENAMETOOLONG, ENOSPC, EROFS
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from dra_toolkit.errors import UNFOLDS, DRAError, RunError, one_line
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from dra_toolkit.runs import Run

USER_MISTAKE = 2
REFUSALS = (EACCES, EDQUOT, EFBIG, EIO, EMFILE, ENAMETOOLONG, ENOSPC, EROFS)  # of the system, and no bugs
JSON_VERSION = 1
"""Of the documents that commands print with --json, `errors` among them; raised when a key goes or changes its meaning."""
JSON = typer.Option(False, "--json", help="Print one JSON document.")
Format = Literal["trl", "verl", "ms-swift", "prime-rl", "jsonl"]
"""Whose rollouts a file holds."""

OPENED: list[Run] = []
"""The runs that a command has opened: files of groups that were skipped are told when it ends."""
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def user_errors(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn a command's DRAError into its lines on standard error and exit status 2; a bug keeps its traceback.

    With --json the lines are an object on standard output too.
    """

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (DRAError, OSError, MemoryError) as error:
            if not isinstance(error, DRAError | MemoryError) and error.errno not in REFUSALS:
                raise
            said = f"{error.filename or 'a file'}: {error.strerror}" if isinstance(error, OSError) else UNFOLDS
            found = error if isinstance(error, DRAError) else DRAError(said)
            print_problems(found.problems, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(USER_MISTAKE) from None
        finally:
            left_out = [f"groups/{name} is left out: {why}" for run in OPENED for name, why in run.problems.items()]
            print_problems(left_out[:5] if command.__name__ != "verify" else [])
            OPENED.clear()

    return wrapped


def place_of(path: Path | str | None) -> Path:
    """Return a path as given, the run of that name, or the latest run."""
    from dra_toolkit.runs import latest_run
    from dra_toolkit.runs.layout import named_run

    if path is None:
        return latest_run().path
    with suppress(RunError):
        return Path(path) if os.path.exists(path) else named_run(str(path)).path
    return Path(path)


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


def with_default(command: str) -> type[TyperGroup]:
    """Return a class of groups whose `command` takes what names no command, unless it is one misspelt."""

    class WithDefault(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            first = args[0] if args else ""
            if first not in (*self.commands, "--help"):
                may_be_command = not first.startswith("-") and "/" not in first and not os.path.exists(place_of(first))
                if not (may_be_command and difflib.get_close_matches(first, self.commands, n=1, cutoff=0.75)):
                    args = [command, *args]
            return super().parse_args(ctx, args)

    return WithDefault
