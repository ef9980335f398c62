"""Why did the reward fall: the ten questions of docs/for-assistants.md, asked as it says, held to the Parquet files."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from recorded import FACTS, make_run
from shaped import SHAPES, held
from typer.testing import CliRunner

from dra_app.context import Context
from dra_app.read_functions import ReadFunctions
from dra_toolkit.cli.main import app
from dra_toolkit.diversity import adjust, group_advantages
from dra_toolkit.groups import CompletionGroup, GroupRecord, Message
from dra_toolkit.runs import Recorder

PAGE = Path(__file__).parents[2] / "docs" / "for-assistants.md"
FELL, STEPS, G, GROUPS = 9, 12, 6, 4
"""The step at which the reward falls, and how large the run is."""

WEIGHTS = {"accuracy": 1.0, "format": 0.5}


def group(step: int, index: int) -> GroupRecord:
    """Return a group: additions that are mostly right, until from one step on most are cut while they hesitate."""
    rng = np.random.default_rng([step, index])
    asked = (step + index) % 6
    is_cut = rng.random(G) < (0.75 if step == FELL else 0.05)
    says = [f"way {rng.integers(4)}: the sum is \\boxed{{{asked if rng.random() < 0.7 else 0}}}" for _ in range(G)]
    texts = [
        f"Wait, {'wait, ' * int(rng.integers(1, 4))}hm" if cut else text for cut, text in zip(is_cut, says, strict=True)
    ]
    vectors = rng.standard_normal((G, 3)) + (2.0 if step > FELL else 0.5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    right = np.array([f"{{{asked}}}" in text and asked != 0 for text in texts], dtype=float)
    rewards = {"accuracy": right, "format": 1.0 - is_cut}
    totals = rewards["accuracy"] + 0.5 * rewards["format"]
    adjustment = adjust(embeddings=vectors, totals=totals)
    sampled = CompletionGroup(
        prompt=(Message(role="user", content=f"What is {asked} + 0?"),),
        completions=tuple(texts),
        token_counts=np.where(is_cut, 64, rng.integers(8, 20, G)).astype(np.int32),
        finish_reasons=tuple("length" if cut else "stop" for cut in is_cut),
        rewards=rewards,
        reward_weights=WEIGHTS,
    )
    plain, made = group_advantages(totals[None])[0], group_advantages(adjustment.adjusted[None])[0]
    place = {"mode": "train", "step": step, "batch": 0, "index": index, "attempt": 1 + (step >= FELL - 1)}
    return GroupRecord(**place, group=sampled, adjustment=adjustment, plain_advantages=plain, advantages=made)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("runs")
        patch.setenv("DRA_RUNS", str(folder))
        directory = make_run(folder / "fell", "scale_rewards: group\n")
        recorder = Recorder(directory.groups, replace(FACTS, reward_weights=WEIGHTS), tell=print)
        for step in range(1, STEPS + 1):
            recorder.submit([group(step, i) for i in range(GROUPS)])
        recorder.close()
        yield directory


@pytest.fixture(scope="module")
def rows(run) -> list[dict]:
    """Every completion as its Parquet file has it."""
    files = sorted(run.groups.glob("*.parquet"))
    assert len(files) == STEPS
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.fixture(scope="module")
def commands() -> dict[str, str]:
    """The questions of the page, and the command that answers each."""
    table = PAGE.read_text().split("| --- | --- | --- |\n")[1].split("\n\n")[0]
    found = [re.fullmatch(r"\| (.+?) \| `(dra .+?)` \| .+ \|", line) for line in table.splitlines()]
    assert all(found)
    assert len(found) == 10
    return {each[1]: each[2] for each in found}


@pytest.fixture
def ask(run, commands):
    """Return what the command of a question prints, whose first words are given."""

    def asked(question: str, index: int = 3) -> dict:
        (command,) = [line for known, line in commands.items() if known.startswith(question)]
        command = (
            command.replace("399", str(FELL - 1)).replace("400", str(FELL)).replace(" 3 --json", f" {index} --json")
        )
        ran = CliRunner().invoke(app, shlex.split(command.replace("RUN", "fell"))[1:])
        assert ran.exit_code == 0, ran.output
        return json.loads(ran.stdout)

    return asked


@pytest.fixture(scope="module")
def tools(run) -> ReadFunctions:
    """What the MCP server of the dashboard offers."""
    return ReadFunctions(Context(run.path.parent))


def of(rows, step, column):
    return [row[column] for row in rows if row["step"] == step]


def by_group(rows, step, column):
    return {i: [row[column] for row in rows if (row["step"], row["group_index"]) == (step, i)] for i in range(GROUPS)}


def test_where_the_reward_fell(ask, rows):
    means = [step["means"]["reward"] for step in ask("At which step")["steps"]]
    changes = np.diff(means)
    expected = np.diff([np.mean(of(rows, step, "total")) for step in range(1, STEPS + 1)])
    assert 2 + int(changes.argmin()) == 2 + int(expected.argmin()) == FELL
    assert changes.min() == pytest.approx(expected.min())
    assert changes.min() < -0.3


def test_which_reward_function(ask, rows):
    before, now = ask("Which reward function")["rows"]
    for name in ("accuracy", "format"):
        for told, step in ((before, FELL - 1), (now, FELL)):
            assert told[name] == pytest.approx(np.mean([rewards[name] for rewards in of(rows, step, "rewards")]))
    assert before["format"] - now["format"] > 0.5


def test_harder_prompts_or_worse_on_the_same(ask, rows):
    (told,) = ask("Were the prompts harder")["rows"]
    totals: dict[str, dict[bool, list[float]]] = {}
    for row in rows:
        if row["step"] <= FELL:
            totals.setdefault(row["prompt_hash"], {}).setdefault(row["step"] == FELL, []).append(row["total"])
    both = [(np.mean(found[True]), np.mean(found[False])) for found in totals.values() if len(found) == 2]
    assert told["prompts"] == len(both) == GROUPS
    assert told["change"] == pytest.approx(np.mean([now - earlier for now, earlier in both]))
    assert told["change"] < -0.3


def test_cut_at_the_longest_length(ask, rows, tools):
    told = ask("Were more completions cut")["groups"]
    for step in (FELL - 1, FELL):
        cut = np.mean([reason == "length" for reason in of(rows, step, "finish_reason")])
        assert np.mean([each["cut_share"] for each in told if each["step"] == step]) == pytest.approx(cut)
        assert np.mean([each["cut_share"] for each in tools.groups("fell", step)]) == pytest.approx(cut)


def test_answers_that_could_be_read(ask, rows):
    told = ask("Could their answers")["groups"]
    readable = sum("\\boxed{" in text for text in of(rows, FELL, "completion"))
    assert (sum(g["answers_read"] for g in told), sum(g["size"] for g in told)) == (readable, G * GROUPS)
    assert 0 < readable < G * GROUPS


def test_the_lowest_groups_and_what_they_say(ask, rows, tools):
    lowest = [each["index"] for each in ask("Which groups fell lowest")["groups"]]
    means = {i: np.mean(totals) for i, totals in by_group(rows, FELL, "total").items()}
    assert sorted(means[i] for i in lowest) == sorted(means.values())[:2]
    told = ask("What do the worst completions", lowest[0])
    of_group = [row for row in rows if (row["step"], row["group_index"]) == (FELL, lowest[0])]
    worst = int(np.argmin(told["adjustment"]["totals"]))
    assert told["adjustment"]["totals"] == pytest.approx([row["total"] for row in of_group])
    assert told["group"]["completions"][worst] == of_group[worst]["completion"]
    assert told["group"]["finish_reasons"][worst] == of_group[worst]["finish_reason"] == "length"
    by_tool = tools.group("fell", FELL, lowest[0])
    assert by_tool["group"]["completions"] == told["group"]["completions"]
    held(
        "dra inspect group RUN STEP INDEX", {"version": 1, **by_tool}, apart=SHAPES["dra inspect group RUN STEP INDEX"]
    )


def test_how_many_say_wait(ask, rows, tools):
    expected = sum("wait" in text.lower() for text in of(rows, FELL, "completion"))
    assert ask("How many completions say")["hits"]["total"] == expected > 5
    assert len(tools.search("fell", "wait", steps=str(FELL), limit=100)) == expected


def test_what_the_adjustment_did(ask, rows, tools):
    total = ask("How much of the advantages")["total"]
    trained, plain = np.array(of(rows, FELL, "advantage")), np.array(of(rows, FELL, "advantage_plain"))
    moved = np.abs(trained - plain).sum() / np.abs(trained).sum()
    assert total["moved_share"] == pytest.approx(moved, rel=1e-4)
    assert total["flips"] == (trained * plain < 0).sum()
    told = tools.what_if("fell", "diversity=none", steps=str(FELL))
    assert told["moved_share"] == pytest.approx(moved, rel=1e-4)


def test_whether_it_was_resumed(ask, rows):
    told = {row["attempt"]: row["first_step"] for row in ask("Was the run resumed")["rows"]}
    assert told == {attempt: min(r["step"] for r in rows if r["attempt"] == attempt) for attempt in (1, 2)}
    assert told[2] == FELL - 1
