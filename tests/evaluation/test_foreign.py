"""Results of lighteval's own command, of several versions, whole and torn."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from evaluated import eval_

from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.results.lighteval_files import read_foreign
from dra_toolkit.evaluation.results.lighteval_names import benchmark_of, metric_of, single_metric

OPEN_RS = os.environ.get("DRA_OPENRS_EVALS", "")
DATE = "2025-01-01T00-00-00.0"
ROW = {"extractive_match": 0.4, "extractive_match_stderr": 0.0910}


def results(folder: Path, rows: dict, *, date: str = DATE, size: int = 30, **more) -> Path:
    """Write results as lighteval does; rows: task -> metric -> value."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {"hashes": {"hash_examples": "ddec8fc79d0a014b"}, "truncated": 0, "non_truncated": size}
    document = {
        "config_general": {"model_name": "org/model"},
        "results": {**rows, "all": {"extractive_match": 0.1}},
        "summary_tasks": dict.fromkeys(rows, hashes),
        **more,
    }
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(document))
    return path


class TestNames:
    @pytest.mark.parametrize(
        ("task", "name"),
        [
            ("custom|aime24|0", "aime24"),
            ("aime24|0", "aime24"),
            ("aime24:0", "aime24"),
            ("lighteval|gpqa:diamond|0", "gpqa:diamond"),
            ("lighteval:aime24:0", "aime24"),
            ("lighteval:gpqa:diamond:0", "gpqa:diamond"),
            ("custom:math_500:0", "math_500"),
            ("bigbench:arithmetic_bb|0", "bigbench:arithmetic_bb"),
            ("bigbench|arithmetic_bb|0", "arithmetic_bb"),
            ("harness:0", "harness"),
            ("gpqa:diamond:0", "gpqa:diamond"),
            ("leaderboard|mmlu:anatomy|5", "mmlu:anatomy"),
            ("leaderboard|mmlu:_average|5", None),
            ("all", None),
        ],
    )
    def test_tasks(self, task, name):
        assert benchmark_of(task) == name

    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            ("pass@k:k=4&n=16", ("pass@4", 16)),
            ("pass@k:n=16&k=4", ("pass@4", 16)),
            ("math_pass@1:16_samples", ("pass@1", 16)),
            ("avg@n:n=8", ("avg", 8)),
            ("avg@16", ("avg", 16)),
            ("maj@8", ("maj", 8)),
            ("pass@1", ("pass@1", 0)),
            ("pass@k:k=1&n=16_stderr", None),
            ("extractive_match", None),
            ("g-pass@k:k=4", None),
        ],
    )
    def test_metrics(self, metric, expected):
        assert metric_of(metric) == expected

    def test_the_metric_of_one_sample(self):
        assert single_metric({"f1": 1, "extractive_match": 1, "extractive_match_stderr": 0}) == "extractive_match"
        assert single_metric({"own": 1, "own_stderr": 0}) == "own"
        assert single_metric({"one": 1, "two": 1}) is None
        assert single_metric({"pass@k:k=4&n=16": 1}) is None


