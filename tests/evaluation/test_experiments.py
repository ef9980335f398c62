"""Every conclusion names the experiment that it is about, and a row is of one number of samples."""

from __future__ import annotations

import json
import random
from itertools import permutations
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from evaluated import eval_, evaluate
from test_foreign import DATE, results

from dra_toolkit.evaluation.child.job import write_results
from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.results.lighteval_files import _scores
from dra_toolkit.evaluation.results.published import REPORTED, SIZES

SAMPLING = ("temperature", "top_p", "max_new_tokens", "seed", "system_prompt")


def scored(folder, label, **benchmarks):
    """Write results of one sample under a label."""
    rows = {f"{name}|0": {"extractive_match": v, "extractive_match_stderr": 0.05} for name, v in benchmarks.items()}
    results(folder / label, rows)


@pytest.fixture
def two(tmp_path):
    """Two experiments of equal steps: the second is better at 100, the first at 200."""
    for label, accuracy, chooser in (
        ("A_100", 0.5, 0.1),
        ("A_200", 0.9, 0.2),
        ("B_100", 0.6, 0.3),
        ("B_200", 0.4, 0.7),
    ):
        scored(tmp_path / "logs", label, aime24=accuracy, amc23=chooser)
    return tmp_path / "logs"


class TestTwoExperimentsInOneFolder:
    def test_no_step_hides_that_of_the_other(self, two):
        (choice,) = gather(two).choices
        average = {row.label: gather(two).average(row).value for row in gather(two).rows}
        assert (choice.label, choice.experiment, choice.step) == ("A_200", "A", 200)
        assert choice.value == max(average.values()) == average["A_200"]

    def test_the_score_that_is_told_is_that_of_the_step_that_is_named(self, two):
        report = gather(two, held_out="amc23")
        assert (report.choices[0].label, report.choices[0].experiment) == ("B_200", "B")
        said = " ".join(eval_("report", two, "--held-out", "amc23").stdout.split())
        assert "best step 200 of B by amc23, held out for choosing: 40.0" in said
        assert "best step 200 of A by mean accuracy" in said

    def test_every_candidate_counts_for_the_optimism(self, two, tmp_path):
        for label in ("A_100", "A_200", "B_100", "B_200"):
            scored(tmp_path / "one", label.replace("B_", "A_3"), aime24=0.5, amc23=0.5)
            scored(tmp_path / "more", label, aime24=0.5, amc23=0.5)
        one, several = (gather(tmp_path / name).choices[0] for name in ("one", "more"))
        assert several.optimism_at_most == pytest.approx(one.optimism_at_most), "four candidates each"

    def test_a_step_of_both_must_be_named_in_full(self, two):
        told = " ".join(eval_("compare", "100", "A_200", "--in", two, status=2).stderr.split())
        assert "'100' is a step of 2 experiments; name one in full: A_100, B_100" in told
        plain = json.loads(eval_("compare", "A_100", "B_200", "--in", two, "--json").stdout)
        assert (plain["left"], plain["right"]) == ("A_100", "B_200")

    def test_one_experiment_is_not_named(self, tmp_path):
        for step, accuracy in ((100, 0.5), (200, 0.6)):
            scored(tmp_path, f"A_{step}", aime24=accuracy)
        assert gather(tmp_path).choices[0].experiment == ""


class TestSeveralPaths:
    @pytest.fixture
    def paths(self, tmp_path):
        for name, right in (("one", [[1, 0], [0, 0]]), ("two", [[1, 1], [1, 0]])):
            for step in (10, 20):
                evaluate(tmp_path / name / "evals", step, "b", right if step == 10 else [[0, 0], [0, 1]])
        return [tmp_path / name / "evals" for name in ("one", "two")]

    def test_they_give_choices_and_diversity_as_one_does(self, paths):
        plain = json.loads(eval_("report", *paths, "--diversity", "--json").stdout)
        assert [row["label"] for row in plain["rows"]] == [
            f"{n}/evals/step-{s}" for s in (10, 20) for n in ("one", "two")
        ]
        (choice,) = plain["choices"]
        assert (choice["label"], choice["experiment"], choice["step"]) == ("two/evals/step-10", "two/evals", 10)
        assert set(plain["diversity"]) == {row["label"] for row in plain["rows"]}

    def test_a_step_is_compared_with_the_base_of_its_own_experiment(self, tmp_path):
        """The base of the one is as bad as all of the other is good."""
        for name, right in (("one", 0), ("two", 1)):
            for step in (0, 10):
                evaluate(tmp_path / name, step, "b", [[right, 1 - right]] * 2 + [[right, right]] * 18)
        said = json.loads(eval_("report", tmp_path / "one", tmp_path / "two", "--json").stdout)["findings"]
        assert [line.partition(" on b")[0] for line in said[:2]] == [
            "one/step-10 against one/step-0",
            "two/step-10 against two/step-0",
        ]
        assert all("no difference shown: 0.0 points" in line for line in said[:2])

    def test_a_path_that_is_given_twice_counts_once(self, paths):
        assert [row.label for row in gather(paths[0], paths[0] / ".." / "evals").rows] == ["step-10", "step-20"]

    def test_paths_of_one_name_are_told_apart(self, paths):
        assert len({row.label for row in gather(*paths).rows}) == 4


