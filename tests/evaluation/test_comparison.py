"""Paired comparison of two models: exact tests, intervals, and verdicts that claim no more than is shown."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest
from evaluated import eval_, evaluate, three_steps
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.statistics.comparison import compare
from dra_toolkit.evaluation.statistics.intervals import wilson
from dra_toolkit.evaluation.statistics.paired_tests import holm, normal_test, sign_flip, t_interval


@pytest.fixture
def evals(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    return three_steps(tmp_path / "evals")


def pairs(*arguments: object) -> list[dict]:
    return json.loads(eval_("compare", *arguments, "--json").stdout)["pairs"]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


class TestTests:
    @given(st.integers(0, 7), st.integers(0, 7))
    def test_sign_flip_of_single_samples_is_mcnemars_test(self, left, right):
        gaps = np.array([-1.0] * left + [1.0] * right + [0.0] * 3)
        assert sign_flip(gaps, rng()) == pytest.approx(binomtest(left, left + right).pvalue if left + right else 1)

    @given(st.lists(st.sampled_from([-0.5, -0.25, 0.25, 0.75, 1.0]), min_size=1, max_size=6))
    def test_sign_flip_tries_every_choice_of_signs(self, gaps):
        sums = [
            abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in product((-1, 1), repeat=len(gaps))
        ]
        expected = np.mean([s >= abs(sum(gaps)) - 1e-9 for s in sums])
        assert sign_flip(np.array(gaps), rng()) == pytest.approx(expected)

    def test_random_signs_agree_with_the_exact_test(self):
        gaps = np.array([1.0] * 20 + [-1.0] * 7 + [-1.0001])
        assert sign_flip(gaps, rng()) == pytest.approx(binomtest(8, 28).pvalue, abs=0.02)

    def test_holm(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
        assert holm([0.5, 0.9]) == [1.0, 1.0]
        found = holm([0.02, float("nan")])
        assert found[0] == 0.04, "an unknown one counts among the tests"
        assert np.isnan(found[1])

    def test_normal(self):
        assert normal_test(1.959964, 1.0) == pytest.approx(0.05, abs=1e-6)
        assert np.isnan(normal_test(1.0, 0.0))

    def test_the_interval_of_one_benchmark_is_students(self):
        from scipy.stats import ttest_1samp

        values = np.random.default_rng(1).normal(size=12) / 5
        expected = ttest_1samp(values, 0).confidence_interval()
        found = t_interval([values])
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_the_interval_of_two_benchmarks_is_welchs(self):
        from scipy.stats import ttest_ind

        one, other = np.random.default_rng(2).normal(size=9) / 9, np.random.default_rng(3).normal(size=40) / 5
        expected = ttest_ind(one, -other, equal_var=False).confidence_interval()
        found = t_interval([one, other])
        assert (found.low, found.high) == pytest.approx((expected.low / 2, expected.high / 2))

    @pytest.mark.parametrize("P", [12, 30])
    def test_of_few_problems_it_covers_95_percent_and_what_is_detectable_is_found_four_times_in_five(self, P):
        draw = np.random.default_rng(4)
        gaps = (draw.random((2_000, P)) < 0.4).astype(float) - (draw.random((2_000, P)) < 0.4)
        found = [t_interval([each]) for each in gaps]
        assert np.mean([each.low <= 0 <= each.high for each in found]) == pytest.approx(0.95, abs=0.015)
        true = float(np.mean([each.detectable for each in found]))
        shown = [t_interval([each + true]).low > 0 for each in gaps]
        assert np.mean(shown) == pytest.approx(0.8, abs=0.05)


class TestVerdicts:
    def test_a_clear_and_an_unclear_difference(self, evals):
        told = pairs("0", "100", "--in", evals)
        assert [pair["benchmark"] for pair in told] == ["aime24", "minerva", "average"]
        assert "the right one is better" in told[2]["verdict"]
        assert 0 < told[2]["detectable"] < told[2]["difference"]
        assert told[2]["low"] > 0
        for unclear in pairs("50", "step-100", "--in", evals):
            assert "better" not in unclear["verdict"]
            assert unclear["low"] < unclear["difference"] < unclear["high"]

    def test_what_could_have_been_shown_is_said_and_which_p_is_which(self, evals):
        said = " ".join(eval_("compare", "50", "100", "--in", evals).stdout.split())
        points = re.search(r"truly differ by ([0-9.]+) points of the average are told apart four times in five", said)
        assert float(points[1]) == pytest.approx(100 * pairs("50", "100", "--in", evals)[2]["detectable"], abs=0.06)
        assert re.search(r"p corrected problems", said), "the p of one benchmark, and the one the finding rests on"

    def test_one_sample_has_mcnemars_test(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0]] * 8 + [[1]])
        evaluate(tmp_path, 2, "b", [[1]] * 8 + [[0]])
        (pair,) = pairs("1", "2", "--in", tmp_path)
        assert pair["p"] == pytest.approx(20 / 512)
        assert pair["difference"] == pytest.approx(7 / 9)
        assert "the right one is better by 77.8 points" in pair["verdict"]

    def test_a_few_problems_that_all_agree_settle_nothing(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0, 0]] * 4)
        evaluate(tmp_path, 2, "b", [[1, 1]] * 4)
        (pair,) = pairs("1", "2", "--in", tmp_path)
        assert pair["p"] == pytest.approx(2 / 2**4)
        assert pair["verdict"].startswith("not settled: the right one is ahead")
        assert pair["low"] == pytest.approx(1 - wilson(0, 4)[1]), "not certainty"

    def test_equal_answers_are_not_proof_of_equality(self, tmp_path):
        for step in (1, 2):
            evaluate(tmp_path, step, "b", [[1], [0], [1], [0]])
        (pair,) = pairs("1", "2", "--in", tmp_path)
        assert (pair["difference"], pair["p"]) == (0, 1)
        assert pair["low"] == -pair["high"] == pytest.approx(-wilson(0, 4)[1])
        assert "no difference shown" in pair["verdict"]

    def test_one_problem(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0]])
        evaluate(tmp_path, 2, "b", [[1]])
        assert "cannot be told" in pairs("1", "2", "--in", tmp_path)[0]["verdict"]

    def test_of_several_benchmarks_one_at_the_edge_is_not_settled(self, tmp_path):
        right = [[1]] * 6 + [[0]] * 14
        for name in ("a", "b", "c"):
            evaluate(tmp_path, 1, name, [[0]] * 20 if name == "a" else [[1], [0]] * 10)
            evaluate(tmp_path, 2, name, right if name == "a" else [[1], [0]] * 10)
        found = pairs("1", "2", "--in", tmp_path)
        assert found[0]["p"] == pytest.approx(2 / 2**6)
        assert found[0]["p_adjusted"] == pytest.approx(3 * 2 / 2**6)
        assert "not settled" in found[0]["verdict"]
        assert "after correction for the number of comparisons" in found[0]["verdict"]
        assert found[3]["p_adjusted"] == found[3]["p"]

    def test_swapping_sides_swaps_the_sign(self, evals):
        one, other = pairs("0", "50", "--in", evals)[0], pairs("50", "0", "--in", evals)[0]
        assert one["difference"] == -other["difference"]
        assert "the left one is better" in other["verdict"]

    def test_the_seed_decides_and_only_it(self, evals):
        assert pairs("50", "100", "--in", evals) == pairs("50", "100", "--in", evals)
        assert pairs("50", "100", "--in", evals) != pairs("50", "100", "--in", evals, "--seed", "1")

    def test_equal_models_are_rarely_told_apart(self, tmp_path):
        """Of 40 comparisons of equals about one in 20 errs by chance."""
        draws = np.random.default_rng(7)
        skills = draws.beta(0.7, 0.7, size=40)
        for step in range(1, 42):
            evaluate(tmp_path, step, "b", (draws.random((40, 2)) < skills[:, None]).astype(int).tolist())
        rows = gather(tmp_path).rows
        found = [compare([*rows[0].cells.values()], [*row.cells.values()])[0] for row in rows[1:]]
        assert sum("better" in pair.verdict for pair in found) <= 6
        covers = np.mean([pair.interval.low <= 0 <= pair.interval.high for pair in found])
        assert covers > 0.8


class TestWhatIsPaired:
    def test_only_shared_problems_and_it_is_said(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0], [0], [1]])
        evaluate(tmp_path, 2, "b", [[0], [1]], problems=["p1", "p0"])
        told = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)
        (pair,) = told["pairs"]
        assert (pair["problems"], pair["left"], pair["right"]) == (2, 0, 0.5)
        assert told["notes"] == ["b: compared on 2 of 3 and 2 problems"]

    def test_other_problems_are_compared_by_scores_and_it_is_said(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0], [1]] * 50)
        evaluate(tmp_path, 2, "b", [[0], [1]] * 50, problems=[f"q{i}" for i in range(100)])
        told = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)
        assert not told["pairs"][0]["paired"]
        half = gather(tmp_path).rows[0].cells["b"].scores["avg"]
        newcombe = np.hypot(half.high - half.value, half.value - half.low)
        assert told["pairs"][0]["high"] == pytest.approx(newcombe)
        assert newcombe == pytest.approx(1.959964 * np.sqrt(2 * 0.25 / 99), rel=0.02)
        assert "not paired" in told["pairs"][0]["verdict"]
        assert "small differences cannot show" in told["notes"][0]

    def test_other_prompts_and_other_sampling_are_said(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0], [1]], settings={"temperature": 0.6})
        evaluate(tmp_path, 2, "b", [[0], [1]], settings={"temperature": 1.0}, hash_examples="other")
        notes = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)["notes"]
        assert notes == [
            "b: sampled with different settings: temperature 0.6 and 1.0",
            "b: asked with different prompts (abc, other)",
        ]

    def test_what_cannot_be_compared(self, evals, tmp_path):
        assert "did you mean 'step-50'" in eval_("compare", "step-5", "0", "--in", evals, status=2).stderr
        other = tmp_path / "other"
        evaluate(other, 1, "unknown", [[1], [0]])
        assert "share no benchmark" in eval_("compare", other, "0", "--in", evals, status=2).stderr

    def test_for_people(self, evals):
        shown = eval_("compare", "0", "100", "--in", evals).stdout
        assert "left: step-0   right: step-100" in shown
        assert "average: the right one is better by" in shown
