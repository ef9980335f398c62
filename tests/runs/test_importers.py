"""Rollouts of other trainers as runs: files really written by TRL, the documented formats of others, and bad ones."""

from __future__ import annotations

import gzip
import json
import math
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.diversity import ESTIMATORS, group_advantages
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.inspection.comparison import compare
from dra_toolkit.inspection.overview import summarise
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.inspection.verify import verify
from dra_toolkit.runs import Run

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))


def import_(source: object, output: Path, *arguments: object, status: int = 0):
    ran = CliRunner().invoke(app, ["inspect", "import", str(source), "-o", str(output), *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


def lines(path: Path, rows: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def trl_output(tmp_path_factory) -> Path:
    """What GRPOTrainer leaves of three steps with log_completions."""
    import tiny
    from trl import GRPOTrainer

    folder = tmp_path_factory.mktemp("trl")
    policy = tiny.save_policy(folder / "policy")
    trainer = GRPOTrainer(
        model=str(policy),
        reward_funcs=tiny.letters,
        args=tiny.grpo_config(folder / "out", log_completions=True, max_steps=3),
        train_dataset=tiny.prompts(),
    )
    trainer.train()
    return folder / "out"


class TestTRL:
    def test_what_trl_wrote_is_what_the_run_holds(self, trl_output, tmp_path):
        told = json.loads(import_(trl_output, tmp_path / "run", "--json").stdout)
        assert (told["format"], told["completions"], told["groups"], told["steps"]) == ("trl", 24, 6, 3)
        written = [pq.read_table(p).to_pylist() for p in sorted((trl_output / "completions").glob("*.parquet"))]
        run = Run.open(tmp_path / "run")
        for rows in written:
            records = list(run.groups(step=rows[0]["step"]))
            texts = [text for record in records for text in record.group.completions]
            assert len(texts) == len(rows)
            said = [row["completion"] for row in rows]
            assert texts == [text if isinstance(text, str) else text[0]["content"] for text in said]
            advantages = np.concatenate([record.advantages for record in records])
            np.testing.assert_allclose(advantages, [row["advantage"] for row in rows], atol=1e-6)
            rewards = np.concatenate([record.group.rewards["letters"] for record in records])
            np.testing.assert_allclose(rewards, [row["letters"] for row in rows], atol=1e-6)

    def test_advantages_are_recognised_as_scaled_by_group_and_replay(self, trl_output, tmp_path):
        import_(trl_output, tmp_path / "run")
        run = Run.open(tmp_path / "run")
        (facts,) = run.facts()
        assert facts.scale_rewards == "group"
        assert replay_run(run).differences.worst.error < 1e-4
        assert verify(run).problems == []
        changed = replay_run(run, read_changes(["diversity=graph_cut"])).differences.total()
        assert changed.changed_groups > 0

    def test_similarity_is_that_of_the_embedder(self, trl_output, tmp_path):
        import_(trl_output, tmp_path / "run")
        record = Run.open(tmp_path / "run").group(1, 0)
        vectors = load_embedder(EmbedderSettings(name="hash")).embed(list(record.group.completions)).vectors
        np.testing.assert_allclose(record.adjustment.similarity, vectors @ vectors.T, atol=1e-5)

    def test_a_torn_file_is_named_and_the_rest_is_read(self, trl_output, tmp_path):
        import shutil

        shutil.copytree(trl_output / "completions", tmp_path / "completions")
        torn = sorted((tmp_path / "completions").glob("*.parquet"))[1]
        torn.write_bytes(torn.read_bytes()[:200])
        told = json.loads(import_(tmp_path, tmp_path / "run", "--json").stdout)
        assert told["completions"] == 16
        assert torn.name in told["problems"][0]


PROMPTS = ["What is 2 + 3?", "What is 4 + 4?"]


def verl_rows(step: int, **more: object) -> list[dict[str, object]]:
    return [
        {"input": PROMPTS[i % 2], "output": f"it is {i}", "score": float(i % 3 == 0), "step": step, "gts": "5", **more}
        for i in range(8)
    ]


class TestVerl:
    def test_groups_are_equal_inputs_of_a_step(self, tmp_path):
        for step in (1, 2, 10):
            lines(tmp_path / "dump" / f"{step}.jsonl", verl_rows(step))
        told = json.loads(import_(tmp_path / "dump", tmp_path / "run", "--json").stdout)
        assert (told["format"], told["groups"], told["steps"]) == ("verl", 6, 3)
        record = Run.open(tmp_path / "run").group(10, 0)
        assert record.group.completions == ("it is 0", "it is 2", "it is 4", "it is 6")
        assert record.group.rewards["score"].tolist() == [1, 0, 0, 1]
        expected = group_advantages(np.array([[1.0, 0, 0, 1]]), ESTIMATORS["verl"])[0]
        np.testing.assert_allclose(record.advantages, expected)
        assert any("computed as verl" in note for note in told["notes"])
        assert Run.open(tmp_path / "run").facts()[0].made == ESTIMATORS["verl"]

    def test_uid_tells_groups_with_equal_prompts_apart(self, tmp_path):
        rows = [{**row, "uid": str(i // 4)} for i, row in enumerate(verl_rows(1))]
        lines(tmp_path / "dump" / "1.jsonl", rows)
        import_(tmp_path / "dump", tmp_path / "run", "--scale-rewards", "none")
        record = Run.open(tmp_path / "run").group(1, 1)
        assert record.group.completions == ("it is 4", "it is 5", "it is 6", "it is 7")
        totals = np.array([0.0, 0, 1, 0])
        np.testing.assert_allclose(record.advantages, totals - totals.mean())


class TestMsSwift:
    def test_tables_by_column(self, tmp_path):
        table = {
            "step": ["1"] * 4,
            "prompt": [PROMPTS[0]] * 2 + [PROMPTS[1]] * 2,
            "completion": ["a", "b", "c", "d"],
            "MathAccuracy": [1.0, 0.0, 0.0, 1.0],
            "Format": [0.5, 0.5, 0.0, None],
            "advantages": [0.7, -0.7, -0.7, 0.7],
        }
        lines(tmp_path / "completions.jsonl", [table, table, {**table, "step": ["2"] * 4, "completion": list("efgh")}])
        told = json.loads(import_(tmp_path, tmp_path / "run", "--json").stdout)
        assert (told["format"], told["completions"], told["steps"]) == ("ms-swift", 8, 2), (
            "the repeated table counts once"
        )
        record = Run.open(tmp_path / "run").group(1, 1)
        assert list(record.group.rewards) == ["MathAccuracy", "Format"]
        assert np.isnan(record.group.rewards["Format"][1])
        assert record.advantages.tolist() == [-0.7, 0.7]


def trace(group: str, text: str, reward: float, **more: object) -> dict[str, object]:
    nodes = [
        {"message": {"role": "user", "content": PROMPTS[0]}, "parent": None},
        {"message": {"role": "assistant", "content": text}, "sampled": True, "parent": 0, "mask": [True] * 3},
    ]
    return {"id": f"{group}-{text}", "group_id": group, "nodes": nodes, "rewards": {"math": reward}, **more}


ODD = (5, "x", [5], [[]], {"x": 5}, None, True, [None], {"message": 5})
PARTS = ("nodes", "rewards", "reward", "calls", "filters", "errors", "info", "advantage", "group_id", "agent", "traces")


@pytest.mark.parametrize("part", PARTS)
def test_a_trace_of_an_odd_shape_is_told_or_read_and_the_rest_is_kept(tmp_path, part):
    sound = [trace("g", "a", 1.0), trace("g", "b", 0.0)]
    rows = [*sound, *(trace(f"h{i}", "c", 0.0) | {part: odd} for i, odd in enumerate(ODD))]
    lines(tmp_path / "out" / "rollouts" / "step_1" / "train" / "all" / "traces.jsonl", rows)
    told = json.loads(import_(tmp_path / "out", tmp_path / "run", "--json").stdout)
    assert told["completions"] + told["skipped"] <= len(rows)
    assert all(len(line) < 300 and "\n" not in line for line in told["problems"])
    groups = [
        group for mode in ("train", "discarded", "eval") for group in Run.open(tmp_path / "run").groups(mode=mode)
    ]
    assert ("a", "b") in [group.group.completions for group in groups]


@pytest.mark.parametrize("odd", ["x", [5], {"x": 5}])
def test_a_flat_rollout_whose_reward_is_no_number_is_told(tmp_path, odd):
    sound = {
        "prompt": PROMPTS[0],
        "completion": [{"role": "assistant", "content": "a"}],
        "reward": 1.0,
        "example_id": 1,
    }
    source = tmp_path / "out" / "rollouts" / "step_1" / "train_rollouts.jsonl"
    lines(source, [sound, sound | {"completion": "b"}, sound | {"reward": odd}])
    told = json.loads(import_(tmp_path / "out", tmp_path / "run", "--json").stdout)
    assert (told["completions"], told["skipped"]) == (2, 1)
    assert "reward is of type" in told["problems"][0]


class TestPrimeRL:
    def test_traces_by_step_and_kind(self, tmp_path):
        base = tmp_path / "out" / "rollouts" / "step_3" / "train"
        every = [trace("g", "a", 1.0, advantage=0.5), trace("g", "b", 0.0, advantage=-0.5)]
        lines(base / "all" / "traces.jsonl", [*every, trace("h", "c", 0.0)])
        lines(base / "effective" / "traces.jsonl", every)
        told = json.loads(import_(tmp_path / "out", tmp_path / "run", "--json").stdout)
        assert told["format"] == "prime-rl"
        run = Run.open(tmp_path / "run")
        record = run.group(3, 0)
        assert record.group.completions == ("a", "b")
        assert record.advantages.tolist() == [0.5, -0.5]
        assert record.group.token_counts.tolist() == [3, 3]
        discarded = list(run.groups(mode="discarded"))
        assert [r.group.completions for r in discarded] == [("c",)]
        assert discarded[0].discard_reason == "not in a training batch"


ROWS = [
    {"q": PROMPTS[i // 4], "a": f"answer {i}", "r": i % 2, "len": -0.1 * i, "at": 7, "which": i // 2} for i in range(8)
]


class TestGeneric:
    COLUMNS = ("--prompt-column", "q", "--completion-column", "a", "--reward-column", "r", "--step-column", "at")

    def test_named_columns(self, tmp_path):
        source = lines(tmp_path / "mine.jsonl", ROWS)
        told = json.loads(
            import_(
                source, tmp_path / "run", "--format", "jsonl", *self.COLUMNS, "--reward-column", "len",
                "--reward-weight", "len=2", "--group-column", "which", "--json",
            ).stdout
        )  # fmt: skip
        assert (told["groups"], told["completions"]) == (4, 8)
        record = Run.open(tmp_path / "run").group(7, 3)
        assert record.group.completions == ("answer 6", "answer 7")
        np.testing.assert_allclose(record.adjustment.totals, [0 - 1.2, 1 - 1.4])

    def test_compressed_and_without_similarity(self, tmp_path):
        path = tmp_path / "mine.jsonl.gz"
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
        import_(path, tmp_path / "run", "--format", "jsonl", *self.COLUMNS, "--embedder", "none")
        assert np.isnan(Run.open(tmp_path / "run").group(7, 0).adjustment.similarity[0, 1])

    def test_rows_that_cannot_be_read_are_named_and_skipped(self, tmp_path):
        source = lines(tmp_path / "mine.jsonl", [*ROWS, [1], {**ROWS[0], "a": 5}, {**ROWS[0], "r": "x"}])
        source.write_bytes(source.read_bytes() + b'{"q": "torn')
        told = json.loads(import_(source, tmp_path / "run", "--format", "jsonl", *self.COLUMNS, "--json").stdout)
        assert (told["completions"], told["skipped"]) == (8, 4)
        said = "\n".join(told["problems"])
        for what in (
            "mine.jsonl:9: a JSON list, expected an object",
            "mine.jsonl:10: the completion is of type int",
            "mine.jsonl:11: r is of type str, expected a number",
            "mine.jsonl:12: not JSON: the file ends in this line",
        ):
            assert what in said

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (("--prompt-column", "qq"), "no column 'qq'; did you mean 'q'"),
            (("--prompt-column", "q", "--completion-column", "a"), "name the rewards with --reward-column"),
            ((*COLUMNS, "--reward-weight", "rr=2"), "no reward 'rr'; did you mean 'r'"),
            ((*COLUMNS, "--reward-weight", "r"), "expected NAME=NUMBER"),
            ((*COLUMNS, "--embedder", "hsh"), "did you mean 'hash'"),
        ],
    )
    def test_what_cannot_be_asked_leaves_nothing_behind(self, tmp_path, arguments, told):
        source = lines(tmp_path / "mine.jsonl", ROWS)
        ran = import_(source, tmp_path / "run", "--format", "jsonl", *arguments, status=2)
        assert told in ran.stderr.replace("\n", " ")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.jsonl"]

    def test_the_run_that_is_there_is_only_replaced_when_asked_and_when_the_new_one_is_whole(self, tmp_path):
        source = lines(tmp_path / "mine.jsonl", ROWS)
        of = ("--format", "jsonl", *self.COLUMNS)
        import_(source, tmp_path / "run", *of)
        assert "is there already" in import_(source, tmp_path / "run", *of, status=2).stderr
        broken = lines(tmp_path / "broken.jsonl", [{**ROWS[0], "a": 5}])
        import_(broken, tmp_path / "run", *of, "--overwrite", status=2)
        assert len(list(Run.open(tmp_path / "run").groups())) == 2, "the old run is still there"
        import_(lines(tmp_path / "less.jsonl", ROWS[:4]), tmp_path / "run", *of, "--overwrite")
        run = Run.open(tmp_path / "run")
        assert len(list(run.groups())) == 1
        assert run.facts()[0].run == "run"

    def test_unknown_content(self, tmp_path):
        lines(tmp_path / "odd.jsonl", [{"x": 1}])
        assert "which no format recognises" in import_(tmp_path / "odd.jsonl", tmp_path / "run", status=2).stderr
        assert "no such file or folder" in import_(tmp_path / "none", tmp_path / "run", status=2).stderr


def test_messages_become_text(tmp_path):
    rows = [
        {
            "prompt": [{"role": "system", "content": "be brief"}, {"role": "user", "content": PROMPTS[0]}],
            "completion": [{"role": "assistant", "content": f"five {i}"}],
            "reward": i,
        }
        for i in range(3)
    ]
    import_(lines(tmp_path / "chat.jsonl", rows), tmp_path / "run")
    record = Run.open(tmp_path / "run").group(1, 0)
    assert [message.role for message in record.group.prompt] == ["system", "user"]
    assert record.group.completions == ("five 0", "five 1", "five 2")


@pytest.mark.parametrize("column", ["gold", "solution", "ground_truth", "reference", "label"])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_golds_of_lines_that_name_them_are_kept(tmp_path, column, kind):
    rows = [
        {"step": 1, "prompt": f"p{i // 2}", "completion": f"c{i}", "reward": i % 2, column: f"g{i // 2}"}
        for i in range(4)
    ]
    source = lines(tmp_path / "d.jsonl", rows)
    if kind == "csv":
        source = tmp_path / "d.csv"
        source.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]))
    import_(source, tmp_path / "run", "--reward-column", "reward", "--step-column", "step")
    assert [group.group.gold for group in Run.open(tmp_path / "run").groups()] == ["g0", "g1"]


@pytest.mark.parametrize(
    ("column", "value", "gold"),
    [
        ("solution", ["7"], "7"),
        ("label", 7, "7"),
        ("ground_truth", ["7", "8"], "['7', '8']"),
        ("reward_model", {"ground_truth": "7", "style": "rule"}, "7"),
        ("reward_model", {"ground_truth": ["7"]}, "7"),
    ],
)
def test_a_gold_is_found_in_the_shapes_in_which_data_sets_keep_it(tmp_path, column, value, gold):
    rows = [{"step": 1, "prompt": "p", "completion": f"c{i}", "reward": i, column: value} for i in range(2)]
    source = lines(tmp_path / "d.jsonl", rows)
    import_(source, tmp_path / "run", "--reward-column", "reward", "--step-column", "step")
    assert Run.open(tmp_path / "run").group(1, 0).group.gold == gold


@pytest.mark.parametrize("shape", ["jsonl", "prime-rl"])
def test_an_infinite_reward_counts_as_none_as_in_training(tmp_path, shape):
    rewards = [math.inf, 1.0, 3.0, -math.inf]
    rows = [
        {"step": 1, "example_id": 0, "prompt": [{"role": "user", "content": "p"}], "reward": reward}
        | {"completion": [{"role": "assistant", "content": f"c{i}"}]}
        for i, reward in enumerate(rewards)
    ]
    name = {"jsonl": "d.jsonl", "prime-rl": "step_1/train_rollouts.jsonl"}[shape]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    source = lines(tmp_path / name, rows)
    import_(source, tmp_path / "run", "--scale-rewards", "none", *(["--reward-column", "reward"] * (shape == "jsonl")))
    group = Run.open(tmp_path / "run").group(1, 0)
    assert group.advantages.tolist() == [0, -1, 1, 0]
    assert np.isnan(group.group.rewards["reward"]).tolist() == [True, False, False, True]


class TestMended:
    def test_sessions_of_verl_are_completions_and_their_last_output_counts(self, tmp_path):
        rows = [
            {**row, "uid": f"q{i % 2}-a_b_{i // 2}_{turn}", "output": f"{row['output']} turn {turn}"}
            for i, row in enumerate(verl_rows(1))
            for turn in (1, 0)
        ]
        lines(tmp_path / "dump" / "1.jsonl", rows)
        told = json.loads(import_(tmp_path / "dump", tmp_path / "run", "--json").stdout)
        assert (told["completions"], told["groups"]) == (8, 2)
        record = Run.open(tmp_path / "run").group(1, 0)
        assert record.group.completions == tuple(f"it is {i} turn 1" for i in (0, 2, 4, 6))
        assert record.group.gold == "5"

    def test_sequences_of_one_trajectory_are_one_completion_where_a_column_tells_them(self, tmp_path):
        """A trainer that breaks a conversation into training rows stamps the same reward and advantage on each."""
        rows = [
            {
                "prompt": PROMPTS[i // 4], "completion": f"c{i} turn {turn}", "reward": i % 2, "group_id": i // 4,
                "rollout": i % 4, "step": step,
            }
            for step in (1, 2)
            for i in range(8)
            for turn in range(1 + i % 3)
        ]  # fmt: skip
        of = ("--group-column", "group_id", "--trajectory-column", "rollout", "--json")
        told = json.loads(import_(lines(tmp_path / "rows.jsonl", rows), tmp_path / "run", *of).stdout)
        assert (told["completions"], told["groups"]) == (16, 4)
        texts = [record.group.completions for record in Run.open(tmp_path / "run").groups(step=2)]
        assert texts == [tuple(f"c{i} turn {i % 3}" for i in range(first, first + 4)) for first in (0, 4)]
        assert (
            "no column 'roll'" in import_(tmp_path / "rows.jsonl", tmp_path / "other", *of[:3], "roll", status=2).stderr
        )

    def test_settings_that_a_dump_does_not_state_are_unknown_and_not_the_defaults_of_a_recipe(self, tmp_path):
        from recorded import make_run, record, record_all

        import_(lines(tmp_path / "1.jsonl", verl_rows(1)), tmp_path / "run", "--format", "verl")
        run = Run.open(tmp_path / "run")
        assert {"learning_rate", "loss_type", "max_steps"}.isdisjoint(run.recipe)
        shown = summarise(run).settings
        assert (shown["loss_type"], shown["max_steps"], shown["diversity"]) == ("unknown", "unknown", "none")
        ours = make_run(tmp_path / "ours")
        record_all(ours, [record(1)])
        for both in ((run, Run(ours)), (Run(ours), run)):
            settings = compare(*both).settings
            assert "unknown" in settings["loss_type"]
            assert "learning_rate" not in settings

    def test_parquet_with_named_columns(self, tmp_path):
        pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "mine.parquet")
        import_(tmp_path / "mine.parquet", tmp_path / "run", "--format", "jsonl", *TestGeneric.COLUMNS)
        assert len(Run.open(tmp_path / "run").group(7, 0).group) == 4

    def test_neighbouring_groups_of_one_prompt_are_told_apart_by_their_size(self, tmp_path):
        rows = [
            {
                "step": 1, "prompt": prompt, "completion": f"c{i}", "right": float(i % 2), "advantage": i % 2 - 0.5,
                "diversity": 0.1,
            }
            for i, prompt in enumerate([PROMPTS[0]] * 8 + [PROMPTS[1]] * 4)
        ]  # fmt: skip
        (tmp_path / "completions").mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "completions" / "completions_00001.parquet")
        told = json.loads(import_(tmp_path, tmp_path / "run", "--json").stdout)
        assert told["groups"] == 3
        records = list(Run.open(tmp_path / "run").groups())
        assert [record.group.completions for record in records] == [
            tuple(f"c{i}" for i in range(start, start + 4)) for start in (0, 4, 8)
        ]
        assert list(records[0].group.rewards) == ["right"]

    def test_csv_and_columns_that_are_named_need_no_format(self, tmp_path):
        source = tmp_path / "mine.csv"
        source.write_text('q,a,r\n"one, two",x,1\n"one, two",y,0\n')
        told = json.loads(
            import_(
                source, tmp_path / "run", "--prompt-column", "q", "--completion-column", "a", "--reward-column", "r",
                "--json",
            ).stdout
        )  # fmt: skip
        assert (told["format"], told["completions"], told["groups"]) == ("jsonl", 2, 1)
        assert Run.open(tmp_path / "run").group(1, 0).group.rewards["r"].tolist() == [1.0, 0.0]

    def test_a_finish_reason_that_is_not_told_stays_unknown(self, tmp_path):
        lines(tmp_path / "dump" / "1.jsonl", verl_rows(1))
        told = json.loads(import_(tmp_path / "dump", tmp_path / "run", "--json").stdout)
        assert any("unknown for 8 completions" in note for note in told["notes"])
        run = Run.open(tmp_path / "run")
        assert set(run.group(1, 0).group.finish_reasons) == {"unknown"}
        assert run.query("SELECT cut_share FROM groups").column(0).to_pylist() == [None, None]
