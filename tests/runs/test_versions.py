"""Files of every past version, as its own code wrote them: all that reads a run reads them, beside runs of today.

`data/version-N` is a small run written by the code that wrote version N; nothing in it is ever changed.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recorded import FACTS, make_run, record, record_all
from typer.testing import CliRunner

from dra_app.context import Context
from dra_app.group_view import view_of
from dra_app.pages.overview.parts import run_lines
from dra_app.run_curves import measure_curves
from dra_app.step_groups import arrange, read_step
from dra_toolkit.cli.main import app
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.runs import Recorder, Run, database
from dra_toolkit.runs.compaction import compact
from dra_toolkit.runs.database import TABLES
from dra_toolkit.runs.schema import COLUMNS, SCHEMA_VERSION

DATA = Path(__file__).parent / "data"
VERSIONS = (1, 2)
FOLLOWS = [name for name, measure in GROUP_MEASURES.items() if measure.sql]
"""What is known of a group of version 1: its measures that follow from its rows in SQL."""
COMMANDS = {
    "summary": ["RUN"],
    "runs": ["ROOT"],
    "groups": ["RUN", "--sort", "similarity", "--where", "size > 1"],
    "group": ["RUN", "1", "0"],
    "replay": ["RUN", "negative_totals=multiply"],
    "near": ["RUN", "1", "0", "0"],
    "search": ["RUN", "way"],
    "prompt": ["RUN", "what is 0"],
    "compare": ["RUN", "ROOT/today"],
    "sql": ["RUN", "SELECT * FROM steps"],
    "verify": ["RUN"],
    "weights": ["RUN"],
    "compact": ["RUN"],
    "export": ["RUN", "ROOT/out.jsonl", "--to", "jsonl"],
}


@pytest.fixture(params=VERSIONS)
def old(request, tmp_path, monkeypatch) -> Path:
    """A run of a past version in a folder of runs, beside one of today."""
    monkeypatch.setenv("DRA_RUNS", str(tmp_path))
    path = tmp_path / f"version-{request.param}"
    shutil.copytree(DATA / path.name, path)
    record_all(make_run(tmp_path / "today"), [record(1), record(1, 1)], [record(2)])
    return path


@pytest.fixture
def anew(old, tmp_path) -> Path:
    """The same groups as today's code records them."""
    before = Run.open(old)
    directory = make_run(tmp_path / "anew")
    recorder = Recorder(directory.groups, replace(before.facts()[0], version=SCHEMA_VERSION), tell=print)
    for mode in ("train", "eval", "discarded"):
        for step in before.steps(mode):
            recorder.submit(list(before.groups(step=step, mode=mode)))
    recorder.close()
    return directory.path


def alike(value, other) -> bool:
    return value == (pytest.approx(other, rel=1e-6, nan_ok=True) if isinstance(other, float) else other)


def rows(path: Path, question: str) -> list[dict]:
    return Run.open(path).query(question).to_pylist()


def test_every_past_version_is_kept():
    assert [path.name for path in sorted(DATA.iterdir())] == [f"version-{v}" for v in range(1, SCHEMA_VERSION + 1)]
    for version in VERSIONS:
        paths = list((DATA / f"version-{version}").rglob("*.parquet"))
        assert paths
        for path in paths:
            assert json.loads(pq.read_schema(path).metadata[b"dra"])["version"] == version


def test_groups_come_back_as_they_were_written(old):
    run = Run.open(old)
    assert run.steps()[:3] == [1, 2, 3]
    groups = list(run.groups(steps=(1, 3)))
    assert [(g.step, g.index, len(g.group)) for g in groups] == [(s, i, 4 - i) for s in (1, 2, 3) for i in (0, 1)]
    for found in groups:
        rng = np.random.default_rng([found.step, found.index])
        G = len(found.group)
        E = rng.standard_normal((G, 4)).astype(np.float32)
        E /= np.linalg.norm(E, axis=1, keepdims=True)
        accuracy = (rng.random(G) < 0.5).astype(float)
        form = np.where(rng.random(G) < 0.2, np.nan, 1.0)
        np.testing.assert_array_equal(found.group.rewards["accuracy"], accuracy)
        np.testing.assert_array_equal(found.group.rewards["format"], form)
        np.testing.assert_allclose(found.adjustment.totals, accuracy + 0.5 * np.nan_to_num(form))
        np.testing.assert_allclose(found.adjustment.similarity, E @ E.T, atol=1e-6)
        assert found.group.completions[0].startswith(f"step {found.step}, way 0: ")
        assert found.group.prompt[1].content == f"what is {found.index}?"
        assert found.group.finish_reasons == ("stop",) * (G - 1) + ("length",)
        assert (found.embeddings is not None) == (found.step == 3)
        same = run.group(found.step, found.index)
        np.testing.assert_array_equal(same.advantages, found.advantages)
    assert [g.step for g in run.groups(mode="eval")] == [2]
    assert run.problems == {}


