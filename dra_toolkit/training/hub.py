"""What a run gives to others: its model card, the finished model, and every checkpoint on the Hub as a revision of its own.

A checkpoint's model files are linked into hub/step-00050, which a thread pushes to that branch, then or at the next attempt.
"""

import contextlib
import os
import queue
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOConfig

from dra_toolkit.errors import LaunchError
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs import RunDirectory
from dra_toolkit.safe_text import first_line
from dra_toolkit.training.model_card import model_card
from dra_toolkit.training.trackers import tracker_links

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py", "additional_chat_templates/*.jinja")
STATE_FILES = ("trainer_state.json", "dra_checkpoint.json", "entropy_ctrl_state.json", "zero_to_*.py")
CARD = "README.md"
PATIENCE, STOP_PATIENCE = 1800.0, 10.0
"""Seconds that one revision may take at the end of training, and where somebody asked training to stop; what is left then
stays in the run directory."""

Push = Callable[[Path, str], None]
"""Pushes the files of a folder to the branch of that name."""


class Publishing(TrainerCallback):
    """Writes the model card of every save, and pushes what the recipe wants on the Hub."""

    def __init__(self, recipe: Recipe, run: RunDirectory, tell: Callable[[str], None]) -> None:
        self._recipe, self._run, self._tell = recipe, run, tell
        self._links: list[str] = []
        self._revisions: Revisions | None = None

    def on_train_begin(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Start the queue of revisions, where there are any."""
        wanted = self._recipe.hub.push_to_hub and self._recipe.hub.hub_revisions
        if wanted and state.is_world_process_zero and self._revisions is None:
            push = partial(_push, args.hub_model_id, args.hub_private_repo)
            self._revisions = Revisions(self._run.path / "hub", push, where=args.hub_model_id, tell=self._tell)

    def on_save(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Queue the checkpoint that has just been written completely."""
        if self._revisions is not None:
            output, step = Path(args.output_dir), state.global_step
            self._revisions.submit(output / f"{PREFIX_CHECKPOINT_DIR}-{step}", step, output / CARD)

    def card(self, step: int, repo: str | None, tags: Iterable[str]) -> str:
        """Return the model card of the weights after `step`."""
        self._links = tracker_links() or self._links  # a tracker that has finished no longer knows its address
        text = self._run.recipe.read_text(encoding="utf-8")
        return model_card(self._recipe, text=text, step=step, repo=repo, tags=tags, links=self._links)

    def finish(self, trainer: Any, *, stopped: bool) -> None:
        """Push the finished model and wait for the revisions; called on every process. `stopped`: it is not finished."""
        if self._recipe.hub.push_to_hub and not stopped:
            push_final(trainer, self._tell)
        if self._revisions:
            self._revisions.close(STOP_PATIENCE if stopped else PATIENCE)


class Revisions:
    """A folder of checkpoints on their way, and the thread that pushes them; trouble is told once and never raised."""

    def __init__(self, folder: Path, push: Push, *, where: str, tell: Callable[[str], None]) -> None:
        """Take up what an earlier attempt left in `folder`. where: the repository, for messages."""
        self._folder, self._push, self._where, self._tell = folder, push, where, tell
        self._rounds: queue.Queue[None] = queue.Queue()
        self._told = False
        folder.mkdir(exist_ok=True)
        for half in folder.glob(".*"):  # a copy or a removal that was not ended
            shutil.rmtree(half, ignore_errors=True)
        self._rounds.put(None)
        threading.Thread(target=self._work, name="hub-revisions", daemon=True).start()

    def submit(self, checkpoint: Path, step: int, card: Path) -> None:
        """Let a complete checkpoint be pushed."""
        name = f"step-{step:05d}"
        try:
            _linked(checkpoint, self._folder, name, card)
        except OSError as error:
            self._say(name, error, "training goes on without it")
        if self._rounds.empty():  # else the thread is about to look into the folder
            self._rounds.put(None)

    def close(self, patience: float = PATIENCE) -> None:
        """Wait until all is pushed, what failed tried again once, and say what is left and where it lies.

        patience: seconds that each revision may take.
        """
        if waiting := self._waiting():
            self._tell(f"hub_revisions: {len(waiting)} on their way to {self._where}; waiting")
        self._rounds.put(None)  # one round more than those that have begun: what fails in them is tried again
        left, deadline = waiting, time.monotonic() + patience
        while self._rounds.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.05)
            if len(now := self._waiting()) < len(left):
                left, deadline = now, time.monotonic() + patience
        if left := self._waiting():
            names = ", ".join(path.name for path in left)
            self._tell(
                f"hub_revisions: not on the Hub: {len(left)} ({names}); they lie in {self._folder}, and `hf upload "
                f"{self._where} {shlex.quote(str(left[0]))} . --revision {_branch(left[0])}` pushes one"
            )
        else:
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _waiting(self) -> list[Path]:
        return sorted(self._folder.glob("[!.]*"))

    def _work(self) -> None:
        while True:
            self._rounds.get()
            for folder in self._waiting():
                try:
                    self._push(folder, _branch(folder))
                    shutil.rmtree(folder.rename(folder.with_name(f".done-{folder.name}")), ignore_errors=True)
                except Exception as error:  # whatever the Hub or its client does, training goes on
                    self._say(folder.name, error, "training goes on, and it is tried again")
            self._rounds.task_done()

    def _say(self, name: str, error: Exception, consequence: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"hub_revisions: {name} could not be pushed to {self._where} ({reason(error)}); {consequence}")


def push_final(trainer: Any, tell: Callable[[str], None]) -> None:
    """Push the finished model as TRL does, on every process; a failure is told, not raised."""
    try:
        trainer.push_to_hub(commit_message=f"step {trainer.state.global_step}, end of training")
    except Exception as error:  # whatever the Hub or its client does, what was trained is there
        tell(
            f"push_to_hub: the finished model could not be pushed ({reason(error)}); its checkpoint is in the run directory"
        )


@contextlib.contextmanager
def hub_problems_told() -> Iterator[None]:
    """Turn the Hub's refusal to make the repository, which the trainer asks for when it is made, into one line."""
    try:
        yield
    except HfHubHTTPError as error:
        if "/api/repos/create" not in str(error.response.url):
            raise
        raise LaunchError(f"push_to_hub: the Hub does not make the repository ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """Return why something failed, in one short line."""
    response = getattr(error, "response", None)
    return (f"status {response.status_code}: " if response is not None else "") + first_line(error, 200)


def model_files(checkpoint: Path) -> list[Path]:
    """Return the files of a checkpoint that make the model, relative to it: weights, configuration, tokenizer, code."""
    found = (path for pattern in MODEL_FILES for path in checkpoint.glob(pattern) if path.is_file())
    return sorted(
        path.relative_to(checkpoint) for path in found if not any(fnmatch(path.name, each) for each in STATE_FILES)
    )


def _push(name: str, private: bool | None, folder: Path, branch: str) -> None:
    """Make the branch of a repository hold exactly the files of the folder."""
    api = HfApi()
    repo = api.create_repo(name, private=private, exist_ok=True).repo_id
    api.create_branch(repo, branch=branch, exist_ok=True)
    step = f"step {int(branch.rpartition('-')[2])}"
    api.upload_folder(repo_id=repo, folder_path=folder, revision=branch, delete_patterns="*", commit_message=step)


def _branch(folder: Path) -> str:
    return folder.name.partition(".")[0]


def _linked(checkpoint: Path, folder: Path, name: str, card: Path) -> None:
    """Make a new folder in `folder` that has the model files of a checkpoint as hard links, and the card."""
    files = model_files(checkpoint)
    if not any(path.suffix == ".safetensors" for path in files):
        raise OSError(
            f"{checkpoint.name} has no weights in one piece; set fsdp_state_dict_type or zero3_save_16bit_model"
        )
    target, number = folder / name, 1
    while target.exists():  # the save of this step before a resume still waits; the later one has the last word
        number += 1
        target = folder / f"{name}.{number}"
    making = folder / f".{target.name}"
    for path in files:
        (making / path).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(checkpoint / path, making / path)
        except OSError:  # a file system without hard links
            shutil.copyfile(checkpoint / path, making / path)
    if card.is_file():
        (making / CARD).unlink(missing_ok=True)
        shutil.copyfile(card, making / CARD)
    os.replace(making, target)
