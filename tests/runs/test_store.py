"""The record of groups: what goes in comes out, whatever happens to the disk or the writer in between."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import FACTS, make_run, record, record_all
from waiting import wait_until, wait_until_used

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, CompletionGroup, GroupRecord, Message, prompt_hash
from dra_toolkit.runs import Recorder, Run, RunDirectory, layout
from dra_toolkit.runs.compaction import compact
from dra_toolkit.runs.schema import COLUMNS, SCHEMA_VERSION


def flat(value, prefix=""):
    """Yield (path, value) for every field, however deep."""
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        path = f"{prefix}{field.name}"
        if isinstance(inner, CompletionGroup | Adjustment):
            yield from flat(inner, f"{path}.")
        else:
            yield path, inner


def assert_same(left: GroupRecord, right: GroupRecord) -> None:
    for (path, a), (_, b) in zip(flat(left), flat(right), strict=True):
        if path == "embeddings" and a is not None:
            np.testing.assert_allclose(a, b, atol=1e-3, err_msg=path)
        elif path == "group.rewards":
            assert list(a) == list(b)
            for name in a:
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=path)
        else:
            assert a == b, path


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return make_run(tmp_path / "run")


class TestRoundTrip:
    def test_everything_comes_back(self, run):
        batches = [[record(step, i, G=4) for i in range(3)] for step in (1, 2)]
        record_all(run, *batches)
        groups = list(Run.open(run.path).groups())
        assert len(groups) == 6
        for before, after in zip([r for b in batches for r in b], groups, strict=True):
            assert_same(before, after)

    def test_embeddings(self, run):
        before = record(1, keep=True)
        record_all(run, [before])
        assert_same(before, Run.open(run.path).group(1, 0))

    def test_what_only_some_measures_read(self, run):
        plain = record(1, G=3)
        full = dataclasses.replace(
            record(1, 1, G=3),
            labels=np.array([0, 1, 0]),
            log_probs=np.array([-0.5, np.nan, -2.0]),
            adjustment=dataclasses.replace(record(1, 1, G=3).adjustment, bonus=np.array([0.0, 0.5, -1.0])),
        )
        record_all(run, [plain, full], [record(2)])
        for before in (plain, full):
            assert_same(before, Run.open(run.path).group(1, before.index))
        compact(run.groups, everything=True, grace=0)
        for before in (plain, full, record(2)):
            assert_same(before, Run.open(run.path).group(before.step, before.index))
        assert Run.open(run.path).query("SELECT count(label) AS n FROM completions").column(0)[0].as_py() == 3

    def test_every_field_has_a_column(self):
        stored = {column.field for column in COLUMNS}
        fields = {path for path, _ in flat(record(1, keep=True))} - {"group.reward_weights"}  # in the file's facts
        assert fields <= stored
        assert stored - fields <= {"", "prompt_hash"}

    def test_group_of_one_and_hostile_texts(self, run):
        texts = ["\x1b[31m\x00\r\u202e=cmd|' /C calc'!A0", "", "\U0001f600" * 1000]
        record_all(run, [record(1, G=1, texts=texts[:1]), record(1, 1, texts=texts)])
        groups = list(Run.open(run.path).groups(step=1))
        assert groups[0].group.completions == tuple(texts[:1])
        assert groups[1].group.completions == tuple(texts)

    def test_lone_surrogates_are_replaced_and_nothing_else(self, run):
        record_all(run, [record(1, texts=["bad \ud800", "good é", "x"])])
        assert Run.open(run.path).group(1, 0).group.completions == ("bad ?", "good é", "x")

    def test_modes_and_batches_do_not_overwrite_each_other(self, run):
        record_all(run, [record(1)], [record(1, batch=1, seed=1)], [record(1, mode="eval", seed=2)])
        reader = Run.open(run.path)
        assert [(r.mode, r.batch) for r in reader.groups(step=1)] == [("train", 0), ("train", 1)]
        assert [(r.mode, r.batch) for r in reader.groups(step=1, mode="eval")] == [("eval", 0)]

    def test_a_step_generated_again_replaces_itself(self, run):
        record_all(run, [record(1)], [record(2)])
        record_all(run, [record(2, attempt=2, seed=9)])
        reader = Run.open(run.path)
        assert [(r.step, r.attempt) for r in reader.groups()] == [(1, 1), (2, 2)]

    def test_file_tells_its_schema_and_settings(self, run):
        record_all(run, [record(1)])
        (facts,) = Run.open(run.path).facts()
        assert facts == FACTS
        assert facts.version == SCHEMA_VERSION


@pytest.mark.parametrize("ask", ["steps", "groups", "dataset", "facts"])
def test_a_mode_that_there_is_not_is_refused_at_once(run, ask):
    record_all(run, [record(1)])
    with pytest.raises(RunError, match=r"mode: found 'trian', expected one of train, eval, discarded; .*train"):
        getattr(Run(run), ask)(mode="trian")
    with pytest.raises(RunError, match="found 7, expected one of train, eval, discarded"):
        Run(run).group(1, 0, mode=7)


@pytest.mark.parametrize("folder", ["step=2", "mode=eval", "tokens=512", "weight=0.5", "completion=x", "seed=1/ü b"])
def test_the_path_of_a_run_means_nothing(tmp_path, folder):
    record_all(make_run(tmp_path / "plain"), *([record(step)] for step in (1, 2)))
    shutil.copytree(tmp_path / "plain", tmp_path / folder / "run")
    questions = (
        "SELECT * FROM completions ORDER BY ALL",
        "SELECT * FROM texts ORDER BY ALL",
        "SELECT * FROM groups ORDER BY ALL",
        "SELECT * FROM steps ORDER BY ALL",
    )
    for question in questions:
        found, expected = (Run.open(tmp_path / name).query(question) for name in (f"{folder}/run", "plain"))
        assert found.num_rows
        assert found.equals(expected)


@pytest.mark.parametrize(("folder", "beside"), [("x*", "xy"), ("q?", "qa"), ("a[1]", "a1"), ("**", "b")])
@pytest.mark.parametrize("is_joined", [False, True])
def test_a_name_that_is_a_pattern_matches_nothing_beside_it(tmp_path, folder, beside, is_joined):
    for name, steps in ((folder, 10), (beside, 11)):
        run = make_run(tmp_path / name)
        record_all(run, *([record(step)] for step in range(1, steps)))
        for path in run.groups.iterdir() if not is_joined else ():
            pq.write_table(pq.read_table(path), path)  # without a seal
        if is_joined:
            compact(run.groups, everything=True, grace=-1)
    for name, steps in ((folder, 9), (beside, 10)):
        run = Run.open(tmp_path / name)
        assert run.query("SELECT count(DISTINCT step) AS n FROM completions").to_pylist() == [{"n": steps}]
        assert run.problems == {}


@pytest.mark.parametrize("version", ["today", "version-1", "version-2"])
def test_a_group_and_a_question_need_no_pandas(tmp_path, version):
    path = Path(__file__).parent / "data" / version
    if version == "today":
        path = tmp_path / "run"
        record_all(make_run(path), *([record(step)] for step in (1, 2)))
    code = (
        "import sys; from dra_toolkit.runs import Run; run = Run.open(sys.argv[1]); run.group(1, 0); "
        "run.query('SELECT * FROM steps'); run.group(2, 0); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-Pc", code, path], check=True)


class TestDamage:
    def test_torn_foreign_and_newer_files_are_named_and_skipped(self, run):
        record_all(run, *[[record(step)] for step in (1, 2, 3, 4)])
        files = sorted(run.groups.iterdir())
        files[0].write_bytes(files[0].read_bytes()[:-200])
        files[1].write_bytes(b"")
        table = pq.read_table(files[2])
        facts = json.loads(table.schema.metadata[b"dra"]) | {"version": SCHEMA_VERSION + 1}
        pq.write_table(table.replace_schema_metadata({b"dra": json.dumps(facts)}), files[2])
        (run.groups / "notes.txt").write_text("mine")
        pq.write_table(pa.table({"x": [1]}), run.groups / "train-00000009-000.parquet")
        reader = Run.open(run.path)
        assert [r.step for r in reader.groups()] == [4]
        said = reader.problems
        assert "torn" in said[files[0].name]
        assert "torn" in said[files[1].name]
        assert f"schema version {SCHEMA_VERSION + 1}" in said[files[2].name]
        assert "update" in said[files[2].name]
        assert "not a file of recorded groups" in said["notes.txt"]
        assert "not written by dra-toolkit" in said["train-00000009-000.parquet"]

    def test_damage_inside_a_file_with_a_whole_footer(self, run):
        record_all(run, [record(1)], [record(2)])
        first = sorted(run.groups.iterdir())[0]
        data = bytearray(first.read_bytes())
        data[4:200] = bytes(196)
        first.write_bytes(bytes(data))
        reader = Run.open(run.path)
        assert [r.step for r in reader.groups()] == [2]
        assert first.name in reader.problems

    def test_missing_step_and_group_name_what_there_is(self, run):
        record_all(run, [record(5)], [record(9)])
        reader = Run.open(run.path)
        with pytest.raises(RunError, match="the nearest is 9"):
            reader.group(8, 0)
        with pytest.raises(RunError, match="groups 0 to 0"):
            reader.group(5, 3)

    def test_no_such_run(self, tmp_path):
        with pytest.raises(RunError, match="no such run"):
            Run.open(tmp_path / "nowhere")
        with pytest.raises(RunError, match="no run directory"):
            Run.open(tmp_path)


CHILD = """
import sys
sys.path.insert(0, {tests!r})
from recorded import FACTS, record
from pathlib import Path
from dra_toolkit.runs import Recorder
recorder = Recorder(Path({folder!r}), FACTS, tell=lambda line: print(line, flush=True))
"""


def child(run: RunDirectory, body: str) -> subprocess.Popen[str]:
    code = CHILD.format(tests=str(Path(__file__).parents[1]), folder=str(run.groups)) + textwrap.dedent(body)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


class TestFailure:
    def test_killed_at_any_moment_every_published_file_is_whole(self, run):
        writer = child(run, "for step in range(1, 10**6): recorder.submit([record(step, i, G=8) for i in range(4)])")
        rng = np.random.default_rng(0)
        wait_until(lambda: len(list(run.groups.glob("train-*"))) >= 20, writer)
        wait_until_used(writer.pid, rng.random() * 0.1)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        reader = Run.open(run.path)
        steps = [r.step for r in reader.groups()]
        assert reader.problems == {}
        assert sorted(set(steps)) == list(range(1, max(steps) + 1))
        assert len(steps) == 4 * max(steps)
        record_all(run, [record(10**7)])
        assert not list(run.groups.glob(".tmp-*")), "leftovers are removed at the next start"

    def test_a_batch_that_cannot_be_stored_is_told_and_the_next_is_stored(self, run):
        said = []
        recorder = Recorder(run.groups, FACTS, tell=said.append)
        recorder.submit([record(1, texts=["a", "b", object()])])
        recorder.submit([record(2)])
        recorder.close()
        assert recorder.lost == 1
        assert "step 1 cannot be stored and is lost" in said[0]
        assert [r.step for r in Run.open(run.path).groups()] == [2]

    def test_disk_refuses_for_a_while(self, run):
        """RLIMIT_FSIZE makes the kernel refuse to write, as a full disk or a quota does."""
        writer = child(
            run,
            """
            import resource
            recorder.submit([record(1)]); recorder.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
            recorder.submit([record(2)]); recorder.submit([record(3)]); recorder.flush()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            recorder.submit([record(4)]); recorder.flush()
            print("lost", recorder.lost)
            recorder.close()
            """,
        )
        said, _ = writer.communicate()
        assert writer.returncode == 0
        assert said.count("cannot be written") == 1, "told once"
        assert "training goes on" in said
        assert "can be written again; 0 batches were lost" in said
        assert [r.step for r in Run.open(run.path).groups()] == [1, 2, 3, 4], "kept in memory, written later"

    def test_disk_refuses_to_the_end(self, run):
        writer = child(
            run,
            """
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            recorder.submit([record(1)]); recorder.submit([record(2)])
            recorder.close()
            """,
        )
        said, _ = writer.communicate()
        assert writer.returncode == 0
        assert "2 generation batches could not be recorded" in said
        assert list(run.groups.iterdir()) == [], "nothing half-written stays"


class TestRunDirectory:
    def test_second_trainer_is_kept_out_and_told_whom_to_stop(self, run):
        assert not run.is_held()
        code = (
            "import signal, sys; from pathlib import Path; from dra_toolkit.runs import RunDirectory\n"
            "with RunDirectory(Path(sys.argv[1])).held(): print('held', flush=True); signal.pause()"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "held\n"
            run.write_status("running")
            assert run.status()["state"] == "running"
            with pytest.raises(RunError, match=f"process {other.pid} is still training"), run.held():
                pass
            other.kill()
        assert run.status()["state"] == "killed"
        with run.held():
            pass

    def test_one_that_only_looks_is_waited_for_however_slow_it_is(self, run, monkeypatch):
        """A process that stands still in the instant in which it asks `is_held` is no trainer."""
        looking = open(run.path / ".lock", "a+")  # noqa: SIM115
        fcntl.flock(looking, fcntl.LOCK_SH)
        waits = iter(range(100))
        sleep = SimpleNamespace(sleep=lambda seconds: next(waits) == 60 and looking.close(), time=layout.time.time)
        monkeypatch.setattr(layout, "time", sleep)
        with run.held():
            assert next(waits) > 60

    def test_unwritable_place(self, tmp_path, run):
        (tmp_path / "file").touch()
        with pytest.raises(RunError, match="cannot be written"):
            RunDirectory(tmp_path / "file" / "run").create(run.read_recipe())

    def test_only_a_run_is_deleted(self, tmp_path):
        (tmp_path / "precious").mkdir()
        with pytest.raises(RunError, match="left alone"):
            RunDirectory(tmp_path / "precious").delete()
        assert (tmp_path / "precious").is_dir()


TURNS = (
    Message(role="assistant", content="I multiply.", calls='[{"name": "multiply", "arguments": {"a": 6, "b": 7}}]'),
    Message(role="tool", content="42"),
    Message(role="assistant", content="The answer is 42."),
)


class TestTurns:
    @pytest.fixture
    def spoken(self):
        before = record(1, texts=["I multiply.\n[…]\nThe answer is 42.", "plain", ""])
        prompt = (Message(role="user", content="what?", images=("sha256:0123456789abcdef 2x3",)),)
        group = dataclasses.replace(
            before.group,
            prompt=prompt,
            turns=(TURNS, None, None),
            policy_tokens=np.array([3, 4, 5], dtype=np.int32),
            gold="42",
            verdicts=("right", "wrong", None),
        )
        return dataclasses.replace(before, group=group)

    def test_they_come_back_with_gold_and_verdicts_before_and_after_compaction(self, run, spoken):
        record_all(run, [spoken], [record(2)])
        for _ in range(2):
            reader = Run.open(run.path)
            assert_same(spoken, reader.group(1, 0))
            assert_same(record(2), reader.group(2, 0))
            assert reader.query("SELECT gold, verdict FROM completions WHERE step = 1").to_pylist()[0] == {
                "gold": "42",
                "verdict": "right",
            }
            assert reader.query("SELECT correct_share FROM groups WHERE step = 1").column(0)[0].as_py() == 0.5
            (turn,) = reader.query("SELECT turns[2].content AS t FROM texts WHERE turns IS NOT NULL").to_pylist()
            assert turn == {"t": "42"}
            compact(run.groups, everything=True, grace=-1)

    def test_plain_text_has_no_column_for_them(self, run):
        record_all(run, [record(1)])
        assert not {"turns", "prompt_turns", "gold", "verdict", "policy_tokens"} & set(
            pq.read_schema(next(run.groups.iterdir())).names
        )

    def test_an_image_makes_another_prompt(self, spoken):
        plain = dataclasses.replace(spoken.group.prompt[0], images=())
        assert prompt_hash((plain,)) != spoken.prompt_hash
        assert prompt_hash((Message(role="user", content="what?"),)) == prompt_hash((plain,))

    def test_every_view_shows_them(self, run, spoken):
        from rich.console import Console

        from dra_app.group_view import view_of
        from dra_toolkit.inspection.group_html import group_html
        from dra_toolkit.inspection.views import group_view

        console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
        console.print(group_view(spoken, width=120, lines=None))
        page = group_html(spoken)
        shown = view_of(spoken)
        for text in (console.export_text(), page):
            assert all(
                said in text for said in ("[tool] 42", "multiply", "right", "[image sha256:0123456789abcdef 2x3]")
            )
        said = [text.text for _, text in shown.completions[0].texts]
        assert "42" in said
        assert any("multiply" in text for text in said)
        assert shown.completions[0].verdict is True
        assert shown.completions[0].gold == "42"


class TestFromPython:
    def test_a_data_set_of_a_run_that_was_asked_before(self, run):
        pytest.importorskip("datasets")
        record_all(run, [record(1)], [record(2)])
        reader = Run.open(run.path)
        assert len(reader.query("SELECT * FROM groups")) == 2
        assert [row["completion"] for row in reader.dataset()] == [
            f"text {step} {i}" for step in (1, 2) for i in range(3)
        ]

    def test_a_run_and_a_record_are_a_line(self, run):
        record_all(run, [record(1)])
        reader = Run.open(run.path)
        assert repr(reader) == "<Run run: not started, 1 files and 0 segments of groups>"
        group = reader.group(1, 0)
        assert repr(group) == f"<GroupRecord train step 1, batch 0, group 0: 3 completions, prompt {group.prompt_hash}>"

    def test_a_step_that_was_not_recorded_raises(self, run):
        record_all(run, [record(5)])
        reader = Run.open(run.path)
        with pytest.raises(RunError, match="the nearest is 5"):
            reader.groups(step=7)
        assert list(reader.groups(steps=(6, 9))) == []

    def test_everything_public_is_at_the_top_and_typed(self):
        import dra_toolkit

        assert all(getattr(dra_toolkit, name) is not None for name in dra_toolkit.__all__)
        assert {"Run", "Recorder", "FileFacts", "GroupRecord", "Message", "Estimator"} <= set(dra_toolkit.__all__)
        assert (Path(dra_toolkit.__file__).parent / "py.typed").exists()
