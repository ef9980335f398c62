"""How alike the completions of a group are."""

import numpy as np

from dra_toolkit.groups import Array


def cosine_similarity(embeddings: Array) -> Array:
    """Return the cosine similarity of every pair of a group, (..., G, G), for embeddings (..., G, d).

    Rows need not be normalised. The diagonal is exactly 1 and the matrix exactly symmetric. A row of zeros says nothing
    and is similar to nothing: 0 off the diagonal.

    Raises ValueError for embeddings that are not finite: a similarity computed from them would be silently wrong.
    """
    E = np.asarray(embeddings)
    if not np.issubdtype(E.dtype, np.floating) or E.dtype == np.float16:
        E = E.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        S = E @ np.swapaxes(E, -1, -2)
    squares = np.diagonal(S, axis1=-2, axis2=-1)
    if not np.isfinite(squares).all() or (squares < np.finfo(E.dtype).tiny).any():
        S, squares = _rescaled_products(E)
    norms = np.sqrt(squares)
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    S *= scale[..., :, None] * scale[..., None, :]
    np.clip(S, -1.0, 1.0, out=S)
    diagonal = np.arange(E.shape[-2])
    S[..., diagonal, diagonal] = 1.0
    return S


LEFT = 1e-5
"""Squared length that is left to all completions in common: far above what rounding leaves of equal vectors, far below
what different texts do."""


def centred_similarity(similarity: Array) -> Array:
    """Return the cosine similarity, (..., G, G), of a group's unit vectors after their mean was taken from each.

    What all completions of a group share, such as the words of the problem, no longer counts. For unit vectors the
    similarities themselves are enough: with H = I - 1/G, the centred inner products are H S H.

    A common part of squared length 1e-5 stays in each, so that completions that were the same stay similar by 1 where
    nothing else is left of them, and rounding decides nothing; the matrix is positive semi-definite as S is. But for that
    part, one at the mean of the others is similar to none, and two different completions alone to -1.
    """
    S = np.asarray(similarity, dtype=np.float64)
    means = S.mean(axis=-1)
    C = S - means[..., :, None] - means[..., None, :] + means.mean(axis=-1)[..., None, None]
    C += LEFT
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(C, axis1=-2, axis2=-1), LEFT))
    C *= scale[..., :, None] * scale[..., None, :]
    np.clip(C, -1.0, 1.0, out=C)
    diagonal = np.arange(S.shape[-1])
    C[..., diagonal, diagonal] = 1.0
    return C


def _rescaled_products(E: Array) -> tuple[Array, Array]:
    """Return the inner products, and the squared norms, of rows divided by their largest entry: no over- or underflow."""
    largest = np.abs(E).max(axis=-1, keepdims=True, initial=0.0)
    if not np.isfinite(largest).all():
        raise ValueError("embeddings must be finite, found NaN or infinity")
    scaled = np.divide(E, largest, out=np.zeros_like(E), where=largest > 0)
    products = scaled @ np.swapaxes(scaled, -1, -2)
    return products, np.diagonal(products, axis1=-2, axis2=-1).copy()
