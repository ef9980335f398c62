"""From recorded columns to a piece: the numbers, and what the settings need besides (correctness, clusters, ...)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import DiversitySettings, PromptHistory, discount_of, equal_labels
from dra_toolkit.diversity.measures import NEEDS
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array, Mode
from dra_toolkit.inspection.replay.pieces import Piece
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.runs import Run
from dra_toolkit.runs.numbers import KEYS, visits
from dra_toolkit.runs.rows import starts_of, texts_of
from dra_toolkit.runs.schema import COLUMNS, FileFacts

if TYPE_CHECKING:
    import pyarrow as pa

Labels = NDArray[np.integer[Any]]
Labeller = Callable[[Sequence[str]], Labels]
"""From the texts of a group to their clusters."""
COLUMNS_READ = ("total", "similarity", "advantage", "tokens")
"""What a replay reads of each completion, beside its keys."""
RECORDED = {column.field: column.name for column in COLUMNS if column.field in NEEDS}
"""Name in `Signals`, and in GroupRecord, of what a measure may need -> the column that holds it."""


def columns_for(settings: DiversitySettings, *, correct: bool = False) -> list[str]:
    """Return the columns, beside those of every replay, that settings need of the recorded numbers."""
    wanted = ["rewards"] if correct or _reads_correct(settings) else []
    wanted += ["answer"] if "labels" in settings.needs else []
    return [*wanted, *(column for name, column in RECORDED.items() if name in settings.needs)]


def piece_of(
    table: pa.Table,
    facts: FileFacts,
    settings: DiversitySettings,
    recorded: DiversitySettings,
    embeddings: Array | None = None,
    *,
    anew: bool = False,
    labeller: Labeller | None = None,
    correct: bool = False,
) -> Piece:
    """Return the rows of a table as arrays, with what `settings` need; raises RunError if they do not fit together.

    anew: whether the embeddings take the place of the recorded similarity. labeller: makes the clusters of the texts.
    correct: whether to read which completions are correct even where the settings do not ask.
    """
    starts = starts_of(table, KEYS)
    similarity = table["similarity"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    sizes = np.diff(starts)
    if len(similarity) != int((sizes * (sizes - 1) // 2).sum()):
        step, batch = table["step"][0], table["batch"][0]
        raise RunError(f"{facts.run}: step {step}, batch {batch}: the recorded similarity does not fit its groups")
    known: dict[str, NDArray[Any] | None] = {
        **{name: _column(table, name) for name in RECORDED if name != "embeddings"},
        "correct": _correct(table, facts) if correct or _reads_correct(settings) else None,
        "labels": _labels(table, settings, recorded, labeller),
        "embeddings": embeddings,
    }
    return Piece(
        source=facts.run,
        keys=np.stack([table[name].to_numpy()[starts[:-1]] for name in KEYS], axis=1),
        starts=starts,
        totals=_numbers(table, "total"),
        advantages=_numbers(table, "advantage"),
        tokens=_numbers(table, "tokens"),
        similarity=similarity,
        known={name: values for name, values in known.items() if values is not None},
        embedded_anew=anew,
    )


def _numbers(table: pa.Table, name: str) -> Array:
    return table[name].to_numpy().astype(np.float64, copy=False)


def needs_embeddings(settings: DiversitySettings) -> bool:
    """Return whether the similarity inside the groups is not enough: slices compare completions of different groups."""
    return settings.adjusts and (settings.scope != "group" or "embeddings" in settings.needs)


def _reads_correct(settings: DiversitySettings) -> bool:
    """Return whether settings may ask which completions are correct; graph cut, the usual measure, does not."""
    return settings.adjusts and (settings.measure != "graph_cut" or settings.negative_totals == "correct_only")


def _correct(table: pa.Table, facts: FileFacts) -> NDArray[np.bool_] | None:
    """Return which completions count as correct, (N,); None where no reward function tells right from wrong."""
    if facts.correct_by is None or "rewards" not in table.column_names:
        return None
    values = table["rewards"].combine_chunks().field(facts.correct_by)
    return np.nan_to_num(values.to_numpy(zero_copy_only=False).astype(np.float64)) > CORRECT_ABOVE


def _labels(
    table: pa.Table, settings: DiversitySettings, recorded: DiversitySettings, labeller: Labeller | None = None
) -> Labels | None:
    """Return the cluster of each completion, (N,): the labeller's, as recorded with these settings, or by equal answers."""
    if "labels" not in settings.needs:
        return None
    if labeller is not None:
        texts = texts_of(table)
        return np.concatenate([labeller(texts[a:b]) for a, b in pairwise(starts_of(table, KEYS))])
    column = _column(table, "labels")
    if column is not None and settings.labels == recorded.labels:
        return column.astype(np.int32)
    if is_dotted(settings.labels) or "answer" not in table.column_names:
        return None
    answers, starts = table["answer"].to_pylist(), starts_of(table, KEYS)
    return np.concatenate([equal_labels(answers[a:b]) for a, b in pairwise(starts)])


def _column(table: pa.Table, name: str) -> Array | None:
    column = RECORDED[name]
    if column not in table.column_names or table[column].null_count == len(table):
        return None
    return table[column].to_numpy(zero_copy_only=False)


class Earlier:
    """What each group's prompt had been answered before it, read once for each discount."""

    def __init__(self, run: Run, mode: Mode) -> None:
        self._run, self._mode = run, mode
        self._by_discount: dict[float, dict[tuple[int, ...], Array]] = {}

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

    def _read(self, discount: float) -> dict[tuple[int, ...], Array]:
        """Return the history before each group; those of one generation batch do not know of each other."""
        history = PromptHistory(discount)
        found: dict[tuple[int, ...], Array] = {}
        for _, visited in groupby(visits(self._run, mode=self._mode), key=lambda visit: visit.place[:2]):
            batch = list(visited)
            before = history.before([visit.prompt for visit in batch])
            found |= {visit.place: row for visit, row in zip(batch, before, strict=True)}
            for visit in batch:
                history.add(visit.prompt, visit.right, visit.wrong)
        return found
