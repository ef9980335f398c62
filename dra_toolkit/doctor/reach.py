"""Whether model, embedder and data of a recipe are within reach, and how large the model is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dra_toolkit.doctor.findings import Finding, broken, ok, problem, warning
from dra_toolkit.doctor.golds import check_golds
from dra_toolkit.doctor.hub import OnHub, look_up
from dra_toolkit.doctor.model_files import ModelSize, missing_weights, read_folder, size_of
from dra_toolkit.doctor.workload import LOOKED_AT, data_file, prompt_tokens
from dra_toolkit.embedding import known_embedder
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.check_data import DATA_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What is known of a recipe's model and data."""

    findings: tuple[Finding, ...]
    model: ModelSize | None = None
    to_fetch: float = 0.0
    """Bytes of the model that training will fetch from the Hub."""
    prompt: int | None = None
    """Mean tokens of a prompt, by the data's characters."""


def reach(recipe: Recipe) -> Reached:
    """Look for model, embedder and data of a recipe; asks the Hub for what is not on this machine."""
    try:
        finding, model, to_fetch = _reach_model(recipe)
    except Exception as error:  # data and embedder are still worth a look
        finding, model, to_fetch = broken("model", error), None, 0.0
    data = [_reach_data(name) for name in recipe.data.names]
    rows = _first_rows(recipe)
    return Reached(
        findings=(finding, *_reach_embedder(recipe), *data, *check_golds(recipe)),
        model=model,
        to_fetch=to_fetch,
        prompt=prompt_tokens(rows, _column(recipe, "prompt_column"), recipe.data.system_prompt) if rows else None,
    )


def describe(model: ModelSize) -> str:
    """Return a model's size in words."""
    if model.parameters is None:
        return "parameters not known"
    count = model.parameters
    unit, name = next(((u, n) for u, n in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if count >= u), (1.0, ""))
    return f"{count / unit:.3g}{name} parameters"


def _reach_model(recipe: Recipe) -> tuple[Finding, ModelSize | None, float]:
    name = recipe.model.model_name_or_path
    if name.startswith(BUILTIN_PREFIX):
        made = cached_ways()
        if made is None:
            return ok("model", f"{name}: made when a run first needs it, in about a minute"), None, 0.0
        size = read_folder(made.model)
        return ok("model", f"{name}: made before, {describe(size)}"), size, 0.0
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _in_folder(name, folder)
    found = look_up(name, "model", revision=recipe.model.model_revision)
    if found.folder is not None:
        size = read_folder(found.folder)
        return ok("model", f"{found.found}, {describe(size)}"), size, 0.0
    if found.place != "hub":
        return _on_hub("model", found), None, 0.0
    size = size_of(found.config, found.dtypes)
    to_fetch = float(size.parameters or 0) * size.stored_bytes
    shown = f", {to_fetch / 1e9:.1f} GB to fetch" if to_fetch else ""
    return ok("model", f"{found.found}, {describe(size)}{shown}"), size, to_fetch


def _in_folder(name: str, folder: Path) -> tuple[Finding, ModelSize, float]:
    size, lacking = read_folder(folder), missing_weights(folder)
    if lacking:
        listed = ", ".join(lacking[:3]) + (" ..." if len(lacking) > 3 else "")
        return problem("model", f"{name}: weights are missing ({listed})", "save or copy the model again"), size, 0.0
    return ok("model", f"{name}: {describe(size)}"), size, 0.0


def _reach_embedder(recipe: Recipe) -> Iterator[Finding]:
    name = recipe.embedder.name
    source = None if name == "none" else known_embedder(name).source
    if source is None:
        return
    if Path(source.name).expanduser().is_dir():
        yield ok("embedder", f"{name}: a folder")
        return
    yield _on_hub("embedder", look_up(source.name, "model", revision=recipe.embedder.revision or source.revision))


def _reach_data(name: str) -> Finding:
    if name.startswith(BUILTIN_PREFIX):
        return ok("data", f"{name}: {'made before' if cached_ways() else 'made when a run first needs it'}")
    path = Path(name).expanduser()
    if path.is_file():
        return ok("data", f"{name}: {path.stat().st_size / 1e6:.1f} MB")
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.suffix in DATA_SUFFIXES]
        if files:
            return ok("data", f"{name}: {len(files)} data file{'s' if len(files) > 1 else ''}")
        return warning(
            "data", f"{name}: no {', '.join(DATA_SUFFIXES)} file inside", "name the folder that holds the data"
        )
    return _on_hub("data", look_up(name, "dataset"))


def _on_hub(subject: str, found: OnHub) -> Finding:
    if found.place in ("cache", "hub"):
        return ok(subject, found.found)
    return (problem if found.place == "nowhere" else warning)(subject, found.found, found.fix)


def _first_rows(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the first rows of the recipe's data, where they are a JSONL file."""
    path = data_file(recipe)
    if path is None:
        return []
    try:
        with open(Path(path).expanduser(), encoding="utf-8") as file:
            rows = [json.loads(line) for line in islice(file, LOOKED_AT) if line.strip()]
    except (OSError, ValueError):
        return []
    return [row for row in rows if isinstance(row, dict)]


def _column(recipe: Recipe, key: str) -> str:
    found = recipe[key]
    return str(found[0] if isinstance(found, list) else found)
