"""Benchmarks: provably those of Open-RS, chosen by name, and files of users with every mistake that they make."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.benchmarks.problems import load_problems
from dra_toolkit.evaluation.benchmarks.registry import PAPER, REGISTRY, choose_benchmarks, with_limit
from dra_toolkit.evaluation.child.job import hash_examples

DATA = os.environ.get("DRA_BENCH_DATA")
"""A folder with aime24.jsonl, math_500.jsonl, ...: the benchmarks' problems, which are no part of this repository."""


def refused(call, *arguments, **named) -> str:
    with pytest.raises(EvaluationError) as caught:
        call(*arguments, **named)
    assert all("\n" not in problem for problem in caught.value.problems)
    return "\n".join(caught.value.problems)


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chosen(path: Path, **columns):
    return choose_benchmarks([str(path)], **columns)[0]


class TestOpenRS:
    @pytest.mark.parametrize("name", PAPER)
    def test_prompts_hash_to_what_the_published_logs_say(self, name):
        if DATA is None or not (Path(DATA) / f"{name}.jsonl").is_file():
            pytest.skip(f"DRA_BENCH_DATA has no {name}.jsonl")
        problems = load_problems(REGISTRY[name], Path(DATA))
        assert hash_examples(problems) == REGISTRY[name].hash_examples

    def test_the_hash_is_lightevals_own(self):
        """As its logger of details makes it, which xxhash 4 would refuse: here with the version that it was written for."""
        from lighteval.logging.info_loggers import DetailsLogger
        from lighteval.models.model_output import ModelResponse
        from lighteval.tasks.requests import Doc

        logger, queries = DetailsLogger(), ["b?", "a?", "ä?"]
        for query in queries:
            logger.log("t|0", Doc(query=query, choices=["1"], gold_index=0), ModelResponse(text=["1"]), {})
        logger.aggregate()
        assert (
            hash_examples([{"query": query} for query in queries])
            == logger.compiled_details["t|0"].hashes["hash_examples"]
        )

    def test_the_five_and_their_samples(self):
        found = {b.name: (b.n, b.max_new_tokens, b.hash_examples) for b in choose_benchmarks(["paper"])}
        assert found == {
            "aime24": (16, 32768, "ddec8fc79d0a014b"),
            "math_500": (4, 32768, "adf0cc8311011db2"),
            "amc23": (16, 32768, "57f3ead69f601b6a"),
            "minerva": (4, 32768, "2380609739db80f4"),
            "olympiadbench": (4, 32768, "96eebb759f237c57"),
        }
        assert [b.name for b in REGISTRY.values() if b.tolerance] == ["minerva"]

    def test_prompt_is_open_rs_word_for_word(self):
        asked = REGISTRY["aime24"].prompt.replace("{problem}", "What is {x}?")
        assert asked.startswith("Solve the following math problem efficiently and clearly.  The last line")
        assert asked.endswith("Think step by step before answering.\n\nWhat is {x}?")
        assert "'Therefore, the final answer is: $\\boxed{ANSWER}$. I hope it is correct'" in asked


class TestChoosing:
    def test_names_groups_and_repeats(self):
        names = [b.name for b in choose_benchmarks(["math_500,paper", "quickstart"])]
        assert names == ["math_500", "aime24", "amc23", "minerva", "olympiadbench", "quickstart"]

    def test_unknown_names_are_all_told_with_the_nearest(self):
        said = refused(choose_benchmarks, ["amie24,math500"])
        assert "found 'amie24'" in said
        assert "did you mean 'aime24'?" in said
        assert "did you mean 'math_500'?" in said

    def test_a_file_of_another_kind(self, tmp_path):
        (tmp_path / "a.csv").touch()
        assert "is neither .jsonl nor .parquet" in refused(choose_benchmarks, [str(tmp_path / "a.csv")])

    def test_two_files_of_one_name(self, tmp_path):
        files = [write(tmp_path / "x.jsonl", [{}]), tmp_path / "other"]
        files[1].mkdir()
        files[1] = write(files[1] / "x.jsonl", [{}])
        assert "two different benchmarks are called 'x'" in refused(choose_benchmarks, [f"{files[0]},{files[1]}"])

    def test_a_limit_is_said_beside_the_numbers(self):
        cut = with_limit(REGISTRY["math_500"], 10)
        assert "only the first 10 problems" in str(cut.note)
        assert cut.hash_examples is None
        assert "expected 1 or more" in refused(with_limit, REGISTRY["math_500"], 0)


