"""What a disk, a clock or a limit of the system can do to a run: told in a line, and nothing lost that was published."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from recorded import FACTS, make_run, record, record_all
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.errors import RunError
from dra_toolkit.runs import Recorder, Run, RunDirectory, compaction, files
from dra_toolkit.runs.compaction import compact

REFUSED = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE]
pytestmark = pytest.mark.process


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return make_run(tmp_path / "run")


def steps(run: RunDirectory) -> list[int]:
    reader = Run.open(run.path)
    found = [record.step for record in reader.groups()]
    assert reader.problems == {}
    return found


@pytest.mark.parametrize("refused", REFUSED, ids=errno.errorcode.get)
def test_a_disk_that_refuses_a_while_is_told_once_and_nothing_is_lost(run, monkeypatch, refused):
    said: list[str] = []
    recorder = Recorder(run.groups, FACTS, tell=said.append)
    recorder.submit([record(1)])
    recorder.flush()
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", _refusing(refused))
        recorder.submit([record(2)])
        recorder.submit([record(3)])
        recorder.flush()
        assert steps(run) == [1]
        with pytest.raises(RunError, match=rf"status\.json: cannot be written \({os.strerror(refused)}\)"):
            run.write_status("running")
    recorder.submit([record(4)])
    recorder.close()
    assert len(said) == 2
    assert f"cannot be written ({os.strerror(refused)}); training goes on" in said[0]
    assert "0 batches were lost" in said[1]
    assert steps(run) == [1, 2, 3, 4]
    assert not list(run.groups.glob(".tmp-*"))


@pytest.mark.parametrize("refused", REFUSED, ids=errno.errorcode.get)
def test_a_disk_that_refuses_a_compaction_leaves_everything(run, monkeypatch, refused):
    record_all(run, *[[record(step)] for step in range(1, 5)])
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", _refusing(refused))
        with pytest.raises(OSError, match=os.strerror(refused)):
            compact(run.groups, everything=True, grace=0)
    assert steps(run) == [1, 2, 3, 4]
    assert len(list(run.groups.glob("train-*"))) == 4
    assert compact(run.groups, everything=True, grace=-1).segments == 1
    assert steps(run) == [1, 2, 3, 4]


COMMANDS = (
    *(f"inspect export {{run}} {{out}}/groups.{ending}" for ending in ("jsonl", "csv", "parquet", "html")),
    *("inspect export {run} {out}/dataset --to dataset", "inspect import {dump} -o {out}/run", "inspect compact {run}"),
    *("recipes copy quickstart {out}/own.yaml", "export-settings quickstart verl --output {out}/settings.yaml"),
    *("train quickstart output_dir={out}/run", "train quickstart output_dir={out}/run --slurm {out}/job.sh"),
    "eval run --model builtin:ways --no-base -b quickstart --output {out}/evals --slurm {out}/evals.sh",
)
"""Every command that writes, and where."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_disk_that_takes_nothing_is_told_in_a_line_by_every_command_that_writes(run, tmp_path, command):
    record_all(run, *[[record(step)] for step in range(1, 5)])
    dump, out = tmp_path / "dump.jsonl", tmp_path / "out"
    rows = [{"prompt": "q", "completion": f"c {i}", "reward": i % 2, "step": 1} for i in range(4)]
    dump.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # the kernel refuses every byte of every file
    try:
        ran = CliRunner().invoke(app, command.format(run=run.path, dump=dump, out=out).split())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(ran.exception, SystemExit), repr(ran.exception)
    assert ran.exit_code == 2, ran.output
    assert "File too large" in ran.stderr
    assert len(ran.stderr.splitlines()) <= 2
    assert steps(run) == [1, 2, 3, 4]


def _refusing(code: int):
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_folder_that_is_gone_for_a_while_loses_no_batch(run, tmp_path):
    said: list[str] = []
    recorder = Recorder(run.groups, FACTS, tell=said.append)
    recorder.submit([record(1)])
    recorder.flush()
    run.groups.rename(tmp_path / "elsewhere")  # a file system that was unmounted
    recorder.submit([record(2)])
    recorder.flush()
    (tmp_path / "elsewhere").rename(run.groups)
    recorder.submit([record(3)])
    recorder.close()
    assert "cannot be written (No such file or directory)" in said[0]
    assert steps(run) == [1, 2, 3]


def test_a_clock_set_back_keeps_what_was_replaced_for_longer_and_loses_nothing(run, monkeypatch):
    record_all(run, *[[record(step)] for step in range(1, 5)])
    with monkeypatch.context() as patched:
        patched.setattr(compaction.time, "time", lambda: 1e9)
        assert compact(run.groups, everything=True).removed == 0
        assert steps(run) == [1, 2, 3, 4]
        record_all(run, [record(3, seed=5)], [record(5)])
        assert [record.step for record in Run.open(run.path).groups()] == [1, 2, 3, 4, 5]
        run.write_status("finished")
    assert run.status()["state"] == "finished"
    assert compact(run.groups, everything=True, grace=-1).removed > 0
    assert steps(run) == [1, 2, 3, 4, 5]


def test_64_file_descriptors_are_enough_to_record_and_join_120_files(run):
    code = """
        import resource, sys
        from pathlib import Path
        from recorded import FACTS, record, record_all
        from dra_toolkit.errors import RunError
        from dra_toolkit.runs import Run, RunDirectory
        from dra_toolkit.runs.compaction import compact
        run = RunDirectory(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        record_all(run, *[[record(step)] for step in range(1, 121)])
        ask = "SELECT count(*) AS n, count(DISTINCT step) AS d FROM completions"
        print(len(list(Run.open(run.path).groups())))
        try:
            Run.open(run.path).query(ask)  # DuckDB opens many files at once: answered, or told in a line
        except RunError as error:
            assert "Too many open files" in str(error) and "\\n" not in str(error), error
        compact(run.groups, everything=True, grace=-1)
        print(len(list(Run.open(run.path).groups())), Run.open(run.path).query(ask).to_pylist())
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(run.path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines() == ["120", "120 [{'n': 360, 'd': 120}]"]
