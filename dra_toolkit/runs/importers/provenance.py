"""Where an imported run comes from, kept beside it in imported.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.runs.files import publish_text, read_json

FILE = "imported.json"


def write_provenance(run: Path, facts: dict[str, Any]) -> None:
    """Keep what is known of an import beside the run."""
    publish_text(run / FILE, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def read_provenance(run: Path) -> dict[str, Any] | None:
    """Return where an imported run comes from; None for a run that was trained here."""
    try:
        found = read_json(run / FILE)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{run / FILE}: cannot be read ({error})") from None
    if not isinstance(found, dict):
        raise RunError(f"{run / FILE}: expected an object, found {type(found).__name__}")
    return found
