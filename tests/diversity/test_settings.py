"""The settings beyond the paper's formula: scope, weight scale, sign of negative totals, groups without spread."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dra_toolkit.diversity import SETTING_KEYS, DiversitySettings, adjust, diversity_settings
from dra_toolkit.diversity.weights import inverted_for_negatives, mean_one
from dra_toolkit.errors import SettingsError

# Two groups of three in the plane: e1 e1 e2 | e2 e2 -e1
PAIR = np.array([[[1, 0], [1, 0], [0, 1]], [[0, 1], [0, 1], [-1, 0]]], dtype=np.float64)
THREE = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])  # redundancies 0.6, 1.4, 0.8

coordinates = st.floats(-10, 10, allow_nan=False, width=32)
stacks = st.tuples(st.integers(1, 3), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float64, (*shape, 4), elements=coordinates),
        hnp.arrays(np.float64, shape, elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, math.nan])),
    )
)
group_settings = st.builds(
    DiversitySettings,
    weights=st.sampled_from(["raw", "mean_one"]),
    negative_totals=st.sampled_from(["divide", "multiply"]),
    zero_spread_groups=st.sampled_from(["adjust", "skip"]),
)


def sliced(rows: int, **more: object) -> DiversitySettings:
    return DiversitySettings(scope="rank_slice", slice_rows=rows, **more)


class TestDeclaration:
    def test_every_setting_says_how_it_is_written_and_what_it_does(self):
        assert {each.name for each in fields(DiversitySettings)} == {*SETTING_KEYS, "options"}
        for each in SETTING_KEYS.values():
            assert all((each.label, each.help, each.kinds))
        assert len({each.key for each in SETTING_KEYS.values()}) == len(SETTING_KEYS)

    def test_a_recipe_and_back(self):
        settings = DiversitySettings(measure="mmr", options={"mmr_trade_off": 0.25}, weights="mean_one", stop_step=4)
        recipe = {**settings.as_recipe(), "per_device_train_batch_size": 8}
        assert diversity_settings(recipe) == settings

    def test_every_problem_is_told_by_its_recipe_key(self):
        recipe = {**DiversitySettings().as_recipe(), "per_device_train_batch_size": 8}
        bad = {"diversity_weights": "mean", "similarity_floor": 2.0, "diversity_start_step": 0}
        with pytest.raises(SettingsError) as caught:
            diversity_settings(recipe | bad)
        assert [problem.partition(":")[0] for problem in caught.value.problems] == list(bad)


class TestRankSlice:
    def test_slice_that_mixes_two_groups_by_hand(self):
        """Slices of two: (e1, e1), (e2 | e2), (e2, -e1); the third row is compared with the next group's first."""
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)), settings=sliced(2))
        np.testing.assert_allclose(found.redundancy, [[1, 1, 1], [1, 0, 0]], atol=1e-12)
        np.testing.assert_allclose(found.weights, [[0.5, 0.5, 0.5], [0.5, 1, 1]], atol=1e-12)

    def test_group_scope_on_the_same_embeddings_by_hand(self):
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)))
        np.testing.assert_allclose(found.redundancy, [[1, 1, 0], [1, 1, 0]], atol=1e-12)

    def test_similarity_is_still_that_of_the_groups(self):
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)), settings=sliced(2))
        np.testing.assert_allclose(found.similarity[1], [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)

    def test_negative_similarities_across_groups_count_without_a_floor(self):
        """Slices of six: e1 e1 e2 e2 e2 -e1, where -e1 is opposite to two."""
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)), settings=sliced(6, similarity_floor=None))
        np.testing.assert_allclose(found.redundancy, [[0, 0, 2], [2, 2, -2]], atol=1e-12)
        np.testing.assert_allclose(found.weights, [[1, 1, 1 / 3], [1 / 3, 1 / 3, -1]], atol=1e-12)

    def test_floor_holds_across_groups(self):
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)), settings=sliced(6))
        np.testing.assert_allclose(found.redundancy, [[1, 1, 2], [2, 2, 0]], atol=1e-12)

    def test_slices_of_four_over_identical_groups_of_six_as_released(self):
        """Two groups of six identical, equally rewarded completions: three others in each slice, so 1 / (1 + 3)."""
        found = adjust(
            embeddings=np.ones((2, 6, 5)), totals=np.full((2, 6), 2.0), settings=sliced(4, similarity_floor=None)
        )
        np.testing.assert_allclose(found.weights, np.full((2, 6), 0.25), atol=1e-6)
        np.testing.assert_allclose(found.adjusted, np.full((2, 6), 0.5), atol=1e-6)
        whole = adjust(embeddings=np.ones((2, 6, 5)), totals=np.full((2, 6), 2.0))
        np.testing.assert_allclose(whole.weights, np.full((2, 6), 1 / 6), atol=1e-6)

    def test_slices_of_four_make_weights_depend_on_the_place_in_the_batch(self):
        """Group one all e1, group two all e2: the middle slice holds two of each, so their weight is 1/2, not 1/4."""
        E = np.repeat(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), 6, axis=1)
        found = adjust(embeddings=E, totals=np.ones((2, 6)), settings=sliced(4))
        expected = [[0.25, 0.25, 0.25, 0.25, 0.5, 0.5], [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]]
        np.testing.assert_allclose(found.weights, expected, atol=1e-12)

    @given(stacks)
    def test_slices_as_long_as_a_group_are_the_groups(self, stack):
        E, totals = stack
        alone, whole = (
            adjust(embeddings=E, totals=totals, settings=sliced(E.shape[1])),
            adjust(embeddings=E, totals=totals),
        )
        np.testing.assert_array_equal(alone.weights, whole.weights)
        np.testing.assert_array_equal(alone.adjusted, whole.adjusted)

    def test_slices_of_one_row_see_no_other(self):
        found = adjust(embeddings=np.ones((2, 3, 4)), totals=np.ones((2, 3)), settings=sliced(1))
        np.testing.assert_array_equal(found.weights, np.ones((2, 3)))

    def test_a_slice_needs_its_rows(self):
        with pytest.raises(ValueError, match="slice_rows"):
            DiversitySettings(scope="rank_slice")

    def test_a_group_has_no_rows_of_a_slice(self):
        with pytest.raises(ValueError, match="slice_rows"):
            DiversitySettings(slice_rows=4)

    def test_similarities_of_groups_alone_do_not_do(self):
        with pytest.raises(ValueError, match=r"rank_slice.*embeddings"):
            adjust(similarity=np.eye(3)[None], totals=np.ones((1, 3)), settings=sliced(3))