@pytest.mark.parametrize("few", [0, 100], ids=["measured for each question", "measured once"])
@pytest.mark.parametrize("table", TABLES)
def test_tables_say_what_those_of_the_same_groups_say_today(old, anew, table, few, monkeypatch):
    monkeypatch.setattr(database, "FEW", few)
    question = f'SELECT * FROM "{table}" ORDER BY ALL'
    before, after = rows(old, question), rows(anew, question)
    assert [set(row) for row in before] == [set(row) for row in after]
    known = (
        set(after[0]) if old.name != "version-1" else {*FOLLOWS, *(set(after[0]) - set(GROUP_MEASURES) - {"answer"})}
    )
    unknown = {"version-1": {"answer", *GROUP_MEASURES} - known, "version-2": {"answers_read", "positive_share"}}[
        old.name
    ]
    assert before
    for row, same in zip(before, after, strict=True):
        for name in (known - unknown) & set(row):
            assert alike(row[name], same[name]), name
        assert all(row[name] is None for name in unknown & set(row))
    assert Run.open(old).connect().cursor().execute(question).fetchall(), "a cursor sees the tables"
    assert len(Run.open(old).query(f'SELECT * FROM "{table}" WHERE step = 1', steps=(1, 1)))


def test_replay_gives_the_recorded_advantages(old):
    ran = CliRunner().invoke(app, ["inspect", "replay", str(old), "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["largest_difference"]["error"] < 1e-5


def test_the_commands_are_all_there_are():
    import typer

    (inspect,) = [g for g in typer.main.get_command(app).commands.values() if g.name == "inspect"]
    assert set(COMMANDS) | {"import"} == set(inspect.commands)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("json_wanted", [False, True])
def test_every_command_reads_it(old, command, json_wanted):
    names = {"RUN": str(old), "ROOT": str(old.parent)}
    arguments = [names.get(a, a.replace("ROOT/", f"{old.parent}/")) for a in COMMANDS[command]]
    ran = CliRunner().invoke(app, ["inspect", command, *arguments, *(["--json"] if json_wanted else [])])
    assert ran.exit_code == 0, ran.output
    assert ran.exception is None
    assert "torn" not in ran.output
    assert "problem" not in ran.output or json_wanted


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "dataset", "html"])
def test_every_export_writes_it(old, format):
    out = old.parent / "out"
    ran = CliRunner().invoke(app, ["inspect", "export", str(old), str(out), "--to", format, "--where", "size > 1"])
    assert ran.exit_code == 0, ran.output
    assert out.exists()


def test_the_dashboard_reads_it_beside_a_run_of_today(old):
    context = Context(old.parent)
    lines = {line.run_id: line for line in run_lines(context)}
    assert set(lines) == {old.name, "today"}
    assert lines[old.name].problem == ""
    run = context.run(old.name)
    curves = measure_curves(run)
    assert np.isfinite(curves.columns["reward"]).all()
    step = arrange(read_step(run, 1), 1)
    assert [row["group_index"] for row in step.rows] == [0, 1]
    assert view_of(run.group(1, 0)) is not None


def test_compaction_loses_nothing(old):
    run = Run.open(old)
    before = [(r.mode, r.step, r.index, r.group.completions, r.advantages.tolist()) for r in run.groups()]
    numbers = rows(old, "SELECT * FROM groups ORDER BY ALL")
    compact(run.directory.groups, everything=True, grace=-1)
    after = Run.open(old)
    assert [(r.mode, r.step, r.index, r.group.completions, r.advantages.tolist()) for r in after.groups()] == before
    for row, same in zip(numbers, rows(old, "SELECT * FROM groups ORDER BY ALL"), strict=True):
        assert all(alike(row[name], same[name]) for name in row)


