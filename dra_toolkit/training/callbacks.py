"""What happens beside the training steps: metrics are written, progress is told, a wish to stop is heard."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from accelerate.utils import gather_object
from psutil import pid_exists
from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_utils import has_length
from trl import GRPOConfig

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.runs.metrics import append_metrics, unjudged
from dra_toolkit.training.events import Events
from dra_toolkit.training.sampled_groups import EvaluationStoppedError

STEP_FACTS = {
    "reward": "reward",
    "adjusted_reward": GROUP_MEASURES["adjusted"].logged,
    "similarity": GROUP_MEASURES["similarity"].logged,
    "loss": "loss",
}
"""What a progress line shows, by its name in the logs."""


class MetricsCallback(TrainerCallback):
    """Writes every log of the trainer to metrics.jsonl and tells each step; main process only."""

    def __init__(self, run: RunDirectory, events: Events, attempt: int) -> None:
        self._run, self._events, self._attempt = run, events, attempt
        self._told_failure = False
        self._sampled_at = self._evaluated = 0
        self._told_at = float("-inf")

    def on_log(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the line."""
        if not state.is_world_process_zero:
            return
        logs = kwargs["logs"]
        if "reward" in logs:
            self._sampled_at = state.global_step
        elif "loss" in logs:
            logs = logs | {"generation_of_step": self._sampled_at}
        try:
            append_metrics(self._run.metrics, step=state.global_step, attempt=self._attempt, values=logs)
        except OSError as error:
            if not self._told_failure:
                self._told_failure = True
                self._events.notice(
                    f"metrics: {self._run.metrics} cannot be written ({error.strerror}); training goes on"
                )
        if "loss" in logs:
            facts = {name: logs.get(key) for name, key in STEP_FACTS.items()} | {"unread_golds": unjudged(logs)}
            self._events.tell("step", step=state.global_step, of=state.max_steps, **facts)

    def on_prediction_step(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Tell how far an evaluation is, once a second."""
        self._evaluated += 1
        batches = kwargs["eval_dataloader"]
        if state.is_world_process_zero and has_length(batches) and time.monotonic() - self._told_at >= 1.0:
            self._told_at = time.monotonic()
            self._events.tell("evaluation", done=self._evaluated, of=len(batches))

    def on_evaluate(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Begin to count anew."""
        self._evaluated = 0

    def on_save(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Tell that a checkpoint is there."""
        if state.is_world_process_zero:
            self._events.tell("saved", step=state.global_step)


class StopCallback(TrainerCallback):
    """Ends training with a checkpoint after SIGINT or SIGTERM, when a stop file appears, or when the launcher is gone.

    All processes decide together, after a step that leaves nothing generated over: a checkpoint does not hold it.
    """

    def __init__(self, stop_file: Path, launcher: int | None) -> None:
        self.requested: str | None = None
        """Why training should stop, once somebody asked."""
        self._stop_file, self._launcher = stop_file, launcher
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = self.requested or signal.Signals(number).name

    def _look_around(self) -> str | None:
        """Return why training should stop, if nobody sent a signal but it should."""
        if self._stop_file.exists():
            return "asked by the launcher"
        if self._launcher is not None and not pid_exists(self._launcher):
            return "the launcher is gone"
        return None

    def on_step_end(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask the trainer to save and stop, if somebody asked and the step allows it."""
        if _allows_stop(args, state) and self._is_requested():
            control.should_save = control.should_training_stop = True

    def on_prediction_step(self, args: GRPOConfig, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End an evaluation if somebody asked; training stops after it, or after the next step that allows it."""
        if self._is_requested():
            if _allows_stop(args, state):
                control.should_save = control.should_training_stop = True
            raise EvaluationStoppedError

    def _is_requested(self) -> bool:
        """Return whether any process was asked to stop; every process must call it."""
        self.requested = self.requested or self._look_around()
        if not any(gather_object([self.requested is not None])):
            return False
        self.requested = self.requested or "another process was asked"
        return True


def _allows_stop(args: GRPOConfig, state: TrainerState) -> bool:
    """Return whether nothing generated is left over after this step: a checkpoint holds no buffered completions."""
    batches = state.global_step * args.gradient_accumulation_steps
    return bool(batches % (args.steps_per_generation * args.num_iterations) == 0)
