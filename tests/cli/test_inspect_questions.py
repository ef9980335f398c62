"""`dra inspect` runs, search, near, prompt, compare, sql, compact: answers against the record; what cannot be answered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import FACTS, make_run, record
from scipy.special import stdtrit
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.runs import Recorder, Run

TEXTS = ["add the ones, then the tens", "WAIT, add the ones", "count up from 21", "add the ones, then the tens"]


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DRA_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "110")
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def store(directory, batches):
    """Record groups whose reward `a` tells right from wrong: the even completions are right."""
    recorder = Recorder(directory.groups, replace(FACTS, correct_by="a"), tell=print)
    for batch in batches:
        rewards = {"a": np.array([1.0, 0.0, 1.0, 0.0]), "b b": np.zeros(4)}
        recorder.submit([replace(r, group=replace(r.group, rewards=rewards)) for r in batch])
    recorder.close()


@pytest.fixture
def run(root):
    directory = make_run(root / "first")
    later = [text.replace("ones", "units") for text in TEXTS]
    store(
        directory,
        [
            [record(1, 0, G=4, texts=TEXTS, prompt="What is 21 + 46?"), record(1, 1, G=4, texts=["x", "y", "z", "w"])],
            [record(5, 0, G=4, texts=later, prompt="What is 21 + 46?"), record(5, 1, G=4, seed=3)],
        ],
    )
    return directory


def inspect(*arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


def ask(*arguments: object):
    return json.loads(inspect(*arguments, "--json").stdout)


class TestRuns:
    def test_state_steps_and_what_differs(self, run, root):
        other = make_run(root / "second")
        resolved = json.loads(other.resolved.read_text())
        resolved["settings"]["temperature"]["value"] = 0.7
        other.resolved.write_text(json.dumps(resolved))
        (root / "no run").mkdir()
        told = {row["name"]: row for row in ask("runs")["runs"]}
        assert set(told) == {"first", "second"}
        assert (told["first"]["steps"], told["first"]["last_step"], told["first"]["completions"]) == (2, 5, 16)
        assert told["second"]["steps"] == 0
        assert told["second"]["differences"] == {"temperature": 0.7}
        assert "temperature=0.7" in inspect("runs").stdout

    def test_empty_and_missing_folders(self, root):
        assert "no runs yet" in inspect("runs").stdout
        assert "there is no such folder" in inspect("runs", root / "nowhere", status=2).stderr

    def test_a_run_that_cannot_be_read_is_listed_with_the_reason(self, run, root):
        other = make_run(root / "second")
        other.resolved.write_text("{")
        told = {row["name"]: row for row in ask("runs")["runs"]}
        assert told["second"]["state"] == "unreadable"
        assert told["second"]["problem"]


class TestSearch:
    def test_every_place_with_what_stands_around(self, run):
        hits = ask("search", "first", "the ones")["hits"]["rows"]
        assert [(h["step"], h["group"], h["completion"]) for h in hits] == [(1, 0, 0), (1, 0, 1), (1, 0, 3)]
        assert (hits[0]["before"], hits[0]["found"], hits[0]["after"]) == ("add ", "the ones", ", then the tens")

    def test_case_regex_steps_and_measures(self, run):
        assert ask("search", "first", "wait")["hits"]["rows"] == []
        assert len(ask("search", "first", "wait", "--ignore-case")["hits"]["rows"]) == 2
        found = ask("search", "first", r"\d\d$", "--regex", "--steps", "5")["hits"]["rows"]
        assert [(h["step"], h["completion"], h["found"]) for h in found] == [(5, 2, "21")]
        assert ask("search", "first", "add", "--where", "distinct_ratio = 1")["hits"]["rows"] == []

    def test_right_and_wrong(self, run):
        assert [h["completion"] for h in ask("search", "first", "the ones", "--correct")["hits"]["rows"]] == [0]
        assert [h["completion"] for h in ask("search", "first", "the ones", "--wrong")["hits"]["rows"]] == [1, 3]

    def test_pages_and_count(self, run):
        first = ask("search", "first", "add the", "--limit", 4, "--count")["hits"]
        assert (len(first["rows"]), first["has_more"], first["total"]) == (4, True, 6)
        second = ask("search", "first", "add the", "--limit", 4, "--offset", 4)["hits"]
        assert (len(second["rows"]), second["has_more"], second["total"]) == (2, False, None)
        assert (
            "1 to 4 of 6; --offset 4 shows the next"
            in inspect("search", "first", "add the", "--limit", 4, "--count").stdout
        )

    @pytest.mark.parametrize("text", ["'", "'; DROP TABLE groups; --", "%", "\\", '"', "$1"])
    def test_a_text_is_never_sql(self, run, text):
        assert ask("search", "first", text)["hits"]["rows"] == []

    def test_no_match_and_no_expression(self, run):
        assert "No completion contains that" in inspect("search", "first", "nowhere").stdout
        assert "no regular expression" in inspect("search", "first", "(", "--regex", status=2).stderr
        assert "found an empty one" in inspect("search", "first", "", status=2).stderr

    def test_hostile_texts_are_shown_harmlessly(self, root):
        store(make_run(root / "bad"), [[record(1, 0, G=4, texts=["\x1b[31mred wait[/bold]\u202e", "b", "c", "d"])]])
        shown = inspect("search", "bad", "wait").stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[/bold]" in shown


class TestNear:
    def test_the_completion_itself_comes_first_and_copies_count_once(self, run):
        found = ask("near", "first", 1, 0, 0, "--limit", 3)["nearest"]
        assert found[0]["text"] == TEXTS[0]
        assert found[0]["similarity"] == pytest.approx(1, abs=1e-5)
        assert len({row["text"] for row in found}) == 3
        assert [row["similarity"] for row in found] == sorted((row["similarity"] for row in found), reverse=True)
        assert found[1]["text"] == TEXTS[0].replace("ones", "units")

    def test_a_text_within_steps(self, run):
        found = ask("near", "first", "--text", "count up", "--steps", "5", "--limit", 1)["nearest"]
        assert [(row["step"], row["completion"]) for row in found] == [(5, 2)]

    def test_what_cannot_be_asked(self, run):
        assert "expected STEP GROUP COMPLETION, or --text" in inspect("near", "first", 1, status=2).stderr
        assert "completions 0 to 3, found 9" in inspect("near", "first", 1, 0, 9, status=2).stderr
        assert "hash" in inspect("near", "first", 1, 0, 0, "--embedder", "hsh", status=2).stderr


class TestPrompt:
    def test_by_text_and_by_hash(self, run):
        history = ask("prompt", "first", "21 + 46")["history"]
        assert [row["step"] for row in history["rows"]] == [1, 5]
        assert ask("prompt", "first", history["prompt_hash"])["history"] == history

    def test_differences_of_the_nearest(self, run):
        told = ask("prompt", "first", "21 + 46", "--pairs", 9)
        assert told["between"] == [1, 5]
        assert len(told["pairs"]) == 3, "copies are compared once"
        by_later = {pair["later"]: pair for pair in told["pairs"]}
        assert [(s["kind"], s["text"]) for s in by_later[0]["differences"]] == [
            ("both", "add the "),
            ("left", "ones"),
            ("right", "units"),
            ("both", ", then the tens"),
        ]
        shown = inspect("prompt", "first", "21 + 46").stdout
        assert "[-ones-]{+units+}" in shown

    def test_what_is_not_there(self, run):
        assert "is or contains 'no such'" in inspect("prompt", "first", "no such", status=2).stderr
        ran = inspect("prompt", "first", "21 + 46", "--between", 1, 3, status=2)
        assert "no group at step 3; it has at 1, 5" in ran.stderr.replace("\n", " ")


class TestCompare:
    def test_steps_settings_and_prompts(self, run, root):
        other = make_run(root / "second")
        rewards = {"a": np.array([1.0, 1.0, 1.0, 1.0]), "b b": np.zeros(4)}
        better = record(1, 0, G=4, texts=TEXTS, prompt="What is 21 + 46?")
        totals = better.adjustment.totals + 1
        better = replace(
            better,
            group=replace(better.group, rewards=rewards),
            adjustment=replace(better.adjustment, totals=totals),
        )
        recorder = Recorder(other.groups, FACTS, tell=print)
        recorder.submit([better])
        recorder.close()
        told = ask("compare", "first", "second")
        assert told["steps"] == [1]
        assert told["shared_prompts"] == 1
        left = np.mean(
            [g["reward"] for g in ask("groups", "first", "--where", "size > 0")["groups"] if "21" in g["prompt"]]
        )
        assert told["mean_gap"] == pytest.approx(totals.mean() - left)
        assert told["gap_error"] is None
        assert "right - left reward" in inspect("compare", "first", "second").stdout

    def test_any_number_of_runs_each_setting_over_its_seeds(self, root):
        for number in range(3):
            directory = make_run(root / f"seed-{number}", f"seed: {number}\n")
            store(directory, [[record(1, 0, G=4, seed=number)], [record(2, 0, G=4, seed=10 + number)]])
        store(make_run(root / "other", "diversity: mmr\n"), [[record(2, 0, G=4, seed=7)], [record(3, 0, G=4, seed=8)]])
        told = ask("compare", "seed-0", "other", "seed-1", "seed-2")
        assert told["steps"] == 1, "the only step that all of them recorded"
        seeds, other = told["settings"]
        assert (seeds["name"], seeds["runs"]) == ("diversity=graph_cut", ["seed-0", "seed-1", "seed-2"])
        assert (other["name"], other["runs"]) == ("diversity=mmr", ["other"])
        values = [Run.open(root / name).query("SELECT similarity FROM steps WHERE step = 2")["similarity"][0].as_py()
                  for name in seeds["runs"]]  # fmt: skip
        assert seeds["means"]["similarity"] == pytest.approx(np.mean(values))
        assert seeds["halves"]["similarity"] == pytest.approx(stdtrit(2, 0.975) * np.std(values, ddof=1) / np.sqrt(3))
        assert other["halves"]["similarity"] is None
        shown = inspect("compare", "seed-0", "other", "seed-1", "seed-2").stdout
        assert "A = diversity=graph_cut: seed-0, seed-1, seed-2" in shown
        assert f"{np.mean(values):.3f} ±" in shown
        assert "expected two or more" in inspect("compare", "other", status=2).stderr

    def test_nothing_in_common(self, run, root):
        make_run(root / "empty")
        assert "is recorded in both" in inspect("compare", "first", "empty", status=2).stderr


class TestSQL:
    def test_rows(self, run):
        assert ask("sql", "first", "SELECT step, groups FROM steps ORDER BY step")["rows"] == [
            {"step": 1, "groups": 2},
            {"step": 5, "groups": 2},
        ]
        assert "16" in inspect("sql", "first", "SELECT count(*) AS n FROM completions").stdout
        assert "the first 2 rows" in inspect("sql", "first", "SELECT * FROM texts", "--limit", 2).stdout

    def test_csv_has_no_formulas(self, run):
        shown = inspect("sql", "first", "SELECT '=1+1' AS a, '-2' AS b, 3 AS c", "--csv").stdout
        assert shown.split() == ["a,b,c", "'=1+1,'-2,3"]

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM groups",
            "COPY steps TO '/tmp/stolen.csv'",
            "SELECT * FROM read_text('/etc/hostname')",
            "SELECT 1; SELECT 2",
            "ATTACH '/tmp/x.db'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "PRAGMA database_list",
        ],
    )
    def test_nothing_else_can_be_read_or_written(self, run, statement):
        assert "SQL" in inspect("sql", "first", statement, status=2).stderr

    def test_the_tables_are_listed(self, run):
        assert {"steps", "groups", "completions", "texts"} == set(ask("sql", "first")["tables"])
        assert "SELECT step, reward" in inspect("sql", "first").stdout

    def test_unknown_table_names_the_nearest(self, run):
        assert "did you mean 'groups'" in inspect("sql", "first", "SELECT * FROM group_s", status=2).stderr


class TestCompact:
    def test_files_become_few_and_nothing_changes(self, run):
        before = [r.group.completions for r in Run(run).groups()]
        assert ask("compact", "first")["segments"] == 1
        assert [r.group.completions for r in Run(run).groups()] == before
        assert "nothing to join" in inspect("compact", "first").stdout


class TestNotebook:
    def test_a_group_and_a_run_show_themselves_harmlessly(self, root):
        directory = make_run(root / "bad")
        store(
            directory,
            [[record(1, 0, G=4, texts=["<script>alert(1)</script>", "<img src=x onerror=1>", "\x1b[1m", "d"])]],
        )
        opened = Run(directory)
        shown = opened.group(1, 0)._repr_html_()
        assert "<script" not in shown
        assert "<img" not in shown
        assert "&lt;script&gt;" in shown
        assert "<svg" in opened._repr_html_()
        assert "No training groups" in Run(make_run(root / "none"))._repr_html_()
