"""TRL's GRPOTrainer with diversity-aware rewards: its methods wrapped, none re-implemented.

`_calculate_rewards` returns the gathered rewards of whole groups; there the completions are embedded and one column named
`diversity`, adjusted minus total, is filled in, so that TRL's own advantages are those of the adjusted rewards.
`_generate_and_score_completions` is called through, and the advantages that TRL used are read for the record; where the
measure acts on advantages, or large ones are capped, ours take their place. `_generate` is listened to for the
log-probabilities of the tokens, where the measure reads them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from huggingface_hub import ModelCard
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOConfig, GRPOTrainer

from dra_toolkit.diversity import (
    DiversitySettings,
    PromptHistory,
    discount_of,
    is_dotted,
    load_labeller,
    load_measure,
    replaces_advantages,
    zero_spread,
)
from dra_toolkit.embedding import Embedder, EmbedderSettings, Embeddings, load_embedder
from dra_toolkit.groups import GroupRecord
from dra_toolkit.rewards import tells_right_from_wrong
from dra_toolkit.rewards.text import completion_texts
from dra_toolkit.runs.checkpoints import mark_complete
from dra_toolkit.runs.files import publish_text
from dra_toolkit.safe_text import visible
from dra_toolkit.training.batch import MeasuredBatch, Sample, as_prompt, measure
from dra_toolkit.training.exact_resume import ExactResume
from dra_toolkit.training.log_probs import mean_log_probs, read_log_probs

COLUMN = "diversity"
"""Name of the reward column that carries the adjustment, in TRL's logs too."""


def diversity(completions: Sequence[Any], **_: Any) -> list[float]:
    """Hold the place of the adjustment among TRL's reward functions; the trainer fills the column in after the gather."""
    return [0.0] * len(completions)


