"""The adjustment for rows in any order, each with the id of its group, in groups of any sizes."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.adjust import adjust_signals
from dra_toolkit.diversity.advantages import Estimator, Scaling, adjusted_advantages, group_advantages
from dra_toolkit.diversity.measures import Signals
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.groups import Adjustment, Array

Rows = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class AdjustedRows:
    """What the adjustment made of N rows."""

    groups: tuple[Rows, ...]
    """The rows of each group, in the order in which groups and rows came."""
    adjustments: tuple[Adjustment, ...]
    """Of each group by itself: (G, G) and (G,)."""
    settings: DiversitySettings

    @property
    def adjusted(self) -> Array:
        """(N,) total rewards after the adjustment."""
        return self.by_row([adjustment.adjusted for adjustment in self.adjustments])

    @property
    def weights(self) -> Array:
        """(N,) factors on total rewards, or on advantages."""
        return self.by_row([adjustment.weights for adjustment in self.adjustments])

    def advantages(self, scale_rewards: Scaling | Estimator = "group") -> Array:
        """Return the advantages of `adjusted_advantages`, (N,); a spread of the batch is that of all rows."""
        return self._of_batch(lambda whole: adjusted_advantages(whole, scale_rewards, self.settings))

    def plain_advantages(self, scale_rewards: Scaling | Estimator = "group") -> Array:
        """Return the advantages, (N,), that the totals would have had without the adjustment."""
        return self._of_batch(lambda whole: group_advantages(whole.totals, scale_rewards))

    def _of_batch(self, compute: Callable[[Adjustment], Array]) -> Array:
        if not self.groups:
            return np.zeros(0)
        parts = {name: [getattr(each, name) for each in self.adjustments] for name in ("totals", "adjusted", "weights")}
        if any(each.bonus is not None for each in self.adjustments):
            parts["bonus"] = [np.zeros_like(a.totals) if a.bonus is None else a.bonus for a in self.adjustments]
        flat = {name: np.concatenate(values) for name, values in parts.items()}
        whole, is_there = padded_adjustment(flat, np.array([*map(len, self.groups)]))
        return self.by_row([compute(whole)[is_there]])

    def by_row(self, values: Iterable[Array]) -> Array:
        """Return values of each group, (G, ...), in the order of the rows, (N, ...)."""
        return np.concatenate(list(values))[np.argsort(np.concatenate(self.groups))] if self.groups else np.zeros(0)


def adjust_rows(
    group_ids: Iterable[Hashable],
    *,
    totals: Array,
    embeddings: Array | None = None,
    settings: DiversitySettings | None = None,
    step: int | None = None,
    **known: Array,
) -> AdjustedRows:
    """Adjust the total rewards, (N,), of rows that belong to one group where their ids are equal; `adjust` by rows.

    Groups may have any sizes and their rows any order; each group gets what `adjust` makes of it alone. A group of one
    repeats nobody, and has advantage 0.

    embeddings  (N, d); without them only measures that need no similarity can be used
    known       what else is known of the completions, (N, ...), by its name in `Signals`

    Raises ValueError for rows without an id (None or NaN), for another number of values than of ids, and for the scope
    `rank_slice`, since the order of the rows says nothing here; MeasureError as `adjust_signals` does.

    >>> found = adjust_rows(["a", "b", "a"], totals=np.ones(3), embeddings=np.ones((3, 4)))
    >>> found.weights.tolist()
    [0.5, 1.0, 0.5]
    """
    settings = settings or DiversitySettings()
    if settings.scope != "group":
        raise ValueError(f"scope {settings.scope} compares neighbouring rows, which rows in any order do not have")
    groups = rows_by_group(group_ids)
    signals = {"totals": totals, "embeddings": embeddings, **known}
    values = {name: np.asarray(value) for name, value in signals.items() if value is not None}
    count = sum(map(len, groups))
    for name, value in values.items():
        if len(value) != count:
            raise ValueError(f"{name}: found {len(value)} values, expected one for each of {count} group_ids")
    adjustments: dict[int, Adjustment] = {}
    for places, rows in _by_size(groups):
        stacked = adjust_signals(Signals(**{name: value[rows] for name, value in values.items()}), settings, step)
        adjustments.update(zip(places, stacked, strict=True))
    return AdjustedRows(groups=groups, adjustments=tuple(adjustments[g] for g in range(len(groups))), settings=settings)


def rows_by_group(group_ids: Iterable[Hashable]) -> tuple[Rows, ...]:
    """Return the rows of each group, in the order in which they came; raises ValueError for a row without an id."""
    found: dict[Hashable, list[int]] = {}
    for row, value in enumerate(group_ids):
        with suppress(TypeError, ValueError, RuntimeError):  # of what is several values, or cannot be compared
            group = value.item() if hasattr(value, "item") else value  # tensors are never equal
            if group is not None and group == group:
                found.setdefault(group, []).append(row)
                continue
        raise ValueError(f"group_ids: row {row} has {str(value)[:60]}, expected the id of its group for each row")
    return tuple(np.array(rows, dtype=np.intp) for rows in found.values())


def padded_adjustment(values: Mapping[str, Array], sizes: Rows) -> tuple[Adjustment, NDArray[np.bool_]]:
    """Return groups of any sizes as one adjustment, (P, largest G), and which of its cells are completions.

    Smaller groups are filled up with missing totals, which neither count nor get an advantage. `values` holds totals,
    adjusted, weights and, where there is one, bonus, (N,) of one group after the other; similarities are not kept.
    """
    is_there = np.arange(sizes.max()) < sizes[:, None]
    padded = {name: np.full(is_there.shape, np.nan) for name in values}
    for name, flat in values.items():
        padded[name][is_there] = flat
    return Adjustment(similarity=padded["weights"], redundancy=padded["weights"], **padded), is_there


def _by_size(groups: tuple[Rows, ...]) -> Iterator[tuple[list[int], Rows]]:
    """Yield the places of groups of one size, and their rows (n, G)."""
    places: dict[int, list[int]] = {}
    for place, rows in enumerate(groups):
        places.setdefault(len(rows), []).append(place)
    for same in places.values():
        yield same, np.stack([groups[place] for place in same])
