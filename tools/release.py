"""Build the wheel and check it as a stranger would use it: `python tools/release.py`, with `--extras` all of them.

Writes dist/. Checks what the wheel holds, then installs it into fresh environments away from the checkout and runs commands
there. Publishing is not done here: see docs/releasing.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEEDED = (
    "dra_toolkit/py.typed",
    "dra_toolkit/shipped_recipes/quickstart.yaml",
    "dra_toolkit/shipped_docs/tutorial.md",
    "dra_toolkit/recipe/trl_arguments.json",
    "dra_toolkit/shipped_recipes/smollm2.jsonl",
    "dra_app/client/",
    "dra_app/demonstration/smollm2-grpo/resolved.json",
    ".dist-info/licenses/LICENSE",
)
REFUSED = ("tests/", "benchmarks/", "runs/", ".pyc")
EXTRAS = ("train", "embed", "eval", "app", "app,mcp", "trackers", "train,eval,app")
COMMANDS = (
    ["--version"],
    ["recipes"],
    ["recipes", "show", "quickstart"],
    ["docs"],
    ["docs", "tutorial"],
    ["train", "quickstart", "--dry-run"],
    ["inspect", "--help"],
)


def build(folder: Path) -> Path:
    """Build the wheel into `folder` and return its path."""
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob(f"dra_toolkit-{version()}-*.whl")
    return wheel


def version() -> str:
    """Return the version that the package, its metadata and CITATION.cff agree on."""
    places = {
        "pyproject.toml": r'^version = "(.+)"$',
        "dra_toolkit/__init__.py": r'^__version__ = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## ([\d.]+)",
    }
    found = {name: re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE)[0] for name, pattern in places.items()}
    if len(set(found.values())) != 1:
        raise SystemExit(f"versions differ: {found}")
    return found["pyproject.toml"]


def contents(wheel: Path) -> list[str]:
    """Return what is wrong with the files of a wheel, one line each."""
    names = zipfile.ZipFile(wheel).namelist()
    problems = [f"lacks {needed}" for needed in NEEDED if not any(needed in name for name in names)]
    (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    description = zipfile.ZipFile(wheel).read(metadata).decode()
    problems += [f"says {link} to who has no checkout" for link in re.findall(r"\]\((?!https?:|#)[^)]+\)", description)]
    return problems + [f"holds {name}" for name in names if name.startswith(REFUSED) or name.endswith(REFUSED)]


def install(wheel: Path, extra: str, folder: Path) -> Path:
    """Install a wheel with an extra into a fresh environment below `folder`; return its bin folder."""
    place = folder / (extra.replace(",", "-") or "bare")
    venv.create(place, with_pip=True)
    constraints = ["-c", str(ROOT / "constraints.txt")]
    wanted = f"{wheel}[{extra}]" if extra else str(wheel)
    torch = re.findall(r"^torch==.+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE) if "train" in extra else []
    for packages in filter(None, (torch, [wanted])):
        subprocess.run([str(place / "bin" / "pip"), "install", "-q", *constraints, *packages], check=True)
    return place / "bin"


def run(bin_folder: Path, words: Sequence[str], folder: Path) -> None:
    """Run one command of an installed wheel in an empty folder; raises SystemExit with its output if it fails."""
    done = subprocess.run([str(bin_folder / "dra"), *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"dra {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")


def main() -> int:
    """Build, check, install, run; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", action="store_true", help="install every extra too (gigabytes, minutes)")
    options = parser.parse_args()
    wheel = build(ROOT / "dist")
    problems = contents(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB", *problems, sep="\n  ")
    if problems:
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "empty").mkdir()
        for extra in ("", *(EXTRAS if options.extras else ())):
            bin_folder = install(wheel, extra, folder)
            for words in COMMANDS:
                run(bin_folder, words, folder / "empty")
            print(f"[{extra or 'bare'}]: {len(COMMANDS)} commands run away from the checkout")
    return 0


if __name__ == "__main__":
    sys.exit(main())
