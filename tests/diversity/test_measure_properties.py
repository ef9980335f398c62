"""What holds for every diversity measure: order, copies, groups of one, missing totals, stacks, signs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dra_toolkit.diversity import (
    MEASURES,
    NEGATIVE_TOTALS,
    ZERO_SPREAD_GROUPS,
    DiversitySettings,
    adjust,
    adjusted_advantages,
)
from dra_toolkit.errors import MeasureError

every_measure = pytest.mark.parametrize("name", list(MEASURES))
examples = settings(max_examples=40)  # of several groups each
sizes = st.integers(1, 8)
seeds = st.integers(0, 2**31)


class Drawn:
    """Groups drawn at random: P of G completions, some of them copies."""

    def __init__(self, seed: int, P: int, G: int) -> None:
        rng = np.random.default_rng(seed)
        self.E = rng.standard_normal((P, G, 4))
        self.labels = rng.integers(0, 3, (P, G))
        self.log_probs = -rng.random((P, G)) * 3
        self.lengths = rng.integers(1, 60, (P, G)).astype(float)
        self.history = np.broadcast_to(rng.integers(0, 9, (P, 1, 2)), (P, G, 2)).astype(float)
        self.totals = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], (P, G))
        if G > 2:  # the last two are one text, told apart by nothing
            for values in (self.E, self.labels, self.log_probs, self.lengths, self.totals):
                values[:, -1] = values[:, -2]

    def outcome(self, settings: DiversitySettings, order=slice(None), groups=slice(None), step=None):
        adjustment = adjust(
            embeddings=self.E[groups][:, order],
            totals=self.totals[groups][:, order],
            settings=settings,
            step=step,
            labels=self.labels[groups][:, order],
            log_probs=self.log_probs[groups][:, order],
            lengths=self.lengths[groups][:, order],
            history=self.history[groups][:, order],
        )
        return adjustment, adjusted_advantages(adjustment, "group", settings)


settings_of = st.builds(
    dict,
    weights=st.sampled_from(["raw", "mean_one"]),
    negative_totals=st.sampled_from(NEGATIVE_TOTALS),
    zero_spread_groups=st.sampled_from(ZERO_SPREAD_GROUPS),
    similarity_centre=st.sampled_from(["none", "group_mean"]),
    labels=st.sampled_from(["answer", "similarity"]),
)


@every_measure
@examples
@given(seed=seeds, G=sizes, chosen=settings_of)
def test_order_inside_a_group_does_not_matter(name, seed, G, chosen):
    drawn, settings = Drawn(seed, 5, G), DiversitySettings(measure=name, **chosen)
    order = np.random.default_rng(seed).permutation(G)
    (straight, plain), (shuffled, moved) = drawn.outcome(settings), drawn.outcome(settings, order)
    for field in ("weights", "adjusted", "redundancy"):
        expected = getattr(straight, field)[:, order]
        np.testing.assert_allclose(getattr(shuffled, field), expected, rtol=1e-7, atol=1e-9, err_msg=field)
    np.testing.assert_allclose(moved, plain[:, order], rtol=1e-4, atol=1e-5)


@every_measure
@examples
@given(seed=seeds, G=sizes, chosen=settings_of)
def test_stacked_groups_are_the_groups_alone(name, seed, G, chosen):
    drawn, settings = Drawn(seed, 3, G), DiversitySettings(measure=name, **chosen)
    stacked, advantages = drawn.outcome(settings)
    for p in range(3):
        alone, its = drawn.outcome(settings, groups=slice(p, p + 1))
        np.testing.assert_allclose(stacked.adjusted[p], alone.adjusted[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(advantages[p], its[0], rtol=1e-6, atol=1e-8)


@every_measure
@examples
@given(seed=seeds, G=st.integers(3, 8), chosen=settings_of)
def test_copies_are_treated_alike(name, seed, G, chosen):
    adjustment, advantages = Drawn(seed, 5, G).outcome(DiversitySettings(measure=name, **chosen))
    np.testing.assert_allclose(adjustment.adjusted[:, -1], adjustment.adjusted[:, -2], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(advantages[:, -1], advantages[:, -2], rtol=1e-6, atol=1e-8)


@every_measure
@examples
@given(seed=seeds)
def test_a_group_of_one_and_a_group_of_copies_stay_finite(name, seed):
    drawn = Drawn(seed, 5, 1)
    adjustment, advantages = drawn.outcome(DiversitySettings(measure=name))
    assert np.isfinite(adjustment.adjusted).all()
    assert np.isfinite(advantages).all()
    copies = Drawn(seed, 5, 6)
    copies.E[:] = copies.E[:, :1]
    copies.labels[:] = 0
    assert np.isfinite(copies.outcome(DiversitySettings(measure=name))[0].adjusted).all()


@every_measure
@examples
@given(seed=seeds, G=st.integers(2, 8), chosen=settings_of)
def test_a_missing_total_stays_missing_and_gets_no_advantage(name, seed, G, chosen):
    drawn = Drawn(seed, 5, G)
    drawn.totals[0, 0] = np.nan
    adjustment, advantages = drawn.outcome(DiversitySettings(measure=name, **chosen))
    assert np.isnan(adjustment.adjusted[0, 0])
    assert np.isfinite(adjustment.adjusted[~np.isnan(drawn.totals)]).all()
    assert advantages[0, 0] == 0
    assert np.isfinite(advantages).all()


@every_measure
def test_a_group_without_any_total_gets_no_advantage(name):
    drawn = Drawn(0, 2, 4)
    drawn.totals[:] = np.nan
    for guard in NEGATIVE_TOTALS:
        _, advantages = drawn.outcome(DiversitySettings(measure=name, negative_totals=guard))
        np.testing.assert_array_equal(advantages, 0)


@every_measure
@examples
@given(seed=seeds, chosen=settings_of)
def test_skipped_groups_and_groups_outside_the_schedule_are_left_alone(name, seed, chosen):
    drawn = Drawn(seed, 5, 5)
    settings = DiversitySettings(measure=name, **chosen | {"zero_spread_groups": "skip"}, stop_step=10)
    later, advantages = drawn.outcome(settings, step=10)
    np.testing.assert_allclose(later.adjusted, drawn.totals, rtol=0, atol=1e-12)
    plain = drawn.outcome(DiversitySettings(measure="none"))[1]
    np.testing.assert_allclose(advantages, plain, atol=1e-9)
    drawn.totals[:] = -0.5
    skipped, advantages = drawn.outcome(settings)
    np.testing.assert_array_equal(skipped.adjusted, drawn.totals)
    np.testing.assert_array_equal(advantages, 0)


@every_measure
def test_groups_whose_similarity_was_not_measured_are_left_alone_where_it_is_needed(name):
    drawn, settings = Drawn(1, 2, 4), DiversitySettings(measure=name)
    similarity = drawn.outcome(settings)[0].similarity.copy()
    similarity[0] = np.nan
    known = {name: getattr(drawn, name) for name in ("totals", "labels", "log_probs", "lengths", "history")} | {
        "settings": settings
    }
    adjustment = adjust(similarity=similarity, **known)
    assert np.isnan(adjustment.redundancy[0]).all()
    whole = drawn.outcome(settings)[0]
    np.testing.assert_allclose(adjustment.adjusted[1], whole.adjusted[1])
    expected = drawn.totals[0] if "similarity" in MEASURES[name].needs else whole.adjusted[0]
    np.testing.assert_allclose(adjustment.adjusted[0], expected)
    if "similarity" in MEASURES[name].needs:
        np.testing.assert_array_equal(adjustment.weights[0], 1)


@pytest.mark.parametrize("name", [name for name, m in MEASURES.items() if set(m.needs) & {"labels", "log_probs"}])
def test_what_is_needed_and_not_there_is_said_in_one_line(name):
    with pytest.raises(MeasureError, match=f"diversity: {name} needs ") as caught:
        adjust(similarity=np.eye(3), totals=np.ones(3), settings=DiversitySettings(measure=name))
    assert len(caught.value.problems) == 1
    assert "\n" not in caught.value.problems[0]


@every_measure
@examples
@given(seed=seeds, G=st.integers(2, 8))
def test_single_precision_similarities_do_as_well(name, seed, G):
    """Recorded similarities are float32: copies and near copies must not blow a kernel up."""
    drawn, settings = Drawn(seed, 5, G), DiversitySettings(measure=name)
    exact, _ = drawn.outcome(settings)
    again = adjust(
        similarity=exact.similarity.astype(np.float32),
        totals=drawn.totals,
        settings=settings,
        labels=drawn.labels,
        log_probs=drawn.log_probs,
        lengths=drawn.lengths,
        history=drawn.history,
    )
    if name != "evol":  # scales novelties that may differ by rounding alone
        np.testing.assert_allclose(again.adjusted, exact.adjusted, atol=2e-5)
    assert np.isfinite(again.adjusted).all()
