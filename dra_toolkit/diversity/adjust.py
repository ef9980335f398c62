"""The diversity-aware reward adjustment: similarity -> measure -> weights -> adjusted totals."""

from dataclasses import replace
from typing import Any

import numpy as np

from dra_toolkit.diversity.group_statistics import zero_spread
from dra_toolkit.diversity.labels import similar_labels
from dra_toolkit.diversity.measures import Effect, Signals
from dra_toolkit.diversity.measures.redundancy import graph_cut
from dra_toolkit.diversity.measures.signals import missing
from dra_toolkit.diversity.settings import DiversitySettings
from dra_toolkit.diversity.similarity import centred_similarity
from dra_toolkit.diversity.weights import combined, inverted_for_negatives, mean_one
from dra_toolkit.errors import MeasureError
from dra_toolkit.groups import Adjustment, Array


def adjust(
    *, totals: Array, settings: DiversitySettings | None = None, step: int | Array | None = None, **known: Any
) -> Adjustment:
    """Adjust the total rewards (..., G) of groups whose completions have embeddings (..., G, d) or similarity (..., G, G).

    Source: arXiv 2505.09655. A completion without a total (NaN) still counts as one that others may repeat.

    step    the step, or steps (...,), at which the groups were sampled, for a schedule; None is outside of it
    known   what is known of the completions, by the names that `Signals` has for it: embeddings, correct, labels, ...

    >>> adjust(embeddings=np.ones((2, 3)), totals=np.array([1.0, 1.0])).adjusted.tolist()
    [0.5, 0.5]
    """
    if not known.keys() & {"embeddings", "similarity"} and "similarity" in (settings or DiversitySettings()).needs:
        raise MeasureError("adjust: found neither embeddings nor similarity, of which the measure needs one")
    return adjust_signals(Signals(totals=totals, **known), settings, step)


def adjust_signals(
    signals: Signals, settings: DiversitySettings | None = None, step: int | Array | None = None
) -> Adjustment:
    """Adjust the total rewards, (..., G), of groups of which these signals are known; `adjust` is this by keyword.

    A group whose similarity was not measured (NaN) is left as it is by measures that need it.

    Raises MeasureError where the measure needs what is not there, and ValueError for the scope `rank_slice`, which
    compares completions across groups, without embeddings.
    """
    settings = settings or DiversitySettings()
    effect = _in_groups(signals, settings) if settings.scope == "group" else _in_slices(signals, settings)
    weights, bonus = effect.weights, effect.bonus
    if settings.adjusts:
        weights, bonus = _guarded(effect, signals, settings, step)
    on_totals = settings.acts_on == "total"
    totals = signals.totals
    return Adjustment(
        similarity=signals.similarity,
        redundancy=np.full(totals.shape, np.nan) if effect.redundancy is None else effect.redundancy,
        weights=weights,
        totals=totals,
        adjusted=combined(totals, weights, bonus, shift=settings.shifts) if on_totals else totals,
        bonus=bonus,
    )


def _in_groups(signals: Signals, settings: DiversitySettings) -> Effect:
    similarity = signals.similarity
    unknown = np.isnan(similarity.sum(axis=(-2, -1)))[..., None]
    if unknown.any():
        alone = np.eye(similarity.shape[-1], dtype=similarity.dtype)
        signals = replace(signals, similarity=np.where(unknown[..., None], alone, similarity))
    effect = _effect(signals, settings)
    if not unknown.any():
        return effect
    left = unknown & ("similarity" in settings.needs)
    assert effect.redundancy is not None
    return Effect(
        weights=np.where(left, 1.0, effect.weights),
        bonus=None if effect.bonus is None else np.where(left, 0.0, effect.bonus),
        redundancy=np.where(unknown, np.nan, effect.redundancy),
    )


def _in_slices(signals: Signals, settings: DiversitySettings) -> Effect:
    """Return the effect where every `slice_rows` consecutive completions are compared, whatever they answer."""
    if signals.embeddings is None or settings.slice_rows is None:
        raise ValueError(
            f"scope {settings.scope} compares completions across groups: adjust() with embeddings does that"
        )
    slices = np.asarray(signals.embeddings).reshape(-1, settings.slice_rows, signals.embeddings.shape[-1])
    effect = _effect(Signals(totals=np.zeros(slices.shape[:2]), embeddings=slices), settings)
    assert effect.redundancy is not None
    shape = signals.totals.shape
    return Effect(weights=effect.weights.reshape(shape), redundancy=effect.redundancy.reshape(shape))


def _effect(signals: Signals, settings: DiversitySettings) -> Effect:
    """Return what the measure makes of signals; where it has no notion of redundancy, with graph cut's."""
    signals = _as_settings_say(signals, settings)
    if not settings.adjusts:
        return Effect(weights=np.ones(signals.totals.shape), redundancy=graph_cut(signals.similarity))
    absent, remedy = missing(signals, settings.definition.needs)
    if absent:
        raise MeasureError(
            f"diversity: {settings.measure} needs {', '.join(absent)} of each completion, which are not there; {remedy}"
        )
    effect = settings.definition.compute(signals, **settings.option_values())
    return effect if effect.redundancy is not None else replace(effect, redundancy=graph_cut(signals.similarity))


def _as_settings_say(signals: Signals, settings: DiversitySettings) -> Signals:
    """Return signals with the similarity centred and floored, and with labels that follow from it."""
    S = signals.similarity
    kernel = centred_similarity(S) if settings.similarity_centre == "group_mean" else S
    floored = kernel if settings.similarity_floor is None else np.maximum(kernel, settings.similarity_floor)
    labels = signals.labels
    if settings.labels == "similarity" and "labels" in settings.definition.needs and settings.adjusts:
        labels = similar_labels(floored, settings.label_threshold)
    return replace(signals, similarity=floored, kernel=kernel, labels=labels)


def _guarded(
    effect: Effect, signals: Signals, settings: DiversitySettings, step: int | Array | None
) -> tuple[Array, Array | None]:
    """Return weights and bonus, (..., G), as the settings want them, in this order: scale, sign, spread, schedule."""
    weights, bonus, totals = effect.weights, effect.bonus, signals.totals
    if settings.has_factor and settings.weights == "mean_one":
        weights = mean_one(weights)
    if settings.has_factor and settings.negative_totals == "multiply":
        weights = inverted_for_negatives(weights, _signed(totals, settings))
    if settings.negative_totals == "correct_only":
        weights = np.where(signals.correct, weights, 1.0)
        bonus = None if bonus is None else np.where(signals.correct, bonus, 0.0)
    if settings.zero_spread_groups == "skip":
        is_equal = zero_spread(totals)[..., None]  # such a group then has no gradient, as in GRPO
        weights = np.where(is_equal, 1.0, weights)
        bonus = None if bonus is None else np.where(is_equal, 0.0, bonus)
    strength = settings.strength(step)
    if (strength != 1.0).any():
        weights = 1.0 + strength[..., None] * (weights - 1.0)
        bonus = None if bonus is None else strength[..., None] * bonus
    return weights, bonus


def _signed(totals: Array, settings: DiversitySettings) -> Array:
    """Return what has the sign of that which the weights act on: the totals, or how far they are above the mean."""
    if settings.acts_on == "total":
        return totals
    known = ~np.isnan(totals)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    return totals - np.where(known, totals, 0.0).sum(axis=-1, keepdims=True) / count
