"""Groups handed over as records: a batch of training as it is made, those of an evaluation together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from dra_toolkit.groups import GroupRecord
from dra_toolkit.training.batch import MeasuredBatch

if TYPE_CHECKING:
    from trl import GRPOTrainer as Trained
else:
    Trained = object

EVALUATED_TOGETHER = 4096
"""Completions of an evaluation that are handed over at once."""


class EvaluationStoppedError(Exception):
    """Somebody asked to stop while an evaluation was under way; raised by a callback on every process."""


class GroupRecording(Trained):
    """Mixin, to stand before one of TRL's trainers among the bases, which says with `_publish` what it measured."""

    def _record_into(self, on_groups: Callable[[list[GroupRecord]], None] | None, attempt: int) -> None:
        """Hand the records of this start of the run to `on_groups`, on the main process."""
        self._on_groups, self._attempt = on_groups, attempt
        self._last_batch = ("", -1, -1)
        self._evaluated: list[GroupRecord] = []

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Evaluate as TRL does; an evaluation that somebody stopped has no numbers."""
        try:
            return super().evaluate(*args, **kwargs)
        except EvaluationStoppedError:
            self._metrics["eval"].clear()
            self.control.should_evaluate = False  # what TRL's does when it ends by itself
            return {}
        finally:
            self._publish_evaluation()

    def _publish(self, measured: MeasuredBatch, advantages: torch.Tensor) -> None:
        if self._on_groups is None or not self.accelerator.is_main_process:
            return
        training = self.model.training
        step = self.state.global_step + 1 if training else self.state.global_step
        records = measured.records(
            mode="train" if training else "eval",
            step=step,
            batch=self._next_batch("train", step) if training else 0,
            attempt=self._attempt,
            advantages=advantages.double().cpu().numpy(),
        )
        if training:
            self._on_groups(records)
            return
        self._evaluated += records
        if sum(len(record.group) for record in self._evaluated) >= EVALUATED_TOGETHER:
            self._publish_evaluation()

    def _publish_evaluation(self) -> None:
        """Hand over the groups of an evaluation as one batch: TRL samples a few at a time, which would be a file each."""
        if self._evaluated and self._on_groups is not None:
            batch = self._next_batch("eval", self.state.global_step)
            numbered = enumerate(self._evaluated)
            self._on_groups([replace(record, batch=batch, index=index) for index, record in numbered])
        self._evaluated = []

    def _next_batch(self, mode: str, step: int) -> int:
        batch = self._last_batch[2] + 1 if self._last_batch[:2] == (mode, step) else 0
        self._last_batch = (mode, step, batch)
        return batch
