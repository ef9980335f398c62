"""The adjustment as a mixin for TRL's trainers; everything else is TRL's.

Inside `_calculate_rewards` one more column, `adjusted - total`, follows the rewards that TRL has gathered, so that its own
advantages are those of the adjusted rewards; it has a name and a weight in the trainer's lists until the batch is scored.
The advantages that TRL used are recorded; where a measure acts on advantages, or large ones are capped, ours replace them.
"""

import inspect
import time
from collections.abc import Callable, Mapping
from itertools import compress
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from trl import RLOOTrainer

from dra_toolkit.diversity import (
    ESTIMATORS,
    DiversitySettings,
    Estimator,
    PromptHistory,
    discount_of,
    is_dotted,
    load_labeller,
    load_measure,
    replaces_advantages,
    zero_spread,
)
from dra_toolkit.diversity.measures.signals import OF_POLICY
from dra_toolkit.embedding import Embedder, EmbedderSettings, Embeddings, load_embedder, offline_embedder
from dra_toolkit.errors import SettingsError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, GroupRecord, mean_of_known
from dra_toolkit.rewards.correctness import gives_part_credit, tells_right_from_wrong
from dra_toolkit.rewards.judged import GOLD_COLUMN, recent_verdicts
from dra_toolkit.rewards.text import as_prompt, completion_text, policy_text, turns_of
from dra_toolkit.training.batch import Sample, mean_log_probs, measure, read_log_probs, totals_of
from dra_toolkit.training.reward_checks import checked, distinct, drop_infinities, listed, refuse_classes
from dra_toolkit.training.sampled_groups import SampledGroups

COLUMN = "diversity"
"""Name of the reward column that carries the adjustment, in TRL's logs too."""