class TestFoldersOfFolders:
    """The parent of what holds evaluations is none itself: they are named, and nothing is read as something else."""

    @pytest.fixture
    def parent(self, tmp_path):
        right = np.array([[1, 0], [0, 0]], dtype=bool)
        for name in ("one", "two of them"):
            folder = evaluate(tmp_path / name, 10, "b", right.astype(int).tolist())
            facts = {**json.loads((folder / "evaluation.json").read_text()), "settings": dict.fromkeys(SAMPLING)}
            write_results(folder / "lighteval" / "results", facts, right)
        return tmp_path

    def test_they_are_named_as_they_are_given(self, parent):
        told = " ".join(eval_("report", parent, status=2).stderr.split())
        assert f"dra eval report {parent}/one '{parent}/two of them'" in told
        assert [row.label for row in gather(parent / "one", parent / "two of them").rows] == [
            "one/step-10",
            "two of them/step-10",
        ]

    def test_a_run_among_them_is_named_as_a_run(self, parent):
        (parent / "mine").mkdir()
        (parent / "one").rename(parent / "mine" / "evals")
        (parent / "mine" / "resolved.json").write_text("{}")
        assert f"dra eval report {parent}/mine '" in " ".join(eval_("report", parent, status=2).stderr.split())

    def test_results_of_lighteval_beside_them_are_still_read(self, parent):
        scored(parent, "other_50", aime24=0.5)
        report = gather(parent)
        assert [row.label for row in report.rows] == ["other_50"]
        assert "evaluations lie in folders below it" in report.problems[0]

    def test_the_results_of_one_of_ours_can_be_read_by_name(self, parent, monkeypatch):
        (file,) = (parent / "one").rglob("results_*.json")
        monkeypatch.chdir(file.parent)
        for path in (file, file.parent, file.parent.parent, Path(file.name), Path()):
            assert [row.score("b").value for row in gather(path).rows] == [0.25]


def test_a_result_that_stands_in_two_files_is_told_with_the_one_that_counts(tmp_path):
    results(tmp_path / "A_10", {"aime24|0": {"extractive_match": 0.4}}, date="2025")
    results(tmp_path / "A_10", {"aime24|0": {"extractive_match": 0.2}}, date="2026")
    (note,) = gather(tmp_path).notes
    assert note == "A_10 on aime24: stands in two files, avg 40.0 and 20.0; results_2026.json counts"


