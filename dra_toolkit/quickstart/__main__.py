"""`python -m dra_toolkit.quickstart`: make the quickstart's data and base model, or find them in the cache ($DRA_CACHE)."""

import sys

from dra_toolkit.errors import DRAError
from dra_toolkit.quickstart.assets import cached_ways, ways


def main() -> int:
    """Run the command; progress goes to stderr, one line with the folder and its pass@1 to stdout."""
    from rich.console import Console
    from rich.progress import Progress

    try:
        assets = cached_ways()
        if assets is None:
            with Progress(console=Console(stderr=True), transient=True) as bars:
                bar = bars.add_task("loading torch", total=None)
                assets = ways(
                    progress=lambda stage, done, of: bars.update(bar, description=stage, completed=done, total=of)
                )
    except DRAError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{assets.folder}  pass@1 {assets.pass_at_1:.2f}  effective styles {assets.effective_styles:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
