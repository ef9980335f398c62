"""Write files so that a reader, or a restart after any crash, finds either the old content or the new."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from dra_toolkit.errors import RunError

TEMPORARY_PREFIX = ".tmp-"
MOST_BYTES, MOST_JSON = 1 << 30, 64 << 20  # of a text file, and of a document, which takes twenty times as much memory


class UnwritableError(RunError, OSError):
    """A file of a run cannot be written: the disk is full, or its folder is gone."""

    __str__ = Exception.__str__

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: cannot be written ({error.strerror or error})")
        self.errno, self.strerror = error.errno, error.strerror


def publish(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write `path` through a temporary file, fsync and rename; on failure nothing of it is left behind.

    Raises UnwritableError, a RunError and an OSError, where the disk refuses.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        with open(temporary, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UnwritableError(path, error) from None
        raise


def publish_text(path: Path, text: str) -> None:
    """Publish a text file in UTF-8; what that cannot hold, a lone surrogate, is spelt out."""
    publish(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def read_text(path: Path, errors: str = "strict", most: int = MOST_BYTES) -> str:
    """Return the text of a file in UTF-8; raises OSError, or ValueError for bytes that are no text and for what is no file.

    A pipe, which would keep a reader waiting for ever, is not opened.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > most:
        raise ValueError(f"larger than {most >> 20} MiB")
    return path.read_text(encoding="utf-8", errors=errors)


def parse_json(text: str | bytes) -> Any:
    """Return what JSON says, of whatever shape; raises ValueError for what is none, however deeply nested."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:
    """Return what a JSON file says; raises OSError or ValueError, whatever lies there."""
    return parse_json(read_text(path, most=MOST_JSON))


def json_object(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one where there is none that can be read."""
    try:
        read = read_json(path)
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def remove_temporaries(folder: Path) -> None:
    """Remove what an interrupted `publish` left behind."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _sync_directory(folder: Path) -> None:
    """Make the rename itself durable, where the file system knows how."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse to sync a directory; the file itself is safe
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Publish a folder with files: `write` fills it beside its place; then all is synced and renamed at once."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        temporary.mkdir()
        write(temporary)
        for file in temporary.iterdir():
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        _sync_directory(temporary)
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_directory(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a published folder, if there is one; a reader sees all of it or nothing, also after a crash in between."""
    if not path.is_dir():
        return
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    os.rename(path, temporary)
    shutil.rmtree(temporary, ignore_errors=True)
