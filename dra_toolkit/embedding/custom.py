"""An embedder of anybody's own: a function named by its dotted path."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.embedding.common import distinct, finish
from dra_toolkit.embedding.protocol import Embeddings
from dra_toolkit.errors import EmbedderError, did_you_mean
from dra_toolkit.groups import Array


def is_dotted_path(name: str) -> bool:
    """Say whether a name has the shape `package.module.function`."""
    return "." in name and all(part.isidentifier() for part in name.split("."))


def check_dotted_path(name: str) -> str | None:
    """Return what is wrong with a dotted path, as far as can be told without importing it, or None."""
    top = name.split(".")[0]
    if importlib.util.find_spec(top) or Path(top).is_dir() or Path(f"{top}.py").is_file():
        return None
    return f"{name!r} names no function: no module {top!r} is installed or lies in this folder"


def load_function(name: str) -> Callable[..., Any]:
    """Import the function at a dotted path; raise EmbedderError where there is none."""
    path, _, attribute = name.rpartition(".")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path + ".").startswith(error.name + "."):
            raise  # the module exists, and imports something that does not
        raise EmbedderError(f"embedder: {name!r} cannot be imported: no module {error.name!r}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        found = "a value that cannot be called" if hasattr(module, attribute) else "nothing"
        nearest = did_you_mean(attribute, [key for key, value in vars(module).items() if callable(value)])
        raise EmbedderError(
            f"embedder: {path!r} has {found} under {attribute!r}, expected a function of texts{nearest}"
        )
    return function


class FunctionEmbedder:
    """Calls `function(texts)`, which returns one row per text, (n, d); batches and devices are its own affair."""

    max_length: int | None = None

    def __init__(self, *, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self._function = function

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions, each distinct text once; raise EmbedderError for anything but numbers (n, d)."""
        unique, inverse = distinct(texts)
        return finish(self._rows(unique), inverse=inverse)

    def _rows(self, unique: list[str]) -> Array:
        if not unique:
            return np.zeros((0, 1))
        returned = self._function(unique)
        if hasattr(returned, "detach"):
            returned = returned.detach().float().cpu().numpy()
        expected = f"expected one row of numbers for each of {len(unique)} texts, (n, d)"
        try:
            rows = np.asarray(returned, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise EmbedderError(f"embedder: {self.name!r} returned {type(returned).__name__}, {expected}") from error
        if rows.ndim != 2 or rows.shape[0] != len(unique) or rows.shape[1] == 0:
            raise EmbedderError(f"embedder: {self.name!r} returned the shape {rows.shape}, {expected}")
        return rows
