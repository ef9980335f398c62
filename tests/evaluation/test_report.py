"""Reports of what was evaluated: numbers against the outcomes, tables, curves, and their upload."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluated import eval_, evaluate, three_steps
from writable_hub import OWNER, PLACE, writable_hub

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.report.diversity import measure
from dra_toolkit.evaluation.report.figures import HEIGHT, WIDTH, figures
from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.report.pictures import BROWSERS, write_html, write_png
from dra_toolkit.evaluation.results.benchmark_result import cell_of
from dra_toolkit.evaluation.results.published import REPORTED, SIZES
from dra_toolkit.evaluation.results.stored import find_evaluations


@pytest.fixture
def evals(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    return three_steps(tmp_path / "evals")


class TestCells:
    def test_scores_of_a_small_evaluation(self, tmp_path):
        answers = [["1", "2", None], ["3", "3", "4"]]
        evaluate(tmp_path, 5, "b", [[1, 0, 0], [0, 0, 1]], answers=answers)
        cell = cell_of(find_evaluations(tmp_path)[0])
        assert cell.scores["avg"].value == pytest.approx(1 / 3)
        assert cell.scores["pass@3"].value == 1
        assert cell.scores["maj"].value == pytest.approx(0.25), "a shared vote, and a wrong one"
        assert cell.distinct_answers == 2
        assert "judged" not in cell.scores
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

    def test_a_second_verdict_from_before_the_judge_is_still_read(self, tmp_path):
        folder = evaluate(tmp_path / "evals", 50, "minerva", [[1, 0], [0, 0]], judged=[[1, 1], [0, 1]])
        path = folder / "outcomes.parquet"
        table = pq.read_table(path)
        names = ["correct_repaired" if name == "correct_judged" else name for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)
        told = json.loads(eval_("report", tmp_path / "evals", "--json").stdout)
        scores = told["rows"][0]["benchmarks"]["minerva"]["scores"]
        assert scores["repaired"]["value"] == 0.75
        assert scores["avg"]["value"] == 0.25
        assert "judged" not in scores
        assert eval_("report", tmp_path / "evals", "--metric", "repaired").stdout.count("75.0") >= 1

    def test_json_has_every_number(self, evals):
        told = json.loads(eval_("report", evals, "--json").stdout)
        assert told["benchmarks"] == ["aime24", "minerva"]
        assert [row["step"] for row in told["rows"]] == [0, 50, 100]
        row = told["rows"][1]["benchmarks"]
        assert set(row["aime24"]["scores"]) == {"avg", "maj", "pass@1", "pass@2", "pass@3", "pass@4"}
        assert row["minerva"]["scores"]["judged"]["value"] == 1
        assert row["aime24"]["scores"]["pass@1"] == pytest.approx(row["aime24"]["scores"]["avg"])
        mean = (row["aime24"]["scores"]["avg"]["value"] + row["minerva"]["scores"]["avg"]["value"]) / 2
        assert told["rows"][1]["average"]["value"] == pytest.approx(mean)

    def test_markdown_latex_and_csv(self, evals):
        told = eval_("report", evals, "--format", "markdown").stdout.splitlines()
        markdown = [line for line in told if line.startswith("|")]
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
        assert "sqrt(p (1 - p) / N)" in " ".join(shown.split())
        rows = eval_("report", evals, "--published", "--format", "csv").stdout
        assert "DRA-Dr. GRPO,,aime24,avg,0.367," in rows
        latex = eval_("report", evals, "--published", "--format", "latex").stdout
        assert "arXiv 2505.09655" in latex

    def test_files(self, evals, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        eval_("report", evals, "--out", tmp_path / "out")
        page = (tmp_path / "out" / "accuracy.html").read_text()
        assert "minerva" in page
        assert not re.search(r"<(script|link)[^>]+(src|href)=", page), "nothing is fetched"
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
        ("format", "harmful"), [("markdown", r"<img|(?<!\\)\[y|(?<!\\)`c|\x1b"), ("latex", r"\\input|\x1b|[^\\]_z")]
    )
    def test_hostile_labels_are_only_text_in_every_format(self, tmp_path, format, harmful):
        label = "<img src=http://a/b onerror=x> [y](javascript:z) `c` \\input{/etc/passwd} _z \x1b[31m | 5"
        folder = evaluate(tmp_path, 50, "b", [[1, 0], [0, 0]])
        facts = json.loads((folder / "evaluation.json").read_text())
        (folder / "evaluation.json").write_text(json.dumps(facts | {"label": label}))
        shown = eval_("report", tmp_path, "--format", format).stdout
        assert "onerror" in shown
        assert not re.search(harmful, shown), shown

    def test_a_pipe_among_the_results_of_lighteval_keeps_nobody_waiting(self, tmp_path):
        os.mkfifo(tmp_path / "results_2025-01-01.json")
        assert "not a regular file" in eval_("report", tmp_path, status=2).stderr.replace("\n", " ")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--metric", "pass@8"), "each problem has 4 samples; evaluate with --n 8"),
            (("--metric", "avgg"), "did you mean 'avg'"),
            (("--held-out", "amc23"), "is not among the benchmarks evaluated here"),
            (("--held-out", "minervaa"), "did you mean 'minerva'"),
            (("--push", "me/report"), "expected --out FOLDER"),
            (("--published", "--metric", "maj"), "the reported figures are accuracies, not maj"),
            (("--push", "a b", "--out", "."), "cannot name a data set on the Hub"),
        ],
    )
    def test_what_cannot_be_asked(self, evals, arguments, told):
        assert told in eval_("report", evals, *arguments, status=2).stderr.replace("\n", " ")

    def test_nothing_there(self, tmp_path):
        assert "there is nothing" in eval_("report", tmp_path / "none", status=2).stderr
        assert "nothing is evaluated here yet" in eval_("report", tmp_path, status=2).stderr

    @pytest.mark.parametrize("columns", [80, 60, 200])
    def test_five_benchmarks_fit_the_terminal_with_their_error_bars_whole(self, tmp_path, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        for step in (0, 400):
            for name in SIZES:
                evaluate(
                    tmp_path, step, name, [[1, 0]] * 5 + [[int(step > 0), 1]] * 5 if name != "amc23" else [[0]] * 40
                )
        shown = eval_("report", tmp_path, "--published").stdout.splitlines()
        assert max(map(len, shown)) <= columns
        for step in (0, 400):
            assert sum(line.count(" ± ") for line in shown if line.startswith(f"step-{step} ")) == 5
        wide = [line for line in shown if line.startswith("model")]
        assert len(wide) == (1 if columns >= 80 else 2), "one table where it fits, else several"
        assert sum("0.0 (≤8.8)" in line for line in shown if line.startswith("step-")) == 2, "Wilson's bound at 0 of 40"

    def test_more_than_one_path_is_one_table_and_equal_labels_are_told_apart(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COLUMNS", "120")
        for name in ("one", "two"):
            evaluate(tmp_path / name, 5, "b", [[1], [0]], hash_examples=name)
        evaluate(tmp_path / "two", 6, "b", [[1], [1]], hash_examples="two")
        told = json.loads(eval_("report", tmp_path / "one", tmp_path / "two", "--json").stdout)
        assert [row["label"] for row in told["rows"]] == ["one/step-5", "two/step-5", "step-6"]
        assert told["notes"] == ["b: the rows differ in prompts or problems"]
        assert [(choice["step"], choice["experiment"]) for choice in told["choices"]] == [(6, "two")]

    def test_a_part_of_a_folder_of_evaluations_is_read_as_well(self, evals):
        assert [row.label for row in gather(evals / "step-50").rows] == ["step-50"]
        assert gather(evals / "step-50" / "aime24").benchmarks == ("aime24",)

    def test_what_differs_between_rows_is_said(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[1, 0], [0, 1]], settings={"temperature": 0.6, "limit": None})
        evaluate(tmp_path, 2, "b", [[1], [0]], settings={"temperature": 1.0, "limit": 2})
        (note,) = gather(tmp_path).notes
        assert note == "b: the rows differ in n (1, 2), temperature (0.6, 1.0), limit (none, 2)"

    def test_diversity_of_the_samples(self, evals):
        told = json.loads(eval_("report", evals, "--diversity", "--json").stdout)["diversity"]
        assert 0 < told["step-50"]["similarity"]["value"] <= 1
        assert 1 <= told["step-50"]["vendi_score"]["value"] <= 4
        shown = eval_("report", evals, "--diversity").stdout
        assert "distinct answers" in shown
        assert "Vendi score" in shown

    def test_equal_samples_are_one_and_the_mean_is_not_cut(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[1, 1, 1]] * 3)
        measured = measure(gather(tmp_path), load_embedder(EmbedderSettings(name="hash")))["step-1"]
        assert measured["similarity"].value == pytest.approx(1)
        assert measured["vendi_score"].value == pytest.approx(1)
        evaluate(tmp_path, 2, "b", [[0, 1, 0, 1]] * 3)
        other = measure(gather(tmp_path), load_embedder(EmbedderSettings(name="hash")))["step-2"]
        assert 1.05 < other["vendi_score"].value < 2
        assert other["vendi_score"].low > 1

    def test_every_curve_is_drawn_from_several_samples(self, evals):
        drawn = figures(gather(evals))
        assert set(drawn) == {"accuracy", "pass-at-k", "pass-at-k-by-step", "diversity"}
        names = [trace.name for trace in drawn["pass-at-k-by-step"].data]
        assert names == ["pass@1", "pass@2", "pass@4"]
        assert list(drawn["diversity"].data[-1].x) == [0, 50, 100]

    def test_two_runs_are_two_lines_and_a_name_cannot_be_markup(self, tmp_path):
        for name in ("one", "<a href='javascript:x'>"):
            for step in (1, 2):
                evaluate(tmp_path / name, step, "b", [[1], [0]])
        drawn = figures(gather(*tmp_path.iterdir()))["accuracy"]
        assert len(drawn.data) == 2
        assert all(list(trace.x) == [1, 2] for trace in drawn.data)
        assert any("&lt;a href" in trace.name for trace in drawn.data)
        assert not any("<" in trace.name for trace in drawn.data)

    @pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no browser is installed")
    def test_a_picture_is_drawn_by_an_installed_browser(self, evals, tmp_path):
        write_png(figures(gather(evals))["accuracy"], tmp_path / "x.png")
        head = (tmp_path / "x.png").read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) == (2 * WIDTH, 2 * HEIGHT)

    def test_without_a_browser_the_pages_remain_and_it_is_said_once(self, evals, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        told = eval_("report", evals, "--out", tmp_path / "out").stderr
        assert told.count("install chromium") == 1
        assert (tmp_path / "out" / "diversity.html").is_file()
        assert not list((tmp_path / "out").glob("*.png"))

    def test_figures_hold_the_numbers(self, evals, tmp_path):
        report = gather(evals)
        drawn = figures(report)
        trace = next(trace for trace in drawn["accuracy"].data if trace.name == "aime24")
        expected = [100 * row.score("aime24").value for row in report.rows]
        assert list(trace.y) == pytest.approx(expected)
        assert list(trace.x) == [0, 50, 100]
        write_html(drawn["accuracy"], tmp_path / "x.html")
        assert (tmp_path / "x.html").stat().st_size > 1_000_000, "the page carries Plotly with it"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on 127.0.0.1 with a login that may write."""
    monkeypatch.setattr("writable_hub.PLACE", re.compile(PLACE.pattern.replace("models", "datasets")))
    with writable_hub() as state:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", state.address)
        monkeypatch.setenv("HF_TOKEN", "hf_ours")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield state


