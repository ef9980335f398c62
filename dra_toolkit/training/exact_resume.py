"""A resumed run goes on as if it had never stopped: the prompts of its epoch, the learning rate of its schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from trl import GRPOTrainer as Trained
else:
    Trained = object


class ExactResume(Trained):
    """Mixin for TRL's trainers, to stand before them among the bases."""

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return EpochSampler(super()._get_train_sampler(dataset), lambda: self.state.epoch)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            _follow_schedule(self)


class EpochSampler(Sampler[int]):
    """TRL's sampler, whose n-th pass is that of epoch n also in a process that did not see the passes before.

    TRL's draws a permutation of the prompts from one generator at every pass, so that a process that resumes in the third
    epoch would go on in the order of the first.
    """

    def __init__(self, sampler: Any, epoch: Callable[[], float | None]) -> None:
        """Wrap a sampler; `epoch` says how many epochs were trained when a pass begins."""
        self._sampler, self._epoch, self._passes = sampler, epoch, 0

    def __iter__(self) -> Iterator[int]:
        while self._passes < int(self._epoch() or 0):
            next(iter(self._sampler), None)  # draws the order of a pass that another process has seen
            self._passes += 1
        self._passes += 1
        return iter(self._sampler)

    def __len__(self) -> int:
        return len(self._sampler)


def _follow_schedule(trainer: Any) -> None:
    """Give the optimizer the learning rate that the schedule has at the step reached.

    A checkpoint holds the rate of the schedule it was planned with: 0 at its end, which a longer run has not reached.
    """
    scheduler = getattr(trainer.lr_scheduler, "scheduler", trainer.lr_scheduler)
    if not isinstance(scheduler, LambdaLR):
        return
    planned = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    rates = [base * share(scheduler.last_epoch) for base, share in planned]
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates
