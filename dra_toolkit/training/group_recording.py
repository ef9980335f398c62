"""Groups handed over as records: a batch of training as it is made, those of an evaluation together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from dra_toolkit.groups import GroupRecord, Mode
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
        self._batches: dict[Mode, tuple[int, int]] = {}
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
            self._hand_over(self._evaluated)
            self._evaluated = []

    def _publish(self, measured: MeasuredBatch, advantages: torch.Tensor) -> None:
        records = self._as_records(measured, "train" if self.model.training else "eval", advantages)
        if self.model.training:
            self._hand_over(records)
            return
        self._evaluated += records  # TRL samples a few at a time, which would be a file each
        if sum(len(record.group) for record in self._evaluated) >= EVALUATED_TOGETHER:
            self._hand_over(self._evaluated)
            self._evaluated = []

    def _publish_discarded(self, measured: MeasuredBatch, groups: Any, round_: int) -> list[GroupRecord]:
        """Record groups that nothing is trained on, and return their records on every process."""
        nothing = torch.zeros(len(measured.samples))
        reason = f"round {round_}: the totals have no spread"
        records = [self._as_records(measured, "discarded", nothing)[group] for group in groups]
        records = [replace(record, discard_reason=reason) for record in records]
        self._hand_over(records)
        return records

    def _as_records(self, measured: MeasuredBatch, mode: Mode, advantages: torch.Tensor) -> list[GroupRecord]:
        step = self.state.global_step + (mode != "eval")
        used = advantages.double().cpu().numpy()
        return measured.records(mode=mode, step=step, batch=0, attempt=self._attempt, advantages=used)

    def _hand_over(self, records: list[GroupRecord]) -> None:
        """Hand over groups as the next batch of their mode and step."""
        if records and self._on_groups is not None and self.accelerator.is_main_process:
            mode, step = records[0].mode, records[0].step
            last_step, batch = self._batches.get(mode, (-1, -1))
            batch = batch + 1 if last_step == step else 0
            self._batches[mode] = step, batch
            self._on_groups([replace(each, batch=batch, index=index) for index, each in enumerate(records)])
