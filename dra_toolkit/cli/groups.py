"""Groups of commands: one that is meant where none is named, and one line for what cannot be read."""

import difflib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from dra_toolkit.cli.common import USER_MISTAKE, place_of
from dra_toolkit.cli.printing import print_problems
from dra_toolkit.errors import one_line


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


class Commands(TyperGroup):
    """Groups of commands that tell in one line, with --json as a document too, what they cannot read of a command line."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with _told(as_json="--json" in args):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _told(as_json="--json" in ctx.args):
            return super().invoke(ctx)


@contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        tell, where = getattr(error, "format_message", None), getattr(error, "ctx", None)
        if tell is None or type(error).__name__ == "NoArgsIsHelpError":
            raise
        said = " ".join(tell().split()).rstrip(".")
        said = one_line(f"{said}; see {where.command_path} --help" if where else said)
        print_problems([said], as_json=as_json)
        raise typer.Exit(USER_MISTAKE) from None