class TestResults:
    def test_both_spellings_and_several_files(self, tmp_path):
        results(tmp_path / "Exp_50", {"custom|aime24|0": ROW})
        results(tmp_path / "Exp_100", {"aime24:0": {**ROW, "extractive_match": 0.5}})
        later = {"extractive_match": 0.6, "extractive_match_stderr": 0.01}
        results(tmp_path / "Exp_100", {"math_500|0": later}, date="2026")
        report = gather(tmp_path)
        assert [(row.label, row.step) for row in report.rows] == [("Exp_50", 50), ("Exp_100", 100)]
        assert report.rows[0].score("aime24").value == 0.4
        assert report.rows[0].score("aime24").problems == 30
        assert report.rows[1].score("math_500").error == 0.01
        assert report.rows[0].cells["aime24"].hash_examples == "ddec8fc79d0a014b"

    def test_of_a_task_done_twice_the_later_file_counts(self, tmp_path):
        results(tmp_path, {"aime24|0": ROW}, date="2025")
        results(tmp_path, {"aime24|0": {**ROW, "extractive_match": 0.2}}, date="2026")
        assert gather(tmp_path).rows[0].score("aime24").value == 0.2

    def test_one_file(self, tmp_path):
        path = results(tmp_path, {"aime24|0": ROW})
        (row,) = gather(path).rows
        assert (row.label, row.step) == ("org/model", None)

    def test_a_number_in_a_models_name_is_no_step(self, tmp_path):
        for name in ("Llama-2", "Qwen-14", "run/checkpoint-50"):
            results(tmp_path / "results" / name, {"aime24|0": ROW})
        steps = {row.label: row.step for row in gather(tmp_path).rows}
        assert steps == {"Llama-2": None, "Qwen-14": None, "run/checkpoint-50": 50}

    def test_several_samples(self, tmp_path):
        row = {"pass@k:k=1&n=16": 0.3, "pass@k:k=1&n=16_stderr": 0.05, "pass@k:k=8&n=16": 0.6, "maj@16": 0.5}
        results(tmp_path, {"aime24|0": row})
        cell = gather(tmp_path).rows[0].cells["aime24"]
        assert cell.n == 16
        assert {name: score.value for name, score in cell.scores.items()} == {
            "pass@1": 0.3,
            "avg": 0.3,
            "pass@8": 0.6,
            "maj": 0.5,
        }
        assert cell.scores["avg"].error == 0.05
        assert np.isnan(cell.scores["maj"].error), "not reported, so not known"

    def test_the_best_of_several_samples_is_not_accuracy(self, tmp_path):
        results(tmp_path, {"aime24|0": ROW}, config_tasks={"aime24|0": {"num_samples": [8]}})
        assert set(gather(tmp_path).rows[0].cells["aime24"].scores) == {"pass@8"}

    def test_our_own_metric_is_the_mean_of_several_samples(self, tmp_path):
        config = {"aime24|0": {"metrics": [{"sample_level_fn": "KeptScores(_n=4, _scores=scores_of)"}]}}
        results(tmp_path, {"aime24|0": {**ROW, "pass@k:k=4&n=4": 0.7}}, config_tasks=config)
        cell = gather(tmp_path).rows[0].cells["aime24"]
        assert (cell.n, cell.scores["avg"].value, cell.scores["pass@4"].value) == (4, 0.4, 0.7)

    def test_zero_has_an_interval(self, tmp_path):
        results(tmp_path, {"aime24:0": {"extractive_match": 0.0, "extractive_match_stderr": 0.0}})
        assert gather(tmp_path).rows[0].score("aime24").high == pytest.approx(0.1135, abs=1e-4)

    @pytest.mark.parametrize("error", [1e308, 10**400, -1, 1e-320, True, "x", float("nan")])
    def test_an_error_that_no_share_can_have_is_unknown(self, tmp_path, error):
        results(tmp_path, {"aime24:0": {"extractive_match": 0.4, "extractive_match_stderr": error}})
        score = gather(tmp_path).rows[0].score("aime24")
        assert 0 <= score.low <= score.value == 0.4 <= score.high <= 1

    def test_a_hash_that_is_no_text_is_shown_as_one(self, tmp_path):
        more = {"summary_tasks": {"aime24:0": {"hashes": {"hash_examples": {"a": []}}, "non_truncated": 30}}}
        results(tmp_path, {"aime24:0": ROW}, **more)
        assert gather(tmp_path).rows[0].cells["aime24"].hash_examples == "{'a': []}"

    def test_zero_of_an_unknown_number_says_nothing(self, tmp_path):
        results(tmp_path, {"aime24|0": {"extractive_match": 0.0, "extractive_match_stderr": 0.0}}, size=0)
        score = gather(tmp_path).rows[0].score("aime24")
        assert (score.low, score.high) == (0, 1)
        assert np.isnan(score.error)
        assert '"error": null' in eval_("report", tmp_path, "--json").stdout

    def test_pass_at_4_of_one_sample_is_refused(self, tmp_path):
        results(tmp_path, {"aime24|0": ROW})
        told = eval_("report", tmp_path, "--metric", "pass@4", status=2).stderr
        assert "each problem has 1 sample; evaluate with --n 4 or more" in " ".join(told.split())


