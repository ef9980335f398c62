"""TRL's trainers with diversity-aware rewards and recorded groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from trl import GRPOTrainer, RLOOTrainer

from dra_toolkit.training.adjusted import GroupAdjustment
from dra_toolkit.training.resumable import Resumable
from dra_toolkit.training.script_run import ScriptRun


class DiversityMixin(GroupAdjustment, Resumable):
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
        self._run = ScriptRun(self) if record and self._on_groups is None else None

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        """Train as TRL does, recording the groups into `args.output_dir` unless they go elsewhere."""
        with self._run.recording(resume_from_checkpoint) if self._run else nullcontext():
            return super().train(resume_from_checkpoint, *args, **kwargs)


class DRATrainer(DiversityMixin, GRPOTrainer):
    """GRPOTrainer whose rewards are adjusted for redundancy inside each group (arXiv 2505.09655).

    Takes GRPOTrainer's arguments, by position or keyword, and by keyword:

        diversity         how rewards are adjusted: settings, or the name of a measure; the paper's if left out, and "none"
                          leaves TRL's run as it is, number for number
        embedder          what the similarity is measured with: settings, or a name; one that fetches nothing if left out,
                          and "none" measures none (for measures that do without)
        record            whether groups, metrics and settings are recorded into `args.output_dir`, which then is a run that
                          `dra inspect` and `dra app` open; what an earlier training recorded there is put aside
        on_groups         called instead on the main process with the records of each generation batch
        before_save       called before a checkpoint is saved, so that no group older than it is still on its way
        attempt           number of this start of the run, for the records
        keep_embeddings   put the embeddings into the records
        history           the prompts' earlier groups, for a measure that reads them; left out, it starts empty
        card              called on the main process for the model card of a save, with its step, its repository on the
                          Hub, if any, and TRL's tags; None leaves TRL's card
        tell              called with one line when something should reach the user

    Every process must construct it alike. Evaluation batches are measured and recorded, never adjusted. A reward that is
    infinite counts as none; one of another type or length than TRL expects raises RewardError.
    """


class DRARLOOTrainer(DiversityMixin, RLOOTrainer):
    """The same for RLOOTrainer: the advantage of each adjusted reward over the mean of the others of its group.

    With `beta` other than 0 the advantages used also have TRL's KL term, which is part of no recorded reward.
    """
