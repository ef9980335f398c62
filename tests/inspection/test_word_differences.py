"""Differences of two texts: read in order, they make both."""

from __future__ import annotations

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
