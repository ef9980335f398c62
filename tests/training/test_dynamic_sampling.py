"""Groups without spread give way to groups of other prompts, in one process and in two whose groups straddle them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sampling_run
import tiny
from layouts import in_processes

from dra_toolkit.inspection.verify import verify
from dra_toolkit.runs import Run
from dra_toolkit.runs.metrics import read_metrics
from dra_toolkit.training.trainer import DRARLOOTrainer, DRATrainer

SCRIPT = Path(sampling_run.__file__)


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.long), 2])
def trained(request, policy, tmp_path_factory) -> Run:
    """The run of six steps of three groups of four."""
    out, processes = tmp_path_factory.mktemp("sampled") / "run", request.param
    in_processes(processes, SCRIPT, str(policy), str(out), str(12 // processes))
    return Run.open(out)


def number(record) -> int:
    return int(record.group.prompt[-1].content.split()[2])


def test_groups_without_spread_give_way_to_others(trained):
    kept, discarded = list(trained.groups()), list(trained.groups(mode="discarded"))
    assert len(kept) == 18
    assert [record.step for record in kept] == [step for step in range(1, 7) for _ in range(3)]
    assert discarded
    assert all(np.ptp(record.adjustment.totals) > 0 for record in kept)
    assert all(np.ptp(record.adjustment.totals) == 0 for record in discarded)
    assert {number(record) < 16 for record in kept} == {False}
    assert any(number(record) < 16 for record in discarded)


def test_a_discarded_group_is_whole_and_says_why_and_what_it_cost(trained):
    discarded = list(trained.groups(mode="discarded"))
    assert {record.discard_reason for record in discarded} <= {
        f"round {round_}: the totals have no spread" for round_ in (1, 2, 3, 4)
    }
    assert all(len(record.group) == 4 and record.group.token_counts.min() > 0 for record in discarded)
    assert not any(record.advantages.any() for record in discarded)
    logged = [values for values in read_metrics(trained.directory.metrics) if "diversity/discarded_groups" in values]
    by_step = {step: [r for r in discarded if r.step == step] for step in range(1, 7)}
    assert [values["diversity/discarded_groups"] for values in logged] == [len(by_step[step]) for step in by_step]
    tokens = [sum(int(r.group.token_counts.sum()) for r in records) for records in by_step.values()]
    assert [values["diversity/discarded_tokens"] for values in logged] == tokens


def test_what_is_trained_on_is_as_recorded(trained):
    checked = verify(trained)
    assert checked.problems == []
    assert checked.largest_replay_error < 1e-5  # of totals up to 80, as float32


def test_rounds_are_bounded_and_the_last_groups_are_trained_on(policy, tmp_path):
    def equal(completions, **_):
        return [1.0] * len(completions)

    config = tiny.grpo_config(tmp_path, max_steps=1)
    DRATrainer(str(policy), equal, config, tiny.prompts(), embedder="hash", dynamic_sampling_rounds=2).train()
    run = Run.open(tmp_path)
    assert len(list(run.groups())) == 2
    assert [r.discard_reason[:7] for r in run.groups(mode="discarded")] == ["round 1", "round 1", "round 2", "round 2"]


def test_rewards_of_what_stays_are_those_of_its_first_scoring(policy, tmp_path):
    """A reward that counts its calls gives every later scoring higher numbers."""
    calls = []

    def later_is_more(prompts, completions, **_):
        calls.append(len(completions))
        spread = sampling_run.spread_by_prompt(prompts, completions)
        return [1000 * len(calls) * (value != 1.0) + value for value in spread]

    config = tiny.grpo_config(tmp_path, max_steps=3, per_device_train_batch_size=16)
    trainer = DRATrainer(
        str(policy), later_is_more, config, tiny.prompts(), embedder="hash", dynamic_sampling_rounds=3, diversity="none"
    )
    trainer.train()
    run = Run.open(tmp_path)
    assert len(calls) > 3
    scored_at = {(r.step, int(r.adjustment.totals[0] // 1000)) for r in run.groups()}
    assert len(scored_at) > 3, "groups of one step were scored at different times"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rollout_func": tiny.fixed_rollouts()}, "rollout_func"),
        ({"train_dataset": tiny.prompts().to_iterable_dataset()}, "data without a length"),
        ({"train_dataset": tiny.prompts().add_column("image", [None] * 64)}, "a column 'image'"),
    ],
)
def test_what_no_prompt_can_be_exchanged_in_is_refused(policy, tmp_path, given, said):
    known = {"train_dataset": tiny.prompts(), "args": tiny.grpo_config(tmp_path)}
    with pytest.raises(ValueError, match=f"dynamic_sampling_rounds: found 1 with {said}"):
        DRATrainer(str(policy), tiny.letters, dynamic_sampling_rounds=1, **known | given)
    with pytest.raises(ValueError, match="with RLOO"):
        DRARLOOTrainer(str(policy), tiny.letters, dynamic_sampling_rounds=1, **known)
