"""What a training process prints must never end it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO


class TolerantStream:
    """A text stream that drops what its file cannot take (a full disk, a closed pipe) instead of raising."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def tolerate_lost_output() -> None:
    """Make standard output and error of this process tolerant."""
    sys.stdout, sys.stderr = TolerantStream(sys.stdout), TolerantStream(sys.stderr)
