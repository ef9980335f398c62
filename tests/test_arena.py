"""The arena's rules: whose rate is chosen, who is cut, what is left to run, and how its tables count."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import numpy as np
import pytest

ARENA = Path(__file__).parents[1] / "benchmarks" / "arena"
KEPT = {"GRPO", "Dr. GRPO", "DRA-GRPO, hash", "placebo", "oracle labels", "MaxRL"}


@pytest.fixture(scope="module", autouse=True)
def arena():
    """Import the arena's modules as its commands do."""
    sys.path.insert(0, str(ARENA))
    yield
    sys.path.remove(str(ARENA))


def ran(arm, rate, seed, one, eight):
    """Return a record as a run leaves it, as far as the rules read it."""
    at = {"pass@1": one, "pass@8": eight}
    return {"task": "hidden", "arm": arm, "rate": rate, "seed": seed, "at": {"300": {"dev": at}}}


def test_an_arms_own_rate_is_chosen_on_the_other_problems_with_screening_seeds():
    from plan import own_rates

    found = [
        ran("MaxRL", 2e-4, 11, 0.40, 0.80),
        ran("MaxRL", 1e-3, 11, 0.45, 0.85),
        ran("MaxRL", 1e-3, 12, 0.25, 0.81),
        ran("MaxRL", 5e-4, 1, 0.99, 0.99),  # a test seed
    ]
    assert own_rates(found[:2], "hidden") == {"MaxRL": 1e-3}
    assert own_rates(found, "hidden") == {"MaxRL": 2e-4}


def test_the_first_cut_takes_who_is_beaten_in_both_by_more_than_the_margin():
    from plan import survivors

    found = [
        ran("UCPO", 2e-4, 11, 0.50, 0.80),
        ran("PKPO, k = 4", 2e-4, 11, 0.47, 0.77),
        ran("uniqueness", 2e-4, 11, 0.485, 0.70),
        ran("MaxRL x labels", 2e-4, 11, 0.40, 0.81),
        ran("GRPO", 2e-4, 11, 0.10, 0.10),
    ]
    assert set(survivors(found, "hidden")) == {"UCPO", "uniqueness", "MaxRL x labels", "GRPO"}


def test_who_is_never_cut():
    from arms import ARMS

    assert {arm.name for arm in ARMS if arm.is_kept} == KEPT
    assert len(ARMS) >= 15


def test_what_is_done_is_not_repeated_and_a_test_follows_what_was_screened():
    from arms import RATES, SCREEN_SEEDS
    from plan import jobs

    found = [ran(arm, 2e-4, 11, 0.4, 0.8) for arm in sorted(KEPT)]
    left = list(jobs(found, "hidden", ["screen:kept"]))
    assert len(left) == len(KEPT) * (len(RATES) * len(SCREEN_SEEDS) - 1)
    tests = list(jobs(found, "hidden", ["test:kept:2"]))
    assert {(job.arm.name, job.rate, job.seed) for job in tests} == set(itertools.product(KEPT, [2e-4], [1, 2]))
    assert not list(jobs([], "hidden", ["test"]))
    tested = [ran(arm, 2e-4, seed, 0.4, 0.8) for arm in KEPT for seed in (1, 2)]
    assert len(list(jobs([*found, *tested], "hidden", ["test:kept:2"]))) == len(tests), "from which base nobody knows"
    assert not list(jobs([*found, *({**each, "base": "0"} for each in tested)], "hidden", ["test:kept:2"]))


def test_samples_are_counted_without_bias():
    from evaluate import ceiling, counted, held_out

    problem = held_out("test")[0]
    right = f"<think> 1 + 1 = 2 </think> \\boxed{{{problem.solution}}}"
    found = counted([[right] * 4 + ["no"] * 12], [problem], "open")
    assert found["pass@1"] == pytest.approx(4 / 16)
    assert found["pass@8"] == pytest.approx(
        1 - 12 * 11 * 10 * 9 * 8 * 7 * 6 * 5 / (16 * 15 * 14 * 13 * 12 * 11 * 10 * 9)
    )
    assert ceiling("open")["pass@8"] == 1.0
    assert 0.4 < ceiling("hidden")["pass@1"] < 0.6
    assert not set(held_out("test")) & set(held_out("dev"))


def test_holm_multiplies_by_what_is_left():
    from tables import holm

    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})


def test_the_solutions_of_a_palindrome_are_all_orders_of_its_pairs():
    from palindromes import WAYS, Palindrome

    assert Palindrome("baab").solutions == ["abba", "baab"]
    assert Palindrome("ababc").solutions == ["abcba", "bacab"]
    assert Palindrome("aaaa").solutions == ["aaaa"]
    found = Palindrome("cabbxac").solutions
    assert len(found) == len(set(found)) == WAYS
    assert all(each == each[::-1] and sorted(each) == sorted("cabbxac") for each in found)