class TestPush:
    def test_the_folder_becomes_a_private_data_set(self, evals, tmp_path, hub, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        ran = eval_("report", evals, "--out", tmp_path / "out", "--push", f"{OWNER}/report")
        assert f"uploaded to {hub.address}" in ran.stderr
        assert hub.repositories == {f"{OWNER}/report"}
        table = (tmp_path / "out" / "table.md").read_bytes()
        assert hub.branches["main"]["table.md"] == table
        assert "accuracy.html" in hub.branches["main"]
        assert not any("/api/models/" in request for request in hub.requests), "a data set, not a model"

    def test_a_refusal_is_one_line_and_the_report_is_kept(self, evals, tmp_path, hub, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        hub.refuse = lambda method, path: 403 if path == "/api/repos/create" else None
        told = eval_("report", evals, "--out", tmp_path / "out", "--push", f"{OWNER}/report", status=2).stderr
        assert "the Hub did not take it" in told
        assert (tmp_path / "out" / "table.md").is_file()

    def test_a_token_that_may_only_read_is_refused_before_anything_is_written(self, evals, tmp_path, hub):
        hub.role = "read"
        told = eval_("report", evals, "--out", tmp_path / "out", "--push", f"{OWNER}/report", status=2).stderr
        assert "may only read" in told
        assert not (tmp_path / "out").exists()

    def test_without_a_login_the_command_that_logs_in_is_named(self, evals, tmp_path, monkeypatch):
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        ran = eval_("report", evals, "--out", tmp_path / "out", "--push", "me/report", status=2)
        assert "hf auth login" in ran.stderr
        assert not (tmp_path / "out").exists()


class TestPublished:
    def test_a_rows_average_is_that_of_its_scores(self):
        for row in REPORTED:
            if set(row.scores) == set(SIZES):
                assert np.mean(list(row.scores.values())) == pytest.approx(row.average, abs=0.11), row.name

    def test_errors_are_those_of_one_sample(self):
        (row,) = [row for row in REPORTED if row.name == "DRA-Dr. GRPO"]
        assert row.error("aime24") == pytest.approx(100 * np.sqrt(0.367 * 0.633 / 30))
        assert row.average_error() == pytest.approx(2.2, abs=0.1)
        for row in REPORTED:
            if row.n == 1:
                assert 2 < row.about_average_error() < 2.6
            else:
                assert np.isnan(row.about_average_error()), "the error of several samples is not known"

    def test_names_are_told_apart(self):
        assert len({row.name for row in REPORTED}) == len(REPORTED)
