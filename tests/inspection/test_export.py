"""Exports hold what was recorded, in formats that their own tools read, and hostile texts harmlessly."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import make_run, record, record_all
from rich.console import Console
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.inspection.export.exporting import FORMULA
from dra_toolkit.inspection.group_html import group_html
from dra_toolkit.inspection.views import group_view
from dra_toolkit.runs import Run

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "@SUM(1)\t=1+1",
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "[bold red]markup[/] [link=http://evil]x[/link]",
    "\u202egnp.exe\u2066\u200f",
    "zero\x00byte\r\nnext\rline",
    "lone \ud800 surrogate",
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    '"quoted",\nline',
    "</pre></details><iframe src=https://example.com></iframe>",
]


def export(run: Path, out: Path, *arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["inspect", "export", str(run), str(out), *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    directory = make_run(tmp_path_factory.mktemp("export") / "run")
    batches = [[record(step, i, G=4, seed=i, keep=True) for i in range(2)] for step in (1, 2, 3)]
    record_all(directory, *batches, [record(3, mode="eval")])
    return directory.path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    directory = make_run(tmp_path_factory.mktemp("hostile") / "run")
    record_all(directory, [record(1, G=len(HOSTILE), texts=HOSTILE, prompt=HOSTILE[7])])
    return directory.path


class TestFormats:
    def test_jsonl(self, run, tmp_path):
        export(run, tmp_path / "x.jsonl")
        rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
        records = list(Run.open(run).groups())
        assert [row["completion"] for row in rows] == [text for r in records for text in r.group.completions]
        assert [row["advantage"] for row in rows] == [float(a) for r in records for a in r.advantages]
        assert set(rows[0]) >= {"step", "group_index", "prompt", "rewards", "similarity", "weight", "embedding"}

    def test_csv(self, run, tmp_path):
        export(run, tmp_path / "x.csv", "--steps", "2..3")
        rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
        assert len(rows) == 16
        assert {row["step"] for row in rows} == {"2", "3"}
        expected = next(Run.open(run).groups(step=2)).group.rewards["a"]
        assert [float(row["reward:a"]) for row in rows[:4]] == pytest.approx(expected)

    def test_parquet(self, run, tmp_path):
        export(run, tmp_path / "x.parquet", "--mode", "all")
        table = pq.read_table(tmp_path / "x.parquet")
        assert len(table) == 24 + 3
        assert set(table["mode"].to_pylist()) == {"train", "eval"}

    def test_dataset_opens_with_datasets(self, run, tmp_path, monkeypatch):
        from datasets import load_dataset

        export(run, tmp_path / "set", "--to", "dataset", "--mode", "all")
        found = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows) for split, rows in found.items()} == {"train": 24, "eval": 3}
        assert found["train"][0]["completion"] == next(Run.open(run).groups()).group.completions[0]

    def test_conditions(self, run, tmp_path):
        flipped = [r for r in Run.open(run).groups() if (r.advantages * r.plain_advantages < 0).any()]
        if flipped:
            export(run, tmp_path / "x.jsonl", "--where", "flips > 0")
            assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 4 * len(flipped)
        ran = export(run, tmp_path / "y.jsonl", "--where", "reward > 1e9", status=2)
        assert "no recorded group is of these steps and measures" in ran.stderr.replace("\n", " ")
        assert not (tmp_path / "y.jsonl").exists()

    def test_nothing_is_written_over(self, run, tmp_path):
        (tmp_path / "x.csv").write_text("mine")
        assert "--overwrite replaces it" in export(run, tmp_path / "x.csv", status=2).stderr.replace("\n", " ")
        assert (tmp_path / "x.csv").read_text() == "mine"
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "thesis.tex").touch()
        export(run, tmp_path / "folder", "--to", "dataset", "--overwrite", status=2)
        assert (tmp_path / "folder" / "thesis.tex").exists()

    @pytest.mark.parametrize(
        ("out", "arguments", "told"),
        [
            ("x.xls", (), "say --to jsonl, csv"),
            ("no/x.csv", (), "there is no folder"),
            ("x.csv", ("--where", "flps > 0"), "did you mean 'flips'"),
            ("x.csv", ("--steps", "9.."), "no recorded group"),
        ],
    )
    def test_what_cannot_be_exported(self, run, tmp_path, out, arguments, told):
        assert told in export(run, tmp_path / out, *arguments, status=2).stderr.replace("\n", " ")
        assert list(tmp_path.iterdir()) == []


class TestHostile:
    def test_no_cell_of_the_csv_begins_a_formula(self, hostile, tmp_path):
        export(hostile, tmp_path / "x.csv")
        content = (tmp_path / "x.csv").read_bytes()
        assert b"\0" not in content
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        assert len(rows) == 1 + len(HOSTILE)
        for row in rows:
            for cell in row:
                number = cell.removeprefix("-").replace(".", "").replace("e-", "")
                assert not cell.startswith(FORMULA) or number.isdigit(), cell

    def test_jsonl_and_parquet_keep_the_texts(self, hostile, tmp_path):
        expected = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
        export(hostile, tmp_path / "x.jsonl")
        found = [json.loads(line)["completion"] for line in (tmp_path / "x.jsonl").read_text().split("\n") if line]
        assert found == expected
        export(hostile, tmp_path / "x.parquet")
        assert pq.read_table(tmp_path / "x.parquet")["completion"].to_pylist() == expected

    def test_html_runs_and_fetches_nothing_in_a_browser(self, hostile, tmp_path):
        playwright = pytest.importorskip("playwright.sync_api")
        chromium = Path("/usr/bin/chromium")
        if not chromium.exists():
            pytest.skip("no Chromium here")
        export(hostile, tmp_path / "x.html")
        asked, said = [], []
        with playwright.sync_playwright() as p:
            browser = p.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: said.append(message.text))
            page.goto((tmp_path / "x.html").as_uri())
            assert page.title() == "run"
            assert page.locator("script, iframe, img, object, link").count() == 0
            assert "document.title='owned'" in page.inner_text("body")
            browser.close()
        assert asked == [(tmp_path / "x.html").as_uri()]
        assert said == []

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.text(st.characters(), max_size=60), min_size=1, max_size=3))
    def test_any_text_is_recorded_read_and_shown_harmlessly(self, tmp_path_factory, texts):
        folder = tmp_path_factory.mktemp("any")
        directory = make_run(folder / "run")
        record_all(directory, [record(1, G=len(texts), texts=texts, prompt=texts[0])])
        found = Run(directory).group(1, 0)
        expected = [text.encode("utf-8", "replace").decode() for text in texts]
        assert list(found.group.completions) == expected
        console = Console(file=io.StringIO(), width=80, force_terminal=False, markup=False)
        console.print(group_view(found, width=80, lines=None))
        shown = console.file.getvalue()
        assert all(c == "\n" or c.isprintable() for c in shown)
        page = group_html(found)
        tags = {part.split(">")[0].split()[0].strip("/") for part in page.split("<")[1:]}
        page_tags = {"h3", "p", "pre", "table", "tr", "td", "th", "details", "summary", "span", "div"}
        assert tags <= page_tags | {"svg", "path", "rect", "text"}

    def test_ten_megabytes_in_one_line(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, [record(1, G=2, texts=["x" * 10_000_000, "<" * 1_000])])
        for name in ("x.csv", "x.jsonl", "x.html"):
            export(directory.path, tmp_path / name)
        assert (tmp_path / "x.html").stat().st_size < 200_000, "a report shows the beginning and counts the rest"
        assert "more characters" in (tmp_path / "x.html").read_text()
        shown = CliRunner().invoke(app, ["inspect", "group", str(directory.path), "1", "0"]).stdout
        assert len(shown) < 20_000


class TestVerify:
    @staticmethod
    def verify(run: Path, status: int = 0) -> dict:
        ran = CliRunner().invoke(app, ["inspect", "verify", str(run), "--json"])
        assert ran.exit_code == status, ran.output
        return json.loads(ran.stdout)

    @pytest.fixture
    def sound(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, *[[record(step, i, G=4, seed=i) for i in range(2)] for step in (1, 2, 3)])
        return directory

    def test_a_sound_run(self, sound):
        told = self.verify(sound.path)
        assert told["ok"] is True
        assert (told["groups"], told["completions"], told["steps"]) == (6, 24, 3)
        assert told["largest_replay_error"] < 1e-6

    def test_a_flipped_bit_is_found_by_its_checksum(self, sound):
        path = sorted(sound.groups.glob("*.parquet"))[1]
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 0xFF
        path.write_bytes(bytes(content))
        told = self.verify(sound.path, status=1)
        assert any(path.name in problem for problem in told["problems"])

    def test_torn_and_foreign_files(self, sound):
        path = sorted(sound.groups.glob("*.parquet"))[0]
        path.write_bytes(path.read_bytes()[:-100])
        (sound.groups / "notes.txt").touch()
        problems = "\n".join(self.verify(sound.path, status=1)["problems"])
        assert f"groups/{path.name}" in problems
        assert "restore it from a copy" in problems
        assert "groups/notes.txt: not a file of recorded groups" in problems

    def test_an_advantage_that_does_not_follow(self, sound):
        from dataclasses import replace

        wrong = record(4, 0, G=4)
        record_all(sound, [replace(wrong, advantages=wrong.advantages + np.array([0, 0.01, 0, 0]))])
        (problem,) = self.verify(sound.path, status=1)["problems"]
        assert "train step 4, group 0, completion 1" in problem
        assert "1 advantages differ" in problem

    def test_steps_that_were_logged_and_not_recorded(self, sound):
        logged = [{"step": step, "reward": 0.1} for step in (1, 2, 3, 4, 5)]
        sound.metrics.write_text("".join(json.dumps(row) + "\n" for row in logged))
        (problem,) = self.verify(sound.path, status=1)["problems"]
        assert "2 steps are in metrics.jsonl without recorded groups (4, 5)" in problem

    def test_changed_numbers(self, sound):
        path = sorted(sound.groups.glob("*.parquet"))[0]
        table = pq.read_table(path)
        index = table.schema.names.index("weight")
        import pyarrow as pa

        changed = table.set_column(index, "weight", pa.array(np.asarray(table["weight"]) * 0.5))
        pq.write_table(changed.cast(table.schema), path)
        problems = "\n".join(self.verify(sound.path, status=1)["problems"])
        assert "its measures do not follow from its rows" in problems

    def test_a_copy_under_another_name_is_told_by_its_rows(self, sound):
        first, last = (sorted(sound.groups.glob("*.parquet"))[i] for i in (0, -1))
        step = int(pq.read_table(last)["step"][0].as_py())
        other = last.with_name(last.name.replace(f"{step:08d}", f"{step + 1:08d}"))
        assert other != last
        other.write_bytes(first.read_bytes())
        problems = "\n".join(self.verify(sound.path, status=1)["problems"])
        assert f"groups/{other.name}: holds step 1, which its name does not say" in problems

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda table: table.drop(["weight"]), "torn: has no column weight"),
            (lambda table: table.drop(["completion", "prompt"]), "torn: has no column completion"),
            (
                lambda table: table.set_column(
                    table.column_names.index("step"), "step", table["step"].cast("float64").combine_chunks()
                ),
                "torn: the column step is double, expected int32",
            ),
        ],
    )
    def test_a_file_whose_columns_are_not_those_written_is_named_and_the_others_are_read(self, sound, change, told):
        path = sorted(sound.groups.glob("*.parquet"))[0]
        pq.write_table(change(pq.read_table(path)), path)
        found = self.verify(sound.path, status=1)
        (problem,) = [each for each in found["problems"] if path.name in each]
        assert told in problem
        assert found["groups"] == 4
