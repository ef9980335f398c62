"""The formats that can be imported, by name, and how one is recognised."""

from __future__ import annotations

from pathlib import Path

from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.runs.importers.generic import Generic
from dra_toolkit.runs.importers.ms_swift import MsSwift
from dra_toolkit.runs.importers.prime_rl import PrimeRL
from dra_toolkit.runs.importers.rollout import Format, Options
from dra_toolkit.runs.importers.trl import TRL
from dra_toolkit.runs.importers.verl import Verl

FORMATS: dict[str, Format] = {format.name: format for format in (TRL(), PrimeRL(), MsSwift(), Verl(), Generic())}
"""Formats by name; the first that recognises a source is taken."""


def find_format(name: str | None, source: Path, options: Options | None = None) -> tuple[Format, str]:
    """Return the format of a source and what shows it; raises RunError if there is none, or the source is not there."""
    if not source.exists():
        raise RunError(f"{source}: there is no such file or folder")
    if name is not None:
        if name not in FORMATS:
            raise RunError(
                f"--format: found {name!r}, expected one of {', '.join(FORMATS)}{did_you_mean(name, FORMATS)}"
            )
        return FORMATS[name], "as asked"
    for format in FORMATS.values():
        if seen := format.recognise(source):
            return format, seen
    if options is not None and options.names_columns:
        return FORMATS["jsonl"], "its columns are named"
    raise RunError(
        f"{source}: holds {_content(source)}, which no format recognises; say --format "
        f"({', '.join(FORMATS)}; docs/import-export.md)"
    )


def _content(source: Path) -> str:
    if source.is_file():
        return f"a file {source.suffix or 'without an ending'}"
    names = sorted(path.name for path in source.iterdir())[:5]
    return f"{', '.join(names)}" if names else "nothing"
