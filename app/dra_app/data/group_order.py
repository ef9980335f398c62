"""An order of a group's completions in which similar ones stand together."""

from __future__ import annotations

import numpy as np

from dra_toolkit.groups import Array


def clustered_order(similarity: Array) -> list[int]:
    """Return the completions, by place, so that similar ones are neighbours: average-linkage clustering.

    Of two clusters that are joined, each is turned so that the ends that meet are the more similar ones. What was not
    measured (NaN) counts as not similar. With equal similarities the completions keep their order.
    """
    G = len(similarity)
    S = np.nan_to_num(np.asarray(similarity, dtype=np.float64), nan=-1.0)
    members: dict[int, list[int]] = {i: [i] for i in range(G)}
    between = S.copy()
    np.fill_diagonal(between, -np.inf)
    for _ in range(G - 1):
        left, right = (int(i) for i in np.unravel_index(np.argmax(between), between.shape))
        left, right = min(left, right), max(left, right)
        a, b = members[left], members.pop(right)
        members[left] = _joined(a, b, S)
        merged = (len(a) * between[left] + len(b) * between[right]) / (len(a) + len(b))
        between[left], between[:, left] = merged, merged
        between[left, left] = -np.inf
        between[right], between[:, right] = -np.inf, -np.inf
    return next(iter(members.values())) if members else []


def _joined(a: list[int], b: list[int], S: Array) -> list[int]:
    """Return two clusters in one row, each turned so that the most similar ends meet; as they are if none is better."""
    ways = [(a, b), (a, b[::-1]), (a[::-1], b), (a[::-1], b[::-1])]
    left, right = max(ways, key=lambda way: S[way[0][-1], way[1][0]])
    return left + right
