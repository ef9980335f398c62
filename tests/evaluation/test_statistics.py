"""Scores and their errors against hand-computed cases, exhaustive enumeration and scipy."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.statistics.intervals import interval, wilson
from dra_toolkit.evaluation.statistics.scores import average, majority, pass_at_k, score

GRIDS = (
    st.integers(1, 6)
    .flatmap(lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1, max_size=5))
    .map(lambda rows: np.array(rows, dtype=bool))
)


class TestPassAtK:
    @given(GRIDS)
    def test_is_the_share_of_all_choices_of_k_samples_with_a_right_one(self, correct):
        n = correct.shape[1]
        for k in range(1, n + 1):
            for row, found in zip(correct, pass_at_k(correct, k), strict=True):
                choices = list(combinations(row, k))
                assert found == pytest.approx(np.mean([any(choice) for choice in choices]))

    def test_many_samples_do_not_overflow(self):
        correct = np.zeros((1, 2_000), dtype=bool)
        correct[0, :3] = True
        assert pass_at_k(correct, 1)[0] == pytest.approx(3 / 2_000)
        assert 0.82 < pass_at_k(correct, 900)[0] < 0.84
        assert pass_at_k(correct, 2_000)[0] == 1

    @pytest.mark.parametrize("k", [0, 5])
    def test_more_than_was_sampled_is_refused(self, k):
        with pytest.raises(EvaluationError, match="expected a k from 1 to 4"):
            pass_at_k(np.ones((2, 4), dtype=bool), k)


class TestMajority:
    @pytest.mark.parametrize(
        ("answers", "correct", "expected"),
        [
            (["7", "7", "8"], [1, 1, 0], 1.0),
            (["7", "8", "8"], [1, 0, 0], 0.0),
            (["7", "8"], [1, 0], 0.5),
            (["7", None, None], [1, 0, 0], 1.0),
            ([None, None], [0, 0], 0.0),
            (["7", "7", "8", "8", "9"], [1, 1, 0, 0, 0], 0.5),
        ],
    )
    def test_one_problem(self, answers, correct, expected):
        assert majority([answers], np.array([correct], dtype=bool))[0] == expected

    def test_one_sample_is_accuracy(self):
        correct = np.array([[True], [False], [True]])
        assert majority([["1"], ["2"], ["3"]], correct).tolist() == [1, 0, 1]


class TestScore:
    def test_error_by_problem(self):
        found = score(np.array([0.0, 0.5, 1.0, 0.5]))
        assert found.value == 0.5
        assert found.error == pytest.approx(np.sqrt((0.25 + 0 + 0.25 + 0) / 3) / 2)
        coins = 0.25 / found.error**2
        assert (found.low, found.high) == pytest.approx(wilson(0.5 * coins, coins, 3.182446), rel=1e-6), "t of 3"

    @pytest.mark.parametrize(("P", "n"), [(30, 1), (40, 1), (30, 4), (30, 16), (40, 16)])
    @pytest.mark.parametrize("p", [0.05, 0.1, 0.133, 0.3, 0.5])
    def test_the_interval_covers_95_percent_also_of_few_problems(self, P, n, p):
        """Problems are Beta-distributed around p, as wide as one sample of each allows; the interval must hold p."""
        draw = np.random.default_rng(5)
        chance = np.full((3_000, P), p) if n == 1 else draw.beta(2 * p, 2 * (1 - p), size=(3_000, P))
        values = draw.binomial(n, chance) / n
        covered = np.mean([found.low <= p <= found.high for found in map(score, values)])
        assert (0.93 if p * P >= 3 else 0.9) <= covered <= 0.995

    def test_all_wrong_is_not_certainly_zero(self):
        found = score(np.zeros(30))
        assert (found.value, found.error, found.low) == (0, 0, 0)
        z2 = 1.959964**2
        assert found.high == pytest.approx(z2 / (30 + z2), rel=1e-5), "Wilson's upper end at 0 of n"
        assert score(np.ones(30)).low == pytest.approx(1 - found.high)

    def test_one_problem_and_none(self):
        assert np.isnan(score(np.array([0.5])).error)
        with pytest.raises(EvaluationError, match="no problem was answered"):
            score(np.array([]))

    def test_wilson_is_the_textbook_formula(self):
        z, n, p = 1.959964, 40, 0.3
        centre, half = (p + z * z / (2 * n)), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert wilson(0, 10) == pytest.approx(tuple(binomtest(0, 10).proportion_ci(0.95, "wilson")), rel=1e-5)
        assert wilson(12, 40) == pytest.approx(
            ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)), 1e-5
        )

    def test_average_of_benchmarks(self):
        a, b = score(np.array([0.0, 1, 1, 1])), score(np.array([0.0, 0, 1, 1, 1]))
        mean = average([a, b])
        assert mean.value == pytest.approx((0.75 + 0.6) / 2)
        assert mean.error == pytest.approx(np.sqrt(a.error**2 + b.error**2) / 2)
        assert mean.problems == 9

    def test_equal_values_are_not_certain(self):
        found = score(np.full(4, 0.5))
        assert found.error == 0
        assert (found.low, found.high) == pytest.approx(wilson(2, 4))

    def test_benchmarks_without_a_spread_do_not_make_the_average_certain(self):
        mean = average([score(np.zeros(30)), score(np.zeros(40))])
        assert mean.value == 0
        assert mean.error == pytest.approx(np.hypot(wilson(0, 30)[1], wilson(0, 40)[1]) / 2 / (2 * 1.959964), rel=1e-5)
        assert mean.high > 0.03

    def test_an_unknown_error_leaves_everything_possible(self):
        for found in (interval(0.4, float("nan"), 30), interval(0.0, 0.0, 0), average([score(np.array([1.0]))] * 2)):
            assert np.isnan(found.error)
            assert (found.low, found.high) == (0, 1)

    @given(st.lists(st.floats(0, 1), min_size=2, max_size=40))
    def test_interval_holds_the_mean_and_stays_a_share(self, values):
        found = score(np.array(values))
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1


def test_the_error_is_what_fresh_problems_would_vary_by():
    rng = np.random.default_rng(0)
    skills = rng.beta(0.5, 0.5, size=(400, 50))
    scores = [score((rng.random((50, 4)) < row[:, None]).mean(axis=1)) for row in skills]
    assert np.mean([s.error for s in scores]) == pytest.approx(np.std([s.value for s in scores]), rel=0.1)
