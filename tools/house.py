"""Count how the house is built: `python tools/house.py [NAME=FOLDER ...]`, a column for each checkout, by default this one.

Product code is dra_toolkit and app: Python, JavaScript and style sheets.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parents[1]
SUFFIXES = {".py", ".js", ".css"}
WORDS = {"zero_spread_groups": "", "distinct_answers": "evaluation/", "log_probs?": "", "minilm": ""}
"""What should stand in few files, and the folder in which it may stand."""
LATER = (
    "app/dra_app/own_pages.py",
    "app/dra_app/pages/train/",
    "app/dra_app/train_page.py",
    "dra_toolkit/adapters/",
    "dra_toolkit/diversity/measures/history.py",
    "dra_toolkit/diversity/measures/maxrl.py",
    "dra_toolkit/diversity/measures/objectives.py",
    "dra_toolkit/diversity/measures/sets_of_k.py",
    "dra_toolkit/diversity/prompt_history.py",
    "dra_toolkit/diversity/rows.py",
    "dra_toolkit/doctor/golds.py",
    "dra_toolkit/doctor/local_data.py",
    "dra_toolkit/evaluation/results/claims.py",
    "dra_toolkit/evaluation/statistics/power.py",
    "dra_toolkit/inspection/lint/",
    "dra_toolkit/inspection/text_index.py",
    "dra_toolkit/inspection/weights.py",
    "dra_toolkit/judge/",
    "dra_toolkit/training/group_reward.py",
    "dra_toolkit/training/sampled_groups.py",
    "dra_toolkit/training/script_run.py",
)
"""Rooms that came after everything had been declared once: what 6814440 had nothing of, or, of a judge, less of."""


def product(root: Path) -> list[Path]:
    """Return the product files that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "dra_toolkit", "app"], cwd=root, capture_output=True, text=True, check=True
    )
    return [root / name for name in listed.stdout.split() if Path(name).suffix in SUFFIXES and (root / name).is_file()]


def spread(values: Sequence[int]) -> str:
    """Return median, nine in ten, and the most."""
    return f"{statistics.median(values):.0f}, {statistics.quantiles(values, n=10)[-1]:.0f}, {max(values)}"


def function_lengths(files: Sequence[Path]) -> list[int]:
    """Return the lines of every function and method."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files if path.suffix == ".py"]
    return [(n.end_lineno or 0) - n.lineno + 1 for tree in trees for n in ast.walk(tree) if isinstance(n, kinds)]


def recipe_keys(root: Path) -> str:
    """Return how many recipe keys stand as strings outside recipe/, by the counter beside this script."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from recipe_keys import DECLARED, places
    except ImportError:
        return "not counted"
    files = [path for path in product(root) if path.suffix == ".py"]
    read = [path for path in files if not str(path.relative_to(root)).startswith(DECLARED)]
    return str(sum(reads for path in read for _, _, reads in places(path)))


def measures(root: Path) -> dict[str, str]:
    """Return everything that is counted of a checkout."""
    files = product(root)
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    areas: dict[str, int] = {}
    for path, count in lines.items():
        parts = path.relative_to(root).parts
        area = "app" if parts[0] == "app" else "/".join(parts[:2]) if len(parts) > 2 else parts[0]
        areas[area] = areas.get(area, 0) + count
    found = {"product lines": str(sum(lines.values()))}
    later = sum(n for path, n in lines.items() if str(path.relative_to(root)).startswith(LATER))
    found |= {"of them in rooms that came later": str(later), "without these": str(sum(lines.values()) - later)}
    found |= {f"lines of {area}": str(count) for area, count in sorted(areas.items())}
    for word, allowed in WORDS.items():
        naming = [p for p in files if re.search(rf"\b{word}\b", p.read_text(encoding="utf-8"))]
        inside = [p for p in naming if not allowed or f"/{allowed}" not in str(p)]
        found[f"files naming {word}" + (f" outside {allowed}" if allowed else "")] = str(len(inside))
    found["recipe keys read as strings outside recipe/"] = recipe_keys(root)
    found["lines of a module: median, p90, most"] = spread([n for p, n in lines.items() if p.suffix == ".py"])
    found["lines of a function: median, p90, most"] = spread(function_lengths(files))
    return found


def main() -> None:
    """Print the table."""
    named = dict(argument.split("=", 1) for argument in sys.argv[1:]) or {"here": str(HERE)}
    columns = {name: measures(Path(folder).resolve()) for name, folder in named.items()}
    rows = dict.fromkeys(row for column in columns.values() for row in column)
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {row} | {' | '.join(column.get(row, '-') for column in columns.values())} |")


if __name__ == "__main__":
    main()
