"""What engines hand over in shapes of their own, against loops of plain Python; and what cannot be, in one line."""

import uuid

import numpy as np
import pytest
import torch
from test_core import IDS, TEXTS, rows

from dra_toolkit import Run
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import RunError
from dra_toolkit.inspection.verify import verify

RIGHT = [1.0, 0, 1, 0.5, 0, 1, 1, 0]
FORMAT = [0.0, 1, 1, 0, 1, 0, 0, 1]


def by_loops(ids, texts, totals):
    """Return adjusted totals and verl's advantages of them: a total is divided by its similarity to all of its group."""
    vectors = [
        [float(x) for x in vector] for vector in load_embedder(EmbedderSettings(name="hash")).embed(texts).vectors
    ]
    adjusted = []
    for mine, group in enumerate(ids):
        shared = 0.0
        for other, its in enumerate(ids):
            if its == group:
                shared += max(0.0, sum(a * b for a, b in zip(vectors[mine], vectors[other], strict=True)))
        adjusted.append(totals[mine] / shared)
    advantages = []
    for mine, group in enumerate(ids):
        members = [adjusted[row] for row, its in enumerate(ids) if its == group]
        mean = sum(members) / len(members)
        spread = (
            (sum((value - mean) ** 2 for value in members) / (len(members) - 1)) ** 0.5 if len(members) > 1 else 1.0
        )
        advantages.append((adjusted[mine] - (mean if len(members) > 1 else 0.0)) / (spread + 1e-6))
    return adjusted, advantages


def held(run, given, ids=IDS, texts=TEXTS):
    batch = run.adjust(given, step=torch.tensor(1))
    adjusted, advantages = by_loops(ids, texts, [2 * right + said for right, said in zip(RIGHT, FORMAT, strict=True)])
    np.testing.assert_allclose(batch.found.adjusted, adjusted, atol=1e-6)
    np.testing.assert_allclose(run.advantages(batch), advantages, atol=1e-5)
    run.record(batch, run.advantages(batch))
    run.recorded.close()
    recorded = Run.open(run.recorded.directory.path)
    assert list(verify(recorded).problems) == []
    return [*recorded.groups(step=1)]


@pytest.mark.parametrize(
    "made",
    [
        list,
        tuple,
        np.array,
        torch.tensor,
        lambda values: [torch.tensor(value) for value in values],
        lambda values: torch.tensor(values).bfloat16(),
        lambda values: torch.tensor(values, requires_grad=True),
        lambda values: np.array(values)[:, None],
    ],
    ids=["list", "tuple", "array", "tensor", "tensors", "bfloat16", "with gradient", "column"],
)
@pytest.mark.filterwarnings("ignore:Conversion of an array")
def test_rewards_of_any_library(run_of, made):
    held(run_of(), rows(rewards={"right": made(RIGHT), "format": made(FORMAT)}))


NUMBERS = ["abc".index(group) for group in IDS]


@pytest.mark.parametrize(
    "ids",
    [
        NUMBERS,
        np.array(NUMBERS),
        torch.tensor(NUMBERS),
        [uuid.UUID(int=number) for number in NUMBERS],
        [("prompt", number) for number in NUMBERS],
        [number + 0.5 for number in NUMBERS],
        [number + 2**70 for number in NUMBERS],
        [[1, "1", b"1"][number] for number in NUMBERS],
    ],
    ids=["int", "numpy", "torch", "uuid", "tuple", "float", "large", "alike"],
)
def test_group_ids_of_any_kind_and_a_split_group_of_them_is_told(run_of, capsys, ids):
    run = run_of()
    held(run, rows(group_ids=ids))
    capsys.readouterr()
    run.adjust(rows(group_ids=ids), step=2)
    assert "3 groups are split over batches" in capsys.readouterr().out


def test_completions_as_messages_and_none_at_all(run_of):
    texts = [TEXTS[0], "", *TEXTS[2:]]
    said = [
        [
            {"role": "assistant", "content": "one"},
            {"role": "tool", "content": "42"},
            {"role": "assistant", "content": "two"},
        ],
        None,
        *TEXTS[2:],
    ]
    first, second, _ = held(run_of(), rows(completions=said), texts=["one\ntwo", *texts[1:]])
    assert first.group.completions[0] == "one\ntwo"
    assert [turn.role for turn in first.group.turns[0]] == ["assistant", "tool", "assistant"]
    assert second.group.completions[0] == ""


def test_a_reason_that_is_not_known_counts_as_an_end(run_of):
    groups = held(run_of(), rows(finish_reasons=[None] * 8))
    assert {reason for record in groups for reason in record.group.finish_reasons} == {"stop"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"rewards": {"right": RIGHT, "format": FORMAT[:7]}},
            "format: found 7 values, expected one for each of 8 rows",
        ),
        ({"rewards": {"right": [*RIGHT, 1.0], "format": FORMAT}}, "right: found 9 values, expected one for each of 8"),
        ({"rewards": {"right": ["good"] * 8, "format": FORMAT}}, "right: expected a number for each row"),
        ({"known": {"log_probs": np.zeros(3)}}, "log_probs: found 3 values"),
        ({"completions": TEXTS[:5]}, "completions: found 5 values"),
        ({"prompts": ["one"]}, "prompts: found 1 values"),
        ({"golds": []}, "golds: found 0 values"),
        ({"trajectories": [0, 0, *range(1, 7)]}, "trajectories: 0 has rows of groups a and b"),
        ({"trajectories": np.zeros((8, 2))}, "trajectories: found .*, expected one id for each row"),
        ({"rewards": {"right": [10**400] * 8, "format": FORMAT}}, "right: expected a number for each row"),
        ({"completions": [7] * 8}, "completions: found 7, expected texts or lists of messages"),
        ({"completions": [{"role": "user", "content": "x"}] * 8}, "completions: found {'role'"),
        ({"rewards": {"right": RIGHT, "format": FORMAT, "tokens": [1.0] * 8}, "tokens": [1] * 9}, "tokens: found 9"),
    ],
)
def test_columns_that_do_not_fit_are_one_line(run_of, changed, told):
    with pytest.raises(RunError, match=told):
        run_of().adjust(rows(**changed), step=1)


def test_a_reward_may_have_the_name_of_what_else_an_engine_tells():
    plain = rows(rewards={"log_probs": RIGHT}, known={"log_probs": np.arange(8) - 9.0}).plain()
    assert plain.rewards["log_probs"].tolist() == RIGHT
    assert plain.known["log_probs"].tolist() == [*range(-9, -1)]


def test_trajectories_and_turns_may_be_tensors():
    trajectories, turns = [0, 0, 0, 1, 2, 3, 4, 4], [0, 2, 1, 0, 0, 0, 1, 0]
    given = rows(group_ids=["a"] * 8, trajectories=trajectories, turns=turns).members()
    assert given == {0: 1, 1: 3, 2: 4, 3: 5, 4: 6}
    tensors = {"trajectories": torch.tensor(trajectories), "turns": torch.tensor(turns)}
    assert rows(group_ids=["a"] * 8, **tensors).plain().members() == given


@pytest.mark.parametrize(
    "ids", [np.zeros((8, 2)), torch.zeros(8, 2), [[1]] * 8, [{"a": 1}] * 8, [float("nan")] * 8, [None] * 8]
)
def test_what_is_no_id_is_told_with_its_row(run_of, ids):
    with pytest.raises(ValueError, match=r"group_ids: row 0 has .*, expected the id of its group for each row"):
        run_of().adjust(rows(group_ids=ids), step=1)
