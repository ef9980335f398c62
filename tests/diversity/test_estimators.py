"""How engines make advantages: each estimator against the plain formula, found again from what it gave."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from dra_toolkit.diversity import ESTIMATORS, Estimator, estimator_of, fitting_estimator, group_advantages

TOTALS = np.random.default_rng(0).random((5, 8))


def by_hand(name, row, everything):
    mean, n = row.mean(), len(row)
    others = (row.sum() - row) / (n - 1)
    of_all = everything - (everything.sum(axis=1, keepdims=True) - everything) / (n - 1)
    return {
        "trl": (row - mean) / (row.std(ddof=1) + 1e-4),
        "trl_batch": (row - mean) / (everything.std(ddof=1) + 1e-4),
        "trl_none": row - mean,
        "trl_async": (row - mean) / (row.std(ddof=0) + 1e-8),
        "rloo": row - others,
        "rloo_normalized": (row - others - of_all.mean()) / (of_all.std(ddof=1) + 1e-4),
        "verl": (row - mean) / (row.std(ddof=1) + 1e-6),
        "verl_none": row - mean,
        "ms_swift": (row - mean) / (row.std(ddof=1) + 1e-4),
        "prime_rl": row - mean,
        "skyrl": (row - mean) / (row.std(ddof=1) + 1e-6),
        "slime": (row - mean) / (row.std(ddof=1) + 1e-6),
        "openrlhf": (row - mean) / (row.std(ddof=1) + 1e-9),
        "nemo_rl": row - others,
    }[name]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_is_its_formula(name):
    found = group_advantages(TOTALS, ESTIMATORS[name])
    for row, advantages in zip(TOTALS, found, strict=True):
        np.testing.assert_allclose(advantages, by_hand(name, row, TOTALS), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_it_gave_says_which_it_was(name):
    given = group_advantages(TOTALS, ESTIMATORS[name])
    found, estimator = fitting_estimator(TOTALS, given.astype(np.float32).astype(np.float64), first=name)
    assert found == name
    assert estimator == ESTIMATORS[name]
    assert fitting_estimator(TOTALS, given + 0.01) is None


def test_groups_of_any_size_and_missing_totals():
    ragged = np.array([[1.0, 0.0, 2.0], [1.0, 3.0, np.nan], [0.5, np.nan, np.nan]])
    loo = group_advantages(ragged, ESTIMATORS["rloo"])
    np.testing.assert_allclose(loo[0], [0.0, -1.5, 1.5])
    np.testing.assert_allclose(loo[1], [-2.0, 2.0, 0.0])
    np.testing.assert_array_equal(loo[2], 0.0)
    alone = group_advantages(ragged, ESTIMATORS["verl"])[2]
    np.testing.assert_allclose(alone, [0.5 / (1 + 1e-6), 0.0, 0.0])


def test_equal_totals_give_nothing():
    for estimator in ESTIMATORS.values():
        np.testing.assert_allclose(group_advantages(np.full((1, 4), 0.7), estimator), 0.0, atol=1e-6)


def test_clip_and_centre():
    clipped = group_advantages(TOTALS, Estimator(clip=0.5))
    assert np.abs(clipped).max() == 0.5
    raw = TOTALS + 1.0
    found = group_advantages(TOTALS, Estimator(spread="none", centred_on="raw"), raw=raw)
    np.testing.assert_allclose(found, TOTALS - raw.mean(axis=1, keepdims=True))


def test_it_survives_json_and_says_what_it_is():
    for name, estimator in ESTIMATORS.items():
        assert Estimator(**json.loads(json.dumps(asdict(estimator)))) == estimator
        assert str(estimator)
        if name.startswith("trl"):
            assert str(estimator).startswith(name)
    assert estimator_of("batch") == ESTIMATORS["trl_batch"]
    with pytest.raises(ValueError, match="baseline: found 'median', expected one of mean"):
        Estimator(baseline="median")
