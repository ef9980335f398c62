"""What difference an evaluation can show: by simulation, from the answers that are there, and in words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from evaluated import eval_, evaluate
from test_foreign import results

from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.results.benchmark_result import BenchmarkResult
from dra_toolkit.evaluation.results.published import SIZES
from dra_toolkit.evaluation.statistics.comparison import against
from dra_toolkit.evaluation.statistics.paired_tests import t_interval
from dra_toolkit.evaluation.statistics.power import detectable, expected, measured, times_needed, told


def logistic(x):
    return 1 / (1 + np.exp(-x))


def cells(rng, problems: int, n: int, shifts) -> list[BenchmarkResult]:
    """Draw checkpoints as the prior has them, each better than the one before by a shift of its log odds."""
    ability = 2.0 * rng.standard_normal(problems)
    found = []
    for step, shift in enumerate(shifts):
        p = logistic(ability + shift + 0.5 * rng.standard_normal(problems))
        correct = rng.random((problems, n)) < p[:, None]
        names = tuple(map(str, range(problems)))
        found.append(
            BenchmarkResult(
                label=f"step-{step}", step=step, benchmark="b", n=n, scores={}, problems=names, correct=correct
            )
        )
    return found


@pytest.mark.parametrize(("problems", "n"), [(30, 16), (40, 4), (200, 4)])
def test_what_the_prior_says_is_detectable_is_found_four_times_in_five(problems, n):
    """Problems of the prior, the second checkpoint better by just what is said to be detectable."""
    rng = np.random.default_rng(0)
    difference = detectable([expected("b", problems, n)])
    shown = 0
    for _ in range(600):
        base = 2.0 * rng.standard_normal(problems)
        means = [logistic(base + 0.5 * rng.standard_normal(problems)) for _ in range(2)]
        gaps = np.diff([(rng.random((problems, n)) < p[:, None]).mean(axis=1) for p in means], axis=0)[0]
        shown += t_interval([gaps + difference]).low > 0
    assert shown / 600 == pytest.approx(0.8, abs=0.05)


def test_what_is_measured_of_many_answers_is_what_they_were_drawn_from():
    rng = np.random.default_rng(1)
    prior, found = expected("b", 4000, 8), measured("b", cells(rng, 4000, 8, [0.0] * 6), 4000, 8)
    assert not found.is_prior
    assert found.noise == pytest.approx(prior.noise, rel=0.02)
    assert found.between == pytest.approx(prior.between, rel=0.1)


def test_one_checkpoint_or_one_sample_leaves_the_prior():
    rng = np.random.default_rng(2)
    assert measured("b", cells(rng, 50, 4, [0.0]), 50, 4).is_prior
    assert measured("b", cells(rng, 50, 1, [0.0, 0.0]), 50, 1) == expected("b", 50, 1)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([[0] * 4] * 20, [[1] * 4] * 20),
        ([[0] * 4] * 20, [[0] * 4] * 20),
        ([[1]] * 20, [[1]] * 20),
        ([[1, 0, 1, 0]] * 20, [[1, 0, 1, 0]] * 20),
        ([[1, 0, 1, 0]] * 20, [[1, 1, 1, 0]] * 20),
    ],
)
def test_where_no_problem_tells_two_checkpoints_apart_the_prior_is_told(tmp_path, left, right):
    evaluate(tmp_path, 0, "b", left)
    evaluate(tmp_path, 10, "b", right)
    plain = json.loads(eval_("report", tmp_path, "--detect", "5", "--json").stdout)["findings"]
    for lines in (
        plain,
        json.loads(eval_("compare", "0", "10", "--in", tmp_path, "--detect", "5", "--json").stdout)["power"],
        eval_("compare", "0", "10", "--in", tmp_path, "--detect", "5").stdout.splitlines(),
    ):
        told_ = " ".join(" ".join(lines).split())
        assert "are told apart four times in five (paired, p < 0.05; by a prior: log odds" in told_
        assert "a difference of 5.0 points" in told_


def test_one_benchmark_of_which_nothing_can_be_measured_takes_the_prior_by_name(tmp_path):
    rng = np.random.default_rng(5)
    for step in (0, 10):
        evaluate(tmp_path, step, "none", [[0] * 4] * 20)
        evaluate(tmp_path, step, "some", (rng.random((40, 4)) < 0.5).astype(int).tolist())
    said = " ".join(json.loads(eval_("report", tmp_path, "--json").stdout)["findings"])
    assert "by the answers that are there; of none by a prior" in said


def answered(correct) -> BenchmarkResult:
    """Return a checkpoint with these answers, (P, n)."""
    names = tuple(map(str, range(len(correct))))
    return BenchmarkResult(
        label="x", step=1, benchmark="b", n=correct.shape[1], scores={}, problems=names, correct=correct
    )


def test_checkpoints_that_answer_alike_because_of_equal_seeds_are_measured_as_such():
    """The same chance for both in every sample: what remains between two means is not the noise of two alone."""
    rng = np.random.default_rng(6)
    ability, luck, other = 2.0 * rng.standard_normal(4000), *rng.random((2, 4000, 16))
    means = [logistic(ability + 0.5 * rng.standard_normal(4000))[:, None] for _ in range(2)]
    shared, apart = (
        measured("b", [answered(luck < means[0]), answered(second < means[1])], 4000, 16) for second in (luck, other)
    )
    assert shared.noise < 0.5 * apart.noise
    true = float(np.var(means[1] - means[0], ddof=1))
    assert (shared.between, apart.between) == pytest.approx((true, true), rel=0.15)


@pytest.mark.parametrize("checkpoints", [0.0, 0.5])
def test_what_no_number_of_samples_goes_below_is_bounded_nineteen_times_in_twenty(checkpoints):
    """Also where checkpoints do not differ at all, and the estimate is 0 half the time."""
    rng = np.random.default_rng(7)
    true = expected("b", 40, 8).between if checkpoints else 0.0
    held = 0
    for _ in range(400):
        ability = 2.0 * rng.standard_normal(40)
        means = [logistic(ability + checkpoints * rng.standard_normal(40))[:, None] for _ in range(2)]
        held += measured("b", [answered(rng.random((40, 8)) < mean) for mean in means], 40, 8).most >= true
    assert held / 400 > 0.94


def test_scores_alone_say_that_they_show_less_and_an_unknown_size_is_said(tmp_path):
    for name, value in (("a_10", 0.4), ("a_20", 0.5)):
        results(
            tmp_path / "known" / name,
            {"amc23|0": {"extractive_match": value, "extractive_match_stderr": 0.07}},
            size=40,
        )
        results(tmp_path / "not" / name, {"own|0": {"acc": value, "acc_stderr": 0.07}}, size=0)
    for path, words in (
        (tmp_path / "known", "scores alone, as they are here, show less"),
        (tmp_path / "not", "is not known"),
    ):
        assert words in " ".join(json.loads(eval_("report", path, "--json").stdout)["findings"])
        assert words in " ".join(json.loads(eval_("compare", "10", "20", "--in", path, "--json").stdout)["power"])


def test_rows_of_different_benchmarks_still_have_a_power_each(tmp_path):
    evaluate(tmp_path, 0, "a", [[1, 0]] * 20)
    evaluate(tmp_path, 10, "b", [[1, 0]] * 20)
    assert "points of the average" in " ".join(json.loads(eval_("report", tmp_path, "--json").stdout)["findings"])


@pytest.mark.parametrize("points", ["0", "-3", "x"])
def test_a_difference_that_is_none_is_refused(tmp_path, points):
    evaluate(tmp_path, 0, "a", [[1, 0]] * 20)
    assert "--detect" in eval_("report", tmp_path, "--detect", points, status=2).stderr


def test_a_difference_that_no_two_checkpoints_can_have_is_not_named(tmp_path):
    for step in (0, 5):
        evaluate(tmp_path, step, "b", [[1], [0], [step > 0]])
    said = " ".join(eval_("report", tmp_path, "--detect", "2").stdout.split())
    assert "too few problems: no difference of two checkpoints would be told from chance here" in said
    assert "are told apart" not in said


def test_more_samples_help_down_to_what_the_problems_leave():
    spreads = [expected(name, size, 4) for name, size in SIZES.items()]
    values = [detectable(spreads, times) for times in (1, 2, 8, math.inf)]
    assert values == sorted(values, reverse=True)
    times = times_needed(spreads, 0.02)
    assert detectable(spreads, times) == pytest.approx(0.02)
    assert math.isinf(times_needed(spreads, 0.9 * values[-1]))
    assert "however many samples are taken" in told(spreads, 90 * values[-1])[1]
    assert "is seen with the samples that are planned" in told(spreads, 200 * values[0])[1]


def test_what_one_sample_sees_on_the_five_sets_is_what_the_documentation_says():
    points = 100 * detectable([expected(name, size, 1) for name, size in SIZES.items()])
    assert f"about {points:.0f} points" in " ".join(
        (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text().split()
    )


def test_report_compare_and_plan_say_it_and_how_many_samples_a_named_difference_takes(tmp_path):
    rng = np.random.default_rng(3)
    for step in (0, 10):
        evaluate(tmp_path, step, "b", (rng.random((40, 4)) < 0.5).astype(int).tolist())
    said = [json.loads(eval_("report", tmp_path, "--detect", "5", "--json").stdout)["findings"]]
    said.append(json.loads(eval_("compare", "0", "10", "--in", tmp_path, "--detect", "5", "--json").stdout)["power"])
    for lines in said:
        assert any("told apart four times in five" in line for line in lines)
        assert any("a difference of 5.0 points" in line for line in lines)


def test_many_steps_against_the_base_are_corrected_together():
    """Ten steps no better than the base: a step is called better in at most one family of twenty."""
    rng = np.random.default_rng(4)
    false = corrected = 0
    for _ in range(60):
        base, *others = [
            BenchmarkResult(
                label=f"step-{step}",
                step=step,
                benchmark="b",
                n=1,
                scores={},
                problems=tuple(map(str, range(60))),
                correct=rng.random((60, 1)) < 0.5,
            )
            for step in range(11)
        ]
        found = against([base], {cell.label: [cell] for cell in others})
        assert list(found) == [f"step-{step}" for step in range(1, 11)]
        false += any(pair.p < 0.05 for pair in found.values())
        corrected += any("is better" in pair.verdict for pair in found.values())
    assert false > 6, "or there is nothing to correct"
    assert corrected <= 6


def test_the_report_names_the_steps_that_beat_the_base_and_says_that_they_are_corrected(tmp_path):
    evaluate(tmp_path, 0, "b", [[0]] * 20)
    evaluate(tmp_path, 10, "b", [[1]] * 12 + [[0]] * 8)
    evaluate(tmp_path, 20, "b", [[1]] + [[0]] * 19)
    lines = json.loads(eval_("report", tmp_path, "--json").stdout)["findings"]
    assert lines[0].startswith("step-10 against step-0 on b, corrected for 2 comparisons: step-10 is better by 60.0")
    assert "no difference shown" in lines[1]
    assert [choice.step for choice in gather(tmp_path).choices] == [10]