class GroupAdjustment(SampledGroups):
    """Mixin, to stand before one of TRL's trainers among the bases; its arguments are those of `DRATrainer`."""

    reward_funcs: list[Any]
    reward_func_names: list[str]
    reward_weights: torch.Tensor
    scale_rewards: Any = "none"
    """What trainers that have no such setting do."""

    def __init__(
        self,
        *args: Any,
        diversity: DiversitySettings | str | None = None,
        embedder: EmbedderSettings | str | None = None,
        on_groups: Callable[[list[GroupRecord]], None] | None = None,
        attempt: int = 1,
        keep_embeddings: bool = False,
        history: PromptHistory | None = None,
        dynamic_sampling_rounds: int = 0,
        tell: Callable[[str], None] = print,
        **kwargs: Any,
    ) -> None:
        chosen = DiversitySettings(measure=diversity) if isinstance(diversity, str) else diversity
        self.diversity = chosen or DiversitySettings()
        self._adjusts = self.diversity.adjusts
        settings = EmbedderSettings(name=embedder) if isinstance(embedder, str) else embedder or offline_embedder()
        self.embedder_name = settings.name
        if is_dotted(self.diversity.measure):
            load_measure(self.diversity.measure)
        self._labeller = load_labeller(self.diversity.labels) if is_dotted(self.diversity.labels) else None
        given = _given(super().__init__, args, kwargs)
        self._check(given)
        self._check_sampling(dynamic_sampling_rounds, given)
        super().__init__(*args, **kwargs)
        self._rounds = dynamic_sampling_rounds
        names = list(self.reward_func_names)
        self._scored_by = dict(zip(distinct(names), self.reward_funcs, strict=True))
        self.correct_by = tells_right_from_wrong(list(self._scored_by), self._scored_by)
        self.reward_funcs = [checked(function, name) for function, name in zip(self.reward_funcs, names, strict=True)]
        self.embedder = None if settings.name == "none" else self._load_embedder(settings)
        self._record_into(on_groups, attempt)
        self._keep_embeddings, self._tell = keep_embeddings, tell
        reads_history = "history" in self.diversity.needs
        self._history = history or (PromptHistory(discount_of(self.diversity)) if reads_history else None)
        self._measured: list[GroupRecord] = []
        self._told: set[str] = set()

    def _check(self, given: Mapping[str, Any]) -> None:
        """Refuse, before a model is loaded, what the adjustment cannot be combined with."""
        refuse_classes(given.get("reward_funcs"))
        if not self._adjusts:
            return
        needs, name = self.diversity.needs, self.diversity.measure
        if self.embedder_name == "none" and needs & {"similarity", "embeddings"}:
            raise SettingsError([("embedder", f"found none, and diversity: {name} needs an embedder")])
        if isinstance(self, RLOOTrainer) and self.diversity.acts_on == "advantage":
            raise ValueError(f"measure {name!r} acts on advantages, which RLOO makes its own way")
        if isinstance(self, RLOOTrainer) and needs & OF_POLICY:
            raise ValueError(f"measure {name!r} reads log-probabilities, which RLOO's sampler keeps")
        if getattr(given.get("args"), "multi_objective_aggregation", "sum_then_normalize") != "sum_then_normalize":
            raise ValueError(
                "normalize_then_sum scales each reward by itself and would undo the adjustment of their sum"
            )
        if any(getattr(function, "__name__", "") == COLUMN for function in listed(given.get("reward_funcs"))):
            raise SettingsError([("reward_funcs", f"{COLUMN!r} cannot be told from the adjustment; rename it")])

    def reward_columns(self) -> dict[str, float]:
        """Return the weight of each reward function by name.

        Of functions of one name the second is called NAME_2, and so on.
        """
        return dict(zip(self._scored_by, self.reward_weights.tolist(), strict=False))

    def _doubt(self, name: str | None, rewards: Array) -> None:
        """Count right answers no more by a function that its name alone speaks for and that gives part credit, of (N, K)."""
        if name and gives_part_credit(self._scored_by[name], rewards[:, list(self._scored_by).index(name)]):
            self.correct_by = None
            self._tell_once(name, f"{name} gives part credit: right answers are counted only if it has tells_correct")

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        rewards = drop_infinities(rewards, self.reward_func_names, self._tell_once)
        self._measured = records = self._measure(inputs, prompts, completions, completion_ids_list, rewards)
        for of_group in GROUP_MEASURES.values():
            if of_group.logged:
                self._log_metric(of_group.logged, mean_of_known(map(of_group, records)))
        if self._adjusts:
            shift = np.concatenate([record.adjustment.adjusted - record.adjustment.totals for record in records])
            rewards = torch.cat([rewards, torch.from_numpy(shift).to(rewards)[:, None]], dim=1)
            self._drop_column()
            self.reward_func_names = [*self.reward_func_names, COLUMN]
            self.reward_weights = torch.cat([self.reward_weights, self.reward_weights.new_ones(1)])
        return rewards

    def _drop_column(self) -> None:
        """Leave the names and weights of TRL's own rewards."""
        own = len(self._scored_by)
        self.reward_func_names, self.reward_weights = self.reward_func_names[:own], self.reward_weights[:own]

    def _measure(
        self,
        inputs: Any,
        prompts: Any,
        completions: Any,
        completion_ids_list: Any,
        rewards: torch.Tensor,
        *,
        without_spread: bool = False,
    ) -> list[GroupRecord]:
        """Measure and adjust whole groups; `without_spread`: only to see which groups have totals that are all equal."""
        training = self.model.training
        settings = self.diversity if training and not without_spread else DiversitySettings(measure="none")
        texts = list(map(policy_text, completions))
        masks = None if isinstance(self, RLOOTrainer) else self._generated[2]  # what the policy wrote, beside tools
        scores = rewards[:, : len(self._scored_by)].double().cpu().numpy()
        self._doubt(self.correct_by, scores)
        own_ids = completion_ids_list
        if masks is not None:
            own_ids = [list(compress(ids, mask)) for ids, mask in zip(completion_ids_list, masks, strict=True)]
        return measure(
            samples=self._gather_samples(inputs, prompts, completions, completion_ids_list, masks),
            rewards=scores,
            reward_weights=self.reward_columns(),
            correct_by=self.correct_by,
            embeddings=None if without_spread else self._gather_embeddings(texts, own_ids),
            group_size=self.num_generations if training else self.num_generations_eval,
            settings=settings,
            scale_rewards=self.estimator or self.scale_rewards,
            keep_embeddings=self._keep_embeddings,
            step=self.state.global_step + 1,
            of_policy={name: self._gather_log_probs() for name in settings.needs & OF_POLICY},
            labeller=self._labeller,
            history=self._history if training and not without_spread else None,
        )

    @property
    def estimator(self) -> Estimator | None:
        """How this trainer makes advantages, where that is not what `scale_rewards` says."""
        if not isinstance(self, RLOOTrainer):
            return None
        return ESTIMATORS["rloo_normalized" if self.normalize_advantages else "rloo"]

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        self._inputs = inputs
        try:
            output = super()._generate_and_score_completions(inputs)
        finally:
            self._drop_column()
        self._generated = None
        if self.model.training and self._measured and replaces_advantages(self.diversity, self.scale_rewards):
            self._replace_advantages(output, self._measured)
        advantages = self.accelerator.gather(output["advantages"])
        if self._measured:
            self._log_raw_rewards(totals_of(self._measured))
            self._publish(self._measured, advantages)
            self._measured = []
        return output

    def _load_embedder(self, settings: EmbedderSettings) -> Embedder:
        gather, device = self.accelerator.gather, self.accelerator.device
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # a second model must not move the policy's random numbers
            return load_embedder(
                settings,
                device=str(device),
                policy=lambda: self.accelerator.unwrap_model(self.model),
                passes=lambda local: int(gather(torch.tensor([local], device=device)).max()),
            )

    def _gather_samples(
        self, inputs: Any, prompts: Any, completions: Any, completion_ids: Any, masks: Any
    ) -> list[Sample]:
        ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
        golds = [row.get(GOLD_COLUMN) for row in inputs]
        verdicts = recent_verdicts(golds, list(map(completion_text, completions)))
        samples = [
            Sample(
                prompt=as_prompt(prompt),
                text=policy_text(completion),
                tokens=len(ids),
                finish_reason="stop" if not ids or ids[-1] in ends else "length",
                turns=turns_of(completion),
                policy_tokens=None if mask is None else sum(mask),
                gold=None if gold is None else str(gold),
                verdict=verdict,
            )
            for prompt, completion, ids, mask, gold, verdict in zip(
                prompts, completions, completion_ids, masks or [None] * len(prompts), golds, verdicts, strict=True
            )
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

    def _replace_advantages(self, output: dict[str, Any], records: list[GroupRecord]) -> None:
        """Put our advantages where TRL's stand: in this process's part of the batch, and in TRL's table."""
        ours = torch.from_numpy(np.concatenate([record.advantages for record in records])).to(output["advantages"])
        output["advantages"] = ours.split(len(output["advantages"]))[self.accelerator.process_index]
        shown = self._logs["advantages"]
        for _ in range(min(len(ours), len(shown))):
            shown.pop()
        shown.extend(ours.tolist())

    def _tell_embedding_limits(self, embedded: Embeddings, count: int) -> None:
        if embedded.truncated:
            limit = f"{getattr(self.embedder, 'max_length', None)} tokens and were embedded cut there"
            follows = "diversity/truncated_ratio follows it, embedder_max_length changes it"
            cut = f"embedder: {embedded.truncated} of {count} completions are longer than {limit}; {follows}"
            self._tell_once("truncated", cut)
        if embedded.invalid:
            found = f"{embedded.invalid} of {count} embeddings were not finite and count as unlike all others"
            self._tell_once("invalid", f"embedder: {found}")

    def _tell_once(self, what: str, line: str) -> None:
        if what not in self._told and self.accelerator.is_main_process:
            self._told.add(what)
            self._tell(line)

    def _log_raw_rewards(self, totals: Array) -> None:
        """Make TRL's `reward`, `reward_std` and `frac_reward_zero_std` speak of the raw totals, as without adjustment."""
        if not self._adjusts:
            return
        logged = self._metrics["train" if self.model.training else "eval"]
        scorable = totals[~np.isnan(totals)]
        logged["reward"][-1] = float(scorable.mean()) if scorable.size else float("nan")
        logged["reward_std"][-1] = float(scorable.std(ddof=1)) if scorable.size > 1 else float("nan")
        if self.scale_rewards != "batch":
            logged["frac_reward_zero_std"][-1] = float(zero_spread(totals).mean())


def _given(construct: Callable[..., None], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a trainer by name; nothing where it will refuse them itself."""
    try:
        found = dict(inspect.signature(construct).bind_partial(*args, **kwargs).arguments)
    except TypeError:
        return {}
    return found | found.pop("kwargs", {})
