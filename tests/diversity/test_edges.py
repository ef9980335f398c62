"""Where the formulas have no bound, or rounding could decide: weights of 0, collapsed groups, ties, no floor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.diversity import MEASURES, DiversitySettings, adjust, adjusted_advantages
from dra_toolkit.diversity.measures.likelihood import ranks
from dra_toolkit.diversity.measures.mmr import mmr
from dra_toolkit.diversity.similarity import centred_similarity, cosine_similarity
from dra_toolkit.diversity.weights import inverted_for_negatives, mean_one, redundancy_weights

SIMILARITY_MEASURES = [name for name, measure in MEASURES.items() if "similarity" in measure.needs]


class TestBounds:
    def test_a_weight_of_zero_multiplies_a_negative_total_by_no_more_than_a_hundred(self):
        weights, totals = np.array([0.0, 0.5, 0.0]), np.array([-1.0, -1.0, 1.0])
        np.testing.assert_allclose(inverted_for_negatives(weights, totals), [100, 2, 0])

    def test_the_inverse_of_many_copies_is_exact(self):
        copies = np.full(200, 1 / 200)
        np.testing.assert_allclose(inverted_for_negatives(copies, -np.ones(200)), 200)

    def test_darling_without_a_floor_and_negatives_multiplied_is_finite(self):
        settings = DiversitySettings(measure="darling", options={"darling_floor": 0.0}, negative_totals="multiply")
        totals, labels = np.array([[-1.0, 1.0, -1.0]]), np.zeros((1, 3), dtype=int)
        found = adjust(similarity=np.ones((1, 3, 3)), totals=totals, labels=labels, settings=settings)
        np.testing.assert_allclose(found.adjusted, [[-100, 0, -100]])

    def test_opposites_without_a_floor_have_bounded_weights(self):
        np.testing.assert_allclose(redundancy_weights(np.array([-1.0, -0.999, -1.001, -3.0])), [100, 100, -100, -0.5])
        S = np.array([[1.0, -1.0], [-1.0, 1.0]])
        settings = DiversitySettings(similarity_floor=None, stop_step=2)
        for step in (1, 5):  # also outside the schedule, where infinity times 0 would be no number
            assert np.isfinite(adjust(similarity=S, totals=np.ones(2), settings=settings, step=step).adjusted).all()

    def test_mean_one_turns_no_sign(self):
        np.testing.assert_array_equal(np.sign(mean_one(np.array([-5.0, 1.0, 1.0]))), [-1, 1, 1])

    @pytest.mark.parametrize("field", ["similarity_floor", "label_threshold"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 5.0])
    def test_similarities_beyond_what_a_cosine_can_be_are_refused(self, field, value):
        with pytest.raises(ValueError, match=f"{field}: found .* from -1 to 1"):
            DiversitySettings(**{field: value})

    def test_a_completion_alone_has_no_advantage_whatever_is_added(self):
        settings = DiversitySettings(measure="set_utility")
        alone = adjust(embeddings=np.ones((1, 1, 3)), totals=np.zeros((1, 1)), settings=settings)
        np.testing.assert_array_equal(adjusted_advantages(alone, "group", settings), 0)


class TestCollapsedGroups:
    @pytest.mark.parametrize("noise", [0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2])
    @pytest.mark.parametrize("G", [2, 8, 16])
    def test_near_copies_centred_give_finite_numbers_of_every_measure(self, noise, G):
        rng = np.random.default_rng(0)
        E = (rng.standard_normal(384) * (1 + noise * rng.standard_normal((20, G, 384)))).astype(np.float32)
        for name in SIMILARITY_MEASURES:
            settings = DiversitySettings(measure=name, similarity_centre="group_mean")
            found = adjust(embeddings=E, totals=np.ones((20, G)), settings=settings)
            assert np.isfinite(found.adjusted).all(), name
            assert found.bonus is None or np.isfinite(found.bonus).all(), name

    @given(st.integers(0, 2**31), st.integers(1, 8), st.sampled_from([1e-4, 1e-2, 1.0]))
    def test_the_centred_similarity_is_positive_semi_definite(self, seed, G, noise):
        rng = np.random.default_rng(seed)
        E = 1 + noise * rng.standard_normal((G, 6))
        E[rng.integers(0, G)] = E[0]
        assert np.linalg.eigvalsh(centred_similarity(cosine_similarity(E))).min() > -1e-6

    def test_rounding_moves_it_little(self):
        rng = np.random.default_rng(1)
        for noise in (1e-5, 1e-3, 1e-1):
            S = cosine_similarity(1 + noise * rng.standard_normal((8, 64)))
            rounded = S + 6e-8 * rng.choice([-1, 1], S.shape)
            assert np.abs(centred_similarity(S) - centred_similarity((rounded + rounded.T) / 2)).max() < 0.05


class TestTies:
    def test_the_same_text_in_two_batches_has_one_rank(self):
        np.testing.assert_array_equal(ranks(np.array([-1.0, -1.0 + 5e-7, -2.0, -0.5])), [2.5, 2.5, 1, 4])

    @given(st.integers(0, 2**31), st.integers(2, 6))
    def test_mmr_is_the_same_in_every_order_also_of_discrete_similarities(self, seed, G):
        rng = np.random.default_rng(seed)
        E = rng.integers(0, 2, (G, 3)).astype(float) + 1e-9
        S, totals = cosine_similarity(E), rng.choice([-0.5, 0.0, 1.0], G)
        found, _ = mmr(S, totals, trade_off=0.7)
        for order in itertools.islice(itertools.permutations(range(G)), 1, 200, 7):
            again, _ = mmr(S[np.ix_(order, order)], totals[list(order)], trade_off=0.7)
            np.testing.assert_allclose(again, found[list(order)], atol=1e-6)
