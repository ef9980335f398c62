"""Settings that work with every measure: sign of totals, groups without spread, centring, schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.diversity import (
    DiversitySettings,
    adjust,
    adjusted_advantages,
    centred_similarity,
    cosine_similarity,
    group_advantages,
    replaces_advantages,
)
from dra_toolkit.diversity.similarity import LEFT

HALVES = np.ones((2, 2))
"""Two copies: graph-cut weights of 1/2."""
LABELS = np.array([[0, 0, 1]])


def of(settings: DiversitySettings, totals, similarity=HALVES, **known):
    return adjust(similarity=similarity, totals=np.array(totals), settings=settings, **known)


class TestShift:
    shift = DiversitySettings(negative_totals="shift")

    def test_weights_act_on_what_is_above_the_smallest(self):
        """-1 and 3 are 0 and 4 above the smallest: 0 and 2 after halving, -1 and 1 again."""
        np.testing.assert_allclose(of(self.shift, [-1.0, 3.0]).adjusted, [-1, 1])

    def test_without_negative_totals_nothing_is_shifted(self):
        np.testing.assert_allclose(of(self.shift, [1.0, 3.0]).adjusted, [0.5, 1.5])

    def test_a_missing_total_is_not_the_smallest(self):
        adjusted = of(self.shift, [math.nan, -2.0]).adjusted
        np.testing.assert_array_equal(adjusted, [math.nan, -2])

    def test_advantages_are_shifted_for_a_measure_that_acts_on_them(self):
        """Advantages -1/3, -1/3, 2/3 with factors 3/2, 3/2, 3: above the smallest 0, 0, 1."""
        settings = DiversitySettings(measure="uniqueness", negative_totals="shift")
        adjustment = of(settings, [[0.0, 0.0, 1.0]], np.eye(3)[None], labels=LABELS)
        np.testing.assert_allclose(adjusted_advantages(adjustment, "none", settings), [[-1 / 3, -1 / 3, 3 - 1 / 3]])


class TestCorrectOnly:
    only = DiversitySettings(negative_totals="correct_only")

    def test_wrong_completions_keep_their_totals(self):
        np.testing.assert_allclose(of(self.only, [-1.0, 3.0]).adjusted, [-1, 1.5])

    def test_correctness_is_told_by_the_reward_function_not_by_the_total(self):
        adjusted = of(self.only, [0.3, 0.3], correct=np.array([False, True])).adjusted
        np.testing.assert_allclose(adjusted, [0.3, 0.15])

    def test_what_a_measure_adds_is_kept_from_wrong_ones_too(self):
        settings = DiversitySettings(measure="dqo", negative_totals="correct_only")
        adjusted = of(settings, [0.0, 1.0]).adjusted
        assert adjusted[0] == 0
        assert adjusted[1] < 1


class TestMultiplyOnAdvantages:
    def test_negative_advantages_are_divided_by_what_would_enlarge_them(self):
        settings = DiversitySettings(measure="uniqueness", negative_totals="multiply")
        adjustment = of(settings, [[1.0, 1.0, 0.0]], np.eye(3)[None], labels=LABELS)
        np.testing.assert_allclose(adjustment.weights, [[1.5, 1.5, 1 / 3]])


class TestCap:
    cap = DiversitySettings(zero_spread_groups="cap")
    solved = np.array([[1.0, 1.0, 1.0]])
    S = np.array([[[1, 0.6, 0], [0.6, 1, 0.8], [0, 0.8, 1]]])

    def test_differences_weigh_what_they_do_in_a_group_with_one_failure(self):
        """Weights 0.625, 0.417, 0.556 less their mean, over 1 / sqrt(3): the spread of totals 1, 1, 0."""
        adjustment = of(self.cap, self.solved, self.S)
        weights = np.array([1 / 1.6, 1 / 2.4, 1 / 1.8])
        reference = np.std([1, 1, 0], ddof=1)
        expected = (weights - weights.mean()) / (reference + 1e-4)
        np.testing.assert_allclose(adjusted_advantages(adjustment, "group", self.cap), [expected])

    def test_less_than_adjusting_and_more_than_skipping(self):
        capped = np.abs(adjusted_advantages(of(self.cap, self.solved, self.S), "group", self.cap)).max()
        free = DiversitySettings()
        full = np.abs(adjusted_advantages(of(free, self.solved, self.S), "group", free)).max()
        assert 0 < capped < 0.5 * full

    def test_size_of_the_reward_does_not_matter(self):
        once = adjusted_advantages(of(self.cap, self.solved, self.S), "group", self.cap)
        many = adjusted_advantages(of(self.cap, -50 * self.solved, self.S), "group", self.cap)
        np.testing.assert_allclose(many, -once, rtol=1e-3)

    def test_groups_with_spread_are_not_capped(self):
        adjustment = of(self.cap, [[1.0, 1.0, 0.0]], self.S)
        np.testing.assert_array_equal(
            adjusted_advantages(adjustment, "group", self.cap), group_advantages(adjustment.adjusted)
        )

    def test_a_group_that_earned_nothing_gets_nothing(self):
        settings = DiversitySettings(measure="dqo", zero_spread_groups="cap")
        adjustment = of(settings, [[0.0, 0.0, 0.0]], self.S)
        np.testing.assert_array_equal(adjusted_advantages(adjustment, "group", settings), 0)

    @pytest.mark.parametrize("scaling", ["batch", "none"])
    def test_other_scalings_divide_by_nothing_small(self, scaling):
        adjustment = of(self.cap, self.solved, self.S)
        np.testing.assert_array_equal(
            adjusted_advantages(adjustment, scaling, self.cap), group_advantages(adjustment.adjusted, scaling)
        )

    @pytest.mark.parametrize(
        ("settings", "scaling", "replaced"),
        [
            (DiversitySettings(), "group", False),
            (DiversitySettings(zero_spread_groups="cap"), "group", True),
            (DiversitySettings(zero_spread_groups="cap"), "none", False),
            (DiversitySettings(measure="none", zero_spread_groups="cap"), "group", False),
            (DiversitySettings(measure="ucpo"), "none", True),
        ],
    )
    def test_when_advantages_are_not_those_of_the_adjusted_totals(self, settings, scaling, replaced):
        assert replaces_advantages(settings, scaling) is replaced


class TestCentre:
    @given(st.integers(0, 2**31), st.integers(1, 8))
    def test_is_the_cosine_of_centred_unit_vectors(self, seed, G):
        E = np.random.default_rng(seed).standard_normal((2, G, 5))
        E /= np.linalg.norm(E, axis=-1, keepdims=True)
        left = np.full((2, G, 1), np.sqrt(LEFT))  # what all have in common
        expected = cosine_similarity(np.concatenate([E - E.mean(axis=1, keepdims=True), left], axis=-1))
        np.testing.assert_allclose(centred_similarity(cosine_similarity(E)), expected, atol=1e-9)

    def test_copies_stay_copies(self):
        np.testing.assert_allclose(centred_similarity(np.ones((4, 4))), 1, atol=1e-12)
        two_and_two = np.kron(np.array([[1, 0.9], [0.9, 1]]), np.ones((2, 2)))
        apart = centred_similarity(two_and_two)
        np.testing.assert_allclose(apart, np.kron([[1, -1], [-1, 1]], np.ones((2, 2))), atol=1e-3)
        np.testing.assert_allclose(apart[:2, :2], 1, atol=1e-12)

    def test_what_all_share_no_longer_counts(self):
        """Three unit vectors alike by 0.9 are, less their mean, as far apart as three can be."""
        S = np.full((3, 3), 0.9) + 0.1 * np.eye(3)
        np.testing.assert_allclose(centred_similarity(S), np.full((3, 3), -0.5) + 1.5 * np.eye(3), atol=1e-3)
        settings = DiversitySettings(similarity_centre="group_mean")
        adjusted = of(settings, np.ones(3), S)
        np.testing.assert_allclose(adjusted.weights, 1)
        np.testing.assert_array_equal(adjusted.similarity, S)  # recorded as measured


class TestSchedule:
    late = DiversitySettings(start_step=3, ramp_steps=4, stop_step=10)

    def test_strength(self):
        steps = np.array([1, 2, 3, 4, 5, 6, 7, 9, 10, 50])
        np.testing.assert_allclose(self.late.strength(steps), [0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 0, 0])
        assert self.late.strength(None) == 1
        assert DiversitySettings().strength(1) == 1

    def test_weights_grow_with_it(self):
        for step, weight in ((1, 1), (3, 0.875), (4, 0.75), (6, 0.5), (10, 1)):
            np.testing.assert_allclose(of(self.late, [1.0, 1.0], step=step).weights, [weight] * 2)

    def test_steps_of_stacked_groups(self):
        found = of(self.late, np.ones((3, 2)), np.ones((3, 2, 2)), step=np.array([2, 4, 6]))
        np.testing.assert_allclose(found.weights, [[1, 1], [0.75, 0.75], [0.5, 0.5]])

    def test_in_rank_slices_too(self):
        settings = DiversitySettings(scope="rank_slice", slice_rows=2, stop_step=2)
        kwargs = {"embeddings": np.ones((2, 2, 3)), "totals": np.ones((2, 2)), "settings": settings}
        np.testing.assert_allclose(adjust(**kwargs, step=1).weights, 0.5)
        np.testing.assert_allclose(adjust(**kwargs, step=2).weights, 1)

    @pytest.mark.parametrize("bad", [{"start_step": 0}, {"start_step": 5, "stop_step": 4}, {"ramp_steps": -1}])
    def test_impossible(self, bad):
        with pytest.raises(ValueError, match=list(bad)[-1]):
            DiversitySettings(**bad)


def test_only_redundancies_can_be_taken_in_rank_slices():
    with pytest.raises(ValueError, match="mmr compares the completions of one prompt"):
        DiversitySettings(measure="mmr", scope="rank_slice", slice_rows=4)
    assert DiversitySettings(measure="log_det", scope="rank_slice", slice_rows=4).slice_rows == 4
