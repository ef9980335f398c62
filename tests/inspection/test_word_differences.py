"""Differences of two texts: read in order, they make both."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import processor_time

from dra_toolkit.inspection.group_list import word_differences

WORDS = st.lists(st.sampled_from(["add", "the", "ones", "tens", " ", "\n", "+", "7", "é"]), max_size=30).map("".join)


@given(st.one_of(WORDS, st.text(max_size=40)), st.one_of(WORDS, st.text(max_size=40)))
def test_the_stretches_make_both_texts(left, right):
    stretches = word_differences(left, right).stretches
    assert "".join(s.text for s in stretches if s.kind != "right") == left
    assert "".join(s.text for s in stretches if s.kind != "left") == right


@given(WORDS)
def test_equal_texts_do_not_differ(text):
    assert {s.kind for s in word_differences(text, text).stretches} <= {"both"}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("the the a " * 100_000, "the a a " * 100_000),
        ("x " * 1_000_000, "y" + " x" * 1_000_000),
        ("a" * 10_000_000, "b" * 10_000_000),
        (" ".join(str(i * 37 % 101) for i in range(9_000)), " ".join(str(i * 53 % 101) for i in range(9_000))),
    ],
    ids=["three words for ever", "one word for ever", "one endless word", "a hundred words in two orders"],
)
def test_a_text_that_repeats_itself_is_compared_at_once(left, right):
    with processor_time(at_most=10):
        assert word_differences(left, right).is_cut


def test_equal_texts_have_all_in_common():
    assert word_differences("a b", "a b").ratio == 1.0
    assert not word_differences("a b", "a c").is_cut


def test_a_long_text_that_repeats_its_words_is_told_by_what_it_shares():
    left, right = (
        "\n".join(f"Step {i}: {i % 7} + {i % a} = {i % 7 + i % a}, so the sum is {i % 7 + i % a}." for i in range(25))
        for a in (3, 5)
    )
    found = word_differences(left, right)
    assert found.ratio > 0.9
    assert not found.is_cut


@given(st.text("ab c", max_size=12), st.text("ab c", max_size=12))
def test_what_both_have_is_the_longest_common_subsequence(left, right):
    common = [s.text for s in word_differences(left, right, units=re.compile(".")).stretches if s.kind == "both"]
    assert len("".join(common)) == longest(left, right)


def longest(a: str, b: str) -> int:
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if one == other else max(lengths[i][j + 1], lengths[i + 1][j])
    return lengths[-1][-1]
