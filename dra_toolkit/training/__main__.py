"""One training process: `python -m dra_toolkit.training RUN --attempt N [--checkpoint FOLDER] [--beside FOLDER]`.

Started by the launcher, alone or once for each rank. Exit status: 0 finished, 2 a user's mistake, told as an event,
3 stopped with a checkpoint (0 where it is one of several; the event `end` tells), anything else a bug with its traceback.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dra_toolkit.runs import RunDirectory
    from dra_toolkit.training.events import Events

FINISHED, USER_MISTAKE, STOPPED = 0, 2, 3


def main() -> int:
    """Train, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dra_toolkit.training")
    parser.add_argument("run", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--beside", type=Path, help="the recipe's folder, where code of its own is looked for")
    arguments = parser.parse_args()
    gc.disable()  # what the libraries make while they load stays: searching it for garbage takes a quarter of the time

    from dra_toolkit.dotted import look_beside
    from dra_toolkit.errors import DRAError
    from dra_toolkit.runs.layout import RunDirectory
    from dra_toolkit.training.events import Events, tolerate_lost_output

    tolerate_lost_output()
    look_beside(arguments.beside)
    run = RunDirectory(arguments.run)
    main_process = int(os.environ.get("RANK", "0")) == 0
    events = Events(run.attempt_logs(arguments.attempt) / "events.jsonl", enabled=main_process)
    try:
        with run.held() if main_process else nullcontext():
            try:
                return _train(run, arguments.attempt, arguments.checkpoint, events, main_process)
            except BaseException:
                _say_state(run, main_process, "failed", arguments.attempt)  # it belongs to whoever holds the run
                raise
    except DRAError as error:
        events.tell("error", problems=list(error.problems))
        print(error, file=sys.stderr)  # a mistake that only another process meets is in the log
        return USER_MISTAKE


def _train(run: RunDirectory, attempt: int, checkpoint: Path | None, events: Events, main_process: bool) -> int:
    from dra_toolkit.training.trackers import prepare_trackers, tracker_errors

    recipe = run.read_recipe()
    if main_process:
        prepare_trackers(recipe, run.path / "trackers")
    _say_state(run, main_process, "running", attempt)
    events.tell("phase", text="loading data")
    from dra_toolkit.training.data import load_processor, load_tokenizer, training_splits

    tokenizer = load_tokenizer(recipe)
    train, test = training_splits(recipe, tokenizer, events.notice)
    processing_class = load_processor(recipe, tokenizer, train)

    events.tell("phase", text="loading libraries and model")
    from dra_toolkit.runs.layout import STOP_FILE
    from dra_toolkit.training.build import build_trainer
    from dra_toolkit.training.callbacks import MetricsCallback, StopCallback
    from dra_toolkit.training.hub import Publishing
    from dra_toolkit.training.script_run import history_of, recorded, write_environment

    gc.freeze()
    gc.enable()
    publishing = Publishing(recipe, run, events.notice)
    launcher = os.environ.get("DRA_LAUNCHER")
    stop = StopCallback(run.attempt_logs(attempt) / STOP_FILE, int(launcher) if launcher else None)
    trainer = build_trainer(
        recipe,
        run.checkpoints,
        processing_class=processing_class,
        train_dataset=train,
        eval_dataset=test,
        callbacks=[MetricsCallback(run, events, attempt), stop, publishing],
        attempt=attempt,
        card=publishing.card,
        tell=events.notice,
        history=history_of(run.path, recipe, checkpoint),
    )
    if main_process:
        write_environment(run.environment)
    events.tell("phase", text="training", step=0, of=max(0, recipe.training.max_steps) or None)
    records = main_process and recipe.output.record_groups
    recording = recorded(trainer, run, attempt, record_texts=recipe.output.record_texts) if records else nullcontext()
    with recording, tracker_errors():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    stopped = stop.requested is not None and trainer.state.global_step < trainer.state.max_steps
    if recipe.hub.push_to_hub:
        events.tell("phase", text="pushing to the Hub")
        publishing.finish(trainer, stopped=stopped)
    _say_state(run, main_process, "stopped" if stopped else "finished", attempt, step=trainer.state.global_step)
    events.tell("end", state="stopped" if stopped else "finished", step=trainer.state.global_step)
    alone = os.environ.get("WORLD_SIZE", "1") == "1"  # torchrun takes any other status for a failure
    return STOPPED if stopped and alone else FINISHED


def _say_state(run: RunDirectory, holds: bool, state: str, attempt: int, **facts: object) -> None:
    if holds:
        try:
            run.write_status(state, attempt=attempt, process=os.getpid(), **facts)
        except OSError as error:
            print(f"status.json cannot be written ({error.strerror})", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
