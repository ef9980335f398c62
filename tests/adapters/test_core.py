"""The part of every adapter that knows no engine: ragged rows in, adjusted totals, advantages and a record out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dra_toolkit import Run, adapters, adjust_rows
from dra_toolkit.adapters.rows import EngineRows, spoken
from dra_toolkit.adapters.settings import ENGINES, read_settings
from dra_toolkit.cli.main import app
from dra_toolkit.diversity import ESTIMATORS, DiversitySettings
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.errors import DRAError, RecipeError, RunError
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.inspection.verify import verify

TEXTS = ["one two", "one two", "three four", "five", "five", "six", "seven eight", "seven eight"]
IDS = ["a", "b", "a", "c", "a", "c", "b", "a"]


def rows(**other) -> EngineRows:
    known = {
        "group_ids": IDS,
        "prompts": [[{"role": "user", "content": f"say {group}"}] for group in IDS],
        "completions": TEXTS,
        "rewards": {"right": np.array([1.0, 0, 1, 0.5, 0, 1, 1, 0]), "format": np.array([0.0, 1, 1, 0, 1, 0, 0, 1])},
        "tokens": [len(text) for text in TEXTS],
        "finish_reasons": ["stop"] * 8,
        "golds": [group.upper() for group in IDS],
    }
    return EngineRows(**{**known, **other})


def test_adjusted_totals_and_advantages_are_those_of_adjust_rows_and_the_record_is_faithful(run_of, capsys):
    run = run_of("diversity: log_det\nlog_det_ridge: 0.2\n")
    assert capsys.readouterr().out.startswith("DRA is on in tests: diversity log_det, embedder hash, recorded in ")
    batch = run.adjust(rows(), step=1)
    vectors = load_embedder(EmbedderSettings(name="hash")).embed(TEXTS).vectors
    totals = 2 * rows().rewards["right"] + rows().rewards["format"]
    settings = DiversitySettings(measure="log_det", options={"log_det_ridge": 0.2})
    expected = adjust_rows(IDS, totals=totals, embeddings=vectors, settings=settings)
    np.testing.assert_array_equal(batch.found.adjusted, expected.adjusted)
    advantages = run.advantages(batch)
    np.testing.assert_array_equal(advantages, expected.advantages(ESTIMATORS["verl"]))
    metrics = run.record(batch, advantages)
    assert metrics["diversity/weight"] == pytest.approx(np.mean([a.weights.mean() for a in expected.adjustments]))
    run.recorded.close()
    recorded = Run.open(run.recorded.directory.path)
    (first, second, third) = recorded.groups(step=1)
    assert [len(record.group) for record in (first, second, third)] == [4, 2, 2]
    assert first.group.completions == ("one two", "three four", "five", "seven eight")
    assert (first.group.gold, first.group.prompt[0].content) == ("A", "say a")
    np.testing.assert_array_equal(first.advantages, advantages[[0, 2, 4, 7]])
    checked = verify(recorded)
    assert (checked.problems, checked.largest_replay_error < 1e-6) == ([], True)
    assert {each.kind for each in lint(run.recorded.directory.path).findings} <= {"unequal groups"}  # as they came
    assert run.recorded.directory.status()["state"] == "finished"


def test_rows_of_one_trajectory_are_one_completion_its_last(run_of):
    run = run_of()
    batch = run.adjust(rows(trajectories=[0, 1, 0, 2, 3, None, 4, 5], turns=[1, 0, 0, 0, 0, 0, 0, 0]), step=1)
    assert batch.row_of == [0, 1, 3, 4, 6, 7]
    assert batch.rows.completions == [TEXTS[row] for row in batch.row_of]
    spread = batch.by_row(np.arange(6.0) + 1)
    assert spread.tolist() == [1, 2, 1, 3, 4, 0, 5, 6]


def test_a_group_of_one_keeps_its_total(run_of):
    run = run_of()
    some = rows(group_ids=["alone", *IDS[1:]])
    batch = run.adjust(some, step=1)
    assert batch.found.adjusted[0] == 2.0
    assert run.advantages(batch)[0] == pytest.approx(2.0 / (1 + 1e-6))  # as verl has it


def test_a_group_split_over_two_batches_is_told(run_of, capsys):
    run = run_of()
    run.adjust(rows(), step=1)
    capsys.readouterr()
    run.adjust(rows(group_ids=["a", *["x"] * 7]), step=2)
    assert "group a of step 2 came in an earlier batch too: 1 groups are split over batches" in capsys.readouterr().out


def test_rows_without_an_id_and_rewards_that_are_no_numbers(run_of):
    run = run_of()
    with pytest.raises(ValueError, match="group_ids: row 3 has None"):
        run.adjust(rows(group_ids=[*IDS[:3], None, *IDS[4:]]), step=1)
    bad = {"right": np.array([1.0, 0, np.inf, 0.5, 0, 1, 1, 0]), "format": np.zeros(8)}
    with pytest.raises(RunError, match=r"1 of 8 completions of step 1 have no finite total, .* group a \(right inf"):
        run.adjust(rows(rewards=bad), step=1)
    nothing = {"right": np.array([1.0, np.nan, 0, 0.5, 0, 1, 1, 0]), "format": np.full(8, np.nan)}
    with pytest.raises(RunError, match="1 of 8 completions"):
        run.adjust(rows(rewards=nothing), step=1)


def test_a_completion_without_a_reward_where_the_engine_knows_that(run_of):
    run = run_of(abstains=True)
    rewards = {"right": np.array([1.0, np.nan, 0, 0.5, 0, 1, 1, 0]), "format": np.full(8, np.nan)}
    batch = run.adjust(rows(rewards=rewards), step=1)
    assert run.advantages(batch)[1] == 0


def test_completions_that_never_end_in_text(run_of):
    """A tool loop that only called: nothing was written by the policy, and nobody is like it."""
    run = run_of()
    batch = run.adjust(rows(completions=["", "", *TEXTS[2:]]), step=1)
    assert run.record(batch, run.advantages(batch))["diversity/similarity"] < 1


def test_a_second_start_goes_on_and_a_new_run_takes_nobodys_place(run_of):
    run = run_of()
    batch = run.adjust(rows(), step=1)
    run.record(batch, run.advantages(batch))
    run.recorded.close()
    again = run_of()
    with pytest.raises(RunError, match="holds a run already, and this one begins at step 1"):
        again.record(batch, again.advantages(batch))
    later = again.adjust(rows(), step=2)
    again.record(later, again.advantages(later))
    again.recorded.close()
    recorded = Run.open(run.recorded.directory.path)
    assert [(record.step, record.attempt) for record in recorded.groups()][::3] == [(1, 1), (2, 2)]


def test_two_batches_of_one_step(run_of):
    run = run_of()
    for number in range(2):
        batch = run.adjust(rows(group_ids=[f"{group}{number}" for group in IDS]), step=1)
        run.record(batch, run.advantages(batch))
    run.recorded.close()
    assert {record.batch for record in Run.open(run.recorded.directory.path).groups(step=1)} == {0, 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("diversty: mmr", "diversty: is not said here; did you mean 'diversity'"),
        ("diversity_scope: rank_slice", "diversity_scope: is not said here"),
        ("- 1", "found a list, expected a mapping of `key: value` lines"),
        ("negative_totals: add", "negative_totals: found 'add', expected one of divide"),
        ("diversity: mmr\nmmr_trade_off: 3", "mmr_trade_off: found 3, expected a number from 0 to 1"),
        ("embedder: policy", "cannot embed recorded texts"),
        ("embedder_actors: -1", "embedder_actors: found -1, expected a number from 0"),
    ],
)
def test_a_settings_file_that_cannot_be(tmp_path, text, said):
    file = tmp_path / "dra.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=said):
        read_settings(file)


def test_an_embedder_that_cannot_be_loaded_and_one_that_measures_nothing(tmp_path, run_of, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "without_gpu.py").write_text("raise RuntimeError('no GPU here')\ndef embed(texts): ...")
    with pytest.raises(DRAError, match="no GPU here"):
        run_of("embedder: without_gpu.embed\n")
    with pytest.raises(RunError, match="embedder: none cannot measure what diversity: graph_cut needs"):
        run_of("embedder: none\n")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_recipe_becomes_a_settings_file_and_a_command(tmp_path, monkeypatch, engine):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["export-settings", "quickstart", engine, "diversity=mmr", "mmr_trade_off=0.4"])
    assert done.exit_code == 0, done.output
    settings = read_settings(tmp_path / "quickstart.dra.yaml")
    assert (settings.diversity.measure, settings.diversity.option_values()) == ("mmr", {"trade_off": 0.4})
    assert str(tmp_path / "quickstart.dra.yaml") in done.output


def test_an_adapter_is_as_short_as_the_page_says():
    root = Path(adapters.__file__).parent
    page = (Path(__file__).parents[2] / "docs/engines/README.md").read_text()
    (limit,) = map(int, re.findall(r"An adapter is at most (\d+) lines", page))
    lines = {name: len((root / f"{name}.py").read_text().splitlines()) for name in ("verl", "slime", "ms_swift")}
    assert limit <= 120
    assert max(lines.values()) <= limit, lines
    assert len((root / "core.py").read_text().splitlines()) <= 150


def test_what_a_tool_said_is_in_the_turns_and_not_in_what_the_policy_wrote():
    def decode(ids):
        return " ".join(map(str, ids))

    assert spoken([1, 2, 3], [1, 1, 1], decode) == ("1 2 3", None)
    text, turns = spoken([1, 2, 9, 8, 3], [1, 1, 0, 0, 1], decode)
    assert text == "1 2 3"
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("assistant", "1 2"),
        ("tool", "9 8"),
        ("assistant", "3"),
    ]
    assert spoken([], [], decode) == ("", None)
