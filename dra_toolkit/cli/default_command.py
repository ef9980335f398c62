"""Groups of commands of which one is meant where none is named: `dra eval RUN`, `dra inspect RUN`."""

from __future__ import annotations

import difflib
from typing import Any

from typer.core import TyperGroup


def with_default(command: str, *, alone: bool) -> type[TyperGroup]:
    """Return a class of groups whose `command` takes what names no command, unless it is one misspelt.

    alone: whether the group without any argument means that command too
    """

    class WithDefault(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            if args and args[0] not in self.commands and args[0] != "--help":
                is_word = not args[0].startswith("-")
                misspelt = is_word and difflib.get_close_matches(args[0], self.commands, n=1, cutoff=0.75)
                if (is_word and not misspelt) or alone:
                    args = [command, *args]
            elif not args and alone:
                args = [command]
            return super().parse_args(ctx, args)

    return WithDefault
