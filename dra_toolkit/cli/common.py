"""What commands share: how they say what went wrong, and how a run is named."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from errno import EACCES, EDQUOT, EFBIG, EIO, EMFILE, ENAMETOOLONG, ENOSPC, EROFS
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

import typer

from dra_toolkit.cli.printing import print_problems
from dra_toolkit.errors import UNFOLDS, DRAError, RunError

if TYPE_CHECKING:
    from dra_toolkit.runs import Run

USER_MISTAKE = 2
REFUSALS = (EACCES, EDQUOT, EFBIG, EIO, EMFILE, ENAMETOOLONG, ENOSPC, EROFS)  # of the system, and no bugs
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
