"""Compaction: many files become few, and at no moment does a reader find less, more, or something else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import FACTS, make_run, record, record_all
from waiting import wait_until_used

from dra_toolkit.errors import RunError
from dra_toolkit.groups import GroupRecord
from dra_toolkit.runs import Run, RunDirectory, compaction
from dra_toolkit.runs.compaction import compact
from dra_toolkit.runs.names import list_folder
from dra_toolkit.runs.rows import to_table


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return make_run(tmp_path / "run")


def everything(run: RunDirectory) -> list[pa.Table]:
    """Return every group of every mode as rows: equal lists hold equal groups."""
    reader = Run.open(run.path)
    found = [to_table([r], FACTS) for mode in ("train", "eval", "discarded") for r in reader.groups(mode=mode)]
    assert reader.problems == {}
    return found


def some_batches(steps: range, **more) -> list[list[GroupRecord]]:
    return [[record(step, i, G=3 + i, **more) for i in range(3)] for step in steps]


def segments(run: RunDirectory) -> list[str]:
    return [segment.path.name for segment in list_folder(run.groups).segments]


def files(run: RunDirectory) -> list[str]:
    return [batch.path.name for batch in list_folder(run.groups).batches]


class TestRoundTrip:
    @pytest.mark.parametrize("grace", [0.0, 1000.0], ids=["sources removed", "sources still there"])
    def test_nothing_changes_for_a_reader(self, run, grace):
        record_all(
            run,
            *some_batches(range(1, 6)),
            [record(3, batch=1, seed=1)],
            [record(4, mode="eval", seed=2)],
            [record(5, mode="eval", seed=2)],
            *[[record(step, mode="discarded", seed=3, texts=["\x00\x1b", "\u202e", ""])] for step in (2, 3)],
        )
        before, sql = everything(run), Run.open(run.path).query("SELECT * FROM completions ORDER BY ALL")
        done = compact(run.groups, everything=True, grace=grace)
        assert done.segments == 3
        assert len(segments(run)) == 3
        assert bool(files(run)) == (grace > 0)
        assert everything(run) == before
        reader = Run.open(run.path)
        assert reader.query("SELECT * FROM completions ORDER BY ALL").to_pylist() == sql.to_pylist()
        assert reader.query("SELECT count(*) AS n FROM texts").to_pylist() == [{"n": len(sql)}]
        assert reader.group(3, 0, batch=1).adjustment.totals.tolist() == record(3, seed=1).adjustment.totals.tolist()
        assert reader.steps() == [1, 2, 3, 4, 5]

    def test_optional_columns_of_some_batches(self, run):
        record_all(run, [record(1, keep=True)], [record(2)])
        compact(run.groups, everything=True, grace=0)
        first, second = Run.open(run.path).groups()
        np.testing.assert_allclose(first.embeddings, record(1, keep=True).embeddings, atol=1e-3)
        assert second.embeddings is None

    def test_row_groups_within_and_across_batches(self, run, monkeypatch):
        monkeypatch.setattr("dra_toolkit.runs.segments.TEXT_BYTES", 300)
        monkeypatch.setattr("dra_toolkit.runs.segments.FEWEST_TEXTS", 2)
        monkeypatch.setattr("dra_toolkit.runs.segments.ROWS", 7)
        record_all(run, *some_batches(range(1, 9)))
        before = everything(run)
        compact(run.groups, everything=True, grace=0)
        (segment,) = run.groups.iterdir()
        assert pq.ParquetFile(segment / "texts.parquet").metadata.num_row_groups > 8
        assert pq.ParquetFile(segment / "completions.parquet").metadata.num_row_groups > 8
        assert everything(run) == before
        reader = Run.open(run.path)
        for step in range(1, 9):
            for i in range(3):
                assert to_table([reader.group(step, i)], FACTS) == to_table([record(step, i, G=3 + i)], FACTS)


class TestVersions:
    def test_a_batch_sampled_again_hides_the_compacted_one(self, run):
        record_all(run, *some_batches(range(1, 7)))
        compact(run.groups, everything=True, grace=0)
        again = some_batches(range(4, 6), attempt=2, seed=9)
        record_all(run, *again)
        reader = Run.open(run.path)
        assert [(r.step, r.attempt) for r in reader.groups() if r.index == 0] == [
            (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 1),
        ]  # fmt: skip
        counted = reader.query("SELECT step, count(*) AS n, max(attempt) AS a FROM groups GROUP BY step ORDER BY step")
        assert [(r["step"], r["n"], r["a"]) for r in counted.to_pylist()] == [
            (1, 3, 1), (2, 3, 1), (3, 3, 1), (4, 3, 2), (5, 3, 2), (6, 3, 1),
        ]  # fmt: skip
        assert reader.group(5, 1).attempt == 2

    @pytest.mark.parametrize("grace", [0.0, 1000.0])
    def test_overlapping_segments_keep_the_newest_version_through_every_join(self, run, monkeypatch, grace):
        """Three attempts, compacted in between: any order of joining and removing must show the last one."""
        for attempt, steps in ((1, range(1, 7)), (2, range(4, 9)), (3, range(5, 7))):
            record_all(run, *some_batches(steps, attempt=attempt, seed=attempt))
            monkeypatch.setattr(compaction, "FILES", 2)
            compact(run.groups, grace=grace)
        want = {1: 1, 2: 1, 3: 1, 4: 2, 5: 3, 6: 3, 7: 2, 8: 2}
        for join in (False, True, True):
            reader = Run.open(run.path)
            assert {r.step: r.attempt for r in reader.groups()} == want
            assert len(list(reader.groups())) == 3 * len(want)
            counted = reader.query("SELECT count(*) AS n, count(DISTINCT (step, group_index)) AS d FROM groups")
            assert counted.to_pylist() == [{"n": 24, "d": 24}]
            if join:
                compact(run.groups, everything=True, grace=0)
        assert len(segments(run)) == 1
        assert files(run) == []

    def test_a_file_written_anew_is_not_removed_with_the_segment_that_holds_its_older_version(self, run):
        record_all(run, *some_batches(range(1, 4)))
        compact(run.groups, everything=True, grace=1000)
        record_all(run, *some_batches(range(2, 3), attempt=2, seed=5))
        compact(run.groups, grace=0)
        assert files(run) == ["train-00000002-000.parquet"]
        assert {r.step: r.attempt for r in Run.open(run.path).groups()} == {1: 1, 2: 2, 3: 1}


class TestWhenAndHowMuch:
    def test_few_files_are_left_alone_and_many_become_larger_segments(self, run, monkeypatch):
        monkeypatch.setattr(compaction, "FILES", 4)
        monkeypatch.setattr(compaction, "FAN", 3)
        for step in range(1, 40):
            record_all(run, [record(step)])
            compact(run.groups, grace=0)
        assert len(files(run)) < 4
        assert len(segments(run)) < 6, "a few levels, not one for every four files"
        assert [r.step for r in Run.open(run.path).groups()] == list(range(1, 40))

    def test_what_is_large_is_not_joined_again(self, run, monkeypatch):
        record_all(run, *[[record(step, texts=[os.urandom(9000).hex() for _ in range(3)])] for step in range(1, 9)])
        monkeypatch.setattr(compaction, "MOST_BYTES", 3 * max(os.stat(p).st_size for p in run.groups.iterdir()))
        compact(run.groups, everything=True, grace=0)
        assert len(segments(run)) >= 2
        assert compact(run.groups, everything=True, grace=0).segments == 0
        assert len(everything(run)) == 8

    def test_different_settings_are_never_mixed(self, run):
        from dataclasses import replace

        from dra_toolkit.runs import Recorder

        record_all(run, [record(1)], [record(2)])
        recorder = Recorder(run.groups, replace(FACTS, scale_rewards="none"), tell=print)
        for step in (3, 4):
            recorder.submit([record(step)])
        recorder.close()
        compact(run.groups, everything=True, grace=0)
        assert len(segments(run)) == 2
        assert [f.scale_rewards for f in Run.open(run.path).facts()] == ["group", "none"]

    def test_the_recorder_compacts_by_itself(self, run, monkeypatch):
        monkeypatch.setattr("dra_toolkit.runs.recorder.LOOK_EVERY", 4)
        monkeypatch.setattr(compaction, "FILES", 8)
        from dra_toolkit.runs import Recorder

        recorder = Recorder(run.groups, FACTS, tell=print)
        step = 0
        while not segments(run):
            step += 1
            recorder.submit([record(step)])
            recorder.flush()
        recorder.close()
        assert [r.step for r in Run.open(run.path).groups()] == list(range(1, step + 1))


class TestTrouble:
    def test_damaged_source_is_named_and_nothing_changes(self, run):
        record_all(run, *some_batches(range(1, 4)))
        victim = run.groups / files(run)[1]
        data = bytearray(victim.read_bytes())
        data[40:400] = bytes(360)
        victim.write_bytes(data)
        with pytest.raises(RunError, match=f"{victim.name}.*cannot be compacted"):
            compact(run.groups, everything=True)
        assert len(files(run)) == 3
        assert segments(run) == []

    @pytest.mark.parametrize("name", ["groups.parquet", "completions.parquet", "texts.parquet"])
    @pytest.mark.parametrize("damage", ["missing", "torn", "empty"])
    def test_damaged_segment_is_named_and_the_rest_is_read(self, run, name, damage):
        record_all(run, *some_batches(range(1, 3)))
        compact(run.groups, everything=True, grace=0)
        record_all(run, *some_batches(range(3, 5)))
        path = run.groups / segments(run)[0] / name
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:-9] if damage == "torn" else b"")
        reader = Run.open(run.path)
        assert {r.step for r in reader.groups()} == {3, 4}
        assert reader.query("SELECT DISTINCT step FROM completions ORDER BY step").column("step").to_pylist() == [3, 4]
        assert reader.steps() == [3, 4]
        assert path.parent.name in reader.problems

    def test_damaged_page_of_a_segment_does_not_break_sql(self, run):
        record_all(run, *some_batches(range(1, 3)))
        compact(run.groups, everything=True, grace=0)
        record_all(run, *some_batches(range(3, 4)))
        path = run.groups / segments(run)[0] / "completions.parquet"
        data = bytearray(path.read_bytes())
        data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
        path.write_bytes(data)
        reader = Run.open(run.path)
        assert reader.query("SELECT sum(total), count(DISTINCT step) AS n FROM completions").column(
            "n"
        ).to_pylist() == [1]
        assert path.parent.name in reader.problems

    def test_interrupted_anywhere_nothing_is_lost_or_twice(self, run, tmp_path):
        """Compaction dies at its N-th touch of the file system; the run is whole, and the next compaction finishes."""
        record_all(run, *some_batches(range(1, 5)))
        compact(run.groups, everything=True, grace=0)
        record_all(run, *some_batches(range(3, 8), attempt=2, seed=1))
        before = everything(run)
        copies = [RunDirectory(tmp_path / f"died-{moment:03d}") for moment in range(0, 150, 15)]
        for copy in copies:
            shutil.copytree(run.path, copy.path)
        code = """
            import os, sys
            from pathlib import Path
            import pyarrow.parquet
            from dra_toolkit.runs.compaction import compact
            EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "open")
            def die_at(moment):
                touched = 0
                def count(event, arguments):
                    nonlocal touched
                    if event in EVENTS and "groups" in str(arguments[0]):
                        touched += 1
                        if touched > moment:
                            os._exit(9)
                sys.addaudithook(count)
            for folder in sys.argv[1:]:
                child = os.fork()
                if child == 0:
                    die_at(int(folder[-3:]))
                    compact(Path(folder) / "groups", everything=True, grace=0)
                    os._exit(0)
                print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *(str(copy.path) for copy in copies)],
            check=True,
            capture_output=True,
            text=True,
        )
        assert ran.stdout.split()[0] == "9"
        assert ran.stdout.split()[-1] == "0", "the last one was not interrupted any more"
        for copy in copies:
            assert everything(copy) == before, copy.name
            compact(copy.groups, everything=True, grace=0)
            assert everything(copy) == before, copy.name
            assert len(segments(copy)) == 1

    def test_readers_beside_a_writer_and_a_compactor(self, run, monkeypatch):
        """Whoever looks, at any moment, finds every step that was published before, once."""
        monkeypatch.setattr(compaction, "FILES", 4)
        monkeypatch.setattr("dra_toolkit.runs.recorder.LOOK_EVERY", 2)
        stop, wrong, looks = threading.Event(), [], 0
        published = 0

        def look() -> None:
            nonlocal looks
            while not stop.is_set():
                at_least = published
                reader = Run.open(run.path)
                steps = [r.step for r in reader.groups()]
                counted = reader.query("SELECT count(*) AS n, count(DISTINCT step) AS d FROM groups").to_pylist()[0]
                if steps != list(range(1, len(steps) + 1)) or len(steps) < at_least:
                    wrong.append(("groups", at_least, steps))
                if counted["n"] != counted["d"] or counted["n"] < at_least:
                    wrong.append(("sql", at_least, counted))
                if reader.problems:
                    wrong.append(("problems", reader.problems))
                looks += 1

        watchers = [threading.Thread(target=look) for _ in range(2)]
        for watcher in watchers:
            watcher.start()
        while published < 40 or looks <= 3:
            record_all(run, [record(published + 1)])
            published += 1
            compact(run.groups, grace=0)
        stop.set()
        for watcher in watchers:
            watcher.join()
        assert wrong == []


