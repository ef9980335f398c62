"""`dra inspect` as a user types it: numbers against the record, JSON for scripts, helpful words where there is nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from recorded import make_run, record, record_all
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.diversity import mean_similarity, vendi_score
from dra_toolkit.runs import Run


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DRA_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture
def run(root):
    directory = make_run(root / "first")
    batches = [[record(step, i, G=4, seed=i) for i in range(3)] for step in (1, 2, 3)]
    batches[2][1] = record(3, 1, G=4, texts=["same", "same", "other", "[bold]x"])
    record_all(directory, *batches, [record(3, 0, mode="eval")])
    return directory


def inspect(*arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


def every(run):
    return list(Run(run).groups())


class TestSummary:
    def test_alone_it_shows_the_latest_run(self, run, root):
        older = make_run(root / "older")
        for file in (older.resolved, older.recipe):
            os.utime(file, (1, 1))
        assert "first: not started" in inspect().stdout
        assert inspect().stdout == inspect("summary", "first").stdout == inspect("summary", run.path).stdout

    def test_numbers(self, run):
        told = json.loads(inspect("summary", "first", "--json").stdout)
        assert [step["step"] for step in told["steps"]] == [1, 2, 3]
        groups = [record(1, i, G=4, seed=i) for i in range(3)]
        means = told["steps"][0]["means"]
        assert means["reward"] == pytest.approx(np.mean([g.adjustment.totals for g in groups]))
        assert means["adjusted"] == pytest.approx(np.mean([g.adjustment.adjusted for g in groups]))
        assert means["vendi_score"] == pytest.approx(
            np.mean([vendi_score(g.adjustment.similarity) for g in groups]), rel=1e-5
        )
        assert means["abs_advantage"] == pytest.approx(np.mean(np.abs([g.advantages for g in groups])))
        flips = sum(int((g.advantages * g.plain_advantages < 0).sum()) for g in groups)
        assert told["steps"][0]["flips"] == flips
        assert told["completions"] == 3 * 3 * 4 + 3

    def test_says_what_to_type_next(self, run):
        assert f"dra inspect group {run.path} 3 0" in inspect().stdout.replace("\n", "")

    def test_damaged_files_are_named(self, run):
        (run.groups / "train-00000002-000.parquet").write_bytes(b"PAR1 torn")
        (run.groups / "mine.txt").touch()
        shown = inspect().stdout
        assert "train-00000002-000.parquet: torn" in shown
        assert "mine.txt: not a file of recorded groups" in shown
        assert "2 steps" in shown

    def test_run_of_a_newer_version(self, run):
        run.resolved.write_text(json.dumps({"version": 99, "name": "x", "settings": {}}))
        assert "written by a newer dra-toolkit (version 99, this one reads 1)" in inspect(status=2).stderr

    def test_a_run_that_grows(self, run):
        record_all(run, [record(4)])
        assert "4 steps" in inspect().stdout


class TestGroups:
    def test_last_step_by_default(self, run):
        told = json.loads(inspect("groups", "--json").stdout)
        assert [(group["step"], group["index"]) for group in told["groups"]] == [(3, 0), (3, 1), (3, 2)]
        assert told["groups"][1]["distinct_ratio"] == 0.75

    def test_table_marks_duplicates(self, run):
        rows = [line.split() for line in inspect("groups", "first", "--step", 3).stdout.splitlines()]
        marks = {row[0]: row for row in rows if len(row) > 5 and row[0] in {"0", "1", "2"}}
        assert "d" in "".join(marks["1"])
        assert "0.75" in marks["1"]

    @pytest.mark.parametrize("by", ["reward", "reward_spread", "similarity", "flips"])
    def test_sorted(self, run, by):
        told = json.loads(inspect("groups", "--sort", by, "--json").stdout)["groups"]
        assert [g[by] for g in told] == sorted((g[by] for g in told), reverse=True)

    def test_evaluation(self, run):
        told = json.loads(inspect("groups", "--mode", "eval", "--json").stdout)["groups"]
        assert [(group["mode"], group["step"]) for group in told] == [("eval", 3)]

    def test_all_steps_where_a_question_is_asked(self, run):
        expected = every(run)
        told = json.loads(inspect("groups", "first", "--worst", 2, "--json").stdout)
        assert told["total"] == 9
        highest = sorted((mean_similarity(r.adjustment.similarity) for r in expected), reverse=True)[:2]
        assert [g["similarity"] for g in told["groups"]] == pytest.approx(highest, rel=1e-5)
        best = json.loads(inspect("groups", "first", "--best", 1, "--json").stdout)["groups"][0]
        assert best["similarity"] == pytest.approx(
            min(mean_similarity(r.adjustment.similarity) for r in expected), rel=1e-5
        )

    def test_filters(self, run):
        expected = [(r.step, r.index) for r in every(run) if ((r.advantages * r.plain_advantages) < 0).any()]
        told = json.loads(inspect("groups", "first", "--flips", "--sort", "index", "--json").stdout)["groups"]
        assert [(g["step"], g["index"]) for g in told] == expected
        told = json.loads(inspect("groups", "first", "--duplicates", "--json").stdout)["groups"]
        assert [(g["step"], g["index"]) for g in told] == [(3, 1)]
        conditions = ("--where", "reward > 0", "--where", "tokens >= 1", "--steps", "2..3")
        told = json.loads(inspect("groups", "first", *conditions, "--json").stdout)["groups"]
        expected = [(r.step, r.index) for r in every(run) if r.step > 1 and np.nanmean(r.adjustment.totals) > 0]
        assert [(g["step"], g["index"]) for g in told] == expected
        assert "no group is like that" in inspect("groups", "first", "--where", "reward > 1e9").stdout

    def test_pages(self, run):
        of_all = ("groups", "first", "--steps", "1..", "--limit", 4)
        pages = [json.loads(inspect(*of_all, "--offset", at, "--json").stdout) for at in (0, 4, 8)]
        assert [(g["step"], g["index"]) for page in pages for g in page["groups"]] == [
            (step, i) for step in (1, 2, 3) for i in range(3)
        ]
        assert "1 to 4 of 9; --offset 4 shows the next" in inspect(*of_all).stdout

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--where", "flps > 0"), "did you mean 'flips'"),
            (("--where", "flips"), "expected a measure, a comparison and a number"),
            (("--sort", "redundncy"), "did you mean 'redundancy'"),
            (("--steps", "5..2"), "ends before it begins"),
            (("--worst", "1", "--best", "1"), "expected one of them"),
            (("--step", "1", "--steps", "1..2"), "expected one of them"),
        ],
    )
    def test_what_cannot_be_asked(self, run, arguments, told):
        assert told in inspect("groups", "first", *arguments, status=2).stderr.replace("\n", " ")


class TestGroup:
    def test_everything_of_a_group_is_in_the_json(self, run):
        told = json.loads(inspect("group", "first", 3, 1, "--json").stdout)
        expected = record(3, 1, G=4, texts=["same", "same", "other", "[bold]x"])
        assert told["group"]["completions"] == list(expected.group.completions)
        assert told["prompt_hash"] == expected.prompt_hash
        np.testing.assert_allclose(told["adjustment"]["similarity"], expected.adjustment.similarity, rtol=1e-6)
        np.testing.assert_allclose(told["advantages"], expected.advantages)
        abstained = np.isnan(expected.group.rewards["b b"])
        assert [value is None for value in told["group"]["rewards"]["b b"]] == abstained.tolist()

    def test_table_has_the_numbers(self, run):
        shown = inspect("group", "first", 1, 2).stdout
        expected = record(1, 2, G=4, seed=2)
        for i in range(4):
            (row,) = [line.split() for line in shown.splitlines() if line.split()[:1] == [str(i)]]
            assert f"{expected.adjustment.weights[i]:.3f}" in row
            assert f"{expected.plain_advantages[i]:.3f}" in row
            assert f"{expected.advantages[i]:+.3f}" in row
        assert f"{expected.adjustment.similarity[0, 1]:.2f}".replace("0.", ".", 1) in shown

    def test_copies_of_a_text_are_shown_once(self, run):
        shown = inspect("group", "first", 3, 1).stdout
        assert "#0, #1" in shown
        assert "2 times the same text" in shown
        assert "[bold]x" in shown

    def test_most_encouraged_first(self, run):
        shown = inspect("group", "first", 1, 0).stdout
        places = [shown.index(f"text 1 {i}") for i in np.argsort(-record(1, 0, G=4, seed=0).advantages)]
        assert places == sorted(places)

    def test_no_colour_in_a_pipe(self, run):
        assert "\x1b" not in inspect("group", "first", 1, 0).stdout


class TestNothingThere:
    def test_no_runs(self, root):
        ran = inspect(status=2)
        assert "no runs yet; start one with `dra train recipes/quickstart.yaml`" in ran.stderr
        assert ran.stdout == ""

    def test_unknown_run_names_the_nearest(self, run):
        assert "did you mean 'first'" in inspect("summary", "frist", status=2).stderr

    def test_unknown_step_and_group(self, run):
        assert "the nearest is 3" in inspect("groups", "first", "--step", 7, status=2).stderr
        assert "groups 0 to 2" in inspect("group", "first", 2, 5, status=2).stderr

    def test_run_without_groups(self, root):
        make_run(root / "empty")
        assert "No training groups are recorded yet" in inspect("summary", "empty").stdout
        assert "no train groups are recorded yet" in inspect("groups", "empty", status=2).stderr

    def test_run_without_similarity(self, root):
        from dataclasses import replace

        unmeasured = record(1)
        nothing = np.full_like(unmeasured.adjustment.similarity, np.nan)
        record_all(
            make_run(root / "bare"),
            [replace(unmeasured, adjustment=replace(unmeasured.adjustment, similarity=nothing))],
        )
        assert "Similarity was not measured" in inspect("group", "bare", 1, 0).stdout
        assert json.loads(inspect("summary", "bare", "--json").stdout)["steps"][0]["means"]["similarity"] is None
