"""Clusters of completions, and measures and labels of the user's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_toolkit.diversity import (
    NEGATIVE_TOTALS,
    WEIGHT_SCALES,
    DiversitySettings,
    adjust,
    adjusted_advantages,
    cosine_similarity,
    equal_labels,
    find_measure,
    load_labeller,
    load_measure,
    replaces_advantages,
    similar_labels,
)
from dra_toolkit.errors import MeasureError

USERS_OWN = '''
import numpy as np
from dra_toolkit.diversity import Effect

def halves(signals):
    """Half for all."""
    return np.full(signals.totals.shape, 0.5)

def longest(signals):
    return Effect(weights=np.ones(signals.totals.shape), bonus=signals.lengths)
longest.needs = ("lengths",)

def wrong_shape(signals):
    return np.ones(3)

def not_finite(signals):
    return np.full(signals.totals.shape, np.inf)

def words(signals):
    return ["a"]

def first_letter(texts):
    return [text[:1] for text in texts]

def too_few(texts):
    return texts[:1]

def unhashable(texts):
    return [[text] for text in texts]

def torch_labels(texts):
    import torch
    return torch.zeros(len(texts), dtype=torch.long)

def nan_labels(texts):
    return [float("nan") for _ in texts]

def fails(texts_or_signals):
    raise KeyError("oops\\nsecond line")

def list_in_effect(signals):
    return Effect(weights=[2.0, 2.0], redundancy=[0, 1])

def complex_weights(signals):
    return np.full(signals.totals.shape, 1j)

def other_redundancy(signals):
    return Effect(weights=np.ones(signals.totals.shape), redundancy=np.ones(3))

def bonus_without_total(signals):
    return Effect(weights=1 / (1 + np.abs(signals.totals)), bonus=signals.totals)

def writes(signals):
    signals.totals[:] = 7
    return np.ones(signals.totals.shape)

def unknown_need(signals):
    return np.ones(signals.totals.shape)
unknown_need.needs = ("label",)

def text_as_needs(signals):
    return np.ones(signals.totals.shape)
text_as_needs.needs = "labels"

def acts_on_nothing(signals):
    return np.ones(signals.totals.shape)
acts_on_nothing.acts_on = "advantages"

def acts_by_magic(signals):
    return np.ones(signals.totals.shape)
acts_by_magic.acts_by = "magic"

def maxrl(signals):
    mean = signals.totals.mean(axis=-1, keepdims=True)
    return replacement((signals.totals - mean) / mean)
maxrl.acts_on, maxrl.acts_by, maxrl.needs = "advantage", "replacement", ()

from dra_toolkit.diversity import Measure, replacement
unchecked = Measure(compute=lambda signals: signals.totals * np.nan, needs=("similarity",), rule="r", source="s")

number = 3
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "users_own.py").write_text(USERS_OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield "users_own"
    sys.modules.pop("users_own", None)


class TestLabels:
    def test_equal_keys_are_one_cluster_and_no_key_is_one_too(self):
        np.testing.assert_array_equal(equal_labels(["7", None, "8", "7", None]), [0, 1, 2, 0, 1])

    def test_chains_join(self):
        """1-2 and 2-3 are alike, 1-3 are not: one cluster; 4 stands alone."""
        S = np.eye(4)
        S[0, 1] = S[1, 0] = S[1, 2] = S[2, 1] = 0.95
        np.testing.assert_array_equal(similar_labels(S, 0.9), [0, 0, 0, 3])
        np.testing.assert_array_equal(similar_labels(S, 0.99), [0, 1, 2, 3])

    def test_long_chains_join_from_end_to_end(self):
        G = 12
        S = np.eye(G) + np.eye(G, k=1) + np.eye(G, k=-1)
        np.testing.assert_array_equal(similar_labels(S, 0.5), 0)

    @given(st.integers(0, 2**31), st.integers(1, 9), st.floats(-1, 1))
    def test_are_connected_components(self, seed, G, threshold):
        S = cosine_similarity(np.random.default_rng(seed).standard_normal((G, 3)))
        labels = list(range(G))
        for _ in range(G):
            for i in range(G):
                labels[i] = min(labels[j] for j in range(G) if i == j or S[i, j] >= threshold)
        np.testing.assert_array_equal(similar_labels(S, threshold), labels)

    def test_labels_from_similarity_need_no_others(self):
        S = np.array([[1, 0.95, 0], [0.95, 1, 0], [0, 0, 1]])
        settings = DiversitySettings(measure="cluster_size", labels="similarity")
        adjusted = adjust(similarity=S, totals=np.ones(3), settings=settings).adjusted
        np.testing.assert_allclose(adjusted, [0.5, 0.5, 1])


class TestMeasureOfTheUsersOwn:
    def test_weights(self, own):
        measure = load_measure(f"{own}.halves")
        assert (measure.rule, measure.needs, measure.acts_on) == ("Half for all.", ("similarity",), "total")
        settings = DiversitySettings(measure=f"{own}.halves")
        found = adjust(similarity=np.eye(2), totals=np.array([1.0, 3.0]), settings=settings)
        np.testing.assert_allclose(found.adjusted, [0.5, 1.5])

    def test_effect_and_needs(self, own):
        load_measure(f"{own}.longest")
        settings = DiversitySettings(measure=f"{own}.longest")
        known = {"similarity": np.eye(2), "totals": np.ones(2), "settings": settings}
        np.testing.assert_allclose(adjust(**known, lengths=np.array([5.0, 7.0])).adjusted, [6, 8])
        with pytest.raises(MeasureError, match="needs lengths"):
            adjust(**known)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("wrong_shape", r"weights of the shape \(3,\), expected"),
            ("not_finite", "NaN or infinity"),
            ("words", "list for weights, expected real numbers"),
            ("complex_weights", "expected real numbers"),
            ("other_redundancy", r"redundancy of the shape \(3,\)"),
            ("unchecked", "NaN or infinity"),
            ("fails", r"raised KeyError: .oops.* \(users_own.py:\d+\)"),
            ("writes", "raised ValueError: assignment destination is read-only"),
        ],
    )
    def test_what_it_returns_is_checked(self, own, name, said):
        load_measure(f"{own}.{name}")
        settings = DiversitySettings(measure=f"{own}.{name}")
        with pytest.raises(MeasureError, match=said):
            adjust(similarity=np.eye(2), totals=np.ones(2), settings=settings)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("halfs", "did you mean 'halves'"),
            ("number", "holds a int there, expected a function"),
            ("unknown_need", "needs 'label', expected some of .*; did you mean 'labels'"),
            ("text_as_needs", "has needs = 'labels', expected a tuple"),
            ("acts_on_nothing", "has acts_on = 'advantages', expected one of total, advantage"),
            ("acts_by_magic", "has acts_by = 'magic', expected one of factor, bonus, replacement"),
        ],
    )
    def test_what_is_not_there_or_no_function(self, own, name, said):
        with pytest.raises(MeasureError, match=said):
            load_measure(f"{own}.{name}")

    @pytest.mark.parametrize("negative", NEGATIVE_TOTALS)
    @pytest.mark.parametrize("weights", WEIGHT_SCALES)
    def test_advantages_that_it_returns_are_used_whatever_is_said_of_factors(self, own, weights, negative):
        """(r - m) / m for 3, 1, -1 is 2, 0, -2; correct_only leaves the wrong one's plain advantage, the same -2."""
        load_measure(f"{own}.maxrl")
        settings = DiversitySettings(measure=f"{own}.maxrl", weights=weights, negative_totals=negative)
        found = adjust(similarity=np.eye(3)[None], totals=np.array([[3.0, 1, -1]]), settings=settings)
        np.testing.assert_array_equal(adjusted_advantages(found, "none", settings), [[2, 0, -2]])
        np.testing.assert_array_equal(found.adjusted, found.totals)
        assert replaces_advantages(settings, "none")

    def test_returned_advantages_grow_in_with_the_schedule(self, own):
        load_measure(f"{own}.maxrl")
        settings = DiversitySettings(measure=f"{own}.maxrl", ramp_steps=4)
        known = {"similarity": np.eye(2)[None], "totals": np.array([[3.0, 0]])}
        half = adjusted_advantages(adjust(settings=settings, step=2, **known), "none", settings)
        np.testing.assert_allclose(half, [[(1.5 + 1) / 2, (-1.5 - 1) / 2]])

    def test_lists_are_taken_and_a_completion_without_a_total_needs_no_number(self, own):
        for name in ("list_in_effect", "bonus_without_total"):
            load_measure(f"{own}.{name}")
        settings = DiversitySettings(measure=f"{own}.list_in_effect", weights="mean_one")
        np.testing.assert_allclose(adjust(similarity=np.eye(2), totals=np.ones(2), settings=settings).weights, 1)
        settings = DiversitySettings(measure=f"{own}.bonus_without_total", weights="mean_one")
        found = adjust(similarity=np.eye(2), totals=np.array([1.0, np.nan]), settings=settings)
        np.testing.assert_allclose(found.weights, [0.5 / 0.75, 1 / 0.75])
        np.testing.assert_allclose(found.adjusted, [0.5 / 0.75 + 1, np.nan])

    def test_module_that_fails(self, own, tmp_path):
        (tmp_path / "broken_module.py").write_text("1 / 0")
        with pytest.raises(MeasureError, match="failed with ZeroDivisionError"):
            load_measure("broken_module.f")

    def test_reading_a_record_runs_no_code_that_it_names(self, tmp_path, monkeypatch):
        (tmp_path / "hostile_module.py").write_text("raise SystemExit('ran')")
        monkeypatch.syspath_prepend(str(tmp_path))
        settings = DiversitySettings(measure="hostile_module.f", labels="hostile_module.g")
        with pytest.raises(MeasureError, match="not run to read a record"):
            adjust(similarity=np.eye(2), totals=np.ones(2), settings=settings)
        with pytest.raises(MeasureError, match="not run"):
            find_measure("hostile_module.f")
        assert "hostile_module" not in sys.modules


class TestLabellerOfTheUsersOwn:
    def test_labels(self, own):
        np.testing.assert_array_equal(load_labeller(f"{own}.first_letter")(["ab", "b", "ac"]), [0, 1, 0])

    def test_tensors_and_nan(self, own):
        np.testing.assert_array_equal(load_labeller(f"{own}.torch_labels")(["a", "b"]), [0, 0])
        np.testing.assert_array_equal(load_labeller(f"{own}.nan_labels")(["a", "b"]), [0, 0])

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("too_few", "1 labels for 2 texts"),
            ("unhashable", "one label for"),
            ("fails", "raised KeyError"),
        ],
    )
    def test_what_it_returns_is_checked(self, own, name, said):
        with pytest.raises(MeasureError, match=said):
            load_labeller(f"{own}.{name}")(["a", "b"])
