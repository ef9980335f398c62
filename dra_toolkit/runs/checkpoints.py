"""Which checkpoints of a run are complete."""

import json
from pathlib import Path

from dra_toolkit.runs.files import json_object, publish_text

PREFIX = "checkpoint-"
MANIFEST = "dra_checkpoint.json"
"""Written last, when every process has written its part: the files of the checkpoint and their sizes in bytes."""


def mark_complete(checkpoint: Path) -> None:
    """Say that a checkpoint is complete as it lies there."""
    files = {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    publish_text(checkpoint / MANIFEST, json.dumps({"version": 1, "files": files}, indent=1) + "\n")


def complete_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints, the newest last."""
    return [path for path in _checkpoints(folder) if what_is_missing(path) is None]


def incomplete_checkpoints(folder: Path) -> list[tuple[Path, str]]:
    """Return the checkpoints that cannot be resumed, the newest last, each with what it lacks."""
    return [(path, lack) for path in _checkpoints(folder) if (lack := what_is_missing(path)) is not None]


def checkpoint_step(checkpoint: Path) -> int:
    """Return the optimizer step after which a checkpoint was saved."""
    return int(checkpoint.name.removeprefix(PREFIX))


def what_is_missing(checkpoint: Path) -> str | None:
    """Return what keeps a checkpoint from being resumed, or None if it is complete."""
    if not (checkpoint / MANIFEST).exists():
        return f"{MANIFEST}, which is written last"
    files = json_object(checkpoint / MANIFEST).get("files")
    if not isinstance(files, dict):
        return f"a readable {MANIFEST}"
    for name, size in files.items():
        path = checkpoint / name
        if not path.is_file():
            return name
        if path.stat().st_size != size:
            return f"the whole of {name} ({path.stat().st_size} of {size} bytes)"
    return None


def _checkpoints(folder: Path) -> list[Path]:
    numbered = [p for p in folder.glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdecimal()]
    return sorted(numbered, key=checkpoint_step)
