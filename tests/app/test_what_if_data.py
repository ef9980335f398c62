"""What the What-if page is told is what the replay computes, and an address can make the server run no code."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from group_app import make_groups_run
from real_runs import group, store

from dra_app.pages import what_if
from dra_app.pages.what_if.ranking import rank
from dra_app.pages.what_if.replayed import group_what_if
from dra_app.pages.what_if.settings import changes_from, facts_of, fields_of, missing_inputs, written
from dra_toolkit.diversity import MEASURES
from dra_toolkit.drawing.numbers import percent
from dra_toolkit.errors import DRAError
from dra_toolkit.inspection.replay.differences import Sums
from dra_toolkit.inspection.replay.pieces import histories
from dra_toolkit.inspection.replay.run import replay_groups, replay_run
from dra_toolkit.inspection.replay.settings import read_changes
from dra_toolkit.runs import Run

SETTINGS = [
    "",
    "diversity=log_det",
    "diversity=none",
    "diversity=cluster_size",
    "diversity=set_utility,set_utility_scale=0.5",
    "diversity=maxrl_graph_cut",
    "diversity=poly_epo,poly_epo_k=3",
    "diversity=history_gate,history_gate_k=2",
    "diversity=history_baseline,history_baseline_discount=0.9",
    "negative_totals=shift,diversity_weights=mean_one",
    "scale_rewards=none",
    "scale_rewards=batch",
    "zero_spread_groups=skip,similarity_floor=null",
    "similarity_centre=group_mean,diversity_start_step=3",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_groups_run(tmp_path_factory.mktemp("root") / "r")


@pytest.mark.parametrize("asked", SETTINGS)
def test_a_group_has_the_advantages_of_the_replay_of_its_whole_step(run: Run, asked: str) -> None:
    changes, facts = changes_from({"set": asked}), facts_of(run, 2, "train")
    records = list(run.groups(step=2))
    settings, scaling = changes.settings(facts, "train"), changes.estimator(facts)
    earlier = partial(histories, run, "train")
    expected = replay_groups(records, settings, scaling, correct_by=facts.correct_by, earlier=earlier)
    for record, replayed in zip(records, expected, strict=True):
        found = group_what_if(run, run.group(2, record.index), facts, changes)
        np.testing.assert_allclose(found.replayed.advantages, replayed.advantages, atol=1e-9)


@pytest.mark.parametrize("asked", SETTINGS)
def test_the_groups_of_a_step_add_up_to_the_step(run: Run, asked: str) -> None:
    changes, facts = changes_from({"set": asked}), facts_of(run, 3, "train")
    total = Sums()
    for record in run.groups(step=3):
        total.add(group_what_if(run, record, facts, changes).sums)
    step = replay_run(run, changes, steps=(3, 3)).differences.total()
    assert (total.flips, total.rank_swaps, total.completions) == (step.flips, step.rank_swaps, step.completions)
    assert total.moved == pytest.approx(step.moved)


def test_the_whole_run_is_that_of_the_replay(run: Run) -> None:
    shown = what_if.show_run(run, {"set": "diversity=facility_location"})["parts"]["all-run"]
    whole = replay_run(run, read_changes(["diversity=facility_location"])).differences.total()
    assert f"<b>{whole.flips:,}</b>" in shown
    assert percent(whole.moved_share) in shown
    assert f"{whole.changed_groups} of {whole.groups} groups change" in shown


def test_a_preset_is_written_out_and_leaves_the_measure() -> None:
    asked = changes_from({"set": "diversity_preset=robust,diversity=mmr"}).given
    assert asked == {**read_changes(["diversity_preset=robust"]).given, "diversity": "mmr"}
    assert "diversity_preset" not in written(changes_from({"set": "diversity_preset=robust"}))


@pytest.mark.parametrize(
    "asked",
    [
        "diversity=os.system",
        "diversity=package.module.function",
        "diversity_labels=os.path.join",
        "embedder=minilm",
        "model_name_or_path=x",
        "diversity=log_dett",
        "negative_totals=maybe",
        "similarity_floor=[1",
        "x" * 2_000,
    ],
)
def test_an_address_cannot_import_or_download_or_change_what_no_replay_has(run: Run, asked: str) -> None:
    with pytest.raises(DRAError):
        changes_from({"set": asked})


def test_changes_are_written_as_they_are_read() -> None:
    asked = "diversity=dqo,dqo_scale=0.3,similarity_floor=null"
    assert changes_from({"set": written(changes_from({"set": asked}))}).given == changes_from({"set": asked}).given


def test_measures_whose_inputs_were_not_recorded_say_why(run: Run) -> None:
    why = missing_inputs(run.group(1, 0))
    assert set(why) == {name for name, measure in MEASURES.items() if "log_probs" in measure.needs}
    assert set(why) > {"unlikeliness", "ucpo", "maxrl_log_probs"}
    answer = what_if.show_group(run, {"step": "1", "set": "diversity=ucpo"})
    assert "log_probs" in answer["error"]
    assert "log-probabilities not recorded" in answer["parts"]["form"]


def test_a_measure_of_the_prompts_history_reads_its_earlier_groups(tmp_path: Path) -> None:
    """k = 2: the gate is 2 (1 + wrong) / (2 + right + wrong) of the group before, and 1 where there was none."""
    directory = store(tmp_path / "r", *([group(step, 0, 8, characters=60)] for step in (1, 2)))
    run = Run(directory)
    (first,), (second,) = (list(run.groups(step=step)) for step in (1, 2))
    assert first.group.prompt == second.group.prompt
    right = int((first.group.rewards["accuracy"] > 0).sum())
    facts, changes = facts_of(run, 2, "train"), changes_from({"set": "diversity=history_gate,history_gate_k=2"})
    plain = changes_from({"set": "diversity=none"})
    weights = [group_what_if(run, record, facts, changes).replayed.adjustment.weights for record in (first, second)]
    np.testing.assert_allclose(weights[0], 1.0)
    np.testing.assert_allclose(weights[1], 2 * (1 + 8 - right) / (2 + 8))
    then, before = (group_what_if(run, second, facts, each).replayed.advantages for each in (changes, plain))
    np.testing.assert_allclose(then, before * weights[1], atol=1e-9)


def test_the_form_says_what_differs_from_the_record(run: Run) -> None:
    changes = changes_from({"set": "diversity=mmr,mmr_trade_off=0.5"})
    fields = fields_of(facts_of(run, 1, "train"), "train", changes, run.group(1, 0))
    assert [field.key for field in fields if field.is_changed] == ["diversity", "mmr_trade_off"]


def test_the_settings_are_given_as_lines_that_a_recipe_takes(run: Run) -> None:
    lines = what_if.show_group(run, {"step": "1", "set": "negative_totals=multiply"})["parts"]["lines"]
    assert '<pre data-copy="1">negative_totals: multiply</pre>' in lines


def test_settings_are_ranked_by_what_they_do_to_right_and_wrong(tmp_path: Path) -> None:
    directory = store(tmp_path / "maths", *([group(step, i, 8, characters=60) for i in range(3)] for step in (1, 2)))
    run = Run(directory)
    facts = facts_of(run, 1, "train")
    settings = ["", "diversity=none"]
    found = {outcome.given: outcome for outcome in rank(run, facts, "train", [1, 2], settings)}
    records = [record for step in (1, 2) for record in run.groups(step=step)]
    for given, outcome in found.items():
        changes = changes_from({"set": given})
        replayed = replay_groups(records, changes.settings(facts, "train"), changes.estimator(facts))
        advantages = [
            record.advantages if not given else each.advantages for record, each in zip(records, replayed, strict=True)
        ]
        right = [record.group.rewards["accuracy"] > 0 for record in records]
        pairs = [(a[r][:, None] - a[~r][None, :]).ravel() for a, r in zip(advantages, right, strict=True)]
        assert outcome.pairs == sum(map(len, pairs))
        assert outcome.inverted == sum(int((gaps < 0).sum()) for gaps in pairs)
        assert outcome.whole == pytest.approx(sum(float(np.abs(a).sum()) for a in advantages))
        ups = [float(np.maximum(a[r], 0).sum()) for a, r in zip(advantages, right, strict=True)]
        assert outcome.encouraged == pytest.approx(sum(ups))
        assert outcome.rare == pytest.approx(sum(up for up, r in zip(ups, right, strict=True) if r.mean() <= 0.25))
        assert outcome.rights.sum() == sum(int(r.sum()) for r in right)
    shown = what_if.show_ranking(run, {"step": "1", "whole": "1", "set": "diversity=mmr"})["parts"]["ranking"]
    assert 'data-take="diversity=mmr"' in shown
    assert "2 steps from 1 to 2" in shown


def test_a_setting_that_cannot_be_replayed_says_why_in_its_row(run: Run) -> None:
    (outcome,) = rank(run, facts_of(run, 1, "train"), "train", [1], ["diversity=ucpo"])
    assert "log_probs" in outcome.problem
