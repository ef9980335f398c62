"""Reports of what was evaluated: numbers against the outcomes, tables, curves, and the answers behind them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import shutil
import subprocess
import unicodedata
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluated import eval_, evaluate, three_steps, write_unsealed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from shaped import held

from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.report import texts
from dra_toolkit.evaluation.report.answers import measure
from dra_toolkit.evaluation.report.figures import drawn, figures
from dra_toolkit.evaluation.report.gather import gather
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
        table = pq.read_table(folder / "outcomes.parquet")
        write_unsealed(table.slice(0, 3), folder)
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
        scores, answers = [line for line in shown.splitlines() if line.startswith("step-50")][:2]
        assert expected in scores
        assert "aime24" in answers
        assert "average" in shown

    def test_a_second_verdict_from_before_the_judge_is_still_read(self, tmp_path):
        folder = evaluate(tmp_path / "evals", 50, "minerva", [[1, 0], [0, 0]], judged=[[1, 1], [0, 1]])
        path = folder / "outcomes.parquet"
        table = pq.read_table(path)
        names = ["correct_repaired" if name == "correct_judged" else name for name in table.column_names]
        write_unsealed(table.rename_columns(names), path.parent)
        told = json.loads(eval_("report", tmp_path / "evals", "--json").stdout)
        scores = told["rows"][0]["benchmarks"]["minerva"]["scores"]
        assert scores["repaired"]["value"] == 0.75
        assert scores["avg"]["value"] == 0.25
        assert "judged" not in scores
        assert eval_("report", tmp_path / "evals", "--metric", "repaired").stdout.count("75.0") >= 1

    def test_json_has_every_number(self, evals):
        told = json.loads(eval_("report", evals, "--diversity", "--json").stdout)
        held("dra eval report [PATH]...", told, apart=["problems[]", "choices[].optimism_at_most"])
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
        assert len(markdown) == 5 + 2 + 3 * 2, "the scores, and the answers of each step and benchmark"
        assert markdown[3].startswith("| step-50 | **"), "the best of a column stands out"
        latex = eval_("report", evals, "--format", "latex").stdout
        assert latex.count("\\\\") == 4
        assert latex.isascii()
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

    def test_files_say_what_they_are_in_every_format(self, evals, tmp_path):
        out = tmp_path / "out"
        for facts in evals.rglob("evaluation.json"):
            versions = {"lighteval": "0.13.0", "torch": "2.9"}
            facts.write_text(json.dumps({**json.loads(facts.read_text()), "versions": versions}))
        eval_("report", evals, "--out", out, "--metric", "avg,maj,judged")
        names = {path.name for path in out.iterdir()}
        curves = ("accuracy", "pass-at-k", "pass-at-k-by-step", "diversity")
        assert names == {f"table.{kind}" for kind in ("md", "tex", "csv", "json", "html")} | {
            f"{name}.{kind}" for name in curves for kind in ("png", "pdf", "svg")
        }
        for name in ("table.md", "table.tex", "table.html", "table.json", "accuracy.svg"):
            told = " ".join((out / name).read_text().replace("\\", "").split())
            for fact in ("n = 4", "prompts abc", "temperature", "2026-01-01", "standard error", "best step 50"):
                assert fact in told, f"{name} does not say {fact!r}"
        page = (out / "table.html").read_text()
        assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page), "nothing is fetched"
        assert page.count("<svg") == 4
        assert {row["metric"] for row in csv.DictReader(io.StringIO((out / "table.csv").read_text()))} == {
            "avg",
            "maj",
            "judged",
        }
        first = next(csv.DictReader(io.StringIO((out / "table.csv").read_text())))
        assert first["versions"] == "lighteval 0.13.0, torch 2.9"
        assert first["title"].endswith("majority vote of n samples, accuracy by the judge, per cent")
        assert first["error_is"].startswith("± is one standard error by problem")
        assert json.loads((out / "table.json").read_text())["title"] == first["title"]
        rows = csv.DictReader(io.StringIO((out / "table.csv").read_text()))
        assert {row["label"] for row in rows if "mean accuracy over the benchmarks" in row["chosen_by"]} == {"step-50"}
        assert (out / "accuracy.pdf").read_bytes().startswith(b"%PDF")
        assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.skipif(not any(map(shutil.which, ("tectonic", "pdflatex"))), reason="no LaTeX is installed")
    @pytest.mark.parametrize("packages", ["booktabs", "booktabs,graphicx"])
    def test_the_latex_table_compiles(self, evals, tmp_path, packages):
        for facts in evals.rglob("evaluation.json"):
            told = json.loads(facts.read_text())
            told |= {
                "model": "Org/Näme_1.5B~x^2",
                "settings": {"system_prompt": 'Say "hi" & \\input{x} 9% $x$ <b> {a} [c] | #'},
            }
            facts.write_text(json.dumps(told))
        for number, asked in enumerate((["--published"], ["--metric", "avg,maj,pass@2,judged"])):
            table = eval_("report", evals, "--format", "latex", *asked).stdout
            text = f"\\documentclass{{article}}\\usepackage{{{packages}}}\\begin{{document}}{table}\\end{{document}}"
            (tmp_path / f"x{number}.tex").write_text(text)
            program = next(filter(None, map(shutil.which, ("tectonic", "pdflatex"))))
            options = [] if program.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
            command = [program, *options, f"x{number}.tex"]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert ran.returncode == 0, ran.stdout
            assert "Overfull" not in ran.stdout or "graphicx" not in packages, ran.stdout

    @pytest.mark.parametrize("program", ["pdflatex", "lualatex"])
    def test_the_latex_table_compiles_whatever_letters_stand_in_a_name(self, tmp_path, program):
        """Everything that has a form of its own, every accent over a letter, and letters that pdfLaTeX does not have."""
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
        known = json.loads(Path(texts.__file__).with_name("latex.json").read_text(encoding="utf-8"))
        accents = [letter for letter in known if unicodedata.combining(letter)]
        names = [
            "".join(letter for letter in known if letter not in accents),
            "".join(unicodedata.normalize("NFC", base + accent) for accent in accents for base in "aeinOZ"),
            "Σ-λ αβγ ώ naïve Łódź Škoda ﬁ ½ ∀x: √2 ≤ x² → ∞, 组织/模型 고양이 ひらがな кот ắ x̂̃ ą €",
        ]
        for step, name in enumerate(names):
            facts = evaluate(tmp_path, step, "b", [[1], [0]]) / "evaluation.json"
            facts.write_text(json.dumps(json.loads(facts.read_text()) | {"label": name, "model": name, "run": name}))
        table = eval_("report", tmp_path, "--format", "latex").stdout
        packages = "\\usepackage{booktabs,graphicx}"
        text = f"\\documentclass{{article}}{packages}\\begin{{document}}\\listoftables{table}\\end{{document}}"
        (tmp_path / "x.tex").write_text(text)
        for _ in range(2):  # the second time with the list of tables
            command = [program, "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
            assert ran.returncode == 0, ran.stdout[-3000:]
        assert "Missing character" not in (tmp_path / "x.log").read_text(errors="replace"), (
            "a letter is lost in silence"
        )

    @pytest.mark.parametrize(
        ("text", "latex"),
        [
            ("λ→∞ é x̄ Ångström", "$\\lambda$$\\rightarrow$$\\infty$ \\'{e} \\={x} \\r{A}ngstr\\\"{o}m"),
            ("a--b ---c", "a-{}-b -{}-{}-c"),
            ("x̂̃", "x\\^{}\\~{}"),
            ("模", "\\draletter{模}{U+6A21}"),
            ("`x` [y] ~^\\", "\\`{}x\\`{} {[}y{]} \\textasciitilde{}\\textasciicircum{}\\textbackslash{}"),
        ],
    )
    def test_what_a_letter_is_in_latex(self, text, latex):
        assert texts.as_latex(text) == latex

    def test_a_letter_that_the_font_of_a_figure_lacks_is_told_by_its_number(self, tmp_path):
        for name in ("模型", "组织", "café λ"):
            for step in (1, 2):
                evaluate(tmp_path / name, step, "b", [[1], [0]])
        figure = figures(gather(*sorted(tmp_path.iterdir())))["accuracy"]
        assert labels(figure) == ["b, café λ", "b, [U+6A21][U+578B]", "b, [U+7EC4][U+7EC7]"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            drawn(figure, "png")

    def test_a_name_that_would_be_markup_or_a_formula(self, tmp_path):
        folder = evaluate(tmp_path, 1, "b", [[1], [0]])
        facts = json.loads((folder / "evaluation.json").read_text())
        (folder / "evaluation.json").write_text(json.dumps({**facts, "label": "=cmd|'/C calc'!A0_&%\x1b[31m"}))
        assert "\x1b" not in eval_("report", tmp_path).stdout
        assert "'=cmd" in eval_("report", tmp_path, "--format", "csv").stdout
        assert "\\_\\&\\%" in eval_("report", tmp_path, "--format", "latex").stdout
        facts["label"] = "<b>x</b>|`*y*` $z$"
        (folder / "evaluation.json").write_text(json.dumps(facts))
        assert "<td>&lt;b&gt;x&lt;/b&gt;|" in eval_("report", tmp_path, "--format", "html").stdout
        markdown = eval_("report", tmp_path, "--format", "markdown").stdout
        assert r"| &lt;b&gt;x&lt;/b&gt;\|\`\*y\*\` \$z\$ |" in markdown

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

    @pytest.mark.parametrize("format", ["table", "markdown", "latex", "csv", "html"])
    def test_a_hostile_name_of_a_benchmark_is_only_text_in_every_format(self, tmp_path, format):
        metrics = {"math_pass@1:1_samples": 0.4, "math_pass@1:1_samples_stderr": 0.09}
        results = {"\x1b[31mred\u202e": metrics, "\ud800half": metrics}
        document = {"config_general": {"model_name": "m/step-7"}, "versions": {}, "results": results}
        (tmp_path / "results_2025-01-01.json").write_text(json.dumps(document))
        shown = eval_("report", tmp_path, "--format", format).stdout
        assert "red" in shown
        assert not re.search("[\x1b\u202e\ud800]", shown)
        eval_("report", tmp_path, "--out", tmp_path / "out")
        assert "half" in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")

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
            (("--published", "--metric", "maj"), "the reported figures are accuracies, not maj"),
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
        shown = shown[: next(i for i, line in enumerate(shown) if "benchmark" in line and line.startswith("model"))]
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
        assert [row["label"] for row in told["rows"]] == ["one/step-5", "two/step-5", "two/step-6"], (
            "a step is one of a run"
        )
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
        assert 0 < told["step-50"]["similarity"] <= 1
        assert 1 <= told["step-50"]["vendi_score"] <= 4
        shown = eval_("report", evals, "--diversity").stdout
        assert "distinct answers" in shown
        assert "Vendi score" in shown

    def test_equal_samples_count_as_one(self, tmp_path):
        evaluate(tmp_path, 1, "b", [[1, 1, 1]] * 3)
        measured = measure(gather(tmp_path), load_embedder(EmbedderSettings(name="hash")))["step-1"]
        assert measured["similarity"] == pytest.approx(1)
        assert measured["vendi_score"] == pytest.approx(1)
        evaluate(tmp_path, 2, "b", [[0, 1, 0, 1]] * 3)
        other = measure(gather(tmp_path), load_embedder(EmbedderSettings(name="hash")))["step-2"]
        assert 1.05 < other["vendi_score"] < 2

    def test_every_curve_is_drawn_from_several_samples(self, evals):
        made = figures(gather(evals))
        assert set(made) == {"accuracy", "pass-at-k", "pass-at-k-by-step", "diversity"}
        assert labels(made["pass-at-k-by-step"]) == ["pass@1", "pass@2", "pass@4"]

    def test_two_runs_are_two_lines_and_a_name_cannot_be_markup(self, tmp_path):
        for name in ("one", "<a href='javascript:x'> $x$"):
            for step in (1, 2):
                evaluate(tmp_path / name, step, "b", [[1], [0]])
        figure = figures(gather(*tmp_path.iterdir()))["accuracy"]
        assert len(labels(figure)) == 2
        picture = drawn(figure, "svg").decode()
        assert "&lt;a href=" in picture
        assert "<a href" not in picture

    def test_no_two_lines_of_a_figure_look_alike(self, tmp_path):
        rng = np.random.default_rng(0)
        for run in range(6):
            for step in (1, 2):
                for name in ("a", "b"):
                    evaluate(tmp_path / f"run-{run}", step, name, (rng.random((5, 4)) < 0.5).astype(int).tolist())
        report = gather(*sorted(tmp_path.iterdir()))
        measured = {row.label: {"similarity": 0.5, "vendi_score": 2.0} for row in report.rows}
        for name, figure in figures(report, measured).items():
            lines = [container[0] for axes in figure.axes for container in axes.containers]
            looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines}
            assert len(looks) == len(lines) >= 5, name

    def test_figures_hold_the_numbers_with_the_error_bars_of_the_table(self, evals):
        report = gather(evals)
        axes = figures(report)["accuracy"].axes[0]
        line, _, (bars,) = axes.containers[labels(axes.figure).index("aime24")]
        scores = [row.score("aime24") for row in report.rows]
        assert list(line.get_ydata()) == pytest.approx([100 * score.value for score in scores])
        assert list(line.get_xdata()) == pytest.approx([0, 50, 100], abs=1)
        reach = [(segment[1][1] - segment[0][1]) / 2 for segment in bars.get_segments()]
        assert reach == pytest.approx([100 * score.error for score in scores])

    def test_a_chosen_step_that_lacks_a_benchmark_is_told_in_every_figure_that_cannot_show_it(self, tmp_path):
        for step in (1, 2, 3):
            evaluate(tmp_path, step, "b", [[int(step == 2), 0]] * 4 + [[0, 1]])
            for name in ("other", "more") if step != 2 else ():
                evaluate(tmp_path, step, name, [[1, 0], [0, 1]])
        report = gather(tmp_path, held_out="b")
        evaluate(tmp_path, 2, "more", [[1, 0], [0, 1]])
        report = gather(tmp_path, held_out="b")
        assert [choice.step for choice in report.choices] == [2, 1]
        for figure in figures(report).values():
            told = " ".join(figure.get_supxlabel().split())
            assert "step: best step 2 by b" in told
            assert "note: not evaluated on every benchmark, so without an average: step-2" in told

    def test_a_difference_that_is_asked_about_is_answered_in_every_format(self, evals, tmp_path):
        eval_("report", evals, "--detect", "2.5", "--out", tmp_path / "out")
        for kind in ("md", "tex", "html", "json"):
            assert "a difference of 2.5 points" in (tmp_path / "out" / f"table.{kind}").read_text(), kind

    def test_the_rules_that_choose_a_step_are_named_at_it_once_and_inside_the_figure(self, tmp_path):
        for step in (0, 5, 10):
            for name in ("chooser", "b"):
                evaluate(tmp_path, step, name, [[int(step == 10), 1]] * 4 + [[0, 1]])
        figure = figures(gather(tmp_path, held_out="chooser"))["accuracy"]
        FigureCanvasAgg(figure).draw()
        axes = figure.axes[0]
        (told,) = axes.texts
        assert told.get_text() == "chooser\nmean accuracy over the benchmarks reported"
        assert told.get_position()[0] == 10
        inside = axes.get_window_extent()
        assert inside.contains(*told.get_window_extent().p0)
        assert inside.contains(*told.get_window_extent().p1)
        assert inside.width > 0.8 * figure.bbox.width, "no word takes the curves' place"

    def test_many_rules_of_long_names_that_choose_one_step_leave_the_curves_their_place(self, tmp_path):
        names = [f"an experiment of a long name, which goes on and on {i}" for i in range(3)]
        for name, step in product(names, (5, 10, 15)):
            for benchmark in ("chooser", "b"):
                evaluate(tmp_path / name, step, benchmark, [[int(step == 5), 1]] * 4 + [[0, 1]])
        report = gather(*(tmp_path / name for name in names), held_out="chooser")
        report = replace(report, choices=tuple(replace(each, experiment=n) for n in names for each in report.choices))
        figure = figures(report)["accuracy"]
        FigureCanvasAgg(figure).draw()
        (axes,), (told,) = figure.axes, figure.axes[0].texts
        inside, words = axes.get_window_extent(), told.get_window_extent()
        assert inside.height > 0.5 * figure.bbox.height
        assert inside.width > 0.8 * figure.bbox.width
        assert inside.contains(*words.p0)
        assert inside.contains(*words.p1)

    def test_rows_left_out_of_the_figure_of_pass_at_k_are_counted(self, tmp_path):
        for step in range(10):
            evaluate(tmp_path, step, "b", [[int(step == 4), 0]] * 4 + [[0, 1]])
        figure = figures(gather(tmp_path))["pass-at-k"]
        assert len(labels(figure)) == 5
        assert "pass@k, 5 of 10 rows" in figure.axes[0].get_title(loc="left").replace("\n", " ")

    def test_the_chosen_step_is_in_the_figure_of_pass_at_k(self, tmp_path):
        for step in range(10):
            evaluate(tmp_path, step, "b", [[int(step == 4), 0]] * 4 + [[0, 1]])
        assert "step-4" in labels(figures(gather(tmp_path))["pass-at-k"])


def labels(figure) -> list[str]:
    """Return the names of a figure's lines."""
    return [container.get_label() for container in figure.axes[0].containers]