class TestMixedSampleCounts:
    NEMO: ClassVar = {"math_pass@1:1_samples": 0.5, "math_pass@1:4_samples": 0.3, "math_pass@1:16_samples": 0.35}

    @pytest.mark.parametrize("order", list(permutations(NEMO)))
    def test_the_value_and_its_n_are_of_one_metric_in_every_order(self, tmp_path, order):
        results(tmp_path, {"aime24|0": {name: self.NEMO[name] for name in order}})
        report = gather(tmp_path)
        cell = report.rows[0].cells["aime24"]
        assert (cell.n, {k: v.value for k, v in cell.scores.items()}) == (16, {"avg": 0.35, "pass@1": 0.35})
        assert "n = 16; left out" in report.notes[0]

    @pytest.mark.parametrize(
        ("row", "n", "accuracy"),
        [
            ({"avg@n:n=32": 0.44, "pass@k:k=1&n=1": 0.5}, 32, 0.44),
            ({"math_pass@1:32_samples": 0.42, "extractive_match": 0.4}, 32, 0.42),
            ({"math_pass@1:32_samples": 0.42, "extractive_match": 0.5}, 32, 0.42),
            ({"pass@k:k=8&n=8": 0.3, "avg@n:n=64": 0.44}, 64, 0.44),
            ({"pass@1": 0.42, "pass@8": 0.4}, 0, 0.42),
            ({"gpqa_pass@1:1_samples": 0.51, "gpqa_pass@1:8_samples": 0.48}, 8, 0.48),
        ],
    )
    def test_no_pass_at_k_is_of_another_number_or_below_pass_at_1(self, tmp_path, row, n, accuracy):
        for order in (row, dict(reversed(row.items()))):
            results(tmp_path, {"aime24|0": order}, date=DATE)
            cell = gather(tmp_path).rows[0].cells["aime24"]
            assert (cell.n, cell.scores["avg"].value) == (n, accuracy)
            assert not [k for k in cell.ks if cell.scores[f"pass@{k}"].value < accuracy]
            assert set(cell.scores) == {"avg", "pass@1"}
            assert f"n = {n or 'unknown'}; left out" in gather(tmp_path).notes[0]
            unknown = "aime24: n, the samples of each problem, is unknown (1 row)"
            assert (unknown in gather(tmp_path).notes) == (n == 0)

    @pytest.mark.parametrize(
        ("row", "n", "scores"),
        [
            ({"pass@1": 0.54, "math_pass@1:8_samples": 0.08}, 8, {"avg": 0.08, "pass@1": 0.08}),
            ({"avg@16": 0.4, "pass@k:k=1&n=16": 0.41, "maj@16": 0.5}, 16, {"avg": 0.4, "pass@1": 0.4, "maj": 0.5}),
            ({"avg@n:n=3": 0.47, "pass@k:k=1&n=3": 0.99, "pass@k:k=3&n=3": 0.48}, 3, {"pass@1": 0.47, "pass@3": 0.48}),
            ({"pass@k:k=2&n=1": 0.5, "acc": 0.4}, 1, {"avg": 0.4, "pass@1": 0.4}),
            ({"pass@8": 0.3, "acc": 0.4}, 1, {"avg": 0.4, "pass@1": 0.4}),
            ({"maj@7": 0.5, "maj@5": 0.6}, 7, {"maj": 0.5}),
        ],
    )
    def test_metrics_that_contradict_each_other_give_the_same_in_every_order(self, row, n, scores):
        for order in permutations(row):
            found, told, left_out = _scores({name: row[name] for name in order}, 0, 1, is_mean=False)
            assert (told, {name: found[name].value for name in scores}) == (n, scores)
            assert left_out, "what does not count is named"

    def test_rows_of_any_metrics_are_of_one_number_of_samples(self):
        draw = random.Random(0)
        shapes = ("math_pass@1:{}_samples", "avg@n:n={}", "avg@{}", "maj@{}", "pass@k:k=1&n={}", "pass@k:k=2&n={}")
        names = [shape.format(n) for shape in (*shapes, "pass@k:k={0}&n={0}") for n in (1, 3, 7, 16)]
        names += ["extractive_match", "acc", "own", "pass@1", "pass@8", "avg@n", "maj@n"]
        for _ in range(2000):
            row = {name: round(draw.random(), 3) for name in draw.sample(names, draw.randint(1, 6))}
            asked, is_mean = draw.choice((1, 3, 16)), draw.random() < 0.1
            orders = (row, dict(reversed(row.items())))
            one, other = (_scores(order, 30, asked, is_mean=is_mean) for order in orders)
            at, again = ({name: score.value for name, score in scores.items()} for scores, _, _ in (one, other))
            n, left_out = one[1:]
            assert (again, other[1], set(other[2])) == (at, n, set(left_out)), row
            at = {name.removeprefix("pass@"): value for name, value in at.items()}
            ks = [int(k) for k in at if k.isdigit()]
            assert not [k for k in ks if at[str(k)] < at.get("avg", 0.0)], row
            assert n == 0 or max(ks, default=1) <= n, row
            assert "avg" not in at or not ks or at.get("1", at["avg"]) == at["avg"], row


class TestImpossibleScores:
    """A share that is no k of P is of more than one sample, of how many nobody knows."""

    @pytest.mark.parametrize(
        ("size", "value", "n"),
        [
            (30, 0.288, 0),
            (30, 0.29, 0),
            (40, 0.629, 0),
            (40, 0.715, 0),
            (30, 0.4333333333, 1),
            (30, 0.433, 1),
            (30, 0.967, 1),
            (40, 0.625, 1),
            (40, 1.0, 1),
            (272, 0.2684, 1),
            (0, 0.288, 1),
        ],
    )
    def test_n_is_one_only_where_one_sample_gives_such_a_score(self, tmp_path, size, value, n):
        results(tmp_path / "X_5", {"amc23|0": {"extractive_match": value, "extractive_match_stderr": 0.07}}, size=size)
        report = gather(tmp_path)
        cell = report.rows[0].cells["amc23"]
        assert (cell.n, cell.scores["avg"].value) == (n, value)
        assert ("amc23: n, the samples of each problem, is unknown (1 row)" in report.notes) == (n == 0)
        assert ("pass@1" in cell.scores) == (n == 1)
        assert f"n = {n or 'unknown'}" in eval_("report", tmp_path, "--format", "markdown").stdout


class TestPublished:
    def test_a_score_said_to_be_of_one_sample_is_a_share_of_its_problems(self):
        for row in REPORTED:
            for name, value in row.scores.items() if row.n == 1 else ():
                nearest = 100 * round(value / 100 * SIZES[name]) / SIZES[name]
                assert abs(value - nearest) < 0.051, f"{row.name}: {name} {value} is no k of {SIZES[name]}"

    def test_there_is_no_error_bar_without_an_n(self, tmp_path):
        evaluate(tmp_path, 1, "aime24", [[1], [0]])
        lines = eval_("report", tmp_path, "--published", "--format", "markdown").stdout.splitlines()
        (line,) = [line for line in lines if "re-evaluated" in line]
        assert "n unknown" in line
        assert "±" not in line
        assert "where n is unknown" in " ".join(lines)
        assert all(np.isnan(row.error(name)) for row in REPORTED if row.n != 1 for name in row.scores)
