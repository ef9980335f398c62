"""The arena's rules: whose rate is chosen, who is cut, what is left to run, and how its tables count."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

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
