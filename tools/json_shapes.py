"""What commands print with --json, as `json_shapes.txt` declares it: docs/json.md, and what is wrong with a document."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DECLARED = Path(__file__).with_suffix(".txt")
KINDS = {"text": str, "int": int, "number": (int, float), "bool": bool, "any": object}

SEPARATOR = "\x1f"
"""Between the keys of a real path, since a key may hold a dot."""

Shape = dict[str, tuple[str, str]]
"""Path of keys -> type and meaning."""


def shapes() -> dict[str, Shape]:
    """Return the shape of each command's document."""
    found: dict[str, Shape] = {}
    for line in DECLARED.read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        if not line.startswith(" "):
            command = line.removesuffix(":")
            assert command not in found, f"{command} stands twice"
            found[command] = {}
            continue
        path, said = line.strip().split(": ", 1)
        kind, meaning = said.split("; ", 1)
        assert kind.removesuffix("?") in KINDS, line
        assert path not in found[command], line
        found[command][path] = (kind, meaning)
    return found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is neither an object nor a list, with its path; an empty one of these as an Ellipsis."""
    inner = (
        [(f"{path}{SEPARATOR}{key}" if path else key, each) for key, each in value.items()] if is_object(value) else []
    )
    inner += [(f"{path}[]", each) for each in value] if isinstance(value, list) else []
    for place, each in inner:
        yield from leaves(each, place)
    if not inner:
        yield path, ... if isinstance(value, dict | list) else value


def problems(document: Any, shape: Shape) -> Iterator[str]:
    """Yield what of a document its shape does not declare, or declares otherwise."""
    from dra_toolkit.cli.printing import JSON_VERSION

    if not is_object(document) or document.get("version") != JSON_VERSION:
        yield f"no object of version {JSON_VERSION}"
        return
    del (document := {**document})["version"]
    for path, value in leaves(document):
        kinds = [kind for known, (kind, _) in shape.items() if _means(known, path, is_any=kind == "any")]
        shown = f"{path.replace(SEPARATOR, '.')}: found {value!r}"
        holds = value is ... or value is None
        if not kinds and not (holds and any(_means(part, path) for known in shape for part in _beginnings(known))):
            yield f"{shown}, which is not declared"
        elif kinds and value is not ... and not any(_is(value, kind) for kind in kinds):
            yield f"{shown}, declared as {' or '.join(kinds)}"


def seen(document: Any, shape: Shape) -> set[str]:
    """Return the declared paths that a document has a value for."""
    there = {path for path, value in leaves(document) if value is not None and value is not ...}
    return {
        known for known, (kind, _) in shape.items() if any(_means(known, path, is_any=kind == "any") for path in there)
    }


def is_object(value: Any) -> bool:
    """Return whether a value is an object of JSON."""
    return isinstance(value, dict)


def _is(value: Any, declared: str) -> bool:
    if value is None:
        return declared.endswith("?") or declared == "any"
    kind = declared.removesuffix("?")
    return isinstance(value, KINDS[kind]) and (kind in ("bool", "any") or not isinstance(value, bool))


def _beginnings(declared: str) -> list[str]:
    """Return the paths of the objects and lists that hold a declared path."""
    return [declared[: found.start()] for found in re.finditer(r"\.|\[\]", declared)]


@functools.cache
def _expression(declared: str, is_any: bool) -> re.Pattern[str]:
    from dra_toolkit.group_measures import GROUP_MEASURES

    meaning = {"<measure>": f"(?:{'|'.join(GROUP_MEASURES)})", "<name>": f"[^{SEPARATOR}]+?", ".": SEPARATOR}
    parts = re.findall(r"<\w+>|\.|[^.<]+", declared)
    below = rf"(?:(?:{SEPARATOR}|\[\]).*)?" if is_any else ""
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts) + below, re.DOTALL)


def _means(declared: str, path: str, *, is_any: bool = False) -> bool:
    """Return whether a declared path means a real one; is_any: or something within it."""
    return _expression(declared, is_any).fullmatch(path) is not None


def page(generated: str, table: Callable[[list[str], list[list[object]]], str]) -> str:
    """Return docs/json.md."""
    from dra_toolkit.cli.printing import JSON_VERSION
    from dra_toolkit.group_measures import GROUP_MEASURES

    measures = [[f"`{name}`", each.meaning] for name, each in GROUP_MEASURES.items()]
    text = f"{generated}# What commands print with --json\n\n{INTRODUCTION.format(version=JSON_VERSION)}\n"
    text += table(["measure", "meaning"], measures)
    for command, shape in shapes().items():
        rows: list[list[object]] = [
            [f"`{path}`", kind.replace("?", " or null"), said] for path, (kind, said) in shape.items()
        ]
        title = f"`{command}`" if command.startswith("dra") else command.capitalize()
        lines = LINES if command in EVENTS else ""
        text += f"\n## {title}\n\n{lines}{table(['path', 'type', 'meaning'], rows)}"
    return text


EVENTS = ("dra train RECIPE", "dra eval run [RUN]")
LINES = "A document a line, as it happens; what a line has follows from its `event`.\n\n"
INTRODUCTION = """Every command has `--json`. It prints one document on standard output, an object whose `version` is
{version}; `dra train` and `dra eval run` print one a line, while they work. The version is raised when a key goes or
changes its meaning; keys may be added. A number that is not finite is null. Whatever else a command says, progress and
warnings, is on standard error. The exit status is that without `--json`: 0; 1 where `doctor`, `lint`, `verify` or an
evaluation found a problem, or training failed; 2 for a mistake in what was asked; 130 for what was stopped.

In a path `[]` is each element of a list, `<name>` any name, and `<measure>` one of these numbers of a group:
"""