class TestDamage:
    def test_it_is_named_a_line_each_and_the_rest_goes_on(self, tmp_path):
        results(tmp_path / "a", {"aime24:0": ROW})
        (tmp_path / "a" / "results_torn.json").write_text('{"results": {')
        (tmp_path / "a" / "results_bytes.json").write_bytes(b"\xff\xfe\x00")
        (tmp_path / "a" / "results_other.json").write_text("[1, 2]")
        (tmp_path / "a" / "results_deep.json").write_text("[" * 200_000)
        results(tmp_path / "b", {"odd:0": {"x": 3, "y": 4}, "text:0": {"acc": "0.5"}, "flag:0": {"acc": True}})
        found = read_foreign(tmp_path)
        assert [cell.benchmark for cell in found.cells] == ["aime24"]
        assert len(found.problems) == 7
        told = "\n".join(found.problems)
        assert told.count("torn or no JSON") == 3
        assert "has no table of results" in told
        assert told.count("no accuracy from 0 to 1") == 3
        assert all("\n" not in problem for problem in found.problems)

    def test_odd_shapes_inside_do_not_stop_it(self, tmp_path):
        odd = {"summary_tasks": {"aime24|0": None}, "config_tasks": [], "config_general": "x"}
        results(tmp_path, {"aime24|0": ROW}, **odd)
        cell = gather(tmp_path).rows[0].cells["aime24"]
        assert (cell.scores["avg"].value, cell.hash_examples) == (0.4, None)

    def test_nothing_but_damage_is_an_error(self, tmp_path):
        (tmp_path / "results_torn.json").write_text("{")
        assert "torn or no JSON" in eval_("report", tmp_path, status=2).stderr

    def test_a_task_that_stands_twice_in_one_file_is_told(self, tmp_path):
        rows = {"custom|aime24|0": {"acc": 0.5}, "aime24|5": {"acc": 0.6}}
        results(tmp_path, rows, date="2026")
        report = gather(tmp_path)
        assert report.rows[0].score("aime24").value == 0.6
        told = "org/model on aime24: stands twice in results_2026.json, avg 50.0 and 60.0; the last counts"
        assert told in report.notes

    @pytest.mark.parametrize("count", [10**400, 10**18, -4, 0, True, "eight", None])
    def test_a_number_of_samples_or_problems_that_cannot_be_is_unknown(self, tmp_path, count):
        config = {"aime24|0": {"num_samples": [count], "effective_num_docs": count}}
        results(
            tmp_path,
            {"aime24|0": ROW, f"amc23|{count}": {f"pass@k:k=1&n={count}": 0.5}},
            size=count,
            config_tasks=config,
        )
        plain = json.loads(eval_("report", tmp_path, "--detect", "3", "--json").stdout)
        assert {cell["n"] for cell in plain["rows"][0]["benchmarks"].values()} <= {0, 1}

    @pytest.mark.parametrize("row", [None, [0.5], "0.5", 0.5, {}])
    def test_a_task_whose_scores_are_no_table_is_named(self, tmp_path, row):
        results(tmp_path, {"aime24|0": ROW, "amc23|0": row})
        assert "amc23|0: no accuracy from 0 to 1" in gather(tmp_path).problems[0]

    def test_no_error_at_all_between_0_and_1_is_none_that_is_known(self, tmp_path):
        results(tmp_path, {"aime24|0": {"acc": 0.5, "acc_stderr": 0}})
        assert np.isnan(gather(tmp_path).rows[0].score("aime24").error)
        assert "±" not in next(line for line in eval_("report", tmp_path).stdout.splitlines() if "org/model" in line)

    def test_another_folder_of_json_is_not_results(self, tmp_path):
        (tmp_path / "package.json").write_text("{}")
        assert "nothing is evaluated here yet" in eval_("report", tmp_path, status=2).stderr

    def test_two_are_compared_by_their_scores(self, tmp_path):
        for name, value in (("one", 0.1), ("two", 0.9)):
            results(tmp_path / name, {"aime24|0": {"extractive_match": value, "extractive_match_stderr": 0.05}})
        (pair,) = json.loads(eval_("compare", "one", "two", "--in", tmp_path, "--json").stdout)["pairs"]
        worse, better = (row.cells["aime24"].scores["avg"] for row in gather(tmp_path).rows)
        assert pair["low"] == pytest.approx(0.8 - np.hypot(0.9 - better.low, worse.high - 0.1)), "Newcombe's"
        assert pair["verdict"].endswith("(not paired)")


@pytest.mark.skipif(not OPEN_RS, reason="set DRA_OPENRS_EVALS to the evaluation logs that Open-RS published")
class TestWhatOpenRSPublished:
    def test_eight_checkpoints_with_the_prompts_of_the_paper(self):
        report = gather(Path(OPEN_RS))
        assert [row.step for row in report.rows] == list(range(50, 401, 50))
        assert (report.problems, report.notes) == ((), ())
        assert {row.cells["aime24"].hash_examples for row in report.rows} == {"ddec8fc79d0a014b"}

    def test_their_standard_errors_are_those_of_their_problems(self):
        for row in gather(Path(OPEN_RS)).rows:
            for cell in row.cells.values():
                score = cell.scores["avg"]
                expected = np.sqrt(score.value * (1 - score.value) / (score.problems - 1))
                assert score.error == pytest.approx(expected, rel=1e-6)

    def test_the_tempting_choice_is_labelled(self):
        choice = gather(Path(OPEN_RS)).choices[0]
        assert (choice.step, choice.honest) == (150, False)
        assert 0.04 < choice.optimism_at_most < 0.06
