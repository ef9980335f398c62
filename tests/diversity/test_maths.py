"""The maths against hand-computed cases, independent implementations, and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dra_toolkit.diversity import (
    DiversitySettings,
    adjust,
    cosine_similarity,
    distinct_ratio,
    graph_cut,
    group_advantages,
    mean_similarity,
    redundancy_weights,
    total_rewards,
    vendi_score,
    zero_spread,
)

finite = st.floats(-1e3, 1e3, allow_nan=False, width=32)
groups = st.integers(1, 9).flatmap(
    lambda G: st.tuples(
        hnp.arrays(np.float32, (G, 5), elements=finite), hnp.arrays(np.float64, (G,), elements=st.floats(-1e6, 1e6))
    )
)


class TestByHand:
    """Two alike and one apart: S = [[1, .6, 0], [.6, 1, .8], [0, .8, 1]] from unit vectors in the plane."""

    E = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])

    def test_similarity(self):
        expected = [[1, 0.6, 0], [0.6, 1, 0.8], [0, 0.8, 1]]
        np.testing.assert_allclose(cosine_similarity(self.E), expected, atol=1e-12)

    def test_similarity_ignores_length(self):
        np.testing.assert_allclose(
            cosine_similarity(self.E * np.array([[3.0], [0.01], [700.0]])), cosine_similarity(self.E), atol=1e-12
        )

    def test_redundancy_and_weights(self):
        redundancy = graph_cut(cosine_similarity(self.E))
        np.testing.assert_allclose(redundancy, [0.6, 1.4, 0.8], atol=1e-12)
        np.testing.assert_allclose(redundancy_weights(redundancy), [1 / 1.6, 1 / 2.4, 1 / 1.8], atol=1e-12)

    def test_adjusted_reward(self):
        adjustment = adjust(embeddings=self.E, totals=np.array([1.0, 1.0, -2.0]))
        np.testing.assert_allclose(adjustment.adjusted, [0.625, 1 / 2.4, -2 / 1.8], atol=1e-12)
        np.testing.assert_array_equal(adjustment.totals, [1.0, 1.0, -2.0])

    def test_negative_similarity_is_clamped_by_default_and_kept_on_request(self):
        E = np.array([[1.0, 0.0], [-0.6, 0.8], [0.0, 1.0]])
        clamped = adjust(embeddings=E, totals=np.ones(3))
        np.testing.assert_allclose(clamped.redundancy, [0.0, 0.8, 0.8], atol=1e-12)
        assert clamped.similarity[0, 1] == pytest.approx(-0.6)  # recorded as measured
        kept = adjust(embeddings=E, totals=np.ones(3), settings=DiversitySettings(similarity_floor=None))
        np.testing.assert_allclose(kept.redundancy, [-0.6, 0.2, 0.8], atol=1e-12)

    def test_measure_none_measures_and_leaves_rewards_alone(self):
        off = adjust(embeddings=self.E, totals=np.array([1.0, 2.0, 3.0]), settings=DiversitySettings(measure="none"))
        np.testing.assert_array_equal(off.weights, [1, 1, 1])
        np.testing.assert_array_equal(off.adjusted, [1, 2, 3])
        np.testing.assert_allclose(off.redundancy, [0.6, 1.4, 0.8], atol=1e-12)

    def test_unknown_measure(self):
        with pytest.raises(ValueError, match="graph_cut"):
            DiversitySettings(measure="graphcut")

    def test_totals(self):
        rewards = np.array([[1.0, 0.5], [np.nan, 0.5], [np.nan, np.nan]])
        np.testing.assert_array_equal(total_rewards(rewards, np.array([1.0, 2.0])), [2.0, 1.0, np.nan])

    def test_group_advantages(self):
        totals = np.array([[1.0, 0.0, 0.0, 0.0], [3.0, 3.0, 3.0, 3.0]])
        std = 0.5  # sample standard deviation of (1, 0, 0, 0)
        np.testing.assert_allclose(
            group_advantages(totals, "group"), [[0.75 / (std + 1e-4)] + [-0.25 / (std + 1e-4)] * 3, [0] * 4], atol=1e-12
        )
        np.testing.assert_allclose(group_advantages(totals, "none"), [[0.75, -0.25, -0.25, -0.25], [0] * 4], atol=1e-12)
        batch_std = np.std(totals, ddof=1)
        np.testing.assert_allclose(group_advantages(totals, "batch")[0, 0], 0.75 / (batch_std + 1e-4), atol=1e-12)

    def test_measures(self):
        S = cosine_similarity(self.E)
        assert mean_similarity(S) == pytest.approx((0.6 + 0 + 0.8) / 3)
        assert distinct_ratio(["a", "b", "a", "a"]) == 0.5
        assert zero_spread(np.array([[1.0, 1.0], [1.0, 2.0]])).tolist() == [True, False]
        assert np.isnan(mean_similarity(np.ones((1, 1))))


class TestIndependentReferences:
    def test_graph_cut_is_submodlibs_mutual_information(self):
        """submodlib evaluates 2 * lambda * sum of similarities with 2 * lambda = 1: the paper's sum."""
        submodlib = pytest.importorskip("submodlib")
        rng = np.random.default_rng(0)
        G = 7
        S = np.maximum(cosine_similarity(rng.standard_normal((G, 4))), 0)
        ours = graph_cut(S)
        for i in range(G):
            rest = [j for j in range(G) if j != i]
            mutual = submodlib.GraphCutMutualInformationFunction(
                n=G - 1, num_queries=1, query_sijs=S[np.ix_(rest, [i])].astype(np.float64)
            )
            assert mutual.evaluate(set(range(G - 1))) == pytest.approx(ours[i], rel=1e-5)

    def test_graph_cut_information_from_its_definition(self):
        """I(A; B) = f(A) + f(B) - f(A and B) for the cut f(X) = sum over X of all similarities - 1/2 sum inside X."""
        rng = np.random.default_rng(1)
        S = np.maximum(cosine_similarity(rng.standard_normal((6, 3))), 0)

        def f(X):
            return S[:, X].sum() - 0.5 * S[np.ix_(X, X)].sum()

        for i in range(6):
            rest = [j for j in range(6) if j != i]
            assert f([i]) + f(rest) - f(list(range(6))) == pytest.approx(graph_cut(S)[i])

    def test_vendi_score_is_the_authors(self):
        vendi = pytest.importorskip("vendi_score.vendi")
        S = cosine_similarity(np.random.default_rng(2).standard_normal((5, 8, 3)))
        assert vendi_score(S) == pytest.approx([vendi.score_K(K) for K in S])