class DRATrainer(ExactResume, GRPOTrainer):
    """GRPOTrainer whose rewards are adjusted for redundancy inside each group (arXiv 2505.09655).

    Takes GRPOTrainer's arguments and, by keyword:

        diversity         how rewards are adjusted; `measure="none"` leaves TRL's run as it is, number for number
        embedder          what the similarity is measured with; None measures none (for measures that do without)
        on_groups         called on the main process with the records of each generation batch
        before_save       called before a checkpoint is saved, so that no group older than it is still on its way
        attempt           number of this start of the run, for the records
        keep_embeddings   put the embeddings into the records
        history           the prompts' earlier groups, for a measure that reads them; left out, it starts empty
        card              called on the main process for the model card of a save, with its step, its repository on the
                          Hub, if any, and TRL's tags; None leaves TRL's card
        tell              called with one line when something should reach the user

    Every process must construct it alike. Evaluation batches are measured and recorded, never adjusted.
    """

    def __init__(
        self,
        *args: Any,
        diversity: DiversitySettings | None = None,
        embedder: EmbedderSettings | None = None,
        on_groups: Callable[[list[GroupRecord]], None] | None = None,
        before_save: Callable[[], None] | None = None,
        attempt: int = 1,
        keep_embeddings: bool = False,
        history: PromptHistory | None = None,
        card: Callable[[int, str | None, Iterable[str]], str] | None = None,
        tell: Callable[[str], None] = print,
        **kwargs: Any,
    ) -> None:
        self.diversity = diversity or DiversitySettings()
        self._adjusts = self.diversity.adjusts
        if is_dotted(self.diversity.measure):
            load_measure(self.diversity.measure)
        needs = self.diversity.needs
        self._labeller = load_labeller(self.diversity.labels) if is_dotted(self.diversity.labels) else None
        self._generated: Any = None
        self._history = history or (PromptHistory(discount_of(self.diversity)) if "history" in needs else None)
        if self._adjusts:
            if embedder is None and needs & {"similarity", "embeddings"}:
                raise ValueError(f"measure {self.diversity.measure!r} needs an embedder")
            _add_column(kwargs)
        super().__init__(*args, **kwargs)
        if self._adjusts and self.multi_objective_aggregation != "sum_then_normalize":
            raise ValueError(
                "normalize_then_sum scales each reward by itself and would undo the adjustment of their sum"
            )
        self.embedder = self._load_embedder(embedder) if embedder else None
        self._on_groups, self._before_save, self._tell = on_groups, before_save, tell
        self._attempt, self._keep_embeddings, self._card = attempt, keep_embeddings, card
        self._measured: MeasuredBatch | None = None
        self._last_batch = ("", -1, -1)
        self._told_truncation = self._told_push = False

    def reward_columns(self) -> dict[str, float]:
        """Return the weight of each reward function by name, the adjustment's own column left out."""
        names, weights = self.reward_func_names, self.reward_weights.tolist()
        return {name: w for name, w in zip(names, weights, strict=True) if not (self._adjusts and name == COLUMN)}

    @property
    def correct_by(self) -> str | None:
        """The reward function that tells right from wrong."""
        functions = dict(zip(self.reward_func_names, self.reward_funcs, strict=True))
        return tells_right_from_wrong(list(self.reward_columns()), functions)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        training = self.model.training
        settings = self.diversity if training else DiversitySettings(measure="none")
        columns = [i for i, name in enumerate(self.reward_func_names) if name in self.reward_columns()]
        texts = completion_texts(completions)
        self._measured = measure(
            samples=self._gather_samples(prompts, texts, completion_ids_list),
            rewards=rewards[:, columns].double().cpu().numpy(),
            reward_weights=self.reward_columns(),
            correct_by=self.correct_by,
            embeddings=self._gather_embeddings(texts, completion_ids_list),
            group_size=self.num_generations if training else self.num_generations_eval,
            settings=settings,
            scale_rewards=self.scale_rewards,
            keep_embeddings=self._keep_embeddings,
            step=self.state.global_step + 1,
            log_probs=self._gather_log_probs() if "log_probs" in settings.needs else None,
            labeller=self._labeller,
            history=self._history if training else None,
        )
        for name, value in self._measured.metrics().items():
            self._log_metric(f"diversity/{name}", value)
        if self._adjusts:
            shift = torch.from_numpy(self._measured.shift).to(rewards)
            rewards[:, self.reward_func_names.index(COLUMN)] = shift
        return rewards

    def _generate(self, prompts: Any) -> Any:
        generated = super()._generate(prompts)
        if "log_probs" in self.diversity.needs:
            self._generated = generated
        return generated

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        self._generated = None
        if self.model.training and self._measured and replaces_advantages(self.diversity, self.scale_rewards):
            self._replace_advantages(output, self._measured)
        advantages = self.accelerator.gather(output["advantages"])
        if self._measured is not None:
            self._log_raw_rewards(self._measured)
            self._publish(self._measured, advantages)
            self._measured = None
        return output

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
            if not self._told_push:
                self._told_push = True
                said = visible(" ".join(str(error).split()), one_line=True)[:200]
                self._tell(f"push_to_hub: a save could not be pushed ({said}); training goes on")

    def _load_embedder(self, settings: EmbedderSettings) -> Embedder:
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # a second model must not move the policy's random numbers
            return load_embedder(
                settings,
                device=str(self.accelerator.device),
                policy=lambda: self.accelerator.unwrap_model(self.model),
                passes=self._most_passes,
            )

    def _most_passes(self, local: int) -> int:
        """Return the largest number of forward passes that any process needs: partitioned weights need all at each."""
        return int(self.accelerator.gather(torch.tensor([local], device=self.accelerator.device)).max())

    def _gather_samples(self, prompts: Any, texts: list[str], completion_ids: list[list[int]]) -> list[Sample]:
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        samples = [
            Sample(
                prompt=as_prompt(prompt),
                text=text,
                tokens=len(ids),
                finish_reason="stop" if not ids or ids[-1] in ends else "length",
            )
            for prompt, text, ids in zip(prompts, texts, completion_ids, strict=True)
        ]
        return gather_object(samples) if self.accelerator.num_processes > 1 else samples

    def _gather_embeddings(self, texts: list[str], completion_ids: list[list[int]]) -> np.ndarray | None:
        if self.embedder is None:
            return None
        started = time.perf_counter()
        embedded = self.embedder.embed(texts, completion_ids)
        vectors = torch.from_numpy(embedded.vectors).to(self.accelerator.device)
        gathered = self.accelerator.gather(vectors).cpu().numpy()
        self._log_metric("diversity/embedding_seconds", time.perf_counter() - started)
        self._log_metric("diversity/truncated_ratio", embedded.truncated / len(texts))
        self._tell_embedding_limits(embedded, len(texts))
        return gathered

    def _gather_log_probs(self) -> np.ndarray:
        """Return the mean log-probabilities of all processes' completions: the sampler's, or else read once more."""
        prompt_ids, completion_ids, _, _, sampled, *_ = self._generated
        found = mean_log_probs(sampled) if sampled is not None else read_log_probs(self, prompt_ids, completion_ids)
        return self.accelerator.gather(torch.from_numpy(found).to(self.accelerator.device)).cpu().numpy()

    def _replace_advantages(self, output: dict[str, Any], measured: MeasuredBatch) -> None:
        """Put our advantages where TRL's stand: in this process's part of the batch, and in TRL's table."""
        ours = torch.from_numpy(measured.adjusted_advantages.reshape(-1)).to(output["advantages"])
        count, first = len(output["advantages"]), self.accelerator.process_index * len(output["advantages"])
        output["advantages"] = ours[first : first + count]
        shown = self._logs["advantages"]
        for _ in range(min(len(ours), len(shown))):
            shown.pop()
        shown.extend(ours.tolist())

    def _tell_embedding_limits(self, embedded: Embeddings, count: int) -> None:
        if self._told_truncation or not (embedded.truncated or embedded.invalid):
            return
        self._told_truncation = True
        if embedded.truncated:
            limit = getattr(self.embedder, "max_length", None)
            self._tell(
                f"embedder: {embedded.truncated} of {count} completions are longer than {limit} tokens and were embedded "
                "cut there; diversity/truncated_ratio follows it, embedder_max_length changes it"
            )
        if embedded.invalid:
            self._tell(
                f"embedder: {embedded.invalid} of {count} embeddings were not finite and count as unlike all others"
            )

    def _log_raw_rewards(self, measured: MeasuredBatch) -> None:
        """Make TRL's `reward`, `reward_std` and `frac_reward_zero_std` speak of the raw totals, as without adjustment."""
        if not self._adjusts:
            return
        logged = self._metrics["train" if self.model.training else "eval"]
        totals = measured.adjustment.totals
        logged["reward"][-1] = float(np.nanmean(totals)) if not np.isnan(totals).all() else float("nan")
        scorable = totals[~np.isnan(totals)]
        logged["reward_std"][-1] = float(scorable.std(ddof=1)) if scorable.size > 1 else float("nan")
        if self.scale_rewards != "batch":
            logged["frac_reward_zero_std"][-1] = float(zero_spread(totals).mean())

    def _publish(self, measured: MeasuredBatch, advantages: torch.Tensor) -> None:
        if self._on_groups is None or not self.accelerator.is_main_process:
            return
        training = self.model.training
        mode, step = ("train", self.state.global_step + 1) if training else ("eval", self.state.global_step)
        batch = self._last_batch[2] + 1 if self._last_batch[:2] == (mode, step) else 0
        self._last_batch = (mode, step, batch)
        self._on_groups(
            measured.records(
                mode="train" if training else "eval",
                step=step,
                batch=batch,
                attempt=self._attempt,
                advantages=advantages.double().cpu().numpy(),
            )
        )


def _add_column(kwargs: dict[str, Any]) -> None:
    """Append the adjustment's column to the reward functions, and its weight of 1 to weights given."""
    rewards = kwargs["reward_funcs"]
    kwargs["reward_funcs"] = [*(rewards if isinstance(rewards, list) else [rewards]), diversity]
    processing = kwargs.get("reward_processing_classes")
    if processing is not None:
        kwargs["reward_processing_classes"] = [*(processing if isinstance(processing, list) else [processing]), None]
    if any(getattr(function, "__name__", "") == COLUMN for function in kwargs["reward_funcs"][:-1]):
        raise ValueError(f"a reward function named {COLUMN!r} cannot be told from the adjustment; rename it")
    args: GRPOConfig | None = kwargs.get("args")
    if args is not None and args.reward_weights is not None:
        kwargs["args"] = args = copy.copy(args)
        args.reward_weights = [*args.reward_weights, 1.0]
