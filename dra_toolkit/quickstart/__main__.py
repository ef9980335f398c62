"""`python -m dra_toolkit.quickstart`: make the quickstart's data and base model, or find them in the cache."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dra_toolkit.errors import DRAError
from dra_toolkit.quickstart.assets import QuickstartAssets, cached_ways
from dra_toolkit.quickstart.make import ways


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; progress goes to stderr, one line with the folder and its pass@1 to stdout."""
    parser = argparse.ArgumentParser(prog="python -m dra_toolkit.quickstart", description=__doc__)
    parser.add_argument(
        "--out", type=Path, help="where to keep the folder (default: $DRA_CACHE or ~/.cache/dra-toolkit)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of problems and weights (default: 0)")
    parser.add_argument("--force", action="store_true", help="make it again even if it exists")
    chosen = parser.parse_args(argv)
    try:
        found = None if chosen.force else cached_ways(chosen.seed, cache=chosen.out)
        assets = found or _make(chosen.out, seed=chosen.seed, force=chosen.force)
    except DRAError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{assets.folder}  pass@1 {assets.pass_at_1:.2f}  effective styles {assets.effective_styles:.1f}")
    return 0


def _make(out: Path | None, *, seed: int, force: bool) -> QuickstartAssets:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("loading torch", total=None)

        def report(stage: str, done: int, total: int) -> None:
            bars.update(bar, description=stage, completed=done, total=total)

        return ways(out, seed, report, force=force)


if __name__ == "__main__":
    sys.exit(main())