class TestKilled:
    @pytest.mark.long
    def test_fifty_random_moments(self, tmp_path):
        """kill -9 of a process that records and compacts: every published batch is whole and there once.

        Five runs, since each reading of a run costs what is in it.
        """
        code = f"""
            import os, sys
            sys.path.insert(0, {str(Path(__file__).parents[1])!r})
            from pathlib import Path
            import pyarrow.compute, pyarrow.dataset, pyarrow.parquet
            from recorded import FACTS, record
            from dra_toolkit.runs import Recorder, compaction, recorder
            from dra_toolkit.runs.rows import to_table
            to_table([record(1)], FACTS)
            compaction.FILES, compaction.FAN, recorder.LOOK_EVERY = 4, 3, 2
            compaction.compact.__kwdefaults__["grace"] = 0.0
            for line in sys.stdin:
                folder, first = line.split()
                child = os.fork()
                if child:
                    os.waitpid(child, 0)
                    os.write(1, b"dead\\n")  # at once: `print` may be killed before the end of its line
                    continue
                os.write(1, b"pid %d\\n" % os.getpid())
                recorder = Recorder(Path(folder), FACTS, tell=print)
                for step in range(int(first), 10**6):
                    recorder.submit([record(step, i) for i in range(2)]); recorder.flush()
                    os.write(1, b"%d\\n" % step)
        """
        rng, told, joined = np.random.default_rng(0), 0, 0
        command = [sys.executable, "-c", textwrap.dedent(code)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
            for moment in range(50):
                if moment % 10 == 0:
                    run, told = make_run(tmp_path / f"run-{moment}"), 0
                print(run.groups, told + 1, file=writers.stdin, flush=True)
                writer = int(writers.stdout.readline().split()[1])
                wait_until_used(writer, float(rng.random()) * 0.3)
                os.kill(writer, signal.SIGKILL)
                while (line := writers.stdout.readline()) != "dead\n":
                    assert line.strip().isdigit(), line  # anything else is a warning of the recorder
                    told = int(line)
                reader = Run.open(run.path)
                steps = [r.step for r in reader.groups()]
                assert reader.problems == {}
                assert len(steps) == 2 * len(set(steps)), "none twice, none half"
                assert sorted(set(steps)) == list(range(1, max(steps, default=0) + 1))
                assert max(steps, default=0) >= told, "what was published is there"
                told = max(steps, default=0)
                joined += len(segments(run)) > 0
                if len(files(run)) > 12:  # keeps what the next writer finds to do short, so that it is killed within
                    compact(run.groups, grace=0)
            writers.stdin.close()
        assert joined > 5, "compaction was among what was killed"


def test_threads_share_a_store(tmp_path):
    """A server asks one store from many threads, about groups in different segments."""
    run = make_run(tmp_path / "run")
    for first in (1, 21):
        record_all(run, *[[record(step, i) for i in range(2)] for step in range(first, first + 20)])
        compact(run.groups, everything=first == 1, grace=0)
    compact(run.groups, grace=0)
    store, wrong = Run(run), []

    def ask(seed):
        rng = np.random.default_rng(seed)
        for _ in range(60):
            step, index = int(rng.integers(1, 41)), int(rng.integers(0, 2))
            try:
                found = store.group(step, index)
                if (found.step, found.index) != (step, index):
                    wrong.append((step, index))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
