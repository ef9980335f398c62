"""Several values of a key as several runs, each in a place of its own."""

import itertools
import re
from collections.abc import Sequence

from dra_toolkit.errors import RecipeError


def each_run(recipe: str, overrides: Sequence[str], sweep: Sequence[str]) -> list[list[str]]:
    """Return the settings of each run that is asked for: one, or one for each combination of several values.

    Several are those of --sweep KEY=V1,V2, and a list by commas for a key that holds a single value. Each such run has a
    place of its own, and says what it belongs to. Raises RecipeError.
    """
    from dra_toolkit.recipe.load import examine_recipe

    several: dict[str, list[str]] = {}
    for item in (*sweep, *filter(_has_several, overrides)):
        key, _, values = item.partition("=")
        if key in several or not values or "=" not in item:
            raise RecipeError(f"--sweep {item}: expected KEY=VALUE,VALUE, each key once")
        several[key] = values.split(",")
        if len(set(several[key])) < len(several[key]):
            raise RecipeError(f"{item}: a value stands twice; say each once")
    shared = [item for item in overrides if not _has_several(item)]
    if not several:
        return [shared]
    base = examine_recipe(recipe, shared)[0].output_dir
    kept = [item for item in shared if not item.startswith("output_dir=")]
    runs = []
    for combination in itertools.product(*several.values()):
        chosen = [f"{key}={value}" for key, value in zip(several, combination, strict=True)]
        place = "-".join([str(base), *(re.sub(r"[^\w.+-]+", "-", each) for each in chosen)])
        runs.append([*kept, *chosen, f"output_dir={place}", f"sweep={base.name} by {' and '.join(several)}"])
    return runs


def _has_several(item: str) -> bool:
    from dra_toolkit.recipe import known_keys

    key, _, value = item.partition("=")
    known = known_keys().get(key)
    if known is None or "," not in value or any(kind.startswith(("list", "dict")) for kind in known.kinds):
        return False
    return "str" not in known.kinds or bool(known.choices)
