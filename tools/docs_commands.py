"""Every command that the documentation shows, and what is wrong with each: `python tools/docs_commands.py`.

A command is read as the shell and the command line would read it, without being run: its words, its options, how many
arguments it takes, and the keys of a recipe among them. A mention within a sentence may leave arguments out.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GENERATED = "docs/cli.md"
"""Made from the command line itself."""
PLACEHOLDER = re.compile(r"^\[|\]$|\.\.\.|^(--)?[A-Z][A-Z_:.]*(=.*)?$|^key=value$")
"""Words that stand for others."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A command that a page shows."""

    page: str
    line: str
    is_mention: bool
    """Whether it stands within a sentence."""


def pages() -> list[Path]:
    """Return the pages that show commands."""
    found = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "recipes").rglob("*.md"),
    ]
    return sorted(
        page for page in [*found, *(ROOT / "benchmarks").glob("*.md")] if str(page.relative_to(ROOT)) != GENERATED
    )


def shown() -> Iterator[Shown]:
    """Yield each command of `dra` and `make` on each page."""
    for page in pages():
        text, name = page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))
        fences = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
        prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
        blocks = [*fences, *re.findall(r"(?:^ {4}\S.*\n)+", prose, re.MULTILINE)]
        for block in blocks:
            for line in re.sub(r"\\\n\s*", " ", block).splitlines():
                if found := re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*((?:dra|make) .*)", line):
                    yield Shown(page=name, line=found[1], is_mention=False)
        for line in re.findall(r"`((?:dra|make) [^`\n]+)`", prose):
            yield Shown(page=name, line=line, is_mention=True)


def words_of(line: str) -> list[str]:
    """Return the words of a line without its comment, of the first command where several are joined."""
    line = re.split(r"\s+#\s|\s{3,}", line)[0]
    return shlex.split(re.split(r"\s(?:&&|\|)\s", line)[0])


def problem(command: Shown) -> str | None:
    """Return what is wrong with a command, or None."""
    import typer
    from typer.main import get_command

    from dra_toolkit.cli.main import app

    name, *words = words_of(command.line)
    if name == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        return None if words[0] in targets else f"there is no target {words[0]}"
    at, told = get_command(app), ["dra"]
    while hasattr(at, "commands"):
        if not words:
            return None  # a list of commands, or the one that the group alone means
        read = at.make_context(told[-1], list(words), resilient_parsing=True)
        words = [*read._protected_args, *read.args]
        if not words:
            return None
        if words[0] not in at.commands:
            return f"no command {words[0]!r} of {' '.join(told)}"
        told.append(words[0])
        at, words = at.commands[words[0]], words[1:]
    settings = [word for word in words if not PLACEHOLDER.search(word)]
    try:
        context = at.make_context(told[-1], list(words), resilient_parsing=command.is_mention)
    except typer.Exit:
        return None  # --help, --version
    except Exception as error:
        if hasattr(error, "format_message"):
            return str(error.format_message())
        raise
    return _unknown_key(context.params, settings)


def _unknown_key(params: dict[str, object], words: list[str]) -> str | None:
    from dra_toolkit.cli.overrides import read_overrides
    from dra_toolkit.errors import DRAError
    from dra_toolkit.recipe import known_keys

    if not {"settings", "overrides"} & set(params):
        return None
    given = [word for word in words if word in (params.get("settings") or params.get("overrides") or ())]
    try:
        keys = [item.partition("=")[0] for item in read_overrides(given) if "=" in item]
    except DRAError as error:
        return str(error)
    unknown = [key for key in keys if key.partition(".")[0] not in known_keys()]
    return f"no key {unknown[0]!r}" if unknown else None


def main() -> int:
    """Print what is wrong, and how many commands were read."""
    commands = list(shown())
    wrong = [(command, told) for command in commands if (told := problem(command))]
    for command, told in wrong:
        print(f"{command.page}: {command.line}: {told}")
    print(f"{len(commands)} commands on {len(pages())} pages, {len(wrong)} wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
