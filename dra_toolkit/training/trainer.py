"""TRL's trainers with diversity-aware rewards and recorded groups."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOTrainer, RLOOTrainer

from dra_toolkit.runs.checkpoints import mark_complete
from dra_toolkit.runs.files import publish_text
from dra_toolkit.training.adjusted import GroupAdjustment
from dra_toolkit.training.hub import reason
from dra_toolkit.training.script_run import recording


class EpochSampler(Sampler[int]):
    """TRL's sampler, whose n-th pass is that of epoch n also in a process that resumed and did not see those before."""

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


class DiversityMixin(GroupAdjustment):
    """What makes a trainer of TRL's one of ours: `class Mine(DiversityMixin, GMPOTrainer): pass`.

    For trainers whose `_calculate_rewards` and `_generate_and_score_completions` are those of GRPOTrainer or RLOOTrainer.
    The arguments are those of the trainer and, by keyword, those that `DRATrainer` lists.
    """

    def __init__(
        self,
        *args: Any,
        record: bool = True,
        before_save: Callable[[], None] | None = None,
        card: Callable[[int, str | None, Iterable[str]], str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._before_save, self._card = before_save, card
        self._records_itself = record and self._on_groups is None

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train as TRL does, recording the groups into `args.output_dir` unless they go elsewhere."""
        with recording(self, resume_from_checkpoint) if self._records_itself else nullcontext():
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._before_save is not None:
            self._before_save()
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # sharded states come from every process
        if self.accelerator.is_main_process:
            mark_complete(Path(self._get_output_dir(trial=trial)) / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}")

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        super().create_model_card(*args, **kwargs)
        if self._card is None or not self.is_world_process_zero():
            return
        path = Path(self.args.output_dir) / "README.md"
        tags = ModelCard.load(path).data.tags or []
        publish_text(path, self._card(self.state.global_step, self.hub_model_id, sorted(tags)))

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        try:
            super()._push_from_checkpoint(checkpoint_folder)
        except Exception as error:  # whatever the Hub or its client does, training goes on
            self._tell_once("push", f"push_to_hub: a save could not be pushed ({reason(error)}); training goes on")

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return EpochSampler(super()._get_train_sampler(dataset), lambda: self.state.epoch)

    def _run_epoch(self, **given: Any) -> None:
        if given["epoch"] == given["epochs_trained"]:  # as far into a generation as the run was that is resumed
            self._step = given["steps_trained_in_current_epoch"]
        self.control.should_training_stop = self.state.global_step >= self.state.max_steps  # resumed at its end
        if not self.control.should_training_stop:
            super()._run_epoch(**given)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            _follow_schedule(self)


class DRATrainer(DiversityMixin, GRPOTrainer):
    """GRPOTrainer whose rewards are adjusted for redundancy inside each group (arXiv 2505.09655).

    Takes GRPOTrainer's arguments, by position or keyword, and by keyword:

        diversity        how rewards are adjusted: settings, or a measure's name; left out, the paper's; "none" is TRL's run
        embedder         what measures similarity: settings, or a name; left out, one that fetches nothing; "none": nothing
        record           whether to record into `args.output_dir`, then a run that `dra inspect` and `dra app` open; what an
                         earlier training recorded there is put aside
        on_groups        called instead on the main process with the records of each generation batch
        before_save      called before a checkpoint is saved, so that no group older than it is still on its way
        attempt          number of this start of the run, for the records
        keep_embeddings  put the embeddings into the records
        history          the prompts' earlier groups, for a measure that reads them; left out, it starts empty
        dynamic_sampling_rounds  how often, at most, groups of equal totals give way to others, and are recorded as discarded
        card             called on the main process for a save's model card, with step, repository on the Hub or None, tags;
                         left out, TRL's stays
        tell             called with one line when something should reach the user

    Every process must construct it alike. Evaluation batches are measured and recorded, never adjusted. A reward that is
    infinite counts as none; one of another type or length than TRL expects raises RewardError.
    """


class DRARLOOTrainer(DiversityMixin, RLOOTrainer):
    """The same for RLOOTrainer: the advantage of each adjusted reward over the mean of the others of its group.

    With `beta` other than 0 the advantages used also have TRL's KL term, which is part of no recorded reward.
    """
