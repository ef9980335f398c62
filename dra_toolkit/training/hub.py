"""Every checkpoint on the Hub as a revision of its own, pushed beside the training.

A checkpoint's model files are linked into a folder of the run (hub/step-00050), which one background thread pushes to the
branch of that name and then removes. So a checkpoint may be rotated away meanwhile, and what could not be pushed is still
there for another try: at the end, and in the next attempt of the run.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOConfig

from dra_toolkit.errors import LaunchError
from dra_toolkit.safe_text import visible

MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py", "additional_chat_templates/*.jinja")
STATE_FILES = ("trainer_state.json", "dra_checkpoint.json", "entropy_ctrl_state.json", "zero_to_*.py")
WEIGHTS = "*.safetensors"
CARD = "README.md"
TAKEN = ".pushing-"
"""Before the name of a folder whose push is under way, so that a newer one may take its place meanwhile."""
HUB_ERRORS = (HfHubHTTPError, OfflineModeIsEnabled, httpx.HTTPError, OSError, ValueError)
PATIENCE = 1800.0
"""Seconds that one revision may take at the end of training, before what is left stays in the run directory."""

Push = Callable[[Path, str], None]
"""Pushes the files of a folder to the branch of that name."""


def revision_name(step: int) -> str:
    """Return the branch of a checkpoint."""
    return f"step-{step:05d}"


def model_files(checkpoint: Path) -> list[Path]:
    """Return the files of a checkpoint that make the model, relative to it: weights, configuration, tokenizer, code."""
    found = [
        path.relative_to(checkpoint) for pattern in MODEL_FILES for path in checkpoint.glob(pattern) if path.is_file()
    ]
    return sorted(path for path in found if not any(fnmatch(path.name, pattern) for pattern in STATE_FILES))


class HubPush:
    """Pushes folders to branches of one repository on the Hub, each as one commit."""

    def __init__(self, name: str, *, private: bool | None) -> None:
        self._name, self._private = name, private
        self._repo: str | None = None
        self._api = HfApi()

    def __call__(self, folder: Path, branch: str) -> None:
        """Make the branch hold exactly the files of the folder."""
        if self._repo is None:
            self._repo = self._api.create_repo(self._name, private=self._private, exist_ok=True).repo_id
        self._api.create_branch(self._repo, branch=branch, exist_ok=True)
        files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}
        there = self._api.list_repo_files(self._repo, revision=branch)
        stale = [name for name in there if name not in files and name != ".gitattributes"]
        self._api.create_commit(
            self._repo,
            operations=[
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()),
                *(CommitOperationDelete(path_in_repo=name) for name in stale),
            ],
            commit_message=f"step {int(branch.rpartition('-')[2])}",
            revision=branch,
        )


class Revisions:
    """A queue of checkpoints and the thread that pushes them; trouble is told once and never raised."""

    def __init__(self, folder: Path, push: Push, *, where: str, tell: Callable[[str], None]) -> None:
        """Take up what an earlier attempt left in `folder`. where: the repository, for messages."""
        self._folder, self._push, self._where, self._tell = folder, push, where, tell
        self._queue: queue.Queue[Path] = queue.Queue()
        self._failed: list[Path] = []
        self._told = False
        self._placing = threading.Lock()
        folder.mkdir(exist_ok=True)
        for leftover in sorted(folder.glob(f"{TAKEN}*")):
            _put_back(leftover)
        for leftover in sorted(folder.iterdir()):
            if leftover.name.startswith("."):
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                self._queue.put(leftover)
        threading.Thread(target=self._work, name="hub-revisions", daemon=True).start()

    def submit(self, checkpoint: Path, step: int, card: Path) -> None:
        """Put a complete checkpoint into the queue."""
        try:
            with self._placing:
                self._queue.put(_linked(checkpoint, self._folder / revision_name(step), card))
        except OSError as error:
            self._say(revision_name(step), error, "training goes on without it")

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for the queue, try again once what failed, and say what is left and where it lies.

        patience: seconds that each revision may take.
        """
        if patience > 0 and (self._waiting() or self._failed):
            self._tell(f"hub_revisions: {self._waiting() + len(self._failed)} on their way to {self._where}; waiting")
            self._wait(patience)
            again, self._failed = self._failed, []
            for folder in again:
                self._queue.put(folder)
            self._wait(patience)
        left = {path.name.removeprefix(TAKEN): path for path in sorted(self._folder.iterdir())}
        if left:
            name, path = min(left.items())
            self._tell(
                f"hub_revisions: not on the Hub: {len(left)} ({', '.join(sorted(left))}); they lie in {self._folder}, "
                f"and `hf upload {self._where} {shlex.quote(str(path))} . --revision {name}` pushes one"
            )
        else:
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _wait(self, patience: float) -> None:
        waiting, deadline = self._waiting(), time.monotonic() + patience
        while self._waiting() and time.monotonic() < deadline:
            time.sleep(0.05)
            if self._waiting() < waiting:
                waiting, deadline = self._waiting(), time.monotonic() + patience

    def _waiting(self) -> int:
        return self._queue.unfinished_tasks

    def _work(self) -> None:
        while True:
            folder = self._queue.get()
            try:
                self._push_one(folder)
            except Exception as error:  # whatever the Hub or its client does, training goes on
                self._failed.append(folder)
                self._say(folder.name, error, "training goes on, and it is tried again at the end")
            finally:
                self._queue.task_done()

    def _push_one(self, folder: Path) -> None:
        taken = folder.with_name(f"{TAKEN}{folder.name}")
        try:
            os.rename(folder, taken)
        except FileNotFoundError:
            return  # it waited twice, and is pushed
        try:
            self._push(taken, folder.name)
        except BaseException:
            with self._placing:
                _put_back(taken)
            raise
        shutil.rmtree(taken, ignore_errors=True)

    def _say(self, name: str, error: Exception, consequence: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"hub_revisions: {name} could not be pushed to {self._where} ({reason(error)}); {consequence}")


