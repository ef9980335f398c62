"""`dra --help` against `trl --help`, each a fresh process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from common import ratio, side_by_side, write

BIN = Path(sys.executable).parent


def show_help(program: str) -> None:
    """Start the program for its help."""
    subprocess.run([BIN / program, "--help"], check=True, capture_output=True)


def main() -> None:
    """Measure."""
    names = ("dra", "trl")
    seconds = side_by_side({name: lambda name=name: show_help(name) for name in names}, rounds=11)
    write("start_up", {"seconds": seconds, "dra / trl": ratio(seconds, "dra", "trl")})


if __name__ == "__main__":
    main()
