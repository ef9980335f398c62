"""Flipped bits, changed rows and what is no file: told in one line, the rest is read, and no number is wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import make_run, record, record_all

from dra_toolkit.errors import RunError
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.runs import Run
from dra_toolkit.runs.compaction import compact
from dra_toolkit.runs.names import list_folder
from dra_toolkit.runs.parquet import BLOCK, BrokenSealError, read_seal, require_sound, seal
from dra_toolkit.runs.segments import led_astray

FLIPS = int(os.environ.get("DRA_FLIPS", "60"))
"""Of each kind of run; more where a whole hour is at hand."""
QUESTIONS = (
    "SELECT * FROM steps ORDER BY step",
    "SELECT * FROM groups ORDER BY step, group_index",
    "SELECT * FROM completions ORDER BY step, group_index, completion_index",
    "SELECT * FROM texts ORDER BY step, group_index, completion_index",
)


@pytest.fixture(scope="module", params=["files", "segment"])
def sound(request, tmp_path_factory) -> Path:
    run = make_run(tmp_path_factory.mktemp("damage") / "run")
    record_all(run, *[[record(step, i, G=4) for i in range(3)] for step in (1, 2, 3)])
    if request.param == "segment":
        compact(run.groups, everything=True, grace=-1)
    return run.path


def by_step(path: Path) -> dict[int, list]:
    """Return everything that SQL, records and replay say of each step that they can read."""
    run = Run.open(path)
    found: dict[int, list] = {}
    for question in QUESTIONS:
        for row in run.query(question).to_pylist():
            found.setdefault(row["step"], []).append(repr(row))
    for group in run.groups():
        found.setdefault(group.step, []).append((group.index, group.group.completions, group.advantages.tobytes()))
    for step in run.steps():
        try:
            found.setdefault(step, []).append(run.group(step, 1).adjustment.similarity.tobytes())
        except RunError:
            found.setdefault(step, []).append("told")
    try:
        for step, sums in replay_run(run).differences.steps.items():
            found.setdefault(step, []).append(repr(sums))
    except RunError:
        pass
    found[-1] = [sorted(run.problems)]
    return found


@pytest.mark.slow  # a hundred damaged copies of a run, each asked everything
def test_no_flipped_bit_gives_another_number(sound, tmp_path):
    expected = by_step(sound)
    files = sorted(path.relative_to(sound) for path in sound.rglob("*.parquet"))
    rng = np.random.default_rng(0)
    silent = told = 0
    for number in range(FLIPS):
        copy = tmp_path / str(number)
        shutil.copytree(sound, copy)
        path = copy / files[number % len(files)]
        data = bytearray(path.read_bytes())
        near_the_end = len(data) - 2500 if number % 3 else 0
        place = int(rng.integers(max(0, near_the_end), len(data)))
        data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(data))
        found = by_step(copy)
        problems = found.pop(-1)[0]
        told += bool(problems)
        for step, said in found.items():
            if "told" not in said and said != expected[step]:
                silent += 1
                assert problems, (path.name, place, step)
                assert all(each in expected[step] for each in said), (path.name, place, step)
        if not problems:
            assert {step: found[step] for step in found} == {s: e for s, e in expected.items() if s >= 0}
        shutil.rmtree(copy)
    assert told > FLIPS * 0.9, "nearly every bit of a file is guarded"


def test_what_was_written_is_sealed_and_every_reader_reads_it(sound):
    import duckdb

    for path in sound.rglob("*.parquet"):
        require_sound(path)
        assert read_seal(path) is not None
        rows = pq.read_table(path).num_rows
        assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}')").fetchall() == [(rows,)]


def test_a_seal_names_the_block(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"x": np.random.default_rng(0).random(50_000)}), path, compression=None, use_dictionary=False
    )
    assert read_seal(path) is None
    with open(path, "r+b") as file:
        seal(file)
    found = read_seal(path)
    assert pq.read_table(path).num_rows == 50_000
    found.check(path)
    data = bytearray(path.read_bytes())
    data[3 * BLOCK + 5] ^= 1
    path.write_bytes(bytes(data))
    found.check(path, 0, 3 * BLOCK)
    with pytest.raises(BrokenSealError, match=f"bytes from {3 * BLOCK} on"):
        found.check(path)


BOTH = "SELECT c.step FROM completions c JOIN texts t USING (mode, step, batch, group_index, completion_index)"
CHANGES = {
    "another order": lambda table: table.take(list(reversed(range(len(table))))),
    "within a group": lambda table: table.take([1, 0, *range(2, len(table))]),
    "one missing": lambda table: table.slice(1),
    "the last missing": lambda table: table.slice(0, len(table) - 1),
    "doubled": lambda table: pa.concat_tables([table, table]),
    "one doubled": lambda table: table.take([0, *range(len(table))]),
    "none": lambda table: table.slice(0, 0),
    "similarity of another length": lambda table: table.set_column(
        table.column_names.index("similarity"), "similarity", pa.array([[0.5]] * len(table), pa.list_(pa.float32()))
    ),
    "similarity of another row": lambda table: table.set_column(
        table.column_names.index("similarity"), "similarity", table["similarity"].take([*range(len(table))][::-1])
    ),
    "without a column": lambda table: table.drop_columns(
        [sorted(set(table.column_names) & {"adjusted", "completion", "step"})[0]]
    ),
    "a renamed column": lambda table: table.rename_columns(
        [{"weight": "w", "completion": "c", "batch": "b"}.get(name, name) for name in table.column_names]
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_rows_are_told_and_the_others_read(sound, tmp_path, change):
    paths = sorted(path.relative_to(sound) for path in sound.rglob("*.parquet"))
    for number, inner in enumerate(paths if len(paths[0].parts) > 2 else paths[:1]):
        table = pq.read_table(sound / inner)
        if change.startswith("similarity") and "similarity" not in table.column_names:
            continue
        if inner.name == "groups.parquet" and change == "within a group":
            change_made = CHANGES["another order"]
        else:
            change_made = CHANGES[change]
        copy = tmp_path / str(number)
        shutil.copytree(sound, copy)
        pq.write_table(change_made(table), copy / inner)
        run = Run.open(copy)
        left = [] if len(inner.parts) > 2 else [2, 3]
        assert sorted({row["step"] for row in run.query(BOTH).to_pylist()}) == left, inner
        assert sorted({group.step for group in run.groups()}) == left
        assert run.query("SELECT count(*) AS n FROM groups").column(0)[0].as_py() == 3 * len(left)
        (problem,) = run.problems.items()
        assert problem[0] == inner.parts[1]
        assert "\n" not in problem[1]
        assert len(problem[1]) < 200


NULLS = ("mode", "step", "batch", "group_index", "completion_index", "group_size", "similarity")


@pytest.mark.parametrize("change", [*CHANGES, *NULLS, "another step"])
def test_of_many_files_without_a_seal_only_the_changed_one_is_told(tmp_path, change):
    run = make_run(tmp_path / "run")
    record_all(run, *[[record(step, i, G=4) for i in range(2)] for step in range(1, 13)])
    for path in run.groups.iterdir():
        table = pq.read_table(path)
        if path.name == "train-00000005-000.parquet" and change in CHANGES:
            table = CHANGES[change](table)
        elif path.name == "train-00000005-000.parquet":
            place = table.column_names.index("step" if change == "another step" else change)
            cells = table.column(place).to_pylist()
            cells[5] = 6 if change == "another step" else None
            table = table.set_column(place, table.schema.field(place), pa.array(cells, table.schema.field(place).type))
        pq.write_table(table, path)
    for ask in ("query", "connect"):
        reader = Run.open(run.path)
        sql = "SELECT DISTINCT step FROM completions ORDER BY step"
        found = reader.query(sql).column(0).to_pylist() if ask == "query" else reader.connect().sql(sql).fetchall()
        assert len(found) == 11
        assert sorted({group.step for group in reader.groups()}) == [*range(1, 5), *range(6, 13)]
        ((name, why),) = reader.problems.items()
        assert name == "train-00000005-000.parquet"
        assert "\n" not in why
        assert len(why) < 200


def test_a_flipped_bit_in_the_keys_of_one_of_many_files_without_a_seal_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    record_all(run, *[[record(step, i, G=4) for i in range(2)] for step in range(1, 11)])
    for path in run.groups.iterdir():
        pq.write_table(pq.read_table(path), path, write_page_checksum=True, compression=None, use_dictionary=False)
    path = run.groups / "train-00000003-000.parquet"
    chunk = pq.read_metadata(path).row_group(0).column(pq.read_schema(path).names.index("completion_index"))
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 2] ^= 16
    path.write_bytes(bytes(data))
    reader = Run.open(run.path)
    assert 3 not in reader.query("SELECT DISTINCT step FROM groups").column(0).to_pylist()
    assert list(reader.problems) == [path.name]


def test_a_link_inside_a_segment_and_a_pipe_are_left_alone(sound, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(sound, copy)
    path = sorted(copy.rglob("*.parquet"))[0]
    outside = tmp_path / "outside.parquet"
    is_segment = path.parent != copy / "groups"
    if is_segment:
        path.rename(outside)
        path.symlink_to(outside)
    else:
        path.unlink()
        os.mkfifo(path)
    run = Run.open(copy)
    assert [g.step for g in run.groups() if g.index == 0] == ([] if is_segment else [2, 3])
    (why,) = run.problems.values()
    assert (f"its file {path.name} is a link, left alone" if is_segment else "not a regular file") in why
    if not is_segment:
        assert run.store.damaged() == [path], "verify does not wait for a writer"


def test_a_link_that_is_put_into_a_segment_later_is_not_followed(tmp_path):
    directory = make_run(tmp_path / "run")
    record_all(directory, [record(1)], [record(2)])
    compact(directory.groups, everything=True, grace=0)
    other = make_run(tmp_path / "other")
    record_all(other, [record(1, seed=9)], [record(2, seed=9)])
    compact(other.groups, everything=True, grace=0)
    run = Run.open(directory.path)
    assert run.query("SELECT count(*) AS n FROM completions").column(0)[0].as_py() > 0
    (segment,), (outside,) = list_folder(directory.groups).segments, list_folder(other.groups).segments
    times = os.stat(segment.path)
    for name in ("completions.parquet", "texts.parquet"):
        (segment.path / name).unlink()
        (segment.path / name).symlink_to(outside.path / name)
    os.utime(segment.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert run.query("SELECT count(*) AS n FROM completions").column(0)[0].as_py() == 0
    assert list(run.groups()) == []
    (why,) = run.problems.values()
    assert why in ("its file completions.parquet is a link, left alone", "its file texts.parquet is a link, left alone")


@pytest.mark.parametrize("is_joined", [False, True])
@pytest.mark.parametrize("to", ["another run", "nothing"])
def test_a_link_that_is_put_among_the_groups_later_is_told_and_not_followed(tmp_path, is_joined, to):
    own, other = make_run(tmp_path / "run"), make_run(tmp_path / "other")
    for directory, seed in ((own, 0), (other, 9)):
        record_all(directory, [record(1, seed=seed)], [record(2, seed=seed)])
    if is_joined:
        compact(other.groups, everything=True, grace=-1)
    run = Run.open(own.path)
    before = by_step(own.path)
    assert [g.step for g in run.groups()] == [1, 2]
    listing = list_folder(other.groups)
    target = listing.segments[0].path if is_joined else listing.batches[1].path
    link = own.groups / (target.name if is_joined else "train-00000002-001.parquet")
    link.symlink_to(target if to == "another run" else tmp_path / "nothing")
    assert [g.step for g in run.groups()] == [1, 2]
    assert run.steps() == [1, 2]
    assert run.query("SELECT count(*) AS n FROM groups").to_pylist() == [{"n": 2}]
    assert run.problems == {link.name: "not a file of recorded groups, or a link, left alone"}
    after = by_step(own.path)
    assert {k: v for k, v in after.items() if k > 0} == {k: v for k, v in before.items() if k > 0}
    assert compact(own.groups, everything=True, grace=-1).removed == 2
    assert target.exists()


def test_a_file_that_was_copied_under_another_name_is_told_and_counts_once(tmp_path):
    directory = make_run(tmp_path / "run")
    record_all(directory, [record(1)], [record(2)])
    sql = "SELECT count(*) AS n, sum(reward) AS r FROM groups"
    before = Run.open(directory.path).query(sql)
    first, _ = list_folder(directory.groups).batches
    shutil.copy(first.path, first.path.with_name("train-00000003-000.parquet"))
    run = Run.open(directory.path)
    assert run.query(sql).equals(before)
    assert [g.step for g in run.groups()] == [1, 2]
    said = "holds step 1, which its name does not say: it was copied or renamed"
    assert run.problems == {"train-00000003-000.parquet": said}


def test_a_pipe_in_a_segment_and_names_that_lead_elsewhere_are_left_alone(tmp_path):
    run = make_run(tmp_path / "run")
    (tmp_path / "run" / "groups" / "mine").mkdir()
    record_all(run, [record(1)], [record(2)])
    compact(run.groups, everything=True, grace=1000)
    (segment,) = list_folder(run.groups).segments
    path = segment.path / "groups.parquet"
    table = pq.read_table(path)
    sources = [{"name": name, "size": 1, "time": 1} for name in ("..", ".", "mine", "../run", "/etc", 3)]
    sources += [{"size": 1}, 5]
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"dra_sources": json.dumps(sources)}), path)
    for name in ("..", ".", "mine"):
        place = run.groups / name
        sources += [{"name": name, "size": place.stat().st_size, "time": place.stat().st_mtime_ns}]
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"dra_sources": json.dumps(sources)}), path)
    assert compact(run.groups, grace=-1).removed == 0
    assert (run.groups / "mine").is_dir()
    assert len(list(Run.open(run.path).groups())) == 2
    path.unlink()
    os.mkfifo(path)
    reader = Run.open(run.path)
    assert len(list(reader.groups())) == 2, "their own files are still there"
    assert "groups.parquet is no file" in reader.problems[segment.path.name]
    assert reader.store.damaged() == [path]


def test_a_row_group_larger_than_any_run_writes_is_not_decoded(sound, monkeypatch):
    monkeypatch.setattr("dra_toolkit.runs.parquet.MOST_DECODED", 100)
    run = Run.open(sound)
    assert list(run.groups()) == []
    assert all("more than any run writes" in problem for problem in run.problems.values())


def test_a_disk_that_refuses_is_one_line_for_who_asked_and_an_error_of_the_system_for_who_goes_on(tmp_path):
    run = make_run(tmp_path / "run")
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match=r"status\.json: cannot be written") as raised:
        run.write_status("running")
    assert isinstance(raised.value, OSError)
    assert raised.value.errno == errno.ENOENT
    assert raised.value.strerror


def test_a_file_that_vanishes_under_ones_eyes_is_gone_and_not_damaged(tmp_path, monkeypatch):
    """As one that was joined with others meanwhile: whoever reads looks again, and leaves out only what is damaged."""
    run = make_run(tmp_path / "run")
    record_all(run, [record(1)])
    (path,) = run.groups.glob("*.parquet")
    look = os.stat

    def last_look(of, **how):
        found = look(of, **how)
        if Path(of) == path:
            path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "stat", last_look)
    with pytest.raises(FileNotFoundError):
        read_seal(path)


def test_a_part_of_a_segment_that_vanishes_under_ones_eyes_is_gone_too(tmp_path, monkeypatch):
    """Where a file system says no kinds, a listed file that went meanwhile looks like one that is none."""
    gone = SimpleNamespace(name="groups.parquet", path=tmp_path / "groups.parquet")
    gone.is_file = gone.is_symlink = lambda **how: False
    monkeypatch.setattr(os, "scandir", lambda folder: nullcontext([gone]))
    with pytest.raises(FileNotFoundError):
        led_astray(tmp_path)
