"""Health notes speak only where two independent signs agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recorded import FACTS, make_run, record, record_all

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.inspection.overview import (
    by_rule,
    distinct_right,
    health_notes,
    inverted_negatives,
    shrunken_updates,
)
from dra_toolkit.runs import Recorder, Run
from dra_toolkit.runs.metrics import append_metrics, never_paid

S = 12
NAMES = (
    "reward",
    "similarity",
    "distinct_ratio",
    "distinct_answers",
    "correct_share",
    "zero_spread",
    "weight",
    "tokens",
    "cut_share",
    "abs_advantage_plain",
    "abs_advantage",
)


def curves(**changes):
    """Return curves that stand still, but for those named, which go from one value to another."""
    flat = {name: np.full(S, 0.5) for name in NAMES}
    return flat | {name: np.linspace(*ends, S) for name, ends in changes.items()}


@pytest.mark.parametrize(
    ("check", "both", "one", "other"),
    [
        (
            "diversity collapse",
            {"similarity": (0.4, 0.9), "distinct_answers": (5, 1)},
            {"similarity": (0.4, 0.9)},
            {"distinct_answers": (5, 1)},
        ),
        (
            "diversity collapse",
            {"similarity": (0.4, 0.9), "distinct_ratio": (1, 0.2)},
            {"similarity": (0.4, 0.9), "distinct_ratio": (0.2, 1)},
            {"distinct_ratio": (1, 0.2)},
        ),
        (
            "length drift",
            {"tokens": (100, 300), "cut_share": (0, 0.5), "correct_share": (0.2, 0.6)},
            {"tokens": (100, 300), "correct_share": (0.2, 0.6)},
            {"cut_share": (0, 0.5)},
        ),
        (
            "padding",
            {"similarity": (0.9, 0.4), "cut_share": (0, 0.5)},
            {"similarity": (0.9, 0.4), "distinct_ratio": (0.2, 1)},
            {"similarity": (0.9, 0.85), "distinct_ratio": (0.9, 1), "cut_share": (0, 0.5)},
        ),
        (
            "padding",
            {"distinct_ratio": (0.2, 1), "cut_share": (0, 0.5)},
            {"distinct_ratio": (0.2, 1)},
            {"distinct_ratio": (1, 0.2), "cut_share": (0, 0.5)},
        ),
        ("saturation", {"zero_spread": (0.2, 0.9)}, {"zero_spread": (0.2, 0.9), "reward": (0.1, 1)}, {}),
    ],
)
def test_two_signs_are_needed(check, both, one, other):
    note = by_rule(check, curves(**both))
    assert note is not None
    assert len(note.signs) == 2
    assert note.advice
    assert by_rule(check, curves(**one)) is None
    assert by_rule(check, curves(**other)) is None


def test_what_was_not_measured_says_nothing():
    unknown = {name: np.full(S, np.nan) for name in NAMES}
    for check in ("diversity collapse", "length drift", "padding", "saturation"):
        assert by_rule(check, unknown) is None
    assert shrunken_updates(unknown, replace(FACTS, scale_rewards="none")) is None


def test_shrunken_updates_need_raw_weights_without_scaling():
    small = curves(weight=(0.3, 0.3), abs_advantage=(0.1, 0.1))
    raw = replace(FACTS, scale_rewards="none")
    assert shrunken_updates(small, raw).name == "shrunken updates"
    assert shrunken_updates(small, FACTS) is None
    assert shrunken_updates(small, replace(raw, diversity=DiversitySettings(weights="mean_one"))) is None
    assert shrunken_updates(curves(weight=(0.3, 0.3)), raw) is None


def test_inverted_negatives_need_negatives_and_favour():
    assert inverted_negatives(0.5, 0.8).name == "inverted negatives"
    assert inverted_negatives(0.5, -0.8) is None
    assert inverted_negatives(0.0, float("nan")) is None


def recorded_run(path, steps, settings, *, negative):
    """Record groups of eight in which five wrong completions are alike and rewards are negative or not."""
    directory = make_run(path)
    similarity = np.eye(8)
    similarity[:5, :5] = 0.9
    np.fill_diagonal(similarity, 1)
    totals = np.array([-1.0] * 5 + [-1.0, 1.0, 1.0]) if negative else np.array([0.0] * 6 + [1.0, 1.0])
    adjustment = adjust(similarity=similarity, totals=totals, settings=settings)
    batches = []
    for step in range(1, steps + 1):
        base = record(step, 0, G=8)
        batches.append(
            [
                replace(
                    base,
                    group=replace(base.group, rewards={"a": totals, "b b": np.zeros(8)}),
                    adjustment=adjustment,
                    plain_advantages=group_advantages(totals[None])[0],
                    advantages=group_advantages(adjustment.adjusted[None])[0],
                )
            ]
        )
    record_all(directory, *batches)
    return Run(directory)


def test_a_run_whose_repeated_mistakes_are_spared(tmp_path):
    found = health_notes(recorded_run(tmp_path / "a", 8, DiversitySettings(), negative=True))
    assert [note.name for note in found] == ["inverted negatives"]
    assert health_notes(recorded_run(tmp_path / "b", 8, DiversitySettings(), negative=False)) == ()


def test_nothing_is_said_of_a_run_that_has_hardly_begun(tmp_path):
    assert health_notes(recorded_run(tmp_path / "a", 3, DiversitySettings(), negative=True)) == ()
    assert health_notes(Run(make_run(tmp_path / "none"))) == ()


def test_a_policy_that_gets_things_right_is_not_called_collapsed():
    fewer = curves(similarity=(0.4, 0.9), distinct_answers=(5, 1), correct_share=(0.2, 0.95))
    assert by_rule("diversity collapse", fewer, right=(0.9, 0.85)) is None
    collapsed = by_rule("diversity collapse", fewer, right=(0.9, 0.3))
    assert collapsed.signs[1].what == "different texts among right completions"
    assert (collapsed.signs[1].before, collapsed.signs[1].after) == (0.9, 0.3)


def test_notes_advise_nothing_that_the_run_has():
    both = curves(
        similarity=(0.4, 0.9), distinct_answers=(5, 1), tokens=(100, 300), cut_share=(0, 0.5), zero_spread=(0.2, 0.9)
    )
    has = {"diversity": "graph_cut", "loss_type": "dr_grpo", "zero_spread_groups": "skip"}
    lacks = {"diversity": "none", "loss_type": "dapo", "zero_spread_groups": "adjust"}
    for check, key in (
        ("diversity collapse", "diversity"),
        ("length drift", "loss_type"),
        ("saturation", "zero_spread_groups"),
    ):
        assert f"set {key}:" not in by_rule(check, both, has).advice
        assert f"set {key}:" in by_rule(check, both, lacks).advice


def test_the_share_of_different_texts_is_that_of_the_right_completions(tmp_path):
    directory = make_run(tmp_path / "r")
    batches = []
    for step in range(1, 7):
        found = record(step, 0, G=4, texts=["same", "same", "same", "other"] if step > 3 else ["a", "b", "c", "wrong"])
        rewards = {**found.group.rewards, "a": np.array([1.0, 1.0, 1.0, 0.0])}
        batches.append([replace(found, group=replace(found.group, rewards=rewards))])
    recorder = Recorder(directory.groups, replace(FACTS, correct_by="a"), tell=print)
    for batch in batches:
        recorder.submit(batch)
    recorder.close()
    assert distinct_right(Run(directory), np.arange(1.0, 7.0)) == (1.0, pytest.approx(1 / 3))


def test_where_nothing_tells_right_from_wrong_no_share_of_right_texts_is_known(tmp_path):
    directory = make_run(tmp_path / "r")
    record_all(directory, *([record(step)] for step in range(1, 7)))
    assert distinct_right(Run(directory), np.arange(1.0, 7.0)) is None


def test_golds_that_are_not_read_are_a_note_from_the_first_step_on(tmp_path):
    run = recorded_run(tmp_path / "a", 2, DiversitySettings(), negative=False)
    for step, share in ((1, 0.5), (2, 0.25)):
        append_metrics(
            run.directory.metrics, step=step, attempt=1, values={"reward": 0.5, "accuracy/unreadable_gold": share}
        )
    (note,) = health_notes(run)
    assert (note.name, note.signs[0].before, note.signs[0].after) == ("not judged", 0.5, 0.25)
    assert "37.5% of the completions got no reward" in note.says


def test_a_run_whose_reward_is_null_throughout_was_never_paid(tmp_path):
    metrics = tmp_path / "metrics.jsonl"
    assert not never_paid(metrics)
    append_metrics(metrics, step=1, attempt=1, values={"reward": float("nan")})
    assert never_paid(metrics)
    append_metrics(metrics, step=2, attempt=1, values={"reward": 0.0})
    assert not never_paid(metrics)


def test_a_summary_asks_once_for_the_steps_and_opens_no_connection_twice(tmp_path, monkeypatch):
    import duckdb

    from dra_toolkit.inspection.overview import summarise

    run = make_run(tmp_path / "run")
    record_all(run, *([record(step, 0)] for step in range(1, 9)))
    opened, asked, connect, query = [], [], duckdb.connect, Run.query
    monkeypatch.setattr(duckdb, "connect", lambda *given, **named: opened.append(1) or connect(*given, **named))
    monkeypatch.setattr(
        Run, "query", lambda run, sql, *given, **named: asked.append(sql) or query(run, sql, *given, **named)
    )
    overview = summarise(Run.open(run.path))
    assert [step.step for step in overview.steps] == list(range(1, 9))
    assert {step.groups for step in overview.steps} == {1}
    assert sum("FROM steps" in sql for sql in asked) == 1
    assert len(opened) == 2, "one of all files, one of those of the last third"
