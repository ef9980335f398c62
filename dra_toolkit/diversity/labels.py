"""Which completions of a group count as the same: clusters for the measures that read labels."""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.dotted import call_users, load_dotted
from dra_toolkit.errors import MeasureError
from dra_toolkit.groups import Array

LABELS = ("answer", "similarity")
"""Where labels come from, besides a function of the user's: equal final answers, or similarities above a threshold."""

Labels = NDArray[np.integer[Any]]
Labeller = Callable[[Sequence[str]], Labels]
"""From the texts of one group to their clusters, (G,)."""


def equal_labels(keys: Iterable[Hashable]) -> Labels:
    """Return one label for each of a group's keys, (G,): equal keys, equal labels, counted from 0.

    All completions without a key (None) form one cluster: to give no answer must not look like a rare answer.
    """
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int32)


def similar_labels(similarity: Array, threshold: float) -> Labels:
    """Return the clusters, (..., G), of completions joined by similarities (..., G, G) of at least the threshold.

    Two completions are in one cluster if a chain of such similarities leads from one to the other (single linkage); the
    label is the place of the first of the cluster.
    """
    G = similarity.shape[-1]
    joined = (similarity >= threshold) | np.eye(G, dtype=bool)
    for _ in range(math.ceil(math.log2(max(G - 1, 1)))):
        reach = joined.astype(np.float32)
        joined = reach @ reach > 0
    return joined.argmax(axis=-1).astype(np.int32)


def load_labeller(path: str) -> Labeller:
    """Import a user's function from the texts of a group to as many labels, of any kind; raises MeasureError.

    In a run of several processes each calls it with the same texts, so it must return the same labels in each.
    """
    function = load_dotted("diversity_labels", path, expected="a function of texts", error=MeasureError)

    def label(texts: Sequence[str]) -> Labels:
        returned = call_users("diversity_labels", path, function, list(texts), error=MeasureError)
        try:
            keys = [_key(each) for each in (returned.tolist() if hasattr(returned, "tolist") else returned)]
            labels = equal_labels(keys)
        except TypeError:
            raise MeasureError(
                f"diversity_labels: {path!r} returned {type(returned).__name__}, expected one label for each text"
            ) from None
        if len(keys) != len(texts):
            raise MeasureError(
                f"diversity_labels: {path!r} returned {len(keys)} labels for {len(texts)} texts, expected one for each"
            )
        return labels

    return label


def _key(label: Any) -> Hashable:
    """Return a label that can be compared; None, no label, also for NaN."""
    found = label.item() if hasattr(label, "item") else label
    return None if found != found else found
