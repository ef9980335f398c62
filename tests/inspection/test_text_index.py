"""The index of texts leaves out nothing that a search would find, and is trusted only where it is of these texts."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import make_run, record, record_all

from dra_toolkit.groups import Message
from dra_toolkit.inspection import text_index, text_search
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.inspection.text_index import FOLDER, build_missing, needed_by, read_index, steps_that_may_hold
from dra_toolkit.inspection.text_search import Wanted, search
from dra_toolkit.runs import Run
from dra_toolkit.runs.compaction import compact

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(scope="module")
def searching():
    sys.path.insert(0, BENCHMARKS)
    import searching

    sys.path.remove(BENCHMARKS)
    return searching


def words(seed: int, count: int) -> str:
    letters, rng = random.Random(0), random.Random(seed)
    vocabulary = ["".join(letters.choices("abcdefghij", k=7)) for _ in range(40)]
    return " ".join(rng.choices(vocabulary, k=count))


@pytest.fixture(scope="module")
def indexed(tmp_path_factory, searching) -> Path:
    """40 steps of 20 texts; one word stands in step 7 alone, another in steps 7 and 30."""
    texts = [words(i, 60) for i in range(800)]
    texts[125] += " Zugzwang und so weiter"
    texts[599] += " zugzwang"
    return searching.indexed_run(tmp_path_factory.mktemp("indexed") / "run", texts).directory.path


@pytest.fixture
def run(tmp_path, indexed) -> Run:
    shutil.copytree(indexed, tmp_path / "run")
    return Run.open(tmp_path / "run")


def segment(run: Run):
    (found,) = run.store.snapshot().segments
    return found


def index_file(run: Run) -> Path:
    return run.directory.path / FOLDER / segment(run).path.name


def test_nothing_is_missed_that_a_scan_finds(tmp_path, searching):
    rng = random.Random(3)
    texts = searching.random_texts(rng, 1_000)
    counts = searching.missed(
        searching.indexed_run(tmp_path / "run", texts), searching.random_patterns(rng, texts, 300)
    )
    assert counts["missed"] == 0
    assert counts["hits"] > 1_000
    assert counts["steps left out"] > 1_000


def test_a_search_opens_few_steps_and_finds_the_same(run):
    narrowed = steps_that_may_hold(run.store, [("zugzwang",)])
    assert narrowed is not None
    assert sum(last - first + 1 for first, last in narrowed) < 10
    asked = [
        Wanted(text="zugzwang"),
        Wanted(text="zugzwang", ignore_case=True),
        Wanted(text="Z.gzw[a-z]+", is_regex=True),
    ]
    with_index = [search(run, wanted, Selection()).rows for wanted in asked]
    assert [[hit.step for hit in hits] for hits in with_index] == [[30], [7, 30], [7]]
    index_file(run).unlink()
    assert [search(run, wanted, Selection(), count=True).rows for wanted in asked] == with_index


def test_of_small_texts_it_is_at_most_a_twentieth(run):
    texts = sum(len(text.encode()) for text in run.query("SELECT completion FROM texts").column(0).to_pylist())
    assert index_file(run).stat().st_size <= 0.05 * texts


def test_a_flipped_bit_or_other_texts_make_it_say_nothing(run):
    whole = index_file(run).read_bytes()
    for place in (3, 30, len(whole) // 2, len(whole) - 1):
        index_file(run).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert read_index(segment(run)) is None
    index_file(run).write_bytes(whole.replace(b'"of": [', b'"of": [1', 1))
    assert read_index(segment(run)) is None
    index_file(run).write_bytes(whole[: len(whole) // 2])
    assert read_index(segment(run)) is None
    assert build_missing(run.directory.groups) == 1
    assert index_file(run).read_bytes() == whole or read_index(segment(run)) is not None


def test_a_stretch_ends_with_a_step_where_it_can(run):
    index = read_index(segment(run))
    assert index is not None
    assert {first == last for first, last in index.steps} == {True}


def test_many_steps_are_asked_for_as_ranges_and_the_same_is_found(run, monkeypatch):
    asked = [Wanted(text="zugzwang", ignore_case=True), Wanted(text=words(3, 1))]
    listed = [search(run, wanted, Selection(), count=True) for wanted in asked]
    monkeypatch.setattr(text_search, "MOST_LISTED", 1)
    assert [search(run, wanted, Selection(), count=True) for wanted in asked] == listed


def test_a_link_is_not_followed(run, tmp_path):
    index_file(run).rename(tmp_path / "elsewhere")
    index_file(run).symlink_to(tmp_path / "elsewhere")
    assert read_index(segment(run)) is None


def test_what_joins_segments_makes_their_index_and_removes_the_old_one(run):
    record_all(run.directory, [record(41, 0, G=20, texts=[words(i, 60) for i in range(20)])])
    before = index_file(run)
    compact(run.directory.groups, everything=True, grace=0)
    assert not before.exists()
    assert read_index(segment(run)) is not None
    assert len(list((run.directory.path / FOLDER).iterdir())) == 1


def test_what_is_not_joined_yet_is_searched_too(run):
    record_all(run.directory, [record(41, 0, G=3, texts=["zugzwang", "b", "c"])])
    assert [hit.step for hit in search(Run(run.directory), Wanted(text="zugzwang"), Selection()).rows] == [30, 41]


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("a lemma", [("a lemma",)]),
        (r"lemma \d+: (proof|sketch) of", [("lemma ",), (": ",), ("proof", "sketch"), (" of",)]),
        ("(?:again )+and", [("again ",), ("and",)]),
        ("(never)?", []),
        ("a|.", []),
        ("(?i:lemma)", []),
        ("[[:alpha:]]", []),
        (r"\pL+x", []),
    ],
)
def test_what_every_match_must_contain(pattern, needed):
    assert needed_by(pattern) == (needed, False)
    assert needed_by(f"(?i){pattern}")[0] == needed


TURNS = (
    Message(
        role="assistant", content="I shall look it up.", calls='[{"name": "find", "arguments": {"word": "zugzwang"}}]'
    ),
    Message(role="tool", content="A position in which any move loses. Ümlaut [x]"),
    Message(role="assistant", content="So the answer is 7."),
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("pattern", ["[[a]bcd", "[a--b]xyz1", "x[a&&b]", "[^a||b]", "[~~]wxyz", "[[:alpha:]]abcd"])
def test_sets_that_python_warns_of_are_read_without_a_word(pattern):
    assert needed_by(pattern) == ([], False)


def test_what_spans_a_text_and_its_calls_is_found_with_an_index_too(tmp_path, monkeypatch):
    monkeypatch.setattr(text_index, "SHARE", 100)  # of so few texts every bit would be set
    directory = make_run(tmp_path / "run")
    found = record(1, 0, G=3, texts=["plain", "I shall look it up.\nSo the answer is 7.", "other"])
    record_all(directory, [replace(found, group=replace(found.group, turns=(None, TURNS, None)))], [record(2, 0)])
    compact(directory.groups, everything=True, grace=0)
    build_missing(directory.groups)
    run = Run(directory)
    for text, is_regex in (('it up.\n[{"name"', False), (r"it up\.\n\[\{", True)):
        (hit,) = search(run, Wanted(text=text, is_regex=is_regex), Selection()).rows
        assert (hit.step, hit.completion, hit.turn) == (1, 1, 0)


def test_an_index_of_an_earlier_form_is_made_anew(run, monkeypatch):
    monkeypatch.setattr(text_index, "FORM", 1)
    index_file(run).unlink()
    assert build_missing(run.directory.groups) == 1
    monkeypatch.undo()
    text_index._read.cache_clear()
    assert read_index(segment(run)) is None
    assert build_missing(run.directory.groups) == 1
    assert read_index(segment(run)) is not None


@pytest.mark.parametrize("compacted", [False, True])
def test_turns_are_searched_calls_and_what_tools_said_too(tmp_path, compacted):
    directory = make_run(tmp_path / "run")
    found = record(1, 0, G=3, texts=["plain", "I shall look it up.\nSo the answer is 7.", "other"])
    turned = replace(found, group=replace(found.group, turns=(None, TURNS, None)))
    record_all(directory, [turned], [record(2, 0)])
    if compacted:
        compact(directory.groups, everything=True, grace=0)
    run = Run(directory)

    def hits(text: str, **options: bool):
        rows = search(run, Wanted(text=text, **options), Selection(), count=True).rows
        return [(hit.step, hit.completion, hit.turn, hit.role, hit.found) for hit in rows]

    assert hits("any move loses") == [(1, 1, 1, "tool", "any move loses")]
    assert hits('"zugzwang"') == [(1, 1, 0, "assistant", '"zugzwang"')]
    assert hits("answer is [0-9]", is_regex=True) == [(1, 1, 2, "assistant", "answer is 7")]
    assert hits("ÜMLAUT [X]", ignore_case=True) == [(1, 1, 1, "tool", "Ümlaut [x]")]
    assert hits("plain") == [(1, 0, None, None, "plain")]
    assert hits("nowhere") == []


ENDS_AT_ONCE = """
import os, pathlib, threading
from dra_toolkit.inspection import text_index

begun = threading.Event()

def build_missing(groups, *, stopped):
    begun.set()
    while not stopped():
        os.sched_yield()
    print("stopped, and waited for", flush=True)

text_index.build_missing = build_missing
text_index.build_later(pathlib.Path("groups"))
begun.wait()
"""


@pytest.mark.process
def test_a_process_that_ends_while_the_index_is_made_stops_that_and_waits_for_it() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS_AT_ONCE], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "stopped, and waited for\n", "")
