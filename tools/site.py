"""Build the documentation as a site: `python tools/site.py` writes site/ and fails on a dead link, `--serve` shows it.

The pages stay where they are in the repository, so that their links work there too: they are laid out beside each other in
build/site with what they link to, and MkDocs reads that.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "build" / "site"
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def pages() -> list[Path]:
    """Return the Markdown pages that git knows, of the documentation and of the folders that it links to."""
    kept = (
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs",
        "recipes",
        "benchmarks",
        "app/README.md",
    )
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *kept],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listing.stdout.splitlines() if line.endswith(".md") and (ROOT / line).exists()]


def lay_out() -> None:
    """Copy the pages and every file that one of them links to, each to its own place below build/site."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    for page in pages():
        linked = [(page.parent / target).resolve() for target in LINK.findall(page.read_text(encoding="utf-8"))]
        for path in [page, *(path for path in linked if path.is_file() and path.is_relative_to(ROOT))]:
            copy = SOURCES / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def main() -> int:
    """Lay the pages out and let MkDocs build or serve them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="show the site on this machine instead of writing it")
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="where to write the site")
    options = parser.parse_args()
    lay_out()
    command = [sys.executable, "-m", "mkdocs"]
    command += ["serve"] if options.serve else ["build", "--strict", "--site-dir", str(options.output.absolute())]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
