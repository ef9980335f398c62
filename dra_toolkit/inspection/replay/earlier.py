"""The prompts' history at each recorded group, for replays with a measure that reads it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dra_toolkit.diversity import DiversitySettings, PromptHistory, discount_of
from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.replay.pieces import Piece
from dra_toolkit.runs import Run
from dra_toolkit.runs.visits import visits

Place = tuple[int, ...]


class Earlier:
    """What each group's prompt had been answered before it, read once for each discount."""

    def __init__(self, run: Run, mode: Mode) -> None:
        self._run, self._mode = run, mode
        self._by_discount: dict[float, dict[Place, Array]] = {}

    def into(self, piece: Piece, settings: DiversitySettings) -> Piece:
        """Return the piece with the history of its groups where the settings need it."""
        if "history" not in settings.needs:
            return piece
        discount = discount_of(settings)
        if discount not in self._by_discount:
            self._by_discount[discount] = self._read(discount)
        known = self._by_discount[discount]
        before = np.stack([known[tuple(place)] for place in piece.keys.tolist()])
        return replace(piece, known={**piece.known, "history": np.repeat(before, piece.sizes, axis=0)})

    def _read(self, discount: float) -> dict[Place, Array]:
        """Return the history before each group; those of one generation batch do not know of each other."""
        history = PromptHistory(discount)
        found: dict[Place, Array] = {}
        every = visits(self._run, mode=self._mode)
        first = 0
        for end in range(1, len(every) + 1):
            if end == len(every) or every[end].place[:2] != every[first].place[:2]:
                batch = every[first:end]
                before = history.before([visit.prompt for visit in batch])
                found |= {visit.place: row for visit, row in zip(batch, before, strict=True)}
                for visit in batch:
                    history.add(visit.prompt, visit.right, visit.wrong)
                first = end
        return found
