"""verl: the adjustment between its rewards and its own advantages, for its v1 trainers in every mode.

The entry point `verl.plugins` loads this module. `trainer.v1.trainer_mode=dra_sync` (dra_colocate_async,
dra_separate_async) with `+dra.settings=FILE` then adjusts `rm_scores` where `_compute_advantage` reads them, and puts them
back: `adv_estimator=grpo` and all that verl logs stay verl's own. A session counts by its last output, padding not at all.
"""

import functools
import sys
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.rows import EngineRows, spoken
from dra_toolkit.adapters.settings import given_settings
from dra_toolkit.diversity import ESTIMATORS, replaces_advantages
from dra_toolkit.errors import RunError


def get(batch: Any, *fields: str) -> dict[str, list[Any]]:
    """Return the fields that are there, each a list of N tensors or objects."""
    import transfer_queue as tq

    found = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=list(fields))
    return {name: list(found[name]) for name in fields if name in set(found.keys())}


def put(batch: Any, **fields: list[torch.Tensor]) -> None:
    """Replace fields by tensors of any lengths, N of each."""
    import transfer_queue as tq
    from tensordict import TensorDict

    nested = {name: torch.nested.as_nested_tensor(rows, layout=torch.jagged) for name, rows in fields.items()}
    tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=TensorDict(nested, len(batch.keys)))


_READ = ("uid", "raw_prompt", "reward_model", "responses", "response_mask", "rm_scores", "rollout_log_probs")


class VerlAdjustment:
    """Mixin, to stand before one of verl's v1 trainers among the bases."""

    base_mode: str
    config: Any
    tokenizer: Any
    global_steps: int

    def __init__(self, config: Any) -> None:
        settings = given_settings(config.get("dra", {}).get("settings"), "verl", "+dra.settings")
        if config.algorithm.adv_estimator != "grpo" or config.algorithm.use_kl_in_reward:
            raise RunError("algorithm: expected adv_estimator=grpo, use_kl_in_reward=False, for adjusted rewards")
        config.trainer.v1.trainer_mode = self.base_mode  # verl's other parts go by its own names
        super().__init__(config)  # type: ignore[call-arg]
        made = ESTIMATORS["verl" if config.algorithm.get("norm_adv_by_std_in_grpo", True) else "verl_none"]
        self.dra = EngineRun(settings, engine="verl", reward_weights={"reward": 1}, estimator=made)

    def _compute_advantage(self, batch: Any, metrics: dict[str, Any]) -> Any:
        data = get(batch, *_READ)
        raw, masks = data["rm_scores"], data["response_mask"]
        ours = self.dra.adjust(self._rows(batch, data), step=self.global_steps)
        totals = zip(raw, ours.by_row(ours.found.adjusted), strict=True)
        put(batch, rm_scores=[pad(scores.new_tensor([total]), (len(scores) - 1, 0)) for scores, total in totals])
        batch = super()._compute_advantage(batch, metrics)  # type: ignore[misc]
        put(batch, rm_scores=raw)
        if replaces_advantages(self.dra.settings, self.dra.estimator):
            values = ours.by_row(self.dra.advantages(ours)).tolist()
            replaced = [value * mask.float() for value, mask in zip(values, masks, strict=True)]
            put(batch, advantages=replaced, returns=replaced)
        told = get(batch, "advantages")["advantages"]
        metrics.update(self.dra.record(ours, np.nan_to_num([_mean(told[row], masks[row]) for row in ours.row_of])))
        return batch

    def _rows(self, batch: Any, data: dict[str, list[Any]]) -> EngineRows:
        ends, longest = {self.tokenizer.eos_token_id, self.tokenizer.pad_token_id}, self.config.data.max_response_length
        responses, masks, sampled = data["responses"], data["response_mask"], data.get("rollout_log_probs")
        decode = functools.partial(self.tokenizer.decode, skip_special_tokens=True)
        said = [spoken(ids.tolist(), mask.tolist(), decode) for ids, mask in zip(responses, masks, strict=True)]
        keys = [key.rsplit("_", 1) for key in batch.keys]  # {uid}_{session}_{output}
        return EngineRows(
            group_ids=[str(uid) for uid in data["uid"]],
            prompts=[list(prompt) for prompt in data["raw_prompt"]],
            completions=[text for text, _ in said],
            said=[turns for _, turns in said],
            rewards={"reward": np.array([float(scores.sum()) for scores in data["rm_scores"]])},
            tokens=[int(mask.sum()) for mask in masks],
            finish_reasons=["stop" if len(ids) < longest or int(ids[-1]) in ends else "length" for ids in responses],
            golds=[(each or {}).get("ground_truth") for each in data.get("reward_model", [None] * len(keys))],
            known={} if sampled is None else {"log_probs": np.array(list(map(_mean, sampled, masks)))},
            trajectories=[None if t.get("is_padding") else key[0] for t, key in zip(batch.tags, keys, strict=True)],
            turns=[int(output) for _, output in keys],
        )


def _mean(values: torch.Tensor, mask: torch.Tensor) -> float:
    return float(values[mask.bool()].double().mean())


def register() -> None:
    """Register a trainer mode `dra_NAME` for each of verl's; where a run asks for one that cannot be, say why."""
    try:
        import verl
        from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY, register_trainer

        if not verl.__version__.startswith("0.9."):
            raise ImportError(f"found verl {verl.__version__}, expected 0.9.x")
        for mode, base in [*TRAINER_REGISTRY.items()]:
            if f"dra_{mode}" not in TRAINER_REGISTRY and not issubclass(base, VerlAdjustment):
                ours = type(f"DRA{base.__name__}", (VerlAdjustment, base), {"base_mode": mode})
                register_trainer(f"dra_{mode}")(ours)
    except Exception as error:  # verl itself tells of it at debug level only
        if any("=dra_" in argument for argument in sys.argv):
            print(f"DRA is off in verl: {error}; install verl==0.9.1", file=sys.stderr)


register()
