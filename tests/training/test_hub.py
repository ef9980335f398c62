"""Pushes by the Hub's own client to a small server: a revision for each save, failures that do not stop training, resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny
from huggingface_hub import ModelCard
from huggingface_hub.errors import OfflineModeIsEnabled
from transformers import TrainerCallback
from writable_hub import writable_hub

from dra_toolkit.runs import Run
from dra_toolkit.training.hub import Revisions, model_files, push_final
from dra_toolkit.training.trainer import DRATrainer

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
learning_rate: 1.0e-2
lr_scheduler_type: constant
max_steps: 3
save_steps: 1
save_total_limit: 1
push_to_hub: true
hub_revisions: true
hub_model_id: sums
output_dir: {run}
"""
HUB_TOKEN = "hf_" + "c0ffee" * 6
MODEL = {"README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}


def dra(hub: str, folder: Path, *arguments: str) -> tuple[int, str]:
    """Train as a user who is logged in to `hub`."""
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", *arguments]
    account = {"HF_ENDPOINT": hub, "HF_TOKEN": HUB_TOKEN, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    paths = {"HF_HOME": str(folder / "home"), "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env={**os.environ, **account, **paths}, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def pushed(policy, tmp_path_factory):
    """A run whose revision 2 is refused once and whose revision 3 is always refused, and the same run resumed."""
    folder = tmp_path_factory.mktemp("pushed")
    data, recipe = folder / "data.jsonl", folder / "recipe.yaml"
    data.write_text("".join(json.dumps({"question": f"{i} + 2?", "solution": str(i + 2)}) + "\n" for i in range(32)))
    recipe.write_text(RECIPE.format(policy=policy, data=data, run=folder / "run"))
    refused: list[str] = []

    def refuse(method: str, path: str) -> int | None:
        if "/commit/step-00003" in path or ("/commit/step-00002" in path and path not in refused):
            refused.append(path)
            return 403
        return None

    with writable_hub(token=HUB_TOKEN, refuse=refuse) as hub:
        status, said = dra(hub.address, folder, str(recipe))
        assert status == 0, said
        first = {branch: dict(files) for branch, files in hub.branches.items()}
        commits, waiting = list(hub.commits), sorted(path.name for path in (folder / "run" / "hub").iterdir())
        hub.refuse = lambda method, path: None
        status, resumed = dra(hub.address, folder, str(recipe), "max_steps=4", "--resume")
        assert status == 0, resumed
        yield SimpleNamespace(
            run=folder / "run",
            said=said,
            branches=first,
            commits=commits,
            waiting=waiting,
            resumed=resumed,
            after=hub,
        )


class TestPushed:
    def test_every_save_is_a_revision_of_its_own(self, pushed):
        assert ("step-00001", "step 1") in pushed.commits
        assert pushed.branches["step-00001"].keys() >= MODEL
        weights = [pushed.after.branches[f"step-0000{step}"]["model.safetensors"] for step in (1, 2, 3, 4)]
        assert len(set(weights)) == 4
        assert all(file.keys() >= MODEL for name, file in pushed.after.branches.items())

    def test_a_revision_holds_the_model_and_no_training_state(self, pushed):
        names = set(pushed.branches["step-00001"])
        assert not {
            name for name in names if name.endswith((".pt", ".pth", ".bin")) or "state" in name or "dra_" in name
        }

    def test_checkpoints_that_were_rotated_away_are_pushed_too(self, pushed):
        assert [path.name for path in (pushed.run / "checkpoints").glob("checkpoint-*")] == ["checkpoint-4"]
        assert pushed.branches["step-00002"].keys() >= MODEL

    def test_a_refusal_is_told_once_and_training_goes_on(self, pushed):
        assert pushed.said.count("could not be pushed to sums (status 403:") == 1
        assert "step 3/3" in pushed.said
        assert Run.open(pushed.run).directory.status()["state"] == "finished"

    def test_what_failed_is_tried_again_at_the_end(self, pushed):
        assert ("step-00002", "step 2") in pushed.commits
        assert pushed.commits.index(("step-00002", "step 2")) > pushed.commits.index(("step-00001", "step 1"))

    def test_what_is_left_is_named_with_the_command_and_pushed_by_a_resume(self, pushed):
        assert pushed.waiting == ["step-00003"]
        said = " ".join(pushed.said.split())
        assert "hub_revisions: not on the Hub: 1 (step-00003)" in said
        assert f"hf upload sums {pushed.run}/hub/step-00003 . --revision step-00003" in said
        assert ("step-00003", "step 3") in pushed.after.commits
        assert not (pushed.run / "hub").exists()

    def test_main_holds_the_finished_model_alone(self, pushed):
        assert [message for branch, message in pushed.commits if branch == "main"] == ["step 3, end of training"]
        assert pushed.branches["main"].keys() >= MODEL

    def test_every_push_carries_the_card_of_its_step(self, pushed):
        for name, files in pushed.after.branches.items():
            card = files["README.md"].decode()
            step = 4 if name == "main" else int(name.removeprefix("step-"))
            assert f"- Steps: {step}, with groups of 4 completions" in card
            assert 'model="ada/sums"' in card
            assert "dra-grpo" in ModelCard(card).data.tags

    def test_nothing_pushed_and_no_file_of_the_run_holds_the_token(self, pushed):
        contents = [content for files in pushed.after.branches.values() for content in files.values()]
        contents += [path.read_bytes() for path in pushed.run.rglob("*") if path.is_file()]
        assert len(contents) > 40
        assert not any(b"c0ffee" in content for content in contents)


def test_a_hub_that_does_not_make_the_repository_is_one_line(policy, tmp_path):
    data, recipe = tmp_path / "data.jsonl", tmp_path / "recipe.yaml"
    data.write_text(json.dumps({"question": "1 + 2?", "solution": "3"}) + "\n")
    recipe.write_text(RECIPE.format(policy=policy, data=data, run=tmp_path / "run"))

    def refuse(method: str, path: str) -> int | None:
        return 403 if method == "POST" else 404 if path.startswith("/api/models/") else None

    with writable_hub(refuse=refuse) as hub:
        status, said = dra(hub.address, tmp_path, str(recipe), "hub_model_id=lab/sums")
    assert status == 2, said
    errors = [line for line in said.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert errors[0].startswith("error: push_to_hub: the Hub does not make the repository (status 403: ")
    assert "Traceback" not in said


def checkpoint(folder: Path, step: int, weights: str = "model.safetensors") -> Path:
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    for name in ("config.json", weights, "optimizer.pt", "trainer_state.json"):
        (made / name).write_text(f"{name} of {step}")
    return made


class TestRevisions:
    """With a push in the place of the Hub's."""

    @pytest.fixture
    def card(self, tmp_path) -> Path:
        (tmp_path / "README.md").write_text("card")
        return tmp_path / "README.md"

    def test_training_does_not_wait_for_the_hub(self, tmp_path, card):
        may_go, pushed = threading.Event(), []

        def slow(folder: Path, branch: str) -> None:
            may_go.wait()
            pushed.append((branch, sorted(path.name for path in folder.iterdir())))

        revisions = Revisions(tmp_path / "hub", slow, where="ada/x", tell=print)
        for step in (1, 2):
            revisions.submit(checkpoint(tmp_path, step), step, card)
        assert pushed == []
        may_go.set()
        revisions.close()
        files = ["README.md", "config.json", "model.safetensors"]
        assert pushed == [("step-00001", files), ("step-00002", files)]
        assert not (tmp_path / "hub").exists()

    def test_what_is_first_tried_while_training_ends_is_tried_again_too(self, tmp_path, card):
        may_go, tried = threading.Event(), []

        def refused_once(folder: Path, branch: str) -> None:
            may_go.wait()
            tried.append(branch)
            if branch == "step-00002" and tried.count(branch) == 1:
                raise OSError("not now")

        revisions = Revisions(tmp_path / "hub", refused_once, where="ada/x", tell=lambda line: may_go.set())
        for step in (1, 2):
            revisions.submit(checkpoint(tmp_path, step), step, card)
        revisions.close()
        assert tried == ["step-00001", "step-00002", "step-00002"]
        assert not (tmp_path / "hub").exists()

    def test_a_hub_that_stays_away_is_told_once_and_then_what_is_left(self, tmp_path, card):
        said: list[str] = []

        def dead(folder: Path, branch: str) -> None:
            raise OSError("no route")

        revisions = Revisions(tmp_path / "hub", dead, where="ada/x", tell=said.append)
        for step in (1, 2, 3):
            revisions.submit(checkpoint(tmp_path, step), step, card)
        revisions.close()
        assert len([line for line in said if "could not be pushed" in line]) == 1
        assert said[-1].startswith("hub_revisions: not on the Hub: 3 (step-00001, step-00002, step-00003)")

    def test_what_an_earlier_attempt_left_is_pushed(self, tmp_path, card):
        pushed: list[str] = []
        (tmp_path / "hub" / "step-00001").mkdir(parents=True)
        (tmp_path / "hub" / ".step-00002").mkdir()
        revisions = Revisions(tmp_path / "hub", lambda folder, branch: pushed.append(branch), where="x", tell=print)
        revisions.close()
        assert pushed == ["step-00001"], "half a copy is none"

    def test_a_step_saved_again_while_its_older_save_is_pushed_has_the_last_word(self, tmp_path, card):
        """As after a resume from before a step that still waits; no empty folder may reach the Hub."""
        begun, may_go, pushed = threading.Event(), threading.Event(), []

        def slow(folder: Path, branch: str) -> None:
            begun.set()
            may_go.wait()
            pushed.append((folder / "config.json").read_text())

        revisions = Revisions(tmp_path / "hub", slow, where="x", tell=print)
        revisions.submit(checkpoint(tmp_path / "old", 1), 1, card)
        begun.wait()
        for name in ("again", "new"):
            (checkpoint(tmp_path / name, 1) / "config.json").write_text(name)
            revisions.submit(tmp_path / name / "checkpoint-1", 1, card)
        may_go.set()
        revisions.close()
        assert pushed == ["config.json of 1", "again", "new"]

    def test_when_asked_to_stop_it_does_not_wait_for_ever(self, tmp_path, card):
        said: list[str] = []
        may_go = threading.Event()
        revisions = Revisions(tmp_path / "hub", lambda *_: may_go.wait(), where="x", tell=said.append)
        revisions.submit(checkpoint(tmp_path, 1), 1, card)
        revisions.close(0.2)
        (left,) = (tmp_path / "hub").iterdir()
        assert (left / "model.safetensors").is_file()
        assert "step-00001" in said[-1]
        may_go.set()

    def test_a_checkpoint_without_its_weights_in_one_piece_is_told(self, tmp_path, card):
        said: list[str] = []
        revisions = Revisions(tmp_path / "hub", lambda *_: None, where="x", tell=said.append)
        revisions.submit(checkpoint(tmp_path, 1, weights="pytorch_model_fsdp.bin"), 1, card)
        revisions.close()
        (line,) = said
        assert "no weights in one piece" in line
        assert "tried again" not in line

    def test_model_files_are_what_loading_needs(self, tmp_path):
        made = checkpoint(tmp_path, 1)
        for name in ("model-00001-of-00002.safetensors", "adapter_config.json", "merges.txt", "chat_template.jinja"):
            (made / name).touch()
        (made / "global_step1").mkdir()
        for name in ("dra_checkpoint.json", "zero_to_fp32.py", "zero_to_torch.py"):
            (made / name).touch()
        names = {str(path) for path in model_files(made)}
        assert names == {
            *("adapter_config.json", "chat_template.jinja", "config.json", "merges.txt"),
            *("model-00001-of-00002.safetensors", "model.safetensors"),
        }


class PushesThatFail(TrainerCallback):
    """Fails where transformers' own trackers begin their part of a push, in the middle of a save."""

    def on_push_begin(self, *args, **kwargs):
        raise OSError("the Space cannot be made")


def test_a_push_of_transformers_that_fails_in_a_save_does_not_stop_training(policy, tmp_path):
    said: list[str] = []
    trainer = DRATrainer(
        model=str(policy),
        reward_funcs=[tiny.letters],
        args=tiny.grpo_config(tmp_path, save_strategy="steps", save_steps=1, max_steps=2),
        train_dataset=tiny.prompts(),
        callbacks=[PushesThatFail()],
        tell=said.append,
        **_plain(),
    )
    trainer.args.push_to_hub, trainer.push_in_progress, trainer.hub_model_id = True, None, "ada/x"
    trainer.train()
    assert trainer.state.global_step == 2
    assert said[1:] == ["push_to_hub: a save could not be pushed (the Space cannot be made); training goes on"]


def _plain():
    from dra_toolkit.diversity import DiversitySettings

    return {"diversity": DiversitySettings(measure="none"), "embedder": None}


def test_a_finished_model_that_cannot_be_pushed_is_told():
    def push_to_hub(**_):
        raise OfflineModeIsEnabled("no network\nat all")

    said: list[str] = []
    push_final(SimpleNamespace(push_to_hub=push_to_hub, state=SimpleNamespace(global_step=3)), said.append)
    (line,) = said
    assert line.startswith("push_to_hub: the finished model could not be pushed (no network)")
