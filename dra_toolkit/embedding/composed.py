"""Embedders made of something else: of a function of anybody's own, and of another embedder that reads parts of texts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dra_toolkit.dotted import call_users, load_dotted
from dra_toolkit.embedding.common import distinct, finish
from dra_toolkit.embedding.protocol import Embedder, EmbedderSettings, Embeddings, KnownEmbedder
from dra_toolkit.errors import EmbedderError
from dra_toolkit.groups import Array

PARTS = ("completion", "reasoning", "answer")
_THINK, _ANSWER, _BOX = "</think>", "<answer>", "\\boxed{"


def split(text: str) -> tuple[str, str]:
    r"""Return the reasoning and the answer of a completion.

    The answer begins after the last `</think>`; without one, at the last `<answer>`; without that, at the last `\boxed{`;
    and a completion without any of them is all reasoning.

    >>> split(r"<think>7 and 8</think> It is \boxed{15}.")
    ('<think>7 and 8</think>', ' It is \\boxed{15}.')
    >>> split("I do not know")
    ('I do not know', '')
    """
    at = text.rfind(_THINK)
    if at >= 0:
        return text[: at + len(_THINK)], text[at + len(_THINK) :]
    at = text.rfind(_ANSWER)
    if at < 0:
        at = text.rfind(_BOX)
    return (text[:at], text[at:]) if at >= 0 else (text, "")


def part_of(text: str, part: str) -> str:
    """Return one of `PARTS` of a completion."""
    reasoning, answer = split(text)
    return {"completion": text, "reasoning": reasoning, "answer": answer}[part]


class PartsEmbedder:
    """Embeds parts of completions with another embedder.

    The unit vectors of several parts are concatenated, which makes the similarity of two completions the mean of their
    parts' similarities. A completion without a part is embedded as the empty text there: two of them are duplicates in it.
    """

    def __init__(self, embedder: Embedder, parts: Sequence[str]) -> None:
        self.name, self.max_length = embedder.name, embedder.max_length
        self._embedder, self._parts = embedder, tuple(parts)

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions from their texts; `token_ids`, those of whole completions, are not read."""
        found = [self._embedder.embed([part_of(text, part) for text in texts]) for part in self._parts]
        vectors = np.concatenate([embedded.vectors for embedded in found], axis=1)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Embeddings(
            vectors=np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0),
            truncated=max(embedded.truncated for embedded in found),
            invalid=max(embedded.invalid for embedded in found),
        )


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
