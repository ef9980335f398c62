"""Search: every place, exactly where it is, in time linear in the text, and never as SQL."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import make_run, record, record_all
from waiting import processor_time

from dra_toolkit.errors import RunError
from dra_toolkit.inspection.selection import Selection, read_condition
from dra_toolkit.inspection.text_search import Wanted, search
from dra_toolkit.runs import Run

TEXTS = ["Wait, 21 + 46 = 67. wait", "count up: 21, 22, 23", "naïve 文字 😀 Wait", "concatenate a cat"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = make_run(tmp_path_factory.mktemp("runs") / "first")
    discarded = record(2, 0, G=4, mode="discarded", texts=["Wait"] * 4)
    record_all(directory, [record(1, 0, G=4, texts=TEXTS), record(1, 1, G=4)], [record(2, 0, G=4)], [discarded])
    return Run(directory)


def found(run, text, selection=None, **options):
    return search(run, Wanted(text=text, **options), selection or Selection()).rows


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_any_piece_of_a_text_is_found_where_it_is(run, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start + 1, len(text)))]
    hit = next(hit for hit in found(run, piece) if hit.completion == TEXTS.index(text) and hit.group == 0)
    assert hit.before + hit.found + hit.after == text
    assert hit.found == piece
    assert len(hit.before) == text.index(piece)
    assert hit.times == text.count(piece)


@pytest.mark.parametrize("pattern", [r"\d+", r"\bcat\b", r"[Ww]ait", r"(\d)(\d)", r"$", "^", "😀.", r"e( a)?"])
def test_expressions_match_where_pythons_do(run, pattern):
    expected = {i: re.search(pattern, text).span() for i, text in enumerate(TEXTS) if re.search(pattern, text)}
    hits = {hit.completion: hit for hit in found(run, pattern, is_regex=True) if (hit.step, hit.group) == (1, 0)}
    assert {i: (len(h.before), len(h.before) + len(h.found)) for i, h in hits.items()} == expected


def test_capitals(run):
    assert [hit.times for hit in found(run, "wait")] == [1]
    assert [hit.times for hit in found(run, "WAIT", ignore_case=True)] == [2, 1]
    assert [hit.times for hit in found(run, "w.it", ignore_case=True, is_regex=True)] == [2, 1]
    assert [hit.found for hit in found(run, "w.it", is_regex=True)] == ["wait"]


def test_modes_steps_and_measures(run):
    assert len(found(run, "Wait", Selection(modes=("discarded",)))) == 4
    assert {hit.step for hit in found(run, "text", Selection(steps=(2, 2)))} == {2}
    assert found(run, "Wait", Selection(conditions=(read_condition("size > 4"),))) == ()
    assert len(found(run, "Wait", Selection(conditions=(read_condition("size = 4"),)))) == 2


def test_an_expression_that_python_would_never_finish(tmp_path):
    directory = make_run(tmp_path / "slow")
    record_all(directory, [record(1, 0, G=3, texts=["a" * 5_000 + "!b", "x", "y"])])
    with processor_time(at_most=10):
        (hit,) = found(Run(directory), "(a+)+b|!", is_regex=True)
    assert hit.found == "!"


@pytest.mark.parametrize("pattern", ["(", "[", "(?=a)", "a{5000}", "*", r"\8"])
def test_what_is_no_expression_is_told_before_anything_is_read(pattern):
    with pytest.raises(RunError, match="no regular expression as RE2 reads them") as told:
        Wanted(text=pattern, is_regex=True)
    assert "\n" not in str(told.value)


def test_bytes_that_are_no_text():
    with pytest.raises(RunError, match="not UTF-8"):
        Wanted(text="\udcff")


def test_where_nothing_tells_right_from_wrong(run):
    with pytest.raises(RunError, match="nothing tells right from wrong"):
        found(run, "Wait", correct=True)
