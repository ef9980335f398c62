"""The embedder `hash`: which words and pairs of words a text has, in 4096 dimensions and without a model."""

import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.embedding.common import distinct, finish
from dra_toolkit.embedding.protocol import Embeddings, KnownEmbedder
from dra_toolkit.groups import Array

DIMENSIONS = 4096
_EMPTY = 0
"""The dimension of a text without words; no feature is hashed to it."""
_TOKEN = re.compile(r"\d+|\\?\w+|[^\w\s]")
"""A whole number, a word or LaTeX command, or a single sign."""
_CACHED_WORDS = 1_000_000
_AT_ONCE = 32


@lru_cache(maxsize=_CACHED_WORDS)
def _hash(word: str) -> int:
    """Return the 32-bit hash of a word, the same in every process and on every machine."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


class HashEmbedder:
    """Counts of words and of neighbouring pairs, hashed with a sign; reads a text of any length.

    The sign makes the inner product of two texts unbiased by collisions (Weinberger et al. 2009, arXiv 0902.2206).
    Upper and lower case, and how words are spaced, make no difference. Two texts without any word are duplicates, and
    similar to nothing else.
    """

    name = "hash"
    max_length: int | None = None

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions; `token_ids` are not read."""
        unique, inverse = distinct(texts)
        rows = np.empty((len(unique), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(unique), _AT_ONCE):
            rows[start : start + _AT_ONCE] = self._count(unique[start : start + _AT_ONCE])
        return finish(rows, inverse=inverse)

    def _count(self, texts: list[str]) -> Array:
        """Return the signed counts of each text's features, (n, DIMENSIONS)."""
        tokens = [_TOKEN.findall(text.lower()) for text in texts]
        lengths = np.array([len(words) for words in tokens])
        owners = np.repeat(np.arange(len(texts)), lengths)
        words = np.fromiter(map(_hash, chain.from_iterable(tokens)), np.uint32, count=len(owners))
        pairs = words[:-1] * np.uint32(0x9E3779B1) + words[1:] + np.uint32(1)
        within = owners[:-1] == owners[1:]
        features = _mix(np.concatenate((words, pairs[within])))
        signs = np.where(features & np.uint32(1), 1.0, -1.0)
        dimensions = 1 + (features >> np.uint32(1)) % np.uint32(DIMENSIONS - 1)
        places = np.concatenate((owners, owners[:-1][within])) * DIMENSIONS + dimensions
        counts = np.bincount(places, weights=signs, minlength=len(texts) * DIMENSIONS).astype(np.float32)
        counts = counts.reshape(-1, DIMENSIONS)
        counts[lengths == 0, _EMPTY] = 1.0
        return counts


def _mix(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Spread 32-bit values evenly: the finalizer of MurmurHash3. CRC-32 is linear, so pairs of words would collide."""
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed = mixed ^ (mixed >> np.uint32(13))
    mixed = mixed * np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(16))


HASH = KnownEmbedder(
    meaning="hashed words and word pairs, 4096 dimensions, no model", load=lambda settings, **_: HashEmbedder()
)
