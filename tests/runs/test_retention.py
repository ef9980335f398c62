"""`record_texts`: which groups keep their texts, that nothing but texts is left out, and that whatever needs one says so."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from recorded import FACTS, make_run, record
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.audit import from_run
from dra_toolkit.inspection.group_list import nearest_pairs
from dra_toolkit.inspection.near import nearest
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.inspection.vectors import vectors_by
from dra_toolkit.runs import Recorder, Run, RunDirectory
from dra_toolkit.runs.compaction import compact

SHARE = 0.25
GROUPS = 6
NUMBERS = (
    "SELECT * FROM steps ORDER BY mode, step",
    "SELECT * EXCLUDE texts_dropped FROM groups ORDER BY mode, step, batch, group_index",
    "SELECT * EXCLUDE texts_dropped FROM completions ORDER BY mode, step, batch, group_index, completion_index",
    "SELECT step, prompt FROM texts ORDER BY mode, step, batch, group_index, completion_index",
)


def some(steps: range) -> list[list[GroupRecord]]:
    return [[record(step, i, prompt=f"prompt {(step * GROUPS + i) % 11}") for i in range(GROUPS)] for step in steps]


def written(run: RunDirectory, batches: list[list[GroupRecord]], share: float) -> list[str]:
    """Record batches and return what was told; files are joined when recording ends, where a share is kept."""
    told: list[str] = []
    recorder = Recorder(run.groups, dataclasses.replace(FACTS, record_texts=share), tell=told.append)
    for batch in batches:
        recorder.submit(batch)
    recorder.close()
    compact(run.groups, everything=True, grace=0)
    return told


@pytest.fixture
def run(tmp_path) -> Run:
    made = make_run(tmp_path / "run")
    written(made, some(range(1, 21)), SHARE)
    return Run.open(made.path)


@pytest.fixture
def whole(tmp_path) -> Run:
    made = make_run(tmp_path / "whole")
    written(made, some(range(1, 21)), 1.0)
    return Run.open(made.path)


def kept(run: Run) -> set[tuple[int, int]]:
    return {(r.step, r.index) for r in run.groups() if not r.group.texts_dropped}


def ranks(run: Run) -> dict[tuple[int, int], int]:
    """Return why each group is worth keeping, worked out from its records one by one."""
    records = list(run.groups())
    found = {}
    for r in records:
        same_step = [o.adjustment.totals.mean() for o in records if o.step == r.step]
        same_prompt = sorted((o.step, o.index) for o in records if o.prompt_hash == r.prompt_hash)
        mean = r.adjustment.totals.mean()
        flips = (r.advantages * r.plain_advantages < 0).any()
        if flips:
            rank = 0
        elif r.adjustment.totals.std() < 1e-6:
            rank = 1
        elif mean in (min(same_step), max(same_step)):
            rank = 2
        elif (r.step, r.index) in (same_prompt[0], same_prompt[-1]):
            rank = 3
        else:
            rank = 4
        found[r.step, r.index] = rank
    return found


class TestWhatIsKept:
    def test_the_share_is_filled_by_priority(self, run):
        expected = ranks(run)
        there = kept(run)
        assert len(there) == math.ceil(SHARE * 20 * GROUPS)
        assert max(expected[key] for key in there) <= min(expected[key] for key in expected.keys() - there)

    def test_texts_that_are_kept_are_those_that_were_recorded(self, run, whole):
        for found, recorded in zip(run.groups(), whole.groups(), strict=True):
            if not found.group.texts_dropped:
                assert found.group.completions == recorded.group.completions
                assert found.group.texts == recorded.group.texts

    def test_numbers_similarity_prompts_and_identities_are_those_of_all(self, run, whole):
        for sql in NUMBERS:
            assert run.query(sql).equals(whole.query(sql)), sql
        for found, recorded in zip(run.groups(), whole.groups(), strict=True):
            np.testing.assert_array_equal(found.adjustment.similarity, recorded.adjustment.similarity)
            assert found.prompt_hash == recorded.prompt_hash

    def test_joining_again_decides_again_and_goes_on_by_the_share(self, tmp_path):
        run = make_run(tmp_path / "run")
        for first in (1, 11, 21):
            written(run, some(range(first, first + 10)), SHARE)
        assert len(kept(Run.open(run.path))) == math.ceil(SHARE * 30 * GROUPS)

    def test_everything_and_nothing(self, tmp_path):
        for share in (0.0, 1.0):
            run = make_run(tmp_path / f"run{share}")
            told = written(run, some(range(1, 4)), share)
            assert len(kept(Run.open(run.path))) == share * 3 * GROUPS
            assert bool(told) is (share == 0.0)

    def test_what_did_not_fit_is_counted_and_told(self, tmp_path):
        run = make_run(tmp_path / "run")
        (told,) = written(run, some(range(1, 21)), 0.05)
        reader = Run.open(run.path)
        expected, there = ranks(reader), kept(reader)
        missed = [rank for key, rank in expected.items() if key not in there]
        assert f"texts of {len(there)} of {20 * GROUPS} groups are kept" in told
        assert f"{missed.count(2)} with the worst or best of their step" in told
        ran = CliRunner().invoke(app, ["inspect", "summary", str(run.path)])
        assert f"{missed.count(2)} with the worst or best of their step" in " ".join(ran.output.split())

    def test_until_files_are_joined_all_texts_are_there(self, tmp_path):
        run = make_run(tmp_path / "run")
        recorder = Recorder(run.groups, dataclasses.replace(FACTS, record_texts=0.0), tell=print)
        for batch in some(range(1, 4)):
            recorder.submit(batch)
        recorder.flush()
        assert len(kept(Run.open(run.path))) == 3 * GROUPS
        recorder.close()


def test_killed_at_any_moment_no_group_is_lost(tmp_path):
    code = """if True:
        import sys, dataclasses
        from pathlib import Path
        sys.path[:0] = sys.argv[3:]
        from recorded import FACTS
        from test_retention import some
        from dra_toolkit.runs import Recorder, compaction
        compaction.FILES, compaction.FAN, compaction.GRACE = 3, 2, 0.0
        recorder = Recorder(Path(sys.argv[1]), dataclasses.replace(FACTS, record_texts=0.25), tell=print)
        for batch in some(range(int(sys.argv[2]), 500)):
            recorder.submit(batch)
            recorder.flush()
            print(batch[0].step, flush=True)
    """
    run, first = make_run(tmp_path / "run"), 1
    rng = np.random.default_rng(0)
    folders = [str(path) for path in sys.path if path.endswith(("tests", "runs"))]
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(run.groups), str(first), *folders], stdout=subprocess.PIPE, text=True
        )
        for _ in range(int(rng.integers(2, 9))):
            line = process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        first = int(line) + 1
        recorded = [(r.step, r.index) for r in Run.open(run.path).groups()]
        assert len(set(recorded)) == len(recorded)
        assert {(step, i) for step in range(1, first) for i in range(GROUPS)} <= set(recorded)
        compact(run.groups, everything=True, grace=0)
        assert set(recorded) == {(r.step, r.index) for r in Run.open(run.path).groups()}


class TestWhoNeedsATextSaysSo:
    def test_a_group_in_memory(self, run):
        left_out = next(r for r in run.groups() if r.group.texts_dropped)
        assert left_out.group.completions[0] == "(text of completion 0 not kept)"
        assert len(set(left_out.group.completions)) == len(left_out.group)
        with pytest.raises(RunError, match="record_texts"):
            _ = left_out.group.texts

    def test_inspect_group_search_near_and_export(self, run, tmp_path):
        left_out = next(r for r in run.groups() if r.group.texts_dropped)
        place = [str(run.directory.path), str(left_out.step), str(left_out.index)]
        for arguments in (
            ["group", *place],
            ["search", place[0], "text"],
            ["export", place[0], str(tmp_path / "out.jsonl"), "--to", "jsonl"],
        ):
            ran = CliRunner().invoke(app, ["inspect", *arguments])
            assert ran.exit_code == 0, ran.output
            assert "texts of 30 of 120 groups are kept (record_texts)" in ran.stderr
        assert "(text of completion 0 not kept)" in CliRunner().invoke(app, ["inspect", "group", *place]).stdout
        ran = CliRunner().invoke(app, ["inspect", "near", *place, "0"])
        assert ran.exit_code == 2
        assert "record_texts" in ran.stderr
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert all((row["completion"] is None) is (row["texts_dropped"] is True) for row in rows)
        assert sum(row["completion"] is None for row in rows) == 90 * 3

    def test_near_compares_those_that_are_there(self, run):
        class Lengths:
            def embed(self, texts):
                assert None not in texts
                return type("E", (), {"vectors": np.ones((len(texts), 1), np.float32)})

        seen = []
        nearest(run, np.ones(1, np.float32), vectors_by(Lengths()), done=seen.append)
        assert sum(seen) == 30 * 3

    def test_another_embedder_or_labeller_refuses_and_numbers_replay(self, run):
        with pytest.raises(RunError, match="record_texts"):
            replay_run(run, read_changes(["embedder=hash"]))
        assert replay_run(run, read_changes(["diversity=mmr"])).differences.total().groups == 120

    def test_audit_and_prompt_pairs(self, run):
        assert len(from_run(run, groups=200, seed=0, labels="answer")) == 30
        records = list(run.groups())
        with pytest.raises(RunError, match="record_texts"):
            nearest_pairs(records[0], next(r for r in records if r.group.texts_dropped), None)
