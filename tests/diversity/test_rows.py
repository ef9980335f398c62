"""Rows in any order with the id of their group are adjusted as their groups are by themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit import adjust, adjust_rows
from dra_toolkit.diversity import (
    MEASURES,
    SCALINGS,
    DiversitySettings,
    Signals,
    adjust_signals,
    adjusted_advantages,
)
from dra_toolkit.errors import MeasureError


def rows_of(seed: int, sizes: list[int], d: int = 5):
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    N = len(ids)
    return ids, {
        "embeddings": rng.normal(size=(N, d)),
        "totals": rng.choice([-1.0, 0.0, 1.0, 2.5, math.nan], N),
        "labels": rng.integers(0, 3, N),
        "log_probs": rng.normal(-1, 0.3, N),
        "correct": rng.random(N) > 0.5,
        "lengths": rng.integers(1, 50, N).astype(float),
        "history": rng.random((N, 2)) * 9,
    }


@given(
    st.integers(0, 99),
    st.lists(st.integers(1, 7), min_size=1, max_size=6),
    st.sampled_from(sorted(MEASURES)),
    st.sampled_from(["divide", "shift", "correct_only"]),
)
def test_each_group_gets_what_it_gets_alone(seed, sizes, measure, negative):
    ids, known = rows_of(seed, sizes)
    settings = DiversitySettings(measure=measure, negative_totals=negative, zero_spread_groups="cap")
    found = adjust_rows(ids.tolist(), settings=settings, **known)
    alone = {}
    for group in dict.fromkeys(ids.tolist()):
        rows = np.flatnonzero(ids == group)
        alone[group] = adjust(settings=settings, **{name: values[rows] for name, values in known.items()})
        np.testing.assert_array_equal(found.weights[rows], alone[group].weights)
        np.testing.assert_array_equal(found.adjusted[rows], alone[group].adjusted)
        for scaling in ("group", "none"):
            np.testing.assert_allclose(
                found.advantages(scaling)[rows],
                adjusted_advantages(alone[group][None], scaling, settings)[0],
                atol=1e-12,
            )
    assert [list(rows) for rows in found.groups] == [np.flatnonzero(ids == group).tolist() for group in alone]
    for adjustment, mine in zip(found.adjustments, alone.values(), strict=True):
        np.testing.assert_array_equal(adjustment.similarity, mine.similarity)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("measure", ["graph_cut", "set_utility", "none"])
def test_groups_of_one_size_in_order_are_a_batch_of_the_trainer(measure, scaling):
    _, known = rows_of(3, [4, 4, 4])
    settings = DiversitySettings(measure=measure)
    signals = Signals(**{name: values.reshape(3, 4, *values.shape[1:]) for name, values in known.items()})
    expected = adjusted_advantages(adjust_signals(signals, settings), scaling, settings)
    found = adjust_rows(np.repeat(["a", "b", "c"], 4), settings=settings, **known)
    np.testing.assert_allclose(found.advantages(scaling), expected.reshape(-1), atol=1e-12)


def test_by_hand():
    """b is alone; of a the copies share a redundancy of 1; advantages without scaling are apart from the mean 1/2."""
    found = adjust_rows(["a", "b", "a"], totals=np.array([2.0, 7, 0]), embeddings=np.ones((3, 4)))
    assert found.weights.tolist() == [0.5, 1, 0.5]
    assert found.adjusted.tolist() == [1, 7, 0]
    assert found.advantages("none").tolist() == [0.5, 0, -0.5]


def test_the_schedule_holds():
    settings = DiversitySettings(start_step=5)
    known = {"totals": np.ones(2), "embeddings": np.ones((2, 4)), "settings": settings}
    assert adjust_rows([1, 1], step=4, **known).weights.tolist() == [1, 1]
    assert adjust_rows([1, 1], step=5, **known).weights.tolist() == [0.5, 0.5]


def test_no_rows():
    found = adjust_rows([], totals=np.zeros(0))
    assert (len(found.groups), found.adjusted.tolist(), found.advantages("batch").tolist()) == (0, [], [])


def test_ids_that_are_equal_are_one_group_in_whatever_they_lie():
    ids = np.array([7, 8, 7])
    for given_ids in (ids, [np.array(each) for each in ids], ids.astype(float), ids.tolist(), iter("aba")):
        assert adjust_rows(given_ids, totals=np.ones(3), embeddings=np.ones((3, 4))).weights.tolist() == [0.5, 1, 0.5]


@pytest.mark.parametrize("missing", [None, math.nan, [7], {"id": 7}, np.array([1, 2]), torch.ones(2)], ids=repr)
def test_a_row_without_an_id(missing):
    with pytest.raises(ValueError, match=r"group_ids: row 1 has .{3,50}, expected the id of its group for each row"):
        adjust_rows(["a", missing], totals=np.ones(2), embeddings=np.ones((2, 4)))


def test_as_many_values_as_ids():
    with pytest.raises(ValueError, match="totals: found 3 values, expected one for each of 2 group_ids"):
        adjust_rows(["a", "a"], totals=np.ones(3))


def test_slices_have_no_meaning_here():
    settings = DiversitySettings(scope="rank_slice", slice_rows=2)
    with pytest.raises(ValueError, match="rank_slice compares neighbouring rows"):
        adjust_rows(["a", "a"], totals=np.ones(2), embeddings=np.ones((2, 4)), settings=settings)


def test_what_the_measure_needs_must_be_there():
    with pytest.raises(MeasureError, match="cluster_size needs labels"):
        adjust_rows(["a", "a"], totals=np.ones(2), settings=DiversitySettings(measure="cluster_size"))
