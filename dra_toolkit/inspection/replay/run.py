"""Adjusted totals and advantages under given settings, by the trainer's own functions: of records, or of a whole run."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import (
    DiversitySettings,
    Estimator,
    Scaling,
    adjust_signals,
    adjusted_advantages,
    equal_labels,
    estimator_of,
    load_labeller,
    padded_adjustment,
)
from dra_toolkit.dotted import is_dotted
from dra_toolkit.embedding import load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, Array, GroupRecord, Mode
from dra_toolkit.inspection.replay.differences import Differences
from dra_toolkit.inspection.replay.pieces import (
    COLUMNS_READ,
    RECORDED,
    Block,
    Histories,
    Piece,
    columns_for,
    histories,
    needs_embeddings,
    piece_of,
    with_history,
)
from dra_toolkit.inspection.replay.settings import Changes, recorded_settings
from dra_toolkit.inspection.vectors import recorded_vectors
from dra_toolkit.judge.joining import joined
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.numbers import read_numbers
from dra_toolkit.runs.rows import texts_of

MISSING = "embedder=hash, or the run's own, embeds the texts anew"

Found = list[tuple[Block, Adjustment]]
"""Groups of a piece, and what was made of them; together, all groups."""


def advantages_of(piece: Piece, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return the adjusted totals and the advantages, (N,) each, of a piece under other settings."""
    if settings.adjusts:
        return flattened(piece, adjustments(piece, settings), settings, how)
    ones = np.ones((1, 1))  # nobody looks at what is not used, and it would cost most of the time
    unused = {"similarity": ones, "redundancy": ones}
    totals = [block.of(piece.totals) for block in piece.blocks]
    plain = [Adjustment(totals=each, adjusted=each, weights=np.ones_like(each), **unused) for each in totals]
    return flattened(piece, list(zip(piece.blocks, plain, strict=True)), settings, how)


def adjustments(piece: Piece, settings: DiversitySettings) -> Found:
    """Return what the settings make of all groups of a piece; raises RunError for what they need and was not recorded."""
    blocks = piece.blocks
    if settings.adjusts and settings.scope != "group":
        if "embeddings" not in piece.known:
            raise RunError(
                f"{piece.source}: diversity_scope rank_slice compares completions across groups, which the recorded "
                f"similarity does not hold; {MISSING}"
            )
        blocks = list(piece.batch_blocks(settings.slice_rows or 1))
    needs_similarity = "similarity" in settings.needs and not piece.embedded_anew
    if needs_similarity and np.isnan(piece.similarity).any():
        raise RunError(f"{piece.source}: the similarity was not recorded; {MISSING}")
    return [(block, adjust_signals(piece.signals(block), settings, piece.steps(block))) for block in blocks]


def flattened(piece: Piece, found: Found, settings: DiversitySettings, how: Scaling | Estimator) -> tuple[Array, Array]:
    """Return adjusted totals and advantages, (N,) each, in the order of the piece."""
    of_batch, advantages = estimator_of(how).scope == "batch", np.empty_like(piece.totals)
    flat = {name: np.zeros_like(piece.totals) for name in ("adjusted", "weights", "bonus")}
    for block, adjustment in found:
        for name, values in flat.items():
            if (of_block := getattr(adjustment, name)) is not None:
                block.put(of_block, values)
        if not of_batch:
            block.put(adjusted_advantages(adjustment, how, settings), advantages)
    adjusted = flat["adjusted"]
    if all(adjustment.bonus is None for _, adjustment in found):
        del flat["bonus"]
    for first, end in pairwise(piece.batches.tolist()) if of_batch else ():
        rows = slice(int(piece.starts[first]), int(piece.starts[end]))
        numbers = {name: values[rows] for name, values in {**flat, "totals": piece.totals}.items()}
        whole, is_there = padded_adjustment(numbers, piece.sizes[first:end])
        advantages[rows] = adjusted_advantages(whole, how, settings)[is_there]
    return adjusted, advantages


Values = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplayedGroup:
    """One group under other settings: weights and totals, and advantages, (G,), as they would have been."""

    record: GroupRecord
    adjustment: Adjustment
    advantages: Array


def replay_groups(
    records: Sequence[GroupRecord],
    settings: DiversitySettings,
    scale_rewards: Scaling | Estimator = "group",
    *,
    correct_by: str | None = None,
    earlier: Histories | None = None,
) -> list[ReplayedGroup]:
    """Return groups as they would have been under other settings, in order.

    With `scale_rewards` batch, and with the scope rank_slice, the records given are taken for whole generation batches.
    correct_by: the reward function that tells right from wrong; None counts positive totals as right. earlier: `histories`
    of the run, for measures that read them. Raises MeasureError or RunError where the settings need what was not recorded.
    """
    replayed: list[ReplayedGroup] = []
    for _, members in groupby(records, key=lambda record: record.mode):
        of_one_mode = list(members)
        piece = piece_of_records(of_one_mode, settings, correct_by)
        piece = with_history(piece, settings, earlier) if earlier else piece
        found = adjustments(piece, settings)
        advantages = np.split(flattened(piece, found, settings, scale_rewards)[1], piece.starts[1:-1])
        by_group = {int(g): part for block, whole in found for g, part in zip(block.groups, whole, strict=True)}
        replayed += [
            ReplayedGroup(record=record, adjustment=by_group[g], advantages=advantages[g])
            for g, record in enumerate(of_one_mode)
        ]
    return replayed