class TestProperties:
    @given(groups)
    def test_permutation(self, group):
        E, totals = group
        order = np.random.default_rng(len(totals)).permutation(len(totals))
        straight, permuted = adjust(embeddings=E, totals=totals), adjust(embeddings=E[order], totals=totals[order])
        np.testing.assert_allclose(permuted.redundancy, straight.redundancy[order], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(permuted.adjusted, straight.adjusted[order], rtol=1e-5, atol=1e-5)

    @given(groups)
    def test_similarity_is_a_correlation(self, group):
        S = cosine_similarity(group[0])
        np.testing.assert_array_equal(S, S.T)
        assert np.abs(S).max() <= 1
        np.testing.assert_array_equal(np.diagonal(S), 1)

    @given(groups)
    def test_weights_lie_between_one_over_g_and_one(self, group):
        E, totals = group
        weights = adjust(embeddings=E, totals=totals).weights
        assert (weights <= 1 + 1e-6).all()
        assert (weights >= 1 / len(totals) - 1e-6).all()

    @given(groups)
    def test_stacked_groups_are_the_groups_alone(self, group):
        E, totals = group
        stacked = adjust(embeddings=np.stack([E, -2 * E]), totals=np.stack([totals, totals]))
        alone = adjust(embeddings=E, totals=totals)
        np.testing.assert_allclose(stacked[0].adjusted, alone.adjusted, rtol=1e-6, atol=1e-9)
        assert len(list(stacked)) == 2

    @given(st.integers(1, 12), st.floats(-10, 10))
    def test_duplicates_share_one_reward(self, G, reward):
        adjustment = adjust(embeddings=np.tile([[1.0, 2.0]], (G, 1)), totals=np.full(G, reward))
        np.testing.assert_allclose(adjustment.adjusted.sum(), reward, rtol=1e-6, atol=1e-9)

    @given(st.integers(1, 8))
    def test_orthogonal_completions_keep_their_rewards(self, G):
        adjustment = adjust(embeddings=np.eye(G), totals=np.arange(G, dtype=float))
        np.testing.assert_array_equal(adjustment.weights, 1)
        assert vendi_score(adjustment.similarity) == pytest.approx(G)

    @given(hnp.arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.floats(-1e9, 1e9)))
    def test_advantages_sum_to_zero_and_ignore_a_shift(self, totals):
        for scaling in ("group", "batch", "none"):
            advantages = group_advantages(totals, scaling)
            scale = max(1.0, np.abs(totals).max())
            np.testing.assert_allclose(advantages.sum(axis=1) / scale, 0, atol=1e-4)

    def test_group_of_one(self):
        adjustment = adjust(embeddings=np.array([[0.3, 0.4]]), totals=np.array([0.7]))
        assert adjustment.adjusted.tolist() == [0.7]
        assert group_advantages(np.array([[0.7]])).tolist() == [[0.0]]
        assert vendi_score(adjustment.similarity) == pytest.approx(1)


