"""The embedder that a function of the user's own is."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dra_toolkit.dotted import call_users, load_dotted
from dra_toolkit.embedding.common import distinct, finish
from dra_toolkit.embedding.protocol import EmbedderSettings, Embeddings, KnownEmbedder
from dra_toolkit.errors import EmbedderError
from dra_toolkit.groups import Array


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
        returned = call_users("embedder", self.name, self._function, unique, error=EmbedderError)
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


def _load(settings: EmbedderSettings, **_: Any) -> FunctionEmbedder:
    function = load_dotted("embedder", settings.name, expected="a function of texts", error=EmbedderError)
    return FunctionEmbedder(name=settings.name, function=function)


FUNCTION = KnownEmbedder(meaning="a function of your own", load=_load)