def test_the_generator_accepts_the_solutions_and_no_slip():
    pytest.importorskip("reasoning_gym")
    from palindromes import Palindrome, is_right, slipped, valid

    problem = Palindrome("cabbxac")
    assert valid(problem.solutions, [problem.letters] * 6) == [1.0] * 6
    rng = random.Random(0)
    assert not any(is_right(slipped(each, rng), problem) for each in problem.solutions)
    assert valid(["abba", "", "abcxcb", [{"role": "assistant", "content": "abcxcba"}]], ["cabbxac"] * 4) == [0, 0, 0, 1]


def test_the_twin_of_a_policy_without_mistakes_is_the_ceiling():
    import twin
    from evaluate import ceiling

    policy = twin.Policy(twin.World(seeds=2))
    policy.logits = [np.zeros((2, 5)), np.tile(np.array([0.0, *[-1e9] * twin.SLIPS]), (2, 5, 1))]
    found, expected = twin.measured(policy), ceiling("hidden")
    for measure, values in found.items():
        np.testing.assert_allclose(values, expected[measure], atol=1e-12)


def test_the_twin_goes_up_the_gradient():
    """One completion of way 0, right, with advantage 1: its share and its being right rise, and nothing else moves up."""
    import twin

    policy = twin.Policy(twin.World(seeds=1))
    before = policy.probabilities()
    policy.update(1, np.array([[0]]), np.array([[0]]), np.array([[1.0]]))
    ways, outcomes = (after - was for after, was in zip(policy.probabilities(), before, strict=True))
    assert ways[0, 0] > 0 > ways[0, 1:].max()
    assert outcomes[0, 0, 0] > 0 > outcomes[0, 0, 1:].max()
    np.testing.assert_array_equal(outcomes[0, 1:], 0)


def test_the_twin_is_compared_with_runs_of_its_arms_and_rates_alone():
    from twin_report import differences

    at = {str(mark): {"pass@1": (0.4, 0.0), "pass@8": (0.8, 0.0), "ways": (1.0, 0.0)} for mark in (60, 150, 300)}
    real = {"test": {"pass@1": 0.5, "pass@8": 0.7, "ways": 1.0}}
    known = {"task": "hidden", "at": dict.fromkeys(at, real)}
    found = [
        {**known, "arm": "GRPO", "rate": 2e-4},
        {**known, "arm": "GRPO", "rate": 7e-4},
        {**known, "arm": "nobody", "rate": 2e-4},
        {**known, "arm": "GRPO", "rate": 2e-4, "task": "open"},
    ]
    ((key, by),) = differences(found, {"GRPO": {"0.2": at}}).items()
    assert key == ("GRPO", 2e-4)
    assert by["pass@1"][300] == pytest.approx([0.1])
    assert by["pass@8"][60] == pytest.approx([-0.1])


def test_intervals_and_p_values_of_three_seeds_by_hand():
    """1, 2, 3: mean 2, deviation 1; t with 2 degrees of freedom has 4.3027 at 97.5 %, and P(|t| > 3.4641) = 0.0742."""
    from tables import cell, interval, p_value

    mean, half = interval([1.0, 2.0, 3.0])
    assert (mean, half) == pytest.approx((2.0, 4.3027 / 3**0.5), rel=1e-4)
    assert p_value([1.0, 2.0, 3.0]) == pytest.approx(0.0742, abs=1e-4)
    assert cell([1.0, 2.0, 3.0], sign=True) == "+2.000 ± 2.484"
    assert cell([0.5]) == "0.500"
    assert p_value([0.5]) != p_value([0.5])


def test_differences_are_paired_by_seed_and_one_table_holds_one_correction():
    from report import _paired

    def run(one, eight):
        return {"at": {"300": {"test": {"pass@1": one, "pass@8": eight, "ways": 1.0}}}}

    tested = {
        "GRPO": {1: run(0.5, 0.7), 2: run(0.4, 0.8), 3: run(0.3, 0.6)},
        "MaxRL": {3: run(0.6, 0.9), 2: run(0.6, 0.9), 1: run(0.6, 0.9)},
        "placebo": {1: run(0.5, 0.7), 9: run(0.0, 0.0)},
    }
    against_grpo = _paired([tested], "GRPO")
    assert any(
        line.startswith("| MaxRL | +0.200 ± 0.248 (p 0.074) | +0.200 ± 0.248 (p 0.074)") for line in against_grpo
    )
    assert any(line.startswith("| placebo | +0.000 (p nan)") for line in against_grpo)
    assert not _paired([tested], "oracle labels")
    again = {"GRPO": {1: run(0.1, 0.7)}, "MaxRL": {1: run(0.5, 0.7)}}
    both = _paired([tested, again], "GRPO")
    assert any(line.startswith("| MaxRL | +0.250 ± 0.205 (p 0.030) |") for line in both), "0.1, 0.2, 0.3 and 0.4"
    assert not any(line.startswith("| placebo") for line in both), "the second test has none"


def test_every_run_that_says_so_started_from_the_base_model_that_lies_here():
    from arms import TASKS
    from plan import records
    from run import base_digest

    said = [record for record in records() if "base" in record]
    assert said
    assert {(record["task"], record["base"]) for record in said} <= {(task, base_digest(task)) for task in TASKS}
