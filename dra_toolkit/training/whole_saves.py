"""Saves that are whole and belong to the run: groups first, the card of the run, a mark when all of it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from dra_toolkit.runs.checkpoints import mark_complete
from dra_toolkit.runs.files import publish_text
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from trl import GRPOTrainer as Trained
else:
    Trained = object


class WholeSaves(Trained):
    """Mixin, to stand before one of TRL's trainers among the bases; needs `GroupAdjustment` beside it."""

    _before_save: Callable[[], None] | None = None
    _card: Callable[[int, str | None, Iterable[str]], str] | None = None

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
            said = visible(" ".join(str(error).split()), one_line=True)[:200]
            self._tell_once("push", f"push_to_hub: a save could not be pushed ({said}); training goes on")