class TestFiles:
    def test_jsonl_and_parquet_give_the_same_problems(self, tmp_path):
        rows = [{"problem": "a?", "answer": "1"}, {"problem": "b?", "answer": "\\frac12"}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
        from_lines = load_problems(chosen(write(tmp_path / "x.jsonl", rows)))
        assert from_lines == load_problems(chosen(tmp_path / "x.parquet"))
        assert [problem["gold"] for problem in from_lines] == ["\\boxed{1}", "\\boxed{\\frac12}"]

    def test_answers_as_numbers_are_read_as_one_writes_them(self, tmp_path):
        told = [(27, "27"), (27.0, "27"), (0.5, "0.5"), ("27", "27"), (-0.0, "0"), (1.5e-05, "0.000015")]
        told += [(-2.5e-7, "-0.00000025"), (1e20, f"1{20 * '0'}"), (6.02e23, f"602{21 * '0'}")]
        rows = [{"problem": f"{i}?", "answer": value} for i, (value, _) in enumerate(told)]
        golds = [problem["gold"] for problem in load_problems(chosen(write(tmp_path / "x.jsonl", rows)))]
        assert golds == [f"\\boxed{{{gold}}}" for _, gold in told]

    def test_decimals_of_a_parquet_file_are_numbers(self, tmp_path):
        pq.write_table(
            pa.table({"problem": ["a?", "b?"], "answer": [Decimal("2.50"), Decimal(3)]}), tmp_path / "x.parquet"
        )
        golds = [problem["gold"] for problem in load_problems(chosen(tmp_path / "x.parquet"))]
        assert golds == ["\\boxed{2.50}", "\\boxed{3.00}"]

    def test_missing_answer_column_names_the_nearest_and_the_option(self, tmp_path):
        path = write(tmp_path / "x.jsonl", [{"question": "a?", "anwser": "1"}])
        said = refused(load_problems, chosen(path))
        assert "has no column 'answer', it has question, anwser; did you mean 'anwser'?" in said
        assert "--answer-column" in said
        assert load_problems(chosen(path, answer_column="anwser"))[0]["gold"] == "\\boxed{1}"

    @pytest.mark.parametrize("value", [None, True, ["1"], "", {"a": 1}, float("nan"), float("inf")])
    def test_what_is_no_answer_is_told_with_its_row(self, tmp_path, value):
        path = write(tmp_path / "x.jsonl", [{"problem": "a?", "answer": "1"}, {"problem": "b?", "answer": value}])
        assert "row 2: answer is" in refused(load_problems, chosen(path))

    def test_empty_benchmark(self, tmp_path):
        path = write(tmp_path / "x.jsonl", [])
        assert "has no problems" in refused(load_problems, chosen(path))

    def test_broken_files(self, tmp_path):
        (tmp_path / "x.jsonl").write_text('{"problem": "a?", "answer": "1"}\n{"problem": ')
        assert "x.jsonl:2: not JSON: the file ends in this line" in refused(load_problems, chosen(tmp_path / "x.jsonl"))
        (tmp_path / "y.parquet").write_bytes(b"PAR1 torn")
        assert "y.parquet: cannot be read" in refused(load_problems, chosen(tmp_path / "y.parquet"))
        assert "does not exist; did you mean 'x.jsonl'?" in refused(load_problems, chosen(tmp_path / "xx.jsonl"))

    def test_ids_follow_the_text_and_tell_repeats_apart(self, tmp_path):
        rows = [{"problem": text, "answer": "1"} for text in ("a?", "b?", "a?")]
        ids = [problem["id"] for problem in load_problems(chosen(write(tmp_path / "x.jsonl", rows)))]
        turned = [problem["id"] for problem in load_problems(chosen(write(tmp_path / "y.jsonl", rows[::-1])))]
        assert len(set(ids)) == 3
        assert set(ids) == set(turned)

    def test_local_data_stand_in_for_the_hub_and_must_be_whole(self, tmp_path):
        rows = [{"problem": f"{i}?", "answer": str(i)} for i in range(30)]
        write(tmp_path / "aime24.jsonl", rows)
        assert len(load_problems(REGISTRY["aime24"], tmp_path)) == 30
        write(tmp_path / "aime24.jsonl", rows[:29])
        assert "has 29 problems, aime24 has 30" in refused(load_problems, REGISTRY["aime24"], tmp_path)


def test_no_network_says_how_to_fetch_beforehand(tmp_path):
    said = refused(load_problems, REGISTRY["aime24"], tmp_path)
    assert "hf download HuggingFaceH4/aime_2024 --repo-type dataset" in said
    assert "--data-dir" in said


def test_quickstart_problems_are_held_out_ones():
    from dra_toolkit.quickstart.task import problems

    asked = {problem["query"] for problem in load_problems(REGISTRY["quickstart"])}
    assert len(asked) == 200
    assert asked <= {problem.prompt for problem in problems(0).held_out}