class TestGrowth:
    """Files of a sister version that has a column more, or one less, and no other number."""

    @pytest.fixture
    def today(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1), record(1, 1)], [record(2)])
        return directory

    def rewrite(self, path, change):
        pq.write_table(change(pq.read_table(path)), path)

    @pytest.mark.parametrize("column", [c.name for c in COLUMNS if not c.required and not c.optional])
    def test_a_column_that_a_file_lacks_is_null(self, today, column):
        for path in sorted(today.groups.iterdir())[:1]:
            self.rewrite(path, lambda table: table.drop_columns([column]))
        run = Run(today)
        assert [(r.step, r.index) for r in run.groups()] == [(1, 0), (1, 1), (2, 0)]
        assert run.problems == {}
        name = column.removeprefix("group_")
        table = "groups" if name in GROUP_MEASURES else "completions"
        found = run.query(f"SELECT step, {name} FROM {table}").to_pylist()
        assert all(row[name] is None for row in found if row["step"] == 1)
        if name != "answer":
            record_ = run.group(2, 0)
            assert [row[name] for row in found if row["step"] == 2] == [GROUP_MEASURES[name](record_)]

    def test_a_column_that_no_file_has_is_null(self, today):
        for path in today.groups.iterdir():
            self.rewrite(path, lambda table: table.drop_columns(["group_reward", "answer"]))
        run = Run(today)
        assert run.query("SELECT reward FROM groups").column(0).null_count == 3
        assert run.query("SELECT answer FROM completions").column(0).null_count == 9
        assert run.query("SELECT reward, adjusted FROM steps").column(0).null_count == 2

    def test_a_column_that_is_unknown_is_ignored_and_never_lost(self, today):
        for path in today.groups.iterdir():
            self.rewrite(path, lambda table: table.append_column("mood", pa.array(["fine"] * len(table))))
        run = Run(today)
        assert len(list(run.groups())) == 3
        assert run.problems == {}
        assert "mood" not in run.query("SELECT * FROM completions").column_names
        compact(today.groups, everything=True, grace=-1)
        assert all("mood" in pq.read_schema(path).names for path in today.groups.rglob("*.parquet"))

    def test_a_newer_version_is_one_line(self, today):
        path = sorted(today.groups.iterdir())[0]
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"dra"]) | {"version": SCHEMA_VERSION + 1}
        pq.write_table(table.replace_schema_metadata({b"dra": json.dumps(facts)}), path)
        run = Run(today)
        assert [r.step for r in run.groups()] == [2]
        assert run.problems == {
            path.name: f"schema version {SCHEMA_VERSION + 1}, this dra-toolkit reads up to {SCHEMA_VERSION}; update it"
        }
        with pytest.raises(RunError, match="update it"):
            run.group(1, 0)

    def test_a_file_that_says_an_older_version_than_it_is_is_one_line(self, today):
        path = sorted(today.groups.iterdir())[0]
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"dra"]) | {"version": 1}
        pq.write_table(table.replace_schema_metadata({b"dra": json.dumps(facts)}), path)
        run = Run(today)
        assert [r.step for r in run.groups()] == [2]
        assert run.problems == {path.name: "torn: says version 1, which had no column group_index"}
        compact(today.groups, everything=True, grace=-1)
        assert [r.step for r in Run(today).groups()] == [2]
        assert path.exists()


def test_no_row_of_an_old_run_passes_through_python(old, monkeypatch):
    """SQL, replay and export work on tables: a group in memory is only made where one is asked for."""
    from dra_toolkit.runs import rows as rows_module

    def refuse(*_):
        raise AssertionError("a group was made")

    monkeypatch.setattr(rows_module, "_record", refuse)
    run = Run.open(old)
    assert len(run.query("SELECT * FROM completions"))
    assert len(run.query("SELECT * FROM groups JOIN texts USING (mode, step, batch, group_index)"))
    compact(run.directory.groups, everything=True, grace=-1)


def test_facts_of_version_1_have_their_defaults():
    facts = Run.open(DATA / "version-1").facts()[0]
    assert facts.version == 1
    assert facts.correct_by is None
    assert facts.diversity == FACTS.diversity


class TestMeasures:
    def test_every_measure_says_what_it_is_called_and_counts(self):
        for name, measure in GROUP_MEASURES.items():
            assert name == measure.name
            assert all((measure.meaning, measure.label, measure.short, measure.unit))
            assert len(measure.short) <= 11
        labels = [measure.label for measure in GROUP_MEASURES.values()]
        assert len(set(labels)) == len(labels)

    def test_sql_says_what_python_says(self, tmp_path):
        directory = make_run(tmp_path / "run")
        equal = record(2, G=4)
        record_all(directory, [record(1, i, G=G) for i, G in enumerate((1, 2, 5))], [equal])
        run = Run(directory)
        from dra_toolkit.runs.rows import measures

        key = "step, group_index"
        found = run.query(f"SELECT {key}, {measures()} FROM completions GROUP BY {key} ORDER BY {key}").to_pylist()
        for row, group in zip(found, run.groups(), strict=True):
            for name in FOLLOWS:
                expected = GROUP_MEASURES[name](group)
                assert row[name] == (expected if expected is None else pytest.approx(expected, rel=1e-6)), name
