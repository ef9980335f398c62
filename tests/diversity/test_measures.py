"""Each diversity measure against cases computed by hand, and against submodlib where that has it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dra_toolkit.diversity import (
    MEASURES,
    DiversitySettings,
    adjust,
    adjusted_advantages,
    cosine_similarity,
    group_advantages,
    measure_options,
)
from dra_toolkit.diversity.measures.redundancy import facility_location, log_det, lost_volume

S = np.array([[1, 0.6, 0], [0.6, 1, 0.8], [0, 0.8, 1]])
PAIR = np.array([[1, 0.5], [0.5, 1]])
ONES = np.ones(3)


def found(measure: str, similarity=S, totals=ONES, options=None, **known):
    settings = DiversitySettings(measure=measure, options=options or {})
    return adjust(similarity=similarity, totals=totals, settings=settings, **known)


class TestByHand:
    def test_graph_cut(self):
        np.testing.assert_allclose(found("graph_cut").adjusted, [1 / 1.6, 1 / 2.4, 1 / 1.8])

    def test_log_det_of_two(self):
        """1.1^2 / (1.1^2 - 0.5^2), so -log(1 - (0.5 / 1.1)^2)."""
        expected = -math.log(1 - (0.5 / 1.1) ** 2)
        assert expected == pytest.approx(0.231443, abs=1e-6)
        adjusted = found("log_det", PAIR, np.ones(2))
        np.testing.assert_allclose(adjusted.redundancy, [expected, expected])
        np.testing.assert_allclose(adjusted.weights, [1 / (1 + expected)] * 2)

    def test_log_det_of_copies(self):
        G, ridge = 8, 0.1
        expected = math.log((1 + ridge) * (G - 1 + ridge) / (ridge * (G + ridge)))
        np.testing.assert_allclose(log_det(np.ones((G, G))), [expected] * G)
        assert expected == pytest.approx(2.27, abs=5e-3)

    def test_facility_location(self):
        adjusted = found("facility_location")
        np.testing.assert_allclose(adjusted.redundancy, [0.6, 0.8, 0.8])
        np.testing.assert_allclose(adjusted.adjusted, [1 / 1.6, 1 / 1.8, 1 / 1.8])

    def test_mmr(self):
        """All equal: the least redundant first (0), then 2, unlike 0; 1 last, 0.8 like 2: 0.7 - 0.3 * 0.8."""
        np.testing.assert_allclose(found("mmr").adjusted, [0.7, 0.46, 0.7])

    def test_mmr_picks_by_reward_first(self):
        """1 is best and first; then 0 (0.7 * 0.5 - 0.3 * 0.6 = 0.17) before 2 (0 - 0.3 * 0.8)."""
        np.testing.assert_allclose(found("mmr", totals=np.array([0.5, 1.0, 0.0])).adjusted, [0.17, 0.7, -0.24])

    def test_mmr_copies_share_their_scores(self):
        """One of two copies is picked first (0.5), the other against it (0.5 - 0.5): 0.25 each."""
        adjusted = found("mmr", np.ones((2, 2)), np.ones(2), {"mmr_trade_off": 0.5})
        np.testing.assert_allclose(adjusted.adjusted, [0.25, 0.25])

    def test_set_utility_of_two(self):
        """det(I + S) = 4 - s^2, det of the other alone 2."""
        expected = math.log((4 - 0.25) / 2)
        np.testing.assert_allclose(lost_volume(PAIR, ridge=1.0), [expected] * 2)
        np.testing.assert_allclose(lost_volume(np.ones((2, 2)), ridge=1.0), [math.log(3 / 2)] * 2)
        np.testing.assert_allclose(lost_volume(np.eye(4), ridge=1.0), [math.log(2)] * 4)

    def test_set_utility_is_added_to_the_advantage(self):
        totals = np.array([[1.0, 0.0]])
        settings = DiversitySettings(measure="set_utility", options={"set_utility_scale": 0.5})
        adjustment = adjust(similarity=PAIR[None], totals=totals, settings=settings)
        np.testing.assert_array_equal(adjustment.adjusted, totals)
        expected = np.array([[0.5, -0.5]]) + 0.5 * math.log(1.875)
        np.testing.assert_allclose(adjusted_advantages(adjustment, "none", settings), expected)

    def test_dqo_of_two(self):
        """log det K - log det K_rest = log((1.1^2 - s^2) / 1.1)."""
        expected = math.log((1.21 - 0.25) / 1.1)
        np.testing.assert_allclose(lost_volume(PAIR, ridge=0.1), [expected] * 2)
        totals = np.array([1.0, -1.0])
        np.testing.assert_allclose(found("dqo", PAIR, totals, {"dqo_scale": 2.0}).adjusted, totals + 2 * expected)

    def test_dqo_parts_are_differences_of_log_determinants(self):
        K = S + 0.1 * np.eye(3)
        rest = [np.linalg.slogdet(np.delete(np.delete(K, i, 0), i, 1))[1] for i in range(3)]
        np.testing.assert_allclose(lost_volume(S, ridge=0.1), np.linalg.slogdet(K)[1] - rest)

    def test_evol(self):
        """Novelties of the correct: 1 - (0.3 + 0.6) / 2 = 0.55, 0.25, 0.4, scaled 1, 0, 0.5; one wrong: the lower end."""
        four = np.eye(4)
        four[:3, :3] = S
        four[3, :3] = four[:3, 3] = 0.1
        adjusted = found("evol", four, np.array([1.0, 1.0, 2.0, 0.0])).adjusted
        np.testing.assert_allclose(adjusted, [1.0, 0.5, 0.75, -1.0])

    def test_evol_takes_correctness_as_told(self):
        adjusted = found("evol", totals=np.array([-1.0, 5, 5]), correct=np.array([True, False, False])).adjusted
        np.testing.assert_allclose(adjusted, [0.5, -1, -1])  # alone, and equally novel: the lower ends

    labels = np.array([0, 0, 1, 2])

    def of_labels(self, measure, options=None, totals=None):
        totals = np.ones(4) if totals is None else totals
        return found(measure, np.eye(4), totals, options, labels=self.labels)

    def test_darling(self):
        np.testing.assert_allclose(self.of_labels("darling").adjusted, [2 / 3, 2 / 3, 1, 1])
        same = found("darling", np.eye(4), np.ones(4), labels=np.zeros(4, dtype=int))
        np.testing.assert_allclose(same.adjusted, [0.1] * 4)

    def test_cluster_size(self):
        adjusted = self.of_labels("cluster_size", totals=np.array([1.0, -1.0, 3.0, 0.0]))
        np.testing.assert_allclose(adjusted.adjusted, [0.5, -0.5, 3.0, 0.0])
        np.testing.assert_allclose(adjusted.redundancy, [1, 1, 0, 0])

    def test_uniqueness_multiplies_advantages(self):
        totals = np.array([[1.0, 0.0, 0.0, 1.0]])
        settings = DiversitySettings(measure="uniqueness", options={"uniqueness_power": 0.5})
        adjustment = adjust(similarity=np.eye(4)[None], totals=totals, settings=settings, labels=self.labels[None])
        np.testing.assert_allclose(adjustment.weights, [[math.sqrt(2), math.sqrt(2), 2, 2]])
        expected = group_advantages(totals) * adjustment.weights
        np.testing.assert_allclose(adjusted_advantages(adjustment, "group", settings), expected)

    def test_unlikeliness(self):
        """Ranks 4, 2.5, 1, 2.5 of four: factors 1 - 0.25 rank / 4."""
        log_probs = np.array([-1.0, -2, -3, -2])
        adjusted = found("unlikeliness", np.eye(4), np.array([1.0, 1, 1, 0]), log_probs=log_probs)
        np.testing.assert_allclose(adjusted.adjusted, [0.75, 0.84375, 0.9375, 0])

    def test_unlikeliness_without_a_probability_changes_nothing(self):
        adjusted = found("unlikeliness", np.eye(3), log_probs=np.array([-1.0, math.nan, -2]))
        np.testing.assert_allclose(adjusted.weights, [1 - 0.25 * 2 / 3, 1, 1 - 0.25 / 3])

    def test_ucpo(self):
        """Probabilities 1/2 and 1/4: 1/q is 2 and 4, shares 1/3 and 2/3 of the two correct ones."""
        log_probs = np.log([0.5, 0.25, 0.9])
        adjusted = found("ucpo", np.eye(3), np.array([1.0, 1.0, 0.0]), log_probs=log_probs)
        np.testing.assert_allclose(adjusted.weights, [0.8 + 0.4 / 3, 0.8 + 0.8 / 3, 1])

    def test_ucpo_moves_the_mass_of_the_correct_and_keeps_it(self):
        rng = np.random.default_rng(0)
        totals = (rng.random((20, 8)) < 0.5).astype(float)
        settings = DiversitySettings(measure="ucpo", options={"ucpo_tau": 0.7})
        adjustment = adjust(
            similarity=np.broadcast_to(np.eye(8), (20, 8, 8)),
            totals=totals,
            settings=settings,
            log_probs=-rng.random((20, 8)) * 300,
        )
        plain = group_advantages(totals)
        changed = adjusted_advantages(adjustment, "group", settings)
        np.testing.assert_allclose((changed * totals).sum(axis=1), (plain * totals).sum(axis=1), atol=1e-12)
        np.testing.assert_array_equal(changed[totals == 0], plain[totals == 0])
        assert np.abs(changed - plain).max() > 0.1


class TestSubmodlib:
    @pytest.mark.parametrize("ridge", [0.1, 1.0])
    def test_log_det_is_its_mutual_information(self, ridge):
        submodlib = pytest.importorskip("submodlib")
        G = 6
        kernel = cosine_similarity(np.random.default_rng(3).standard_normal((G, 9)))
        ours = log_det(kernel, ridge=ridge)
        for i in range(G):
            rest = [j for j in range(G) if j != i]
            mutual = submodlib.LogDeterminantMutualInformationFunction(
                n=1,
                num_queries=G - 1,
                lambdaVal=ridge,
                data_sijs=np.ones((1, 1)),
                query_sijs=kernel[np.ix_([i], rest)].astype(np.float64),
                query_query_sijs=kernel[np.ix_(rest, rest)].astype(np.float64),
            )
            assert mutual.evaluate({0}) == pytest.approx(ours[i], rel=1e-4)

    def test_facility_location_is_its_mutual_information(self):
        submodlib = pytest.importorskip("submodlib")
        G = 6
        kernel = np.maximum(cosine_similarity(np.random.default_rng(4).standard_normal((G, 3))), 0)
        ours = facility_location(kernel)
        for i in range(G):
            rest = [j for j in range(G) if j != i]
            mutual = submodlib.FacilityLocationMutualInformationFunction(
                n=1, num_queries=G - 1, data_sijs=np.ones((1, 1)), query_sijs=kernel[np.ix_([i], rest)].astype(float)
            )
            assert mutual.evaluate({0}) == pytest.approx(ours[i], rel=1e-5)


class TestRegistry:
    def test_options_have_defaults_within_their_range_and_keys_of_their_own(self):
        options = measure_options()
        assert len(options) == sum(len(measure.options) for measure in MEASURES.values())
        assert all(option.low <= option.default <= option.high for option in options.values())

    def test_every_measure_says_its_rule_and_source(self):
        assert all(measure.rule and measure.source for measure in MEASURES.values())

    @pytest.mark.parametrize(
        ("options", "said"),
        [({"mmr_tradeoff": 1}, "did you mean 'mmr_trade_off'"), ({"darling_floor": 2}, "from 0 to 1")],
    )
    def test_options_that_cannot_be(self, options, said):
        with pytest.raises(ValueError, match=said):
            DiversitySettings(options=options)

    def test_options_of_another_measure_do_nothing(self):
        np.testing.assert_array_equal(
            found("graph_cut", options={"mmr_trade_off": 0.1}).adjusted, found("graph_cut").adjusted
        )