class RevisionCallback(TrainerCallback):
    """Hands every checkpoint to a queue of revisions; main process only."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._revisions: Revisions | None = None

    def on_train_begin(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Start the queue."""
        if state.is_world_process_zero and self._revisions is None:
            push = HubPush(args.hub_model_id, private=args.hub_private_repo)
            self._revisions = Revisions(self._folder, push, where=args.hub_model_id, tell=self._tell)

    def on_save(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Queue the checkpoint that has just been written completely."""
        if self._revisions is not None:
            output = Path(args.output_dir)
            self._revisions.submit(
                output / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}", state.global_step, output / CARD
            )

    def close(self, patience: float = PATIENCE) -> None:
        """Wait for what is under way."""
        if self._revisions is not None:
            self._revisions.close(patience)


def push_final(trainer: Any, tell: Callable[[str], None]) -> None:
    """Push the finished model as TRL does, on every process; a failure is told, not raised."""
    try:
        trainer.push_to_hub(commit_message=f"step {trainer.state.global_step}, end of training")
    except HUB_ERRORS as error:
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
    status = f"status {response.status_code}: " if response is not None else ""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "") or type(error).__name__
    return status + visible(said, one_line=True)[:200]


def _put_back(taken: Path) -> None:
    """Let a folder wait again, unless a newer one of its name does."""
    waiting = taken.with_name(taken.name.removeprefix(TAKEN))
    if waiting.exists():
        shutil.rmtree(taken, ignore_errors=True)
    else:
        os.rename(taken, waiting)


def _linked(checkpoint: Path, target: Path, card: Path) -> Path:
    """Return `target`, made to hold the model files of a checkpoint as hard links, and the card."""
    files = model_files(checkpoint)
    if not any(fnmatch(path.name, WEIGHTS) for path in files):
        raise OSError(
            f"{checkpoint.name} has no weights in one piece; set fsdp_state_dict_type or zero3_save_16bit_model"
        )
    making = target.with_name(f".{target.name}")
    for folder in (making, target):
        shutil.rmtree(folder, ignore_errors=True)
    for path in files:
        (making / path).parent.mkdir(parents=True, exist_ok=True)
        _link(checkpoint / path, making / path)
    if card.is_file():
        (making / CARD).unlink(missing_ok=True)
        shutil.copyfile(card, making / CARD)
    os.replace(making, target)
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