class TestAnswers:
    """Answers whose ends are known: of four, one was cut, one has no result."""

    @pytest.fixture
    def two(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COLUMNS", "120")
        answers = [["1", None], ["0", "0"]]
        for step, correct in ((1, [[1, 0], [0, 0]]), (2, [[0, 0], [1, 1]])):
            folder = evaluate(tmp_path, step, "b", correct, answers=answers, judged=[[1, 1], [0, 0]])
            table = pq.read_table(folder / "outcomes.parquet")
            ends = pa.array(["stop", "length", "stop", "stop"])
            place = table.schema.get_field_index("finish_reason")
            write_unsealed(table.set_column(place, "finish_reason", ends), folder)
            facts = json.loads((folder / "evaluation.json").read_text())
            (folder / "evaluation.json").write_text(json.dumps({**facts, "unscored": 2}))
        return tmp_path

    def test_how_they_ended_is_told_of_each_step_and_benchmark(self, two):
        told = json.loads(eval_("report", two, "--json").stdout)["rows"][0]["benchmarks"]["b"]["answers"]
        assert told == {"cut": 0.25, "tokens": 3, "long": 3, "unread": 0.25, "unscored": 0.5}
        (line,) = [line for line in eval_("report", two).stdout.splitlines() if line.split()[:2] == ["step-1", "b"]]
        assert line.split()[2:8] == ["25.0", "±", "25.0", "50.0", "±", "50.0"], "accuracy, and the judge's beside it"
        assert line.split()[8:] == ["25.0", "%", "3", "≤", "3", "25.0", "%", "50.0", "%"]

    def test_problems_that_flipped_are_shown_with_both_answers(self, two):
        told = json.loads(eval_("compare", "1", "2", "--in", two, "--flips", "5", "--detect", "5", "--json").stdout)
        held("dra eval compare LEFT RIGHT", told, apart=["notes[]"])
        found = [(flip["problem"], flip["left"]["right"], flip["right"]["right"]) for flip in told["flips"]]
        assert found == [("p1", 0, 1)]
        said = " ".join(eval_("compare", "1", "2", "--in", two, "--flips", "5").stdout.split())
        assert "1 problem flipped" in said
        assert "step-2, 100 % right, 3 tokens, ends by stop: I think 1 of 1" in said

    def test_the_clearest_come_first_and_equal_labels_of_two_folders_are_told_apart(self, tmp_path):
        correct = [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]]
        evaluate(tmp_path / "one", 5, "b", correct)
        evaluate(tmp_path / "two", 5, "b", [[1, 1, 1, 1], [0, 0, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]])
        compared = "compare", tmp_path / "one", tmp_path / "two"
        told = json.loads(eval_(*compared, "--flips", "2", "--json").stdout)["flips"]
        sides = [(flip["problem"], flip["left"]["right"], flip["right"]["right"]) for flip in told]
        assert sides == [("p0", 0, 1), ("p1", 0.75, 0.25)]
        ends = [(flip["left"]["completion"], flip["right"]["completion"]) for flip in told]
        assert ends == [("I think 0 of 0", "I think 1 of 0"), ("I think 1 of 1", "I think 0 of 1")]
        assert "3 problems flipped" in eval_(*compared, "--flips", "2").stdout

    def test_a_benchmark_whose_answers_are_not_known_has_no_flips(self, tmp_path):
        for name, value in (("one", 0.0), ("two", 1.0)):
            row = {"b|0": {"extractive_match": value, "extractive_match_stderr": 0.0}}
            (tmp_path / name).mkdir()
            (tmp_path / name / "results_2025-01-01.json").write_text(json.dumps({"results": row}))
        assert "0 problems flipped" in eval_("compare", "one", "two", "--in", tmp_path, "--flips", "2").stdout


def test_a_disk_that_takes_no_report_is_told_in_a_line(evals, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # the kernel refuses every byte of every file
    try:
        ran = eval_("report", evals, "--out", tmp_path / "out", status=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ran.stderr.endswith("error: a file: File too large\n")


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
                assert 2 < row.average_error() < 2.6
            else:
                assert np.isnan(row.average_error()), "the error of several samples is not known"

    def test_names_are_told_apart(self):
        assert len({row.name for row in REPORTED}) == len(REPORTED)
