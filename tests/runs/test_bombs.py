"""Small files that unfold to more than the memory there is: told in a line, the rest of a run is read all the same."""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import make_run, record, record_all

MEMORY = 1 << 30
"""Bytes that a command may take here; what the files of these tests unfold to is more."""


def unfold(path: Path, table: pa.Table, column: str, *, size: int = 40_000_000, times: int = 40) -> None:
    """Write a first row again and again, a text of it as long as `size`: a dictionary, so that it is stored once."""
    row = table.slice(0, 1)
    at = row.column_names.index(column)
    row = row.set_column(at, pa.field(column, pa.string()), pa.array(["x" * size], pa.string()))
    few = pa.concat_tables([row] * 4).replace_schema_metadata(table.schema.metadata)
    with pq.ParquetWriter(path, few.schema, compression="zstd", dictionary_pagesize_limit=1 << 30) as file:
        for _ in range(times // 4):
            file.write_table(few)
    assert path.stat().st_size < 1_000_000


def dra(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = (
        f"import resource as r; r.setrlimit(r.RLIMIT_DATA, ({MEMORY}, {MEMORY})); "
        "from dra_toolkit.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-Pc", code, *map(str, arguments)], capture_output=True, text=True)
    assert "Traceback" not in ran.stderr, ran.stderr[-1000:]
    assert ran.returncode in (0, 1, 2), ran.stderr[-1000:]
    return ran


@pytest.fixture(scope="module")
def bombed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, of which the file of the first unfolds."""
    run = make_run(tmp_path_factory.mktemp("bombs") / "run")
    record_all(run, [record(1)], [record(2)])
    first = sorted(run.groups.glob("train-*"))[0]
    unfold(first, pq.read_table(first), "completion")
    return run.path


@pytest.mark.parametrize(
    "command",
    [
        "inspect verify {run}",
        "inspect group {run} 1 0",
        "inspect search {run} xxxxx",
        "inspect export {run} {run}/../out.jsonl --overwrite",
        "inspect sql {run} --json 'select sum(length(completion)) from texts'",
    ],
)
def test_a_file_of_groups_that_unfolds_is_told_and_the_others_are_read(bombed: Path, command: str) -> None:
    ran = dra(*shlex.split(command.format(run=bombed)))
    assert "train-00000001-000.parquet" in ran.stdout + ran.stderr, ran.stdout + ran.stderr
    if "export" in command:
        assert '"step": 2' in (bombed.parent / "out.jsonl").read_text()
    elif "group " in command:
        assert "text 2 0" in dra("inspect", "group", bombed, 2, 0).stdout


@pytest.mark.parametrize("command", ["audit {file} --embedder hash", "lint {file}", "inspect import {file} -o {run}"])
def test_a_file_of_others_that_unfolds_is_told(tmp_path: Path, command: str) -> None:
    names = {"prompt": "q", "completion": "c", "text": "t", "label": "a"}
    row = pa.table({**{name: [value] for name, value in names.items()}, "step": [1], "reward": [1.0]})
    file = tmp_path / "dump.parquet"
    unfold(file, row, "text" if "audit" in command else "completion")
    ran = dra(*command.format(file=file, run=tmp_path / "run").split())
    assert ran.returncode == 2
    assert "error: " in ran.stderr


def test_a_document_larger_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    record_all(run, [record(1)])
    (run.path / "status.json").write_bytes(b"[" + b"[]," * (23 << 20) + b"[]]")
    assert "larger than 64 MiB" in dra("inspect", "summary", run.path).stdout


def test_commands_that_read_take_no_more_than_there_is() -> None:
    code = (
        "import resource, sys; import dra_toolkit.cli; m = sys.modules['dra_toolkit.cli.main']; m.app = lambda: None; "
        "sys.argv[1:] = sys.argv[1].split(); m.main(); print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    )
    for line, is_bounded in {
        "inspect runs .": True,
        "app --no-open": True,
        "app --train": False,
        "train x": False,
    }.items():
        said = subprocess.run([sys.executable, "-Pc", code, line], capture_output=True, text=True, check=True).stdout
        assert (int(said) != resource.RLIM_INFINITY) == is_bounded, line
