"""Embedders and labels that know the truth, or nothing: the bounds of what a similarity can do here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from dra_toolkit.quickstart import STYLES, style_of

DIMENSIONS = 3
"""Of the placebo: few, so that random directions are often alike."""


def oracle(texts: Sequence[str]) -> np.ndarray:
    """Return one axis for each way, and one of its own for a text without one: similarity 1 within a way, else 0."""
    rows = np.zeros((len(texts), len(STYLES) + 4096))
    for row, text in zip(rows, texts, strict=True):
        style = style_of(text)
        row[list(STYLES).index(style) if style else len(STYLES) + _number(text) % 4096] = 1.0
    return rows


def placebo(texts: Sequence[str]) -> np.ndarray:
    """Return a direction by the hash of each text: equal texts alike, otherwise at random."""
    rows = [np.random.default_rng(_number(text)).standard_normal(DIMENSIONS) for text in texts]
    return np.array(rows).reshape(len(texts), DIMENSIONS)


def ways(texts: Sequence[str]) -> list[str | None]:
    """Return the true way of each text as its label."""
    return [style_of(text) for text in texts]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")
