"""The diversity-aware reward adjustment: similarity -> measure -> weights -> adjusted totals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.guards import guarded
from dra_toolkit.diversity.labels import Labels, similar_labels
from dra_toolkit.diversity.measures import Effect, Signals
from dra_toolkit.diversity.measures.graph_cut import graph_cut
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.diversity.similarity import centred_similarity, cosine_similarity
from dra_toolkit.diversity.weights import combined
from dra_toolkit.errors import MeasureError
from dra_toolkit.groups import Adjustment, Array

Mask = NDArray[np.bool_]


def adjust(
    *,
    embeddings: Array,
    totals: Array,
    settings: DiversitySettings | None = None,
    step: int | Array | None = None,
    correct: Mask | None = None,
    labels: Labels | None = None,
    log_probs: Array | None = None,
    lengths: Array | None = None,
) -> Adjustment:
    """Adjust the total rewards (..., G) of groups whose completions have the embeddings (..., G, d).

    Source: arXiv 2505.09655. A completion without a total (NaN) still counts as one that others may repeat. The other
    arguments are those of `adjust_similarity`.

    >>> alike = adjust(embeddings=np.ones((2, 3)), totals=np.array([1.0, 1.0]))
    >>> alike.weights.tolist(), alike.adjusted.tolist()
    ([0.5, 0.5], [0.5, 0.5])
    """
    settings = settings or DiversitySettings()
    similarity = cosine_similarity(embeddings)
    if settings.slice_rows is None:
        return adjust_similarity(
            similarity=similarity,
            totals=totals,
            settings=settings,
            step=step,
            correct=correct,
            labels=labels,
            log_probs=log_probs,
            lengths=lengths,
            embeddings=embeddings,
        )
    shape = totals.shape
    slices = np.asarray(embeddings).reshape(-1, settings.slice_rows, embeddings.shape[-1])
    signals = _signals(cosine_similarity(slices), np.zeros(slices.shape[:2]), settings)
    effect = _effect(signals, settings)
    in_groups = Effect(weights=effect.weights.reshape(shape), redundancy=_redundancy(effect, signals).reshape(shape))
    return _adjustment(similarity, in_groups, totals, _correct(totals, correct), settings, step)


def adjust_similarity(
    *,
    similarity: Array,
    totals: Array,
    settings: DiversitySettings | None = None,
    step: int | Array | None = None,
    correct: Mask | None = None,
    labels: Labels | None = None,
    log_probs: Array | None = None,
    lengths: Array | None = None,
    embeddings: Array | None = None,
) -> Adjustment:
    """Adjust total rewards (..., G) given the similarity (..., G, G), as a reader of recorded groups has it.

    step        the step, or steps (...,), at which the groups were sampled, for a schedule; None is outside of it
    correct     (..., G) which completions are correct; by default those with a positive total
    labels      (..., G) clusters, for the measures that read them
    log_probs   (..., G) mean log-probabilities of the tokens, for the measures that read them
    lengths     (..., G) tokens, and embeddings (..., G, d): for measures of the user's own

    A group whose similarity was not measured (NaN) is left as it is by measures that need it.

    Raises MeasureError where the measure needs what is not there, and ValueError for the scope `rank_slice`, which
    compares completions across groups and so needs embeddings.
    """
    settings = settings or DiversitySettings()
    if settings.scope != "group":
        raise ValueError(
            f"scope {settings.scope} compares completions across groups: adjust() with embeddings does that"
        )
    correct = _correct(totals, correct)
    missing = np.isnan(similarity.sum(axis=(-2, -1)))
    known = similarity
    if missing.any():
        known = np.where(missing[..., None, None], np.eye(similarity.shape[-1], dtype=similarity.dtype), similarity)
    signals = _signals(
        known,
        totals,
        settings,
        correct=correct,
        labels=labels,
        log_probs=log_probs,
        lengths=lengths,
        embeddings=embeddings,
    )
    effect = _effect(signals, settings)
    effect = Effect(weights=effect.weights, bonus=effect.bonus, redundancy=_redundancy(effect, signals))
    if missing.any():
        effect = _without(effect, missing, needed="similarity" in settings.needs)
    return _adjustment(similarity, effect, totals, correct, settings, step)


def _correct(totals: Array, correct: Mask | None) -> Mask:
    return totals > 0 if correct is None else np.asarray(correct, dtype=bool)


def _signals(
    similarity: Array,
    totals: Array,
    settings: DiversitySettings,
    *,
    correct: Mask | None = None,
    labels: Labels | None = None,
    log_probs: Array | None = None,
    lengths: Array | None = None,
    embeddings: Array | None = None,
) -> Signals:
    kernel = centred_similarity(similarity) if settings.similarity_centre == "group_mean" else similarity
    floored = kernel if settings.similarity_floor is None else np.maximum(kernel, settings.similarity_floor)
    if settings.labels == "similarity" and "labels" in settings.needs:
        labels = similar_labels(floored, settings.label_threshold)
    return Signals(
        similarity=floored,
        kernel=kernel,
        totals=totals,
        correct=_correct(totals, correct),
        labels=labels,
        log_probs=log_probs,
        embeddings=embeddings,
        lengths=lengths,
    )


def _effect(signals: Signals, settings: DiversitySettings) -> Effect:
    if not settings.adjusts:
        return Effect(weights=np.ones(signals.totals.shape))
    absent = [need for need in settings.definition.needs if getattr(signals, need) is None]
    if absent:
        raise MeasureError(
            f"diversity: {settings.measure} needs {', '.join(absent)} of each completion, which are not there; "
            f"{_REMEDIES[absent[0]]}"
        )
    return settings.definition.compute(signals, **settings.option_values())


_REMEDIES = {
    "labels": "they are recorded by runs with a measure that reads them, and labels: similarity needs none",
    "log_probs": "they are recorded by runs with a measure that reads them",
    "embeddings": "they are recorded with record_embeddings: true",
    "lengths": "give them by keyword",
}


def _redundancy(effect: Effect, signals: Signals) -> Array:
    """Return what the measure calls redundancy, or graph cut's where it has no such notion."""
    return graph_cut(signals.similarity) if effect.redundancy is None else effect.redundancy


def _without(effect: Effect, missing: Mask, *, needed: bool) -> Effect:
    """Return the effect without groups whose similarity was not measured: none where it was needed, no redundancy."""
    groups = missing[..., None]
    bonus = None if effect.bonus is None else np.where(groups & needed, 0.0, effect.bonus)
    redundancy = None if effect.redundancy is None else np.where(groups, np.nan, effect.redundancy)
    return Effect(weights=np.where(groups & needed, 1.0, effect.weights), bonus=bonus, redundancy=redundancy)


def _adjustment(
    similarity: Array,
    effect: Effect,
    totals: Array,
    correct: Mask,
    settings: DiversitySettings,
    step: int | Array | None,
) -> Adjustment:
    weights, bonus = effect.weights, effect.bonus
    if settings.adjusts:
        weights, bonus = guarded(weights, bonus, totals, correct, settings, step)
    on_totals = settings.acts_on == "total"
    shift = settings.negative_totals == "shift" and settings.adjusts
    return Adjustment(
        similarity=similarity,
        redundancy=effect.redundancy if effect.redundancy is not None else np.full(totals.shape, np.nan),
        weights=weights,
        totals=totals,
        adjusted=combined(totals, weights, bonus, shift=shift) if on_totals else totals,
        bonus=bonus,
    )
