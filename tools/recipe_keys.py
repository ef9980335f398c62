"""Count the recipe keys that stand as strings outside dra_toolkit/recipe: `python tools/recipe_keys.py [--where]`.

A string counts that is the name of a key: one of several words anywhere, one of a single word (`seed`, `dtype`) where it
indexes something or is what `.get` asks for. The settings of the adjustment are declared in `diversity/settings.py`, which
is therefore not looked at.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dra_toolkit.recipe import known_keys

ROOT = Path(__file__).parents[1]
DECLARED = ("dra_toolkit/recipe/", "dra_toolkit/diversity/settings.py")


def places(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield each key that stands as a string in a module: the line, the name, and whether a recipe is read by it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    indexing = {id(node) for whole in ast.walk(tree) for node in _indices(whole)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known_keys():
            reads = id(node) in indexing
            if reads or "_" in node.value:
                yield node.lineno, node.value, reads


def _indices(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Subscript) and _is_recipe(node.value):
        yield node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        yield from node.args[:1] if _is_recipe(node.func.value) else ()


def _is_recipe(node: ast.AST) -> bool:
    """Return whether an expression is called a recipe, or the settings of one."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return "recipe" in name or name == "settings"


def main() -> None:
    """Print how many there are, by file; with --where each place."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--where", action="store_true", help="print each place")
    where = parser.parse_args().where
    found: Counter[str] = Counter()
    reading = 0
    for path in sorted([*(ROOT / "dra_toolkit").rglob("*.py"), *(ROOT / "app").rglob("*.py")]):
        name = str(path.relative_to(ROOT))
        if name.startswith(DECLARED):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, key, reads in places(path):
            found[name] += 1
            reading += reads
            if where:
                print(f"{name}:{number}: {key}: {lines[number - 1].strip()[:100]}")
    for name, count in found.most_common():
        print(f"{count:4} {name}")
    print(
        f"{reading} recipe keys are read by a string outside {DECLARED[0]}; with names in messages, arguments of other "
        f"libraries and words that only happen to be keys, {found.total()} stand there"
    )


if __name__ == "__main__":
    main()
