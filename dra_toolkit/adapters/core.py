"""What every adapter does, free of any engine: ragged rows of whole groups -> adjusted totals, record, metrics."""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from dra_toolkit.adapters.embedders import engine_embedder
from dra_toolkit.adapters.record import EngineRecord
from dra_toolkit.adapters.rows import EngineBatch, EngineRows
from dra_toolkit.adapters.settings import EngineSettings
from dra_toolkit.diversity import Estimator, adjust_rows, equal_labels, load_labeller, load_measure, total_rewards
from dra_toolkit.diversity.rows import rows_by_group
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array
from dra_toolkit.rewards.answers import final_answer

REMEMBERED = 8
"""Batches whose group ids are remembered, so that a group that comes in two of them is noticed."""


class EngineRun:
    """The adjustment of one run of an engine, and its record; says in one line that it is on.

    Raises RunError, one line, for an embedder that cannot be loaded, or that does not measure what is needed.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        engine: str,
        reward_weights: Mapping[str, float],
        estimator: Estimator,
        abstains: bool = False,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.settings, self.estimator = settings.diversity, estimator
        self.reward_weights, self._abstains, self._tell = dict(reward_weights), abstains, tell
        if is_dotted(self.settings.measure):
            load_measure(self.settings.measure)
        if settings.embedder is None and self.settings.needs & {"similarity", "embeddings"}:
            raise RunError(f"embedder: none cannot measure what diversity: {self.settings.measure} needs")
        self._embedder = engine_embedder(settings)
        self._labeller = load_labeller(self.settings.labels) if is_dotted(self.settings.labels) else None
        self._seen: deque[frozenset[Hashable]] = deque(maxlen=REMEMBERED)
        self.recorded = EngineRecord(settings, engine, self.reward_weights, estimator, tell)
        tell(
            f"DRA is on in {engine}: diversity {self.settings.measure}, embedder {settings.recipe.embedder.name}, "
            f"recorded in {self.recorded.directory.path}"
        )

    def adjust(self, rows: EngineRows, step: int) -> EngineBatch:
        """Return what the adjustment makes of rows at a step, counted from 1.

        Raises RunError for rewards that are infinite, or where a completion has none and the engine knows no such thing;
        ValueError for a row without the id of its group.
        """
        rows, step = rows.plain(), int(step)
        member_of = rows.members()
        of_all = range(len(rows.group_ids)) if rows.trajectories is None else rows.trajectories
        places = {key: place for place, key in enumerate(member_of)}
        completion_of, row_of = [places.get(key) for key in of_all], list(member_of.values())
        rows = rows.taken(row_of)
        totals = self._totals(rows, step)
        known: dict[str, Any] = {"lengths": np.asarray(rows.tokens, dtype=np.float64), **rows.known}
        if self._embedder is not None:
            known["embeddings"] = self._embedder.embed(list(rows.completions)).vectors
        if "labels" in self.settings.needs:
            known["labels"] = self._labels(rows)
        found = adjust_rows(rows.group_ids, totals=totals, settings=self.settings, step=step, **known)
        self._look_for_split_groups(rows, step)
        return EngineBatch(rows=rows, step=step, found=found, known=known, row_of=row_of, completion_of=completion_of)

    def advantages(self, batch: EngineBatch) -> Array:
        """Return the advantages, (N,), that the adjusted totals have in the engine's definition, or the measure itself."""
        return batch.found.advantages(self.estimator)

    def record(self, batch: EngineBatch, advantages: Array) -> dict[str, float]:
        """Record the batch with the advantages, (N,), that the engine trains with; return its metrics."""
        return self.recorded.write(batch, np.asarray(advantages, dtype=np.float64))

    def _totals(self, rows: EngineRows, step: int) -> Array:
        columns = np.stack([rows.rewards[name] for name in self.reward_weights], axis=-1)
        totals = total_rewards(columns, np.array(list(self.reward_weights.values())))
        bad = np.isinf(columns).any(axis=-1) | (np.isnan(totals) & (not self._abstains))
        if bad.any():
            first = int(np.argmax(bad))
            said = ", ".join(f"{name} {columns[first, k]:g}" for k, name in enumerate(self.reward_weights))
            raise RunError(
                f"rewards: {bad.sum()} of {len(bad)} completions of step {step} have no finite total, the first in group "
                f"{rows.group_ids[first]} ({said}); expected a number for each"
            )
        return totals

    def _look_for_split_groups(self, rows: EngineRows, step: int) -> None:
        here = frozenset(rows.group_ids)
        split = next((ids & here for ids in self._seen if ids & here), None)
        if split:
            self._tell(
                f"group {next(iter(split))} of step {step} came in an earlier batch too: {len(split)} groups are split over "
                "batches and were adjusted in parts; let the engine hand over whole groups"
            )
        self._seen.append(here)

    def _labels(self, rows: EngineRows) -> Any:
        found = np.empty(len(rows.completions), dtype=np.int32)
        for members in rows_by_group(rows.group_ids):
            texts = [rows.completions[row] for row in members]
            found[members] = self._labeller(texts) if self._labeller else equal_labels(map(final_answer, texts))
        return found
