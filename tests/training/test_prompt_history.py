"""A prompt's earlier groups: kept while training, recorded with the groups, and the same after a resume and in a replay."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from recorded import RECIPE, make_run

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.inspection.replay.run import replay_run
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import FileFacts, Recorder, Run
from dra_toolkit.runs.numbers import visits
from dra_toolkit.training.script_run import history_of
from dra_toolkit.training.trainer import DRATrainer

SETTINGS = DiversitySettings(measure="history_baseline", options={"history_baseline_discount": 0.5})
STEPS, CUT = 6, 3


def often(completions, **_):
    """Reward of 1 for completions that say `ones` or `1`."""
    return [float(any(word in completion[0]["content"] for word in ("ones", "1"))) for completion in completions]


def rollout(prompts, trainer):
    """Sample what depends on the step alone, so that a resumed run samples the same."""
    return tiny.fixed_rollouts(seed=trainer.state.global_step)(prompts, trainer)


def train(policy, run, steps, *, checkpoint=None, history=None):
    """Train three prompts, two at a step, into a run."""
    facts = FileFacts(
        run="r",
        reward_weights={"often": 1.0},
        scale_rewards="none",
        diversity=SETTINGS,
        embedder="none",
        correct_by=None,
    )
    recorder = Recorder(run.groups, facts, tell=print)
    advantages = {}

    def keep(records):
        advantages[records[0].step] = [record.advantages for record in records]
        recorder.submit(records)

    trainer = DRATrainer(
        model=str(policy),
        reward_funcs=[often],
        args=tiny.grpo_config(
            run.checkpoints, max_steps=steps, scale_rewards="none", save_strategy="steps", save_steps=CUT
        ),
        train_dataset=tiny.prompts(3),
        rollout_func=rollout,
        diversity=SETTINGS,
        on_groups=keep,
        history=history,
        before_save=recorder.flush,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    recorder.close()
    return advantages


@pytest.fixture(scope="module")
def straight(policy, tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("straight") / "run")
    return run, train(policy, run, STEPS)


def test_a_prompt_seen_again_has_a_history(straight):
    found = visits(Run(straight[0]))
    assert len(found) == 2 * STEPS
    assert len({visit.prompt for visit in found}) == 3
    assert any(0 < visit.right < visit.right + visit.wrong for visit in found)


def test_the_recorded_advantages_follow_from_the_earlier_groups(straight):
    run, trained = straight
    report = replay_run(Run(run))
    assert report.differences.worst.error < 1e-6
    known: dict[str, np.ndarray] = {}
    for step, batch in sorted({visit.place[:2] for visit in visits(Run(run))}):
        here = [visit for visit in visits(Run(run)) if visit.place[:2] == (step, batch)]
        before = [known.get(visit.prompt, np.zeros(2)) for visit in here]
        for visit, past, advantages in zip(here, before, trained[step], strict=True):
            G = visit.right + visit.wrong
            for r, count in ((1, visit.right), (0, visit.wrong)):
                expected = r - (1 + past[0] + visit.right - r) / (2 + past.sum() + G - 1)
                assert np.isclose(advantages, expected, atol=1e-6).sum() >= count
        for visit in here:
            known[visit.prompt] = 0.5 * known.get(visit.prompt, np.zeros(2)) + [visit.right, visit.wrong]


def test_a_resumed_run_knows_what_it_recorded_up_to_its_checkpoint(straight, policy, tmp_path):
    run = make_run(tmp_path / "run")
    train(policy, run, CUT)
    recipe_file = tmp_path / "r.yaml"
    recipe_file.write_text(RECIPE + "diversity: history_baseline\nhistory_baseline_discount: 0.5\n")
    recipe = load_recipe(recipe_file)
    checkpoint = run.checkpoints / f"checkpoint-{CUT}"
    assert history_of(run.path, recipe, None) is None
    history = history_of(run.path, recipe, checkpoint)
    again = train(policy, run, STEPS, checkpoint=checkpoint, history=history)
    for step in range(CUT + 1, STEPS + 1):
        np.testing.assert_allclose(again[step], straight[1][step], atol=1e-6)