class TestHostileNumbers:
    def test_zero_norm_embedding_is_like_nothing(self):
        S = cosine_similarity(np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
        np.testing.assert_array_equal(S, np.eye(3))

    @pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
    def test_extreme_norms_in_single_precision(self, scale):
        E = np.array([[1, 0], [3, 4]], dtype=np.float32) * np.float32(scale)
        assert cosine_similarity(E)[0, 1] == pytest.approx(0.6, rel=1e-5)

    def test_half_precision_is_computed_in_single(self):
        E = np.full((2, 300), 200, dtype=np.float16)
        assert cosine_similarity(E)[0, 1] == pytest.approx(1.0)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_embeddings_that_are_not_finite_are_refused(self, bad):
        with pytest.raises(ValueError, match="finite"):
            cosine_similarity(np.array([[1.0, bad], [1.0, 0.0]]))

    def test_completion_without_reward_still_counts_as_one_that_others_repeat(self):
        adjustment = adjust(embeddings=np.ones((3, 2)), totals=np.array([1.0, math.nan, 1.0]))
        np.testing.assert_allclose(adjustment.adjusted, [1 / 3, math.nan, 1 / 3])
        advantages = group_advantages(adjustment.adjusted[None])
        np.testing.assert_allclose(advantages, [[0, 0, 0]], atol=1e-12)

    def test_group_without_any_reward(self):
        for scaling in ("group", "batch", "none"):
            assert group_advantages(np.full((1, 3), math.nan), scaling).tolist() == [[0, 0, 0]]

    def test_negative_totals_are_divided_too_as_in_the_paper(self):
        adjustment = adjust(embeddings=np.ones((2, 2)), totals=np.array([-1.0, 1.0]))
        np.testing.assert_allclose(adjustment.adjusted, [-0.5, 0.5])

    def test_huge_rewards(self):
        advantages = group_advantages(np.array([[1e300, -1e300, 0.0]]))
        assert np.isfinite(advantages).all()

    def test_without_a_floor_the_weight_can_change_sign(self):
        S = np.array([[1, -0.8, -0.8], [-0.8, 1, 0.9], [-0.8, 0.9, 1]])
        weights = adjust(similarity=S, totals=np.ones(3), settings=DiversitySettings(similarity_floor=None)).weights
        assert weights[0] < 0

    def test_unknown_scaling(self):
        with pytest.raises(ValueError, match="group, batch, none"):
            group_advantages(np.ones((1, 2)), "std")


settings.register_profile("quick", max_examples=60, deadline=None)
settings.load_profile("quick")
