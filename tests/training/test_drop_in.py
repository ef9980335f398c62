"""DRATrainer in the place of GRPOTrainer in a script of one's own: arguments, record, wrong rewards, other trainers."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from trl import GRPOTrainer, RLOOConfig
from trl.experimental.gmpo import GMPOConfig, GMPOTrainer

import dra_toolkit
from dra_toolkit import DiversityMixin, DRARLOOTrainer, DRATrainer, Run
from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.diversity.measures.objectives import leave_one_out
from dra_toolkit.embedding import offline_embedder
from dra_toolkit.errors import RewardError
from dra_toolkit.inspection.verify import verify

PAGES = ("README.md", "docs/scripts.md")


def trained(policy, folder, rewards=tiny.letters, *, steps=1, config=None, kind=DRATrainer, **kwargs):
    config = config or tiny.grpo_config(folder, max_steps=steps)
    kwargs = {"embedder": "hash", "tell": lambda line: None} | kwargs
    if kind is DRATrainer:
        kwargs["rollout_func"] = tiny.fixed_rollouts()
    trainer = kind(str(policy), rewards, args=config, train_dataset=tiny.prompts(), **kwargs)
    trainer.train()
    return trainer


def faithful(folder) -> None:
    assert list(verify(Run.open(folder)).problems) == []


class TestRecord:
    def test_by_position_and_without_further_arguments_the_run_lies_in_the_output_dir(self, policy, tmp_path, capsys):
        config = tiny.grpo_config(tmp_path / "out", max_steps=2)
        trainer = DRATrainer(str(policy), tiny.letters, config, tiny.prompts())
        trainer.train()
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("dra-toolkit:")]
        assert (
            line
            == f"dra-toolkit: graph_cut, similarity by {offline_embedder().name}; groups are recorded in {tmp_path / 'out'}"
        )
        run = Run.open(tmp_path / "out")
        assert [record.step for record in run.groups()] == [1, 1, 2, 2]
        assert [row["step"] for row in run.metrics() if "reward" in row] == [1, 2]
        assert run.directory.status()["state"] == "finished"
        recipe = run.directory.read_recipe()
        assert (recipe["num_generations"], recipe["embedder"], recipe["max_steps"]) == (4, offline_embedder().name, 2)
        assert recipe["reward_funcs"] == ["letters"]
        faithful(tmp_path / "out")

    def test_a_resumed_script_goes_on_in_its_record_and_another_training_puts_it_aside(self, policy, tmp_path):
        told: list[str] = []

        def config(steps):
            return tiny.grpo_config(tmp_path, max_steps=steps, save_strategy="steps", save_steps=1)

        def trainer(steps):
            return DRATrainer(
                str(policy), tiny.letters, config(steps), tiny.prompts(), embedder="hash", tell=told.append
            )

        trainer(2).train()
        trainer(3).train(resume_from_checkpoint=True)
        run = Run.open(tmp_path)
        assert {record.step: record.attempt for record in run.groups()} == {1: 1, 2: 1, 3: 2}
        assert [row["step"] for row in run.metrics() if "reward" in row] == [1, 2, 3]
        trainer(1).train()
        assert [record.step for record in Run.open(tmp_path).groups()] == [1, 1]
        assert {record.step for record in Run.open(tmp_path / "earlier-1").groups()} == {1, 2, 3}
        assert told[-1].endswith(f"an earlier record lies in {tmp_path / 'earlier-1'}")

    def test_a_training_that_fails_says_so_and_keeps_what_was_recorded(self, policy, tmp_path):
        calls = []

        def breaks(completions, **_):
            calls.append(1)
            if len(calls) > 1:
                raise KeyError("mine")
            return [float(index) for index in range(len(completions))]

        with pytest.raises(KeyError):
            trained(policy, tmp_path, breaks, steps=3)
        run = Run.open(tmp_path)
        assert run.directory.status()["state"] == "failed"
        assert {record.step for record in run.groups()} == {1}

    def test_nothing_is_recorded_on_request(self, policy, tmp_path):
        trained(policy, tmp_path, record=False)
        assert not (tmp_path / "groups").exists()

    def test_a_bare_import_loads_no_torch(self):
        script = (
            "import sys, dra_toolkit; dra_toolkit.DRATrainer if len(sys.argv) > 1 else 0; print('torch' in sys.modules)"
        )
        for arguments, expected in (([], "False"), (["trainer"], "True")):
            ran = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
            assert ran.stdout.split()[-1] == expected
        assert "DRATrainer" in dra_toolkit.__all__


class TestRewards:
    def test_without_any_reward_trls_own_refusal_comes(self, policy, tmp_path):
        for rewards in ([], None):
            with pytest.raises(ValueError, match="No reward source provided"):
                trained(policy, tmp_path, rewards)

    def test_two_functions_of_one_name_keep_two_columns_and_the_right_totals(self, policy, tmp_path):
        def scoring(which):
            def rw(completions, **_):
                return [float(index % 4 == which) for index in range(len(completions))]

            return rw

        config = tiny.grpo_config(tmp_path, max_steps=1, reward_weights=[1.0, 3.0])
        trained(policy, tmp_path, [scoring(0), scoring(1)], config=config)
        record = next(iter(Run.open(tmp_path).groups()))
        assert {name: values.tolist() for name, values in record.group.rewards.items()} == {
            "rw": [1, 0, 0, 0],
            "rw_2": [0, 1, 0, 0],
        }
        assert record.adjustment.totals.tolist() == [1, 3, 0, 0]
        faithful(tmp_path)

    @pytest.mark.parametrize("value", [math.inf, -math.inf, 1e300])
    @pytest.mark.parametrize("scaling", ["group", "batch", "none"])
    def test_one_infinite_reward_is_told_and_its_group_still_learns(self, policy, tmp_path, value, scaling):
        def endless(completions, **_):
            return [value if index == 0 else float(index % 2) for index in range(len(completions))]

        told: list[str] = []
        config = tiny.grpo_config(tmp_path, max_steps=2, scale_rewards=scaling)
        trained(policy, tmp_path, endless, config=config, tell=told.append)
        (line,) = [line for line in told if line.startswith("reward_funcs")]
        assert line.startswith(
            f"reward_funcs: endless gave {torch.tensor(value, dtype=torch.float32).item():g} for 1 of 8 completions"
        )
        record = next(iter(Run.open(tmp_path).groups()))
        assert np.isnan(record.adjustment.totals).tolist() == [True, False, False, False]
        assert record.advantages[0] == 0
        assert np.abs(record.advantages[1:]).max() > 0.3
        faithful(tmp_path)

    @pytest.mark.parametrize(
        ("returned", "told"),
        [
            (None, "returned None"),
            (0.5, "returned a float (0.5)"),
            (torch.tensor(0.5), "returned a Tensor"),
            ("12345678", "returned a str"),
            ({"a": 1}, "returned a dict"),
            (["1"] * 8, "returned a list with a str (1)"),
            ([[1.0]] * 8, "returned a list with a list"),
            ([1.0] * 7, "returned 7 rewards"),
        ],
    )
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_what_is_no_list_of_numbers_is_one_line_with_the_functions_name(
        self, policy, tmp_path, returned, told, kind
    ):
        def mine(completions, **_):
            return returned

        async def later(completions, **_):
            return returned

        function = mine if kind == "sync" else later
        with pytest.raises(RewardError) as caught:
            trained(policy, tmp_path, function)
        (line,) = caught.value.problems
        assert line.startswith(f"reward_funcs: {function.__name__} {told}")
        assert "expected a list of 8 numbers or None" in line

    def test_a_class_is_refused_before_anything_is_loaded(self, tmp_path):
        class Mine:
            def __call__(self, completions, **_):
                return [0.0] * len(completions)

        with pytest.raises(RewardError, match=r"found the class Mine, expected a function or an instance: Mine\(...\)"):
            DRATrainer("no/model", Mine, tiny.grpo_config(tmp_path), tiny.prompts())

    def test_what_trl_takes_for_numbers_stays_taken(self, policy, tmp_path):
        def mixed(completions, **_):
            return (x for x in [1, True, None, np.float32(2), torch.tensor(3.0), 0.5, np.bool_(True), torch.ones(1)])

        trained(policy, tmp_path, [mixed, lambda completions, **_: np.zeros(len(completions))])
        first, second = (record.group.rewards["mixed"] for record in Run.open(tmp_path).groups())
        np.testing.assert_array_equal(np.concatenate([first, second]), [1, 1, np.nan, 2, 3, 0.5, 1, 1])

    def test_trls_warning_that_nobody_gave_a_reward_still_comes(self, policy, tmp_path, caplog):
        with caplog.at_level("WARNING"):
            trained(policy, tmp_path, lambda completions, **_: [None] * len(completions))
        assert "All reward functions returned None" in caplog.text


def test_the_script_of_the_documentation_runs(policy, tmp_path):
    root = Path(__file__).parents[2]
    scripts = [re.findall(r"```python\n(import sys.*?)```", (root / page).read_text(), re.DOTALL) for page in PAGES]
    ((script,), (same,)) = scripts
    assert script == same
    assert len(script.splitlines()) <= 25
    file = tmp_path / "mine.py"
    file.write_text(script)
    ran = subprocess.run(
        [sys.executable, str(file), str(policy)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    run = Run.open(tmp_path / "runs/script")
    assert {record.step for record in run.groups()} == set(range(1, 11))
    faithful(tmp_path / "runs/script")


class Calling(GRPOTrainer):
    """Stands for a policy that calls a tool: what it sampled is taken for a call, a result and an answer."""

    def _generate(self, prompts):
        prompt_ids, completion_ids, _, completions, *rest = super()._generate(prompts)
        turns = [
            [
                {"role": "assistant", "content": f"way {index}", "tool_calls": [self.call(index)]},
                {"role": "tool", "name": "multiply", "content": "42, says the tool"},
                {"role": "assistant", "content": "The answer is 42."},
            ]
            for index, _ in enumerate(completions)
        ]
        masks = [[1] + [0] * (len(ids) - 1) for ids in completion_ids]
        return prompt_ids, completion_ids, masks, turns, *rest

    def call(self, index):
        return {"type": "function", "function": {"name": "multiply", "arguments": {"a": index, "b": 7}}}


class DRACalling(DiversityMixin, Calling):
    """The same with diversity-aware rewards."""


def test_completions_in_turns_are_compared_and_recorded_whole(policy, tmp_path):
    def right(completions, **_):
        return [float("42" in completion[-1]["content"]) for completion in completions]

    data = tiny.prompts().add_column("solution", ["42"] * 64)
    DRACalling(
        str(policy),
        right,
        tiny.grpo_config(tmp_path, max_steps=1),
        data,
        rollout_func=tiny.fixed_rollouts(),
        embedder="hash",
    ).train()
    record = next(iter(Run.open(tmp_path).groups()))
    group = record.group
    assert group.gold == "42"
    assert [turn.role for turn in group.turns[0]] == ["assistant", "tool", "assistant"]
    assert "multiply" in group.completions[1]
    assert "says the tool" not in group.completions[1]
    assert group.policy_tokens.tolist() == [1, 1, 1, 1]
    off_diagonal = record.adjustment.similarity[~np.eye(4, dtype=bool)]
    assert off_diagonal.max() < 1, "the same last words do not make copies"
    faithful(tmp_path)


class DRAGMPOTrainer(DiversityMixin, GMPOTrainer):
    """As the documentation has it."""


class TestOtherTrainers:
    def test_gmpo(self, policy, tmp_path):
        config = GMPOConfig(str(tmp_path), **(tiny.SETTINGS | {"max_steps": 2}))
        trainer = trained(policy, tmp_path, config=config, kind=DRAGMPOTrainer)
        assert trainer.state.global_step == 2
        faithful(tmp_path)

    @pytest.mark.parametrize("normalize", [False, True])
    def test_rloo_uses_and_records_leave_one_out_advantages(self, policy, tmp_path, normalize):
        changes = {"max_steps": 2, "beta": 0.0, "normalize_advantages": normalize}
        config = RLOOConfig(str(tmp_path), **(tiny.SETTINGS | changes))
        trained(policy, tmp_path, config=config, kind=DRARLOOTrainer)
        records = list(Run.open(tmp_path).groups(step=1))
        for name, totals in (("advantages", "adjusted"), ("plain_advantages", "totals")):
            expected = leave_one_out(np.stack([getattr(record.adjustment, totals) for record in records]))
            if normalize:
                expected = (expected - expected.mean()) / (expected.std(ddof=1) + 1e-4)
            np.testing.assert_allclose(np.stack([getattr(r, name) for r in records]), expected, atol=1e-5)
        faithful(tmp_path)
        assert np.abs(records[0].advantages - records[0].plain_advantages).max() > 1e-3

    def test_a_measure_on_advantages_is_refused_for_rloo(self, tmp_path):
        with pytest.raises(ValueError, match="acts on advantages"):
            DRARLOOTrainer("no/model", tiny.letters, diversity=DiversitySettings(measure="set_utility"))
