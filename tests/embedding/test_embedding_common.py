from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.embedding.common import batches, distinct, embed_batches, finish, unit_rows


@given(st.lists(st.text(alphabet="ab", max_size=3)))
def test_distinct_keeps_each_item_once_and_finds_it_again(items: list[str]) -> None:
    unique, inverse = distinct(items)
    assert len(unique) == len(set(items))
    assert [unique[i] for i in inverse] == items


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 100))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    counts = np.array(lengths, dtype=np.int64)
    parts = batches(counts, budget=budget)
    seen = sorted(int(i) for part in parts for i in part)
    assert seen == [i for i, length in enumerate(lengths) if length > 0]
    for part in parts:
        assert len(part) == 1 or len(part) * counts[part].max() <= budget


def test_batches_are_full_and_longest_first() -> None:
    parts = batches(np.array([1, 10, 5, 9, 5]), budget=10)
    assert [part.tolist() for part in parts] == [[1], [3], [2, 4], [0]]


def test_rows_come_back_where_they_belong() -> None:
    parts = batches(np.array([3, 0, 7]), budget=7)
    rows = embed_batches(parts, count=3, embed=lambda part: np.stack([part, part + 0.5], axis=1))
    assert rows[[0, 2]].tolist() == [[0.0, 0.5], [2.0, 2.5]]
    assert np.isnan(rows[1]).all()


def test_rows_without_a_batch_have_the_width_that_was_asked_for() -> None:
    assert embed_batches([], count=2, embed=lambda part: np.ones((0, 1)), dimensions=5).shape == (2, 5)


def test_unit_rows_by_hand() -> None:
    unit, valid = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]]))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0, 0], [0, 0]], rtol=1e-6)
    assert valid.tolist() == [True, False, False, False]
    assert unit.dtype == np.float32


@pytest.mark.parametrize("size", [1e-40, 1e-30, 1.0, 1e30, 1e38])
def test_unit_rows_neither_overflow_nor_underflow(size: float) -> None:
    unit, valid = unit_rows(np.array([[size, -size]], dtype=np.float32))
    np.testing.assert_allclose(unit, [[np.sqrt(0.5), -np.sqrt(0.5)]], rtol=1e-6)
    assert valid.all()


def test_finish_counts_each_duplicate() -> None:
    embeddings = finish(
        np.array([[np.nan], [2.0]], dtype=np.float32), inverse=np.array([0, 1, 0, 1, 1]), cut=np.array([False, True])
    )
    assert embeddings.vectors.tolist() == [[0.0], [1.0], [0.0], [1.0], [1.0]]
    assert (embeddings.truncated, embeddings.invalid) == (3, 2)
