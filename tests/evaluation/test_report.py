"""Reports and comparisons of what was evaluated: numbers against the outcomes, verdicts, foreign results."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from recorded import make_run, record, record_all
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.evaluation.cells import cell_of
from dra_toolkit.evaluation.foreign import read_foreign
from dra_toolkit.evaluation.outcomes import EvaluationError, find_evaluations, write_outcomes
from dra_toolkit.evaluation.published import REPORTED, SIZES
from dra_toolkit.evaluation.report.figures import figures, write_html
from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.selection import by_benchmarks, by_training_reward

OPEN_RS = os.environ.get("DRA_OPENRS_EVALS", "")


def evaluate(root: Path, step: int, benchmark: str, correct, *, answers=None, repaired=None, key="0" * 16) -> Path:
    """Write one finished evaluation; correct: a row of 0 and 1 for each problem."""
    folder = root / f"step-{step}" / benchmark / key
    folder.mkdir(parents=True)
    rows = [
        {
            "label": f"step-{step}",
            "run": "r",
            "step": step,
            "model": "m",
            "benchmark": benchmark,
            "problem": f"p{p}",
            "problem_index": p,
            "sample": s,
            "seed": 7,
            "correct": bool(right),
            "correct_repaired": None if repaired is None else bool(repaired[p][s]),
            "answer": answers[p][s] if answers else str(int(right)),
            "tokens": 3,
            "finish_reason": "stop",
            "gold": "1",
            "completion": f"I think {right} of {p}",
        }
        for p, samples in enumerate(correct)
        for s, right in enumerate(samples)
    ]
    facts = {
        "label": f"step-{step}",
        "run": "r",
        "step": step,
        "model": "m",
        "benchmark": benchmark,
        "key": key,
        "n": len(correct[0]),
        "settings": {"temperature": 0.6},
        "hash_examples": "abc",
        "finished": f"2026-01-01T00:00:{int(key[0]):02}",
    }
    write_outcomes(folder / "outcomes.parquet", rows, facts)
    return folder


def eval_(*arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


@pytest.fixture
def evals(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    root = tmp_path / "evals"
    rng = np.random.default_rng(0)
    for step, skill in ((0, 0.2), (50, 0.5), (100, 0.5)):
        evaluate(root, step, "aime24", (rng.random((30, 4)) < skill).astype(int).tolist())
        evaluate(root, step, "minerva", (rng.random((40, 4)) < skill).astype(int).tolist(), repaired=np.ones((40, 4)))
    return root


class TestCells:
    def test_scores_of_a_small_evaluation(self, tmp_path):
        answers = [["1", "2", None], ["3", "3", "4"]]
        evaluate(tmp_path, 5, "b", [[1, 0, 0], [0, 0, 1]], answers=answers)
        cell = cell_of(find_evaluations(tmp_path)[0])
        assert cell.scores["avg"].value == pytest.approx(1 / 3)
        assert cell.scores["pass@3"].value == 1
        assert cell.scores["maj"].value == pytest.approx(0.25), "a shared vote, and a wrong one"
        assert cell.distinct_answers == 2
        assert "repaired" not in cell.scores
        assert cell.ks == [1, 2, 3]

    def test_uneven_samples_are_refused(self, tmp_path):
        folder = evaluate(tmp_path, 5, "b", [[1, 0], [0, 0]])
        import pyarrow.parquet as pq

        table = pq.read_table(folder / "outcomes.parquet")
        pq.write_table(table.slice(0, 3), folder / "outcomes.parquet")
        with pytest.raises(EvaluationError, match="1 to 2 samples"):
            cell_of(find_evaluations(tmp_path)[0])

    def test_the_newest_counts_and_a_damaged_one_is_named(self, tmp_path):
        evaluate(tmp_path, 5, "b", [[1], [1]], key="1" * 16)
        evaluate(tmp_path, 5, "b", [[0], [1]], key="2" * 16)
        torn = evaluate(tmp_path, 6, "b", [[0], [1]])
        (torn / "outcomes.parquet").write_bytes(b"PAR1 torn")
        report = gather(tmp_path)
        assert report.rows[0].score("b").value == 0.5
        assert len(report.rows) == 1
        assert "delete its folder to run it anew" in report.problems[0]


class TestReport:
    def test_table(self, evals):
        shown = eval_("report", evals).stdout
        cell = cell_of(next(e for e in find_evaluations(evals) if e.step == 50 and e.benchmark == "aime24"))
        expected = f"{100 * cell.scores['avg'].value:.1f} ± {100 * cell.scores['avg'].error:.1f}"
        (row,) = [line for line in shown.splitlines() if "step-50" in line]
        assert expected in row
        assert "average" in shown

    def test_json_has_every_number(self, evals):
        told = json.loads(eval_("report", evals, "--json").stdout)
        assert told["benchmarks"] == ["aime24", "minerva"]
        assert [row["step"] for row in told["rows"]] == [0, 50, 100]
        row = told["rows"][1]["benchmarks"]
        assert set(row["aime24"]["scores"]) == {"avg", "maj", "pass@1", "pass@2", "pass@3", "pass@4"}
        assert row["minerva"]["scores"]["repaired"]["value"] == 1
        assert row["aime24"]["scores"]["pass@1"] == pytest.approx(row["aime24"]["scores"]["avg"])
        mean = (row["aime24"]["scores"]["avg"]["value"] + row["minerva"]["scores"]["avg"]["value"]) / 2
        assert told["rows"][1]["average"]["value"] == pytest.approx(mean)

    def test_markdown_latex_and_csv(self, evals):
        markdown = eval_("report", evals, "--format", "markdown").stdout.splitlines()
        assert markdown[0] == "| model | aime24 | minerva | average |"
        assert len(markdown) == 5
        latex = eval_("report", evals, "--format", "latex").stdout
        assert latex.count("\\\\") == 4
        assert "±" not in latex
        rows = eval_("report", evals, "--format", "csv").stdout.splitlines()
        assert len(rows) == 1 + 3 * 3

    def test_reported_figures_have_errors_of_their_own(self, evals):
        shown = eval_("report", evals, "--published").stdout
        assert "36.7 ± 8.8" in shown
        assert "sqrt(p (1 - p) / N)" in shown.replace("\n", "")

    def test_files(self, evals, tmp_path):
        eval_("report", evals, "--out", tmp_path / "out")
        page = (tmp_path / "out" / "accuracy.html").read_text()
        assert "minerva" in page
        assert "cdn.plot.ly" not in re.sub(r'"[^"]*plotlyServerURL[^"]*"', "", page).split("<body>")[1][:500]
        assert (tmp_path / "out" / "pass-at-k.html").is_file()
        assert (tmp_path / "out" / "table.tex").read_text().startswith("\\begin{tabular}")

    def test_a_name_that_would_be_markup_or_a_formula(self, tmp_path):
        folder = evaluate(tmp_path, 1, "b", [[1], [0]])
        facts = json.loads((folder / "evaluation.json").read_text())
        (folder / "evaluation.json").write_text(json.dumps({**facts, "label": "=cmd|'/C calc'!A0_&%\x1b[31m"}))
        assert "\x1b" not in eval_("report", tmp_path).stdout
        assert "'=cmd" in eval_("report", tmp_path, "--format", "csv").stdout
        assert "\\_\\&\\%" in eval_("report", tmp_path, "--format", "latex").stdout

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--metric", "pass@8"), "each problem has 4 samples; evaluate with --n 8"),
            (("--metric", "avgg"), "did you mean 'avg'"),
            (("--held-out", "amc23"), "is not among the benchmarks evaluated here"),
            (("--push", "me/report"), "expected --out FOLDER"),
        ],
    )
    def test_what_cannot_be_asked(self, evals, arguments, told):
        assert told in eval_("report", evals, *arguments, status=2).stderr.replace("\n", " ")

    def test_nothing_there(self, tmp_path):
        assert "there is nothing" in eval_("report", tmp_path / "none", status=2).stderr
        assert "nothing is evaluated here yet" in eval_("report", tmp_path, status=2).stderr

    def test_push_without_a_login_says_which_command_logs_in(self, evals, tmp_path, monkeypatch):
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        ran = eval_("report", evals, "--out", tmp_path / "out", "--push", "me/report", status=2)
        assert "hf auth login" in ran.stderr

    def test_diversity_of_the_samples(self, evals):
        told = json.loads(eval_("report", evals, "--diversity", "--json").stdout)["diversity"]
        assert 0 < told["step-50"]["similarity"]["value"] <= 1
        assert 1 <= told["step-50"]["vendi_score"]["value"] <= 4

    def test_figures_hold_the_numbers(self, evals, tmp_path):
        report = gather(evals)
        drawn = figures(report)
        trace = next(trace for trace in drawn["accuracy"].data if trace.name == "aime24")
        expected = [100 * row.score("aime24").value for row in report.rows]
        assert list(trace.y) == pytest.approx(expected)
        assert list(trace.x) == [0, 50, 100]
        write_html(drawn["accuracy"], tmp_path / "x.html")
        assert (tmp_path / "x.html").stat().st_size > 1_000_000, "the page carries Plotly with it"


class TestCompare:
    def test_a_clear_and_an_unclear_difference(self, evals):
        told = json.loads(eval_("compare", "0", "100", "--in", evals, "--json").stdout)["pairs"]
        assert [pair["benchmark"] for pair in told] == ["aime24", "minerva", "average"]
        assert "the right one is better" in told[2]["verdict"]
        assert told[2]["low"] > 0

    def test_an_unclear_difference(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[1, 0]] * 5 + [[0, 1]] * 5 + [[1, 1], [0, 0]])
        evaluate(tmp_path, 2, "b", [[1, 1]] * 4 + [[0, 0]] * 3 + [[0, 1]] * 3 + [[1, 1], [0, 0]])
        (pair,) = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)["pairs"]
        assert pair["difference"] == pytest.approx(0.5 / 12)
        assert pair["low"] < 0 < pair["high"]
        assert "no difference shown: 4.2 points apart" in pair["verdict"]

    def test_one_sample_has_mcnemars_test(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0]] * 8 + [[1]])
        evaluate(tmp_path, 2, "b", [[1]] * 8 + [[0]])
        (pair,) = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)["pairs"]
        assert (pair["only_left"], pair["only_right"]) == (1, 8)
        assert pair["mcnemar"] == pytest.approx(20 / 512)
        assert pair["difference"] == pytest.approx(7 / 9)

    def test_swapping_sides_swaps_the_sign(self, evals):
        one = json.loads(eval_("compare", "0", "50", "--in", evals, "--json").stdout)["pairs"][0]
        other = json.loads(eval_("compare", "50", "0", "--in", evals, "--json").stdout)["pairs"][0]
        assert one["difference"] == -other["difference"]

    def test_only_shared_problems_are_paired(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[0], [0], [1]])
        evaluate(tmp_path, 2, "b", [[1], [0]])
        (pair,) = json.loads(eval_("compare", "1", "2", "--in", tmp_path, "--json").stdout)["pairs"]
        assert (pair["problems"], pair["left"], pair["right"]) == (2, 0, 0.5)

    def test_what_cannot_be_compared(self, evals, tmp_path):
        assert "did you mean 'step-50'" in eval_("compare", "step-5", "0", "--in", evals, status=2).stderr
        other = tmp_path / "other"
        evaluate(other, 1, "unknown", [[1], [0]])
        assert "share no benchmark" in eval_("compare", other, "0", "--in", evals, status=2).stderr


class TestSelection:
    def test_the_honest_rule_looks_at_training_only(self, tmp_path):
        directory = make_run(tmp_path / "run")
        record_all(directory, *[[record(step)] for step in (1, 2, 3)])
        evals = directory.path / "evals"
        for step in (1, 2, 3):
            evaluate(evals, step, "b", [[int(step == 1)], [1]])
        choices = json.loads(eval_("report", directory.path, "--json").stdout)["choices"]
        assert "training reward" in choices[0]["rule"]
        assert choices[0]["optimism"] is None
        assert (choices[1]["step"], "flatters" in choices[1]["rule"]) == (1, True)
        assert choices[1]["optimism"] is not None

    def test_training_reward_is_smoothed(self):
        rewards = {step: 0.5 + (step == 50) * 0.4 + (90 <= step <= 130) * 0.2 for step in range(1, 200)}
        assert by_training_reward([0, 50, 100, 150], rewards).step == 100
        assert by_training_reward([50], {}) is None

    def test_optimism_of_choosing_among_equals_is_positive(self, tmp_path):
        rng = np.random.default_rng(3)
        for step in range(10, 110, 10):
            evaluate(tmp_path, step, "b", (rng.random((30, 1)) < 0.5).astype(int).tolist())
        cells = [row.cells["b"] for row in gather(tmp_path).rows]
        choice = by_benchmarks(cells)
        assert choice.value > 0.55, "the best of ten equals looks better than it is"
        assert choice.optimism > 0.05

    def test_a_held_out_benchmark_chooses_and_is_not_reported(self, tmp_path):
        for step, right in ((1, 1), (2, 0)):
            evaluate(tmp_path, step, "kept", [[right], [0]])
            evaluate(tmp_path, step, "b", [[1 - right], [1]])
        told = json.loads(eval_("report", tmp_path, "--held-out", "kept", "--json").stdout)
        assert told["benchmarks"] == ["b"]
        assert told["choices"][0]["step"] == 1


def lighteval_results(folder: Path, rows: dict, *, name="results_2025-01-01T00-00-00.0.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {"hashes": {"hash_examples": "ddec8fc79d0a014b"}, "truncated": 0, "non_truncated": 30}
    document = {
        "config_general": {"model_name": "org/model"},
        "results": {**rows, "all": {"extractive_match": 0.1}},
        "summary_tasks": dict.fromkeys(rows, hashes),
    }
    (folder / name).write_text(json.dumps(document))
    return folder / name


class TestForeign:
    def test_both_spellings_and_several_files(self, tmp_path):
        row = {"extractive_match": 0.4, "extractive_match_stderr": 0.09}
        lighteval_results(tmp_path / "Exp_50", {"custom|aime24|0": row})
        lighteval_results(tmp_path / "Exp_100", {"aime24:0": {**row, "extractive_match": 0.5}})
        later = {"extractive_match": 0.6, "extractive_match_stderr": 0.01}
        lighteval_results(tmp_path / "Exp_100", {"math_500|0": later}, name="results_2026.json")
        report = gather(tmp_path)
        assert [(row.label, row.step) for row in report.rows] == [("Exp_50", 50), ("Exp_100", 100)]
        assert report.rows[0].score("aime24").value == 0.4
        assert report.rows[0].score("aime24").problems == 30
        assert report.rows[1].score("math_500").error == 0.01
        assert report.rows[0].cells["aime24"].hash_examples == "ddec8fc79d0a014b"

    def test_damage_is_named_and_the_rest_goes_on(self, tmp_path):
        lighteval_results(tmp_path / "a", {"aime24:0": {"extractive_match": 0.4, "extractive_match_stderr": 0.09}})
        (tmp_path / "a" / "results_torn.json").write_text('{"results": {')
        (tmp_path / "a" / "results_other.json").write_text("[1, 2]")
        lighteval_results(tmp_path / "b", {"odd:0": {"x": 3, "y": 4}})
        found = read_foreign(tmp_path)
        assert [cell.benchmark for cell in found.cells] == ["aime24"]
        told = "\n".join(found.problems)
        assert "torn or no JSON" in told
        assert "has no table of results" in told
        assert "no accuracy from 0 to 1" in told

    def test_zero_has_an_interval(self, tmp_path):
        lighteval_results(tmp_path, {"aime24:0": {"extractive_match": 0.0, "extractive_match_stderr": 0.0}})
        assert gather(tmp_path).rows[0].score("aime24").high > 0.1

    @pytest.mark.skipif(not OPEN_RS, reason="set DRA_OPENRS_EVALS to the evaluation logs that Open-RS published")
    def test_what_open_rs_published(self):
        report = gather(Path(OPEN_RS))
        assert len(report.rows) == 8
        assert report.problems == ()
        assert {row.cells["aime24"].hash_examples for row in report.rows} == {"ddec8fc79d0a014b"}


def test_reported_rows_add_up():
    """A row's average is that of its scores, as it was reported, to the rounding of one digit."""
    for row in REPORTED:
        if set(row.scores) == set(SIZES):
            assert np.mean(list(row.scores.values())) == pytest.approx(row.average, abs=0.11), row.name
            assert 2 < row.average_error() < 2.6
