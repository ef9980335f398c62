"""How the command line says what went wrong."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from dra_toolkit.errors import DRAError
from dra_toolkit.safe_text import visible

USER_MISTAKE = 2
ERROR_VERSION = 1
"""Of the object with `errors` that a command with --json prints instead of its own."""

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
        except DRAError as error:
            if kwargs.get("as_json"):
                print(json.dumps({"version": ERROR_VERSION, "errors": list(error.problems)}))
            print_problems(error.problems)
            raise typer.Exit(USER_MISTAKE) from None

    return wrapped


def print_problems(problems: tuple[str, ...] | list[str]) -> None:
    """Print each problem as one plain line, whatever it quotes."""
    for problem in problems:
        print(f"error: {visible(problem, one_line=True)}", file=sys.stderr)
