"""Recorded numbers as arrays: completions of whole generation batches, with what settings need, in blocks of one size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import DiversitySettings, Labeller, PromptHistory, Signals, discount_of, equal_labels
from dra_toolkit.diversity.measures import NEEDS
from dra_toolkit.dotted import is_dotted
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array, Mode
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.runs import Run
from dra_toolkit.runs.numbers import KEYS, visits
from dra_toolkit.runs.rows import starts_of, texts_of
from dra_toolkit.runs.schema import COLUMNS, FileFacts

if TYPE_CHECKING:
    import pyarrow as pa


Indices = NDArray[np.intp]
SINGLE = 16 * float(np.finfo(np.float32).eps)
HALF = float(np.finfo(np.float16).eps) / 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """N completions of M groups in whole generation batches, as they were recorded.

    source                      what the numbers are of, for messages: a run, or a step
    keys                        (M, 3) step, batch and group of each group
    starts                      (M + 1,) the row where each group begins, and N
    totals, advantages, tokens  (N,)
    similarity                  the upper triangles of all groups, row by row, one after the other
    known                       what else is known of the completions, (N, ...), by its name in `Signals`
    embedded_anew               whether the similarity is that of the known embeddings, not the recorded one
    """

    source: str
    keys: NDArray[np.integer[Any]]
    starts: Indices
    totals: Array
    advantages: Array
    tokens: Array
    similarity: Array
    known: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    embedded_anew: bool = False

    @property
    def precision(self) -> float:
        """How exactly adjusted totals follow from what was recorded, as a share of the largest of the group.

        Embeddings are recorded in half precision. That moves a similarity by much less than their largest relative
        error, since the errors of the dimensions cancel: a quarter of it is twice what was seen in any group.
        """
        return SINGLE if self.embedded_anew or "embeddings" not in self.known else HALF

    @functools.cached_property
    def known_advantages(self) -> Array:
        """(N,) as recorded, 0 for what is no finite number."""
        return np.nan_to_num(self.advantages, posinf=0.0, neginf=0.0)

    def place(self, group: int) -> tuple[int, int, int]:
        """Return step, batch and index of a group, given its place among those of the piece."""
        step, batch, index = self.keys[group].tolist()
        return step, batch, index

    @property
    def sizes(self) -> Indices:
        """(M,) completions of each group."""
        return np.diff(self.starts)

    def signals(self, block: Block) -> Signals:
        """Return what is known of the groups of a block, the similarity as recorded or that of the embeddings."""
        values = {"lengths": self.tokens, **self.known}
        known: dict[str, Any] = {name: block.of(each) for name, each in values.items()}
        if not self.embedded_anew:
            known["similarity"] = block.similarity(self.similarity)
        return Signals(totals=block.of(self.totals), **known)

    def steps(self, block: Block) -> Array:
        """Return the step, (n,), of each group of a block."""
        return self.keys[block.groups, 0].astype(np.float64)

    @functools.cached_property
    def batches(self) -> Indices:
        """(B + 1,) the group where each generation batch begins, and M."""
        changed = (self.keys[1:, :2] != self.keys[:-1, :2]).any(axis=1)
        return np.concatenate([[0], 1 + np.flatnonzero(changed), [len(self.keys)]])

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """The groups by size; one block where all have the same."""
        return [self._block(np.flatnonzero(self.sizes == G)) for G in np.unique(self.sizes)]

    def batch_blocks(self, rows: int) -> Iterator[Block]:
        """Yield the generation batches, each of groups of one size that can be cut into slices of so many rows."""
        for first, end in pairwise(self.batches.tolist()):
            sizes = set(self.sizes[first:end].tolist())
            if len(sizes) != 1 or int(self.sizes[first:end].sum()) % rows:
                raise RunError(
                    f"{self.source}: step {self.keys[first, 0]}: {self.sizes[first:end].sum()} completions in groups of "
                    f"{', '.join(map(str, sorted(sizes)))} cannot be cut into slices of {rows}"
                )
            yield self._block(np.arange(first, end))

    @functools.cached_property
    def _triangles(self) -> Indices:
        pairs = self.sizes * (self.sizes - 1) // 2
        return np.cumsum(pairs) - pairs

    def _block(self, groups: Indices) -> Block:
        rows = self.starts[groups][:, None] + np.arange(self.sizes[groups[0]])
        return Block(groups=groups, rows=rows, triangles=self._triangles[groups])


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """n groups of G completions each.

    groups     (n,) their places among the groups of the piece
    rows       (n, G) the rows of their completions
    triangles  (n,) where the similarity of each begins
    """

    groups: Indices
    rows: Indices
    triangles: Indices

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return those of the values of a piece, (N, ...), that belong to these groups, (n, G, ...)."""
        return values[self.rows]

    def put(self, values: Array, into: Array) -> None:
        """Put values of these groups, (n, G), where they belong among those of a piece, (N,)."""
        into[self.rows] = values

    def similarity(self, values: Array) -> Array:
        """Return the whole matrices, (n, G, G), of the upper triangles of a piece."""
        n, G = self.rows.shape
        i, j = np.triu_indices(G, 1)
        found = np.ones((n, G, G), dtype=values.dtype)
        found[:, i, j] = found[:, j, i] = values[self.triangles[:, None] + np.arange(len(i))]
        return found


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
) -> NDArray[Any] | None:
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


Earlier = dict[tuple[int, ...], Array]
"""Place of a group -> what its prompt had been answered before it."""
Histories = Callable[[float], Earlier]


def with_history(piece: Piece, settings: DiversitySettings, earlier: Histories) -> Piece:
    """Return the piece with the history of its groups where the settings need it; `earlier` is given the discount."""
    if "history" not in settings.needs:
        return piece
    known = earlier(discount_of(settings))
    before = np.stack([known[tuple(place)] for place in piece.keys.tolist()])
    return replace(piece, known={**piece.known, "history": np.repeat(before, piece.sizes, axis=0)})


def histories(run: Run, mode: Mode, discount: float) -> Earlier:
    """Return the history before each group; those of one generation batch do not know of each other."""
    history = PromptHistory(discount)
    found: Earlier = {}
    for _, visited in groupby(visits(run, mode=mode), key=lambda visit: visit.place[:2]):
        batch = list(visited)
        before = history.before([visit.prompt for visit in batch])
        found |= {visit.place: row for visit, row in zip(batch, before, strict=True)}
        for visit in batch:
            history.add(visit.prompt, visit.right, visit.wrong)
    return found
