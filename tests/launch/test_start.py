"""What may go on in a run, and who: changed settings, and several launchers at once."""

from __future__ import annotations

import errno
import os

import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.errors import RunError
from dra_toolkit.launch.start import prepare, prepared
from dra_toolkit.recipe import load_recipe

RECIPE = """
model_name_or_path: some/model
dataset_name: some/data
reward_funcs: [accuracy]
embedder: hash
num_generations: 4
num_processes: 2
per_device_train_batch_size: 4
completions_per_step: 24
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return lambda *overrides: load_recipe(path, [f"output_dir={tmp_path / 'run'}", *overrides])


@pytest.fixture
def begun(recipe):
    with prepared(recipe(), resume=False, overwrite=False) as start:
        start.run.metrics.write_text('{"step": 1}\n')  # what recorded nothing may be started anew in any way
        return start


def refusal(recipe) -> str:
    with pytest.raises(RunError) as refused, prepared(recipe, resume=True, overwrite=False):
        pass
    return "; ".join(refused.value.problems)


@pytest.mark.parametrize(
    "changes",
    [
        ["dataloader_num_workers=2", "dataloader_pin_memory=false"],
        ["gradient_checkpointing=false", "disable_tqdm=true", "log_level=info"],
        ["num_processes=1"],
        ["num_processes=3"],
        ["num_processes=1", "completions_per_step=null", "gradient_accumulation_steps=6"],
        ["num_processes=4", "num_machines=2", "main_process_ip=10.0.0.1", "per_device_train_batch_size=2"],
    ],
)
def test_how_the_work_is_done_may_change(recipe, begun, changes):
    changed = recipe(*changes)
    with prepared(changed, resume=True, overwrite=False) as start:
        assert start.attempt == 2
    settings = [(start.run.attempt_logs(number) / "resolved.json").read_text() for number in (1, 2)]
    assert settings == [recipe().to_json(), changed.to_json()]  # each attempt keeps its own


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["num_processes=1", "completions_per_step=12"], "recipe now says 1; with completions_per_step=24 another"),
        (["completions_per_step=48"], "gradient_accumulation_steps: the run has 3, the recipe now says 6"),
        (["num_processes=1", "steps_per_generation=1"], "steps_per_generation"),
        (["num_processes=1", "deepspeed=ds.json"], "num_processes"),
        (["accelerate_config=zero2"], "accelerate_config: the run has None, the recipe now says 'zero2'"),
        (["learning_rate=0.1"], "learning_rate"),
    ],
)
def test_what_a_step_is_may_not(recipe, begun, changes, told):
    assert told in refusal(recipe(*changes))


def test_of_two_resumes_at_once_one_goes_on_and_one_is_told(recipe, begun):
    with prepared(recipe(), resume=True, overwrite=False) as start:
        assert "is still training in this run; stop it first" in refusal(recipe())
        with pytest.raises(RunError, match="still training"), prepared(recipe(), resume=False, overwrite=True):
            pass
        assert start.run.last_attempt() == 2
    with prepared(recipe(), resume=True, overwrite=False) as start:
        assert start.attempt == 3


@pytest.mark.process
def test_a_disk_that_is_full_at_the_launchers_own_status_is_told_in_a_line(tmp_path, monkeypatch):
    def full(source, target, replace=os.replace):
        if str(target).endswith("status.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr("dra_toolkit.runs.files.os.replace", full)
    ran = CliRunner().invoke(app, ["train", "quickstart", f"output_dir={tmp_path / 'run'}"])
    assert isinstance(ran.exception, SystemExit), ran.output
    assert ran.exit_code == 2
    assert "status.json: cannot be written (No space left on device)" in " ".join(ran.stderr.split())
    assert len(ran.stderr.splitlines()) <= 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_fresh_start_too_keeps_others_away(recipe, overwrite):
    for _ in range(2 if overwrite else 1):
        with prepared(recipe(), resume=False, overwrite=overwrite):
            assert "still training" in refusal(recipe())


def test_of_two_fresh_starts_that_both_saw_no_run_one_goes_on_and_one_is_told(recipe):
    first = prepare(recipe(), is_new=True)
    resolved = first.run.resolved.read_bytes()
    with pytest.raises(RunError) as refused:
        prepare(recipe("seed=7"), is_new=True)
    assert str(refused.value) == (
        f"output_dir: another start is making a run in {first.run.path}; choose another place"
    )
    assert (first.run.resolved.read_bytes(), first.run.last_attempt()) == (resolved, 1)