def piece_of_records(
    records: Sequence[GroupRecord], settings: DiversitySettings, correct_by: str | None = None
) -> Piece:
    """Return records of one mode as a piece, with what the settings need."""

    def joined(value: Callable[[GroupRecord], Values | None]) -> Values | None:
        found = [values for record in records if (values := value(record)) is not None]
        return np.concatenate(found) if len(found) == len(records) else None

    def all_of(value: Callable[[GroupRecord], Array]) -> Array:
        return np.concatenate([value(record) for record in records])

    known = {
        **{name: joined(attrgetter(name)) for name in RECORDED},
        "correct": joined(lambda record: record.group.rewards.get(correct_by or "")),
        "labels": joined(lambda record: _labels(record, settings)),
    }
    if known["correct"] is not None:
        known["correct"] = np.nan_to_num(known["correct"]) > CORRECT_ABOVE
    return Piece(
        source=f"step {records[0].step}",
        keys=np.array([[record.step, record.batch, record.index] for record in records]),
        starts=np.cumsum([0, *map(len, (record.group for record in records))]),
        totals=all_of(lambda record: record.adjustment.totals),
        advantages=all_of(lambda record: record.advantages),
        tokens=all_of(lambda record: record.group.token_counts.astype(np.float64)),
        similarity=all_of(lambda record: record.adjustment.similarity[np.triu_indices(len(record.group), 1)]),
        known={name: values for name, values in known.items() if values is not None},
    )


def _labels(record: GroupRecord, settings: DiversitySettings) -> Values | None:
    if "labels" not in settings.needs or is_dotted(settings.labels):
        return record.labels
    return equal_labels(joined(map(final_answer, record.group.texts)))


Tell = Callable[[int], None]
TOLERANCE = 1e-5
"""How far a replay with the recorded settings may be from a recorded advantage, rounding of float32 apart."""


@dataclass(frozen=True, kw_only=True)
class ReplayReport:
    """What a replay found.

    settings       how rewards were adjusted in the replay, of the last steps seen
    estimator      how advantages were made of the totals
    settings_vary  whether the recorded settings changed along the run; each step is then replayed from its own
    problems       one line for each file that was skipped, and why
    """

    run: str
    mode: Mode
    changes: Changes
    settings: DiversitySettings
    estimator: Estimator
    embedder: str
    differences: Differences
    settings_vary: bool
    problems: tuple[str, ...]


def replay_run(
    run: Run,
    changes: Changes | None = None,
    *,
    mode: Mode = "train",
    steps: tuple[int, int] | None = None,
    top: int = 20,
    embedded: Tell = lambda completions: None,
) -> ReplayReport:
    """Recompute adjusted totals and advantages from the recorded rewards and similarity, and compare with the recorded.

    Without changes this reproduces what the trainer used. `embedded` is called with the number of completions that were
    embedded anew since the last call. Raises RunError if nothing is recorded, or not what the settings need.
    """
    changes = changes or Changes()
    if not changes and any(f.made.baseline == "leave_one_out" for f in run.facts(mode)) and run.recipe.objective.beta:
        raise RunError(f"{run.name}: RLOO's advantages have TRL's KL term in them (beta), which is not recorded")
    differences = Differences(top=top)
    used: list[tuple[DiversitySettings, Estimator, str]] = []
    for facts, piece in pieces_of(run, changes, mode, steps, embedded):
        settings, estimator = changes.settings(facts, mode), changes.estimator(facts)
        adjusted, advantages = advantages_of(piece, settings, estimator)
        differences.add(piece, adjusted, advantages, estimator, tolerance=None if changes else TOLERANCE)
        here = (settings, estimator, changes.embedder.name if changes.embedder else facts.embedder)
        if not used or used[-1] != here:
            used.append(here)
    if not used:
        raise RunError(f"{run.name}: no {mode} groups are recorded{of_steps(steps)}")
    differences.steps = dict(sorted(differences.steps.items()))
    settings, estimator, embedder = used[-1]
    return ReplayReport(
        run=run.name,
        mode=mode,
        changes=changes,
        settings=settings,
        estimator=estimator,
        embedder=embedder,
        differences=differences,
        settings_vary=len(used) > 1,
        problems=tuple(f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())),
    )


def pieces_of(
    run: Run,
    changes: Changes,
    mode: Mode,
    steps: tuple[int, int] | None,
    embedded: Tell = lambda completions: None,
    *,
    correct: bool = False,
) -> Iterator[tuple[FileFacts, Piece]]:
    """Yield the recorded groups in pieces, with what the changed settings need; correct: and with who is right."""
    used = [changes.settings(facts, mode) for facts in run.facts(mode)]
    embedder = None if changes.embedder is None else load_embedder(changes.embedder)
    labeller = None if changes.labels_by is None else load_labeller(changes.labels_by)
    if embedder or labeller or any(map(needs_embeddings, used)):
        tables = run.store.read(mode=mode, steps=steps)
    else:
        columns = [*COLUMNS_READ, *(name for each in used for name in columns_for(each, correct=correct))]
        tables = read_numbers(run.store, list(dict.fromkeys(columns)), mode=mode, steps=steps)
    earlier = functools.cache(functools.partial(histories, run, mode))
    for facts, table in tables:
        vectors = recorded_vectors(table)
        if embedder is not None:
            vectors = embedder.embed(texts_of(table)).vectors
            embedded(len(table))
        settings, recorded, anew = changes.settings(facts, mode), recorded_settings(facts, mode), embedder is not None
        piece = piece_of(table, facts, settings, recorded, vectors, anew=anew, labeller=labeller, correct=correct)
        yield facts, with_history(piece, settings, earlier)


def of_steps(steps: tuple[int, int] | None) -> str:
    """Return how a message names steps, nothing for all."""
    return f" of steps {steps[0]} to {steps[1]}" if steps else ""
