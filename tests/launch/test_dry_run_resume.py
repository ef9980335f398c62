"""`dra train --dry-run --resume` answers for the resume: the commands, the notes and the refusals of the real one."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.launch.plan import plan
from dra_toolkit.launch.start import prepared
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs.checkpoints import MANIFEST

pytestmark = pytest.mark.process

RECIPE = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [format]
embedder: hash
num_generations: 4
per_device_train_batch_size: 8
max_steps: 20
"""


@pytest.fixture
def arguments(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    arguments = [f"output_dir={tmp_path / 'run'}", "max_steps=20"]
    with prepared(load_recipe(path, arguments), resume=False, overwrite=False) as start:
        start.run.metrics.write_text('{"step": 1}\n')
    for step, there in ((5, True), (10, True), (15, False)):
        checkpoint = start.run.checkpoints / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "model.safetensors").write_bytes(b"x" * (7 if there else 3))
        (checkpoint / MANIFEST).write_text(json.dumps({"files": {"model.safetensors": 7}}))
    return path, arguments


def dry_run(path, *arguments: str, status: int = 0) -> str:
    ran = CliRunner().invoke(app, ["train", str(path), *arguments, "--resume", "--dry-run"])
    assert ran.exit_code == status, ran.output
    return ran.output


def files(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_shows_the_command_that_the_resume_starts_and_changes_nothing(arguments, tmp_path):
    path, given = arguments
    before = files(tmp_path)
    told = json.loads(dry_run(path, *given, "--json"))
    shown = dry_run(path, *given)
    assert files(tmp_path) == before
    with prepared(load_recipe(path, given), resume=True, overwrite=False) as start:
        argv = list(
            plan(load_recipe(path, given), start.run, attempt=start.attempt, checkpoint=start.checkpoint).train.argv
        )
    assert told["commands"][-1]["argv"] == argv
    at = argv.index("--checkpoint")
    assert argv[at + 1].endswith("checkpoint-10")  # the newest that is whole
    assert argv[argv.index("--attempt") + 1] == "2"
    assert argv[at + 1] in shown
    assert list(start.skipped) == [note for note in told["notes"] if "checkpoint-15" in note]
    assert f"note: {start.skipped[0]}" in " ".join(shown.split())


def test_a_longer_run_goes_on_and_another_setting_is_refused_as_by_the_resume(arguments):
    path, given = arguments
    assert "checkpoint-10" in dry_run(path, given[0], "max_steps=30")
    assert "learning_rate: the run has" in dry_run(path, *given, "learning_rate=0.5", status=2)


def test_a_finished_run_is_told_to_be_finished(arguments, tmp_path):
    path, given = arguments
    status = tmp_path / "run" / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "finished"}))
    assert "is finished, so a resume does nothing; raise max_steps" in " ".join(dry_run(path, *given).split())
