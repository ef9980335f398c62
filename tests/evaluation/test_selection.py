"""Which step is the best: the rule that does not look at the benchmarks, and how much the other one flatters."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evaluated import eval_, evaluate
from recorded import make_run, record, record_all
from scipy.stats import norm

from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.statistics.best_step import by_benchmarks, by_training_reward, expected_best, optimism


class TestHonestRules:
    def test_training_alone_decides(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, *[[record(step)] for step in (1, 2, 3)])
        evals = directory.path / "evals"
        for step in (1, 2, 3):
            evaluate(evals, step, "b", [[int(step == 1)], [1]])
        choices = json.loads(eval_("report", directory.path, "--json").stdout)["choices"]
        assert "training reward" in choices[0]["rule"]
        assert choices[0]["honest"]
        assert choices[0]["optimism"] is None
        assert (choices[1]["step"], choices[1]["honest"], "flatters" in choices[1]["rule"]) == (1, False, True)
        assert choices[1]["optimism"] is not None

    def test_training_reward_is_smoothed(self):
        rewards = {step: 0.5 + (step == 50) * 0.4 + (90 <= step <= 130) * 0.2 for step in range(1, 400)}
        choice = by_training_reward([0, 50, 100, 150, 200], rewards)
        assert choice.step == 100
        assert "mean of 25 steps" in choice.rule
        assert by_training_reward([50], {}) is None

    def test_the_base_model_is_never_the_choice(self):
        assert by_training_reward([0, 5], {0: 9.0, 5: 0.1}).step == 5

    def test_a_short_run_is_smoothed_less(self):
        choice = by_training_reward([10, 20, 30, 40], {step: 1.0 if 17 <= step <= 23 else 0.0 for step in range(1, 41)})
        assert choice.step == 20
        assert "mean of 5 steps" in choice.rule

    def test_equal_steps_give_the_earliest(self):
        assert by_training_reward([10, 20], {10: 1.0, 20: 1.0}).step == 10

    def test_a_held_out_benchmark_chooses_and_is_not_reported(self, tmp_path):
        for step, right in ((1, 1), (2, 0)):
            evaluate(tmp_path, step, "kept", [[right], [0]])
            evaluate(tmp_path, step, "b", [[1 - right], [1]])
        told = json.loads(eval_("report", tmp_path, "--held-out", "kept", "--json").stdout)
        assert told["benchmarks"] == ["b"]
        assert (told["choices"][0]["step"], told["choices"][0]["honest"]) == (1, True)
        assert (told["choices"][1]["step"], told["choices"][1]["honest"]) == (2, False)

    def test_the_only_benchmark_cannot_be_held_out(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[1], [0]])
        assert "none is left to report" in eval_("report", tmp_path, "--held-out", "b", status=2).stderr

    def test_without_one_that_is_said(self, tmp_path):
        for step in (1, 2):
            evaluate(tmp_path, step, "b", [[1], [0]])
        assert "no rule that leaves these benchmarks out" in eval_("report", tmp_path).stdout


class TestOptimism:
    def test_choosing_among_equals_flatters(self, tmp_path):
        rng = np.random.default_rng(3)
        for step in range(10, 110, 10):
            evaluate(tmp_path, step, "b", (rng.random((30, 1)) < 0.5).astype(int).tolist())
        choice = by_benchmarks([row.cells["b"] for row in gather(tmp_path).rows])
        assert choice.value > 0.55, "the best of ten equals looks better than it is"
        assert choice.optimism > 0.05
        assert choice.optimism_at_most is None

    def test_of_equals_it_is_what_order_statistics_say(self):
        """Eight equal steps on 100 coins: the best is expected 1.42 standard errors above the others' mean."""
        rng = np.random.default_rng(0)
        grids = (rng.random((40, 8, 100)) < 0.5).astype(float)
        found = np.mean([optimism([grid]) for grid in grids])
        assert found == pytest.approx(expected_best(8) * 0.05, rel=0.15)

    def test_a_clear_winner_is_not_flattered(self):
        rng = np.random.default_rng(0)
        grid = (rng.random((3, 200)) < np.array([0.1, 0.1, 0.9])[:, None]).astype(float)
        assert abs(optimism([grid])) < 0.005

    def test_steps_that_solve_the_same_problems_are_not_flattered(self):
        row = (np.random.default_rng(0).random(50) < 0.5).astype(float)
        assert optimism([np.stack([row, row, row])]) == pytest.approx(0)

    def test_it_is_seeded(self):
        grid = np.random.default_rng(0).random((4, 30))
        assert optimism([grid], seed=1) == optimism([grid], seed=1) != optimism([grid], seed=2)

    def test_one_problem_tells_nothing(self):
        assert optimism([np.array([[0.0], [1.0]])]) is None

    @pytest.mark.parametrize("steps", [1, 2, 5, 20])
    def test_expected_best(self, steps):
        x = np.linspace(-9, 9, 20_001)
        density = steps * norm.pdf(x) * norm.cdf(x) ** (steps - 1)
        assert expected_best(steps) == pytest.approx(float(np.trapezoid(x * density, x)), abs=1e-4)
