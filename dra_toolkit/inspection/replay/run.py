"""Replay a whole run, or some of its steps, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dra_toolkit.diversity import DiversitySettings, Estimator, load_labeller
from dra_toolkit.embedding import load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.near import recorded_vectors
from dra_toolkit.inspection.replay.compute import advantages_of
from dra_toolkit.inspection.replay.differences import Differences
from dra_toolkit.inspection.replay.pieces import Piece
from dra_toolkit.inspection.replay.settings import Changes, recorded_settings
from dra_toolkit.inspection.replay.tables import COLUMNS_READ, Earlier, columns_for, needs_embeddings, piece_of
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.numbers import read_numbers
from dra_toolkit.runs.rows import texts_of

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
    earlier = Earlier(run, mode)
    for facts, table in tables:
        vectors = recorded_vectors(table)
        if embedder is not None:
            vectors = embedder.embed(texts_of(table)).vectors
            embedded(len(table))
        settings, recorded, anew = changes.settings(facts, mode), recorded_settings(facts, mode), embedder is not None
        piece = piece_of(table, facts, settings, recorded, vectors, anew=anew, labeller=labeller, correct=correct)
        yield facts, earlier.into(piece, settings)


def of_steps(steps: tuple[int, int] | None) -> str:
    """Return how a message names steps, nothing for all."""
    return f" of steps {steps[0]} to {steps[1]}" if steps else ""