class TestMeanOne:
    def test_by_hand(self):
        """Weights 1/2, 1/2, 1 have the mean 2/3."""
        found = adjust(embeddings=PAIR, totals=np.ones((2, 3)), settings=DiversitySettings(weights="mean_one"))
        np.testing.assert_allclose(found.weights, [[0.75, 0.75, 1.5]] * 2, atol=1e-12)
        np.testing.assert_allclose(found.redundancy, [[1, 1, 0]] * 2, atol=1e-12)

    @given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3), elements=st.floats(0.01, 1)))
    def test_mean_is_one_and_ratios_stay(self, weights):
        scaled = mean_one(weights)
        np.testing.assert_allclose(scaled.mean(axis=-1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(scaled * weights[..., :1], weights * scaled[..., :1], rtol=1e-9)
        assert (np.diff(np.take_along_axis(scaled, np.argsort(weights, axis=-1), axis=-1), axis=-1) >= 0).all()

    def test_a_group_of_copies_keeps_its_rewards(self):
        found = adjust(
            embeddings=np.ones((6, 4)), totals=np.arange(6.0), settings=DiversitySettings(weights="mean_one")
        )
        np.testing.assert_allclose(found.adjusted, np.arange(6.0), rtol=1e-6)

    def test_each_group_for_itself(self):
        E = np.stack([np.ones((3, 3)), np.eye(3)])
        found = adjust(embeddings=E, totals=np.ones((2, 3)), settings=DiversitySettings(weights="mean_one"))
        np.testing.assert_allclose(found.weights, np.ones((2, 3)), atol=1e-12)


class TestNegativeTotals:
    multiply = DiversitySettings(negative_totals="multiply")

    def test_by_hand(self):
        found = adjust(embeddings=THREE, totals=np.array([-1.0, -2.0, 3.0]), settings=self.multiply)
        np.testing.assert_allclose(found.weights, [1.6, 2.4, 1 / 1.8], atol=1e-12)
        np.testing.assert_allclose(found.adjusted, [-1.6, -4.8, 3 / 1.8], atol=1e-12)

    def test_only_negative_ones_are_inverted(self):
        weights = np.array([0.5, 0.5, 0.5, 0.5])
        found = inverted_for_negatives(weights, np.array([-1e-9, 0.0, 1.0, np.nan]))
        np.testing.assert_array_equal(found, [2.0, 0.5, 0.5, 0.5])

    def test_repeated_mistakes_end_below_novel_ones(self):
        """Two alike and one apart, all wrong: divided, the repeated mistake ends higher; multiplied, lower."""
        totals = np.full(3, -1.0)
        multiplied = adjust(embeddings=PAIR[0], totals=totals, settings=self.multiply).adjusted
        np.testing.assert_allclose(multiplied, [-2, -2, -1], atol=1e-12)
        divided = adjust(embeddings=PAIR[0], totals=totals).adjusted
        np.testing.assert_allclose(divided, [-0.5, -0.5, -1], atol=1e-12)

    @given(stacks)
    def test_nothing_changes_without_negative_totals(self, stack):
        E, totals = stack
        multiplied = adjust(embeddings=E, totals=np.abs(totals), settings=self.multiply)
        np.testing.assert_array_equal(multiplied.adjusted, adjust(embeddings=E, totals=np.abs(totals)).adjusted)


class TestZeroSpread:
    skip = DiversitySettings(zero_spread_groups="skip")

    def test_equal_groups_keep_their_rewards_and_others_do_not(self):
        found = adjust(embeddings=PAIR, totals=np.array([[2.0, 2, 2], [0, 1, 1]]), settings=self.skip)
        np.testing.assert_allclose(found.weights, [[1, 1, 1], [0.5, 0.5, 1]], atol=1e-12)
        np.testing.assert_allclose(found.adjusted, [[2, 2, 2], [0, 0.5, 1]], atol=1e-12)
        np.testing.assert_allclose(found.redundancy, [[1, 1, 0], [1, 1, 0]], atol=1e-12)

    @pytest.mark.parametrize(
        ("totals", "skipped"),
        [
            ([1.0, 1.0, math.nan], True),
            ([1.0, 0.0, math.nan], False),
            ([1.0, math.nan, math.nan], True),
            ([math.nan, math.nan, math.nan], True),
        ],
    )
    def test_completions_without_a_total_do_not_make_a_spread(self, totals, skipped):
        found = adjust(embeddings=np.array([[1, 0], [1, 0], [0, 1.0]]), totals=np.array(totals), settings=self.skip)
        np.testing.assert_allclose(found.weights, [1, 1, 1] if skipped else [0.5, 0.5, 1])

    def test_a_missing_total_stays_missing(self):
        found = adjust(embeddings=np.ones((3, 2)), totals=np.array([1.0, 1.0, np.nan]), settings=self.skip)
        np.testing.assert_array_equal(found.adjusted, [1, 1, np.nan])

    @given(stacks)
    def test_adjusted_rewards_of_an_equal_group_are_its_rewards(self, stack):
        E, totals = stack
        equal = np.broadcast_to(totals[:, :1], totals.shape)
        np.testing.assert_array_equal(adjust(embeddings=E, totals=equal, settings=self.skip).adjusted, equal)


class TestTogether:
    def test_scaled_to_a_mean_of_one_before_negatives_are_inverted(self):
        """1/2, 1/2, 1 -> 3/4, 3/4, 3/2 -> the first inverted: 4/3. The other way round, 2, 1/2, 1 has the mean 7/6."""
        both = DiversitySettings(weights="mean_one", negative_totals="multiply")
        found = adjust(embeddings=PAIR[0], totals=np.array([-1.0, 1.0, 1.0]), settings=both)
        np.testing.assert_allclose(found.weights, [4 / 3, 3 / 4, 3 / 2], atol=1e-12)

    def test_groups_are_skipped_last(self):
        """An equal group of mistakes has weights of exactly 1, neither scaled nor inverted."""
        everything = DiversitySettings(weights="mean_one", negative_totals="multiply", zero_spread_groups="skip")
        found = adjust(embeddings=PAIR, totals=np.array([[-1.0, -1, -1], [-1, 1, 1]]), settings=everything)
        np.testing.assert_allclose(found.weights, [[1, 1, 1], [4 / 3, 3 / 4, 3 / 2]], atol=1e-12)

    def test_measure_none_has_weights_of_one_whatever_else_is_said(self):
        off = sliced(2, measure="none", weights="mean_one", negative_totals="multiply", zero_spread_groups="skip")
        found = adjust(embeddings=PAIR, totals=np.array([[-1.0, 1, 2], [0, 1, 2]]), settings=off)
        np.testing.assert_array_equal(found.weights, np.ones((2, 3)))
        np.testing.assert_allclose(found.redundancy, [[1, 1, 1], [1, 0, 0]], atol=1e-12)

    @pytest.mark.parametrize(
        ("name", "found"),
        [("scope", "rank"), ("weights", "mean"), ("negative_totals", "skip"), ("zero_spread_groups", "divide")],
    )
    def test_unknown_word(self, name, found):
        with pytest.raises(ValueError, match=f"{name}: found '{found}', expected one of"):
            DiversitySettings(**{name: found})

    @given(stacks)
    def test_defaults_are_the_papers_formula(self, stack):
        E, totals = stack
        found = adjust(embeddings=E, totals=totals)
        clamped = np.maximum(found.similarity, 0.0)
        redundancy = clamped.sum(axis=-1) - 1.0
        np.testing.assert_allclose(found.adjusted, totals / (1.0 + redundancy), rtol=1e-9, atol=1e-12)

    @given(stacks, group_settings, st.randoms(use_true_random=False))
    def test_order_inside_a_group_does_not_matter(self, stack, chosen, random):
        E, totals = stack
        order = list(range(totals.shape[1]))
        random.shuffle(order)
        straight = adjust(embeddings=E, totals=totals, settings=chosen)
        shuffled = adjust(embeddings=E[:, order], totals=totals[:, order], settings=chosen)
        np.testing.assert_allclose(shuffled.weights, straight.weights[:, order], rtol=1e-9)
        np.testing.assert_allclose(shuffled.adjusted, straight.adjusted[:, order], rtol=1e-9)

    @given(stacks, group_settings)
    def test_similarities_and_embeddings_give_the_same(self, stack, chosen):
        E, totals = stack
        ours = adjust(embeddings=E, totals=totals, settings=chosen)
        again = adjust(similarity=ours.similarity, totals=totals, settings=chosen)
        np.testing.assert_array_equal(again.adjusted, ours.adjusted)
