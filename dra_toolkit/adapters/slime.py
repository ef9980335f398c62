"""slime, and miles with the same flags: `--custom-reward-post-process-path dra_toolkit.adapters.slime.post_process`.

slime calls it once for each rollout with all samples, in the process that holds them, in place of its own normalisation of
rewards; what comes back is broadcast over the tokens. So advantages are made here, as slime's flags say. `$DRA_SETTINGS`
names the settings file, or `dra_settings` in slime's `--custom-config-path`.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.rows import EngineRows, spoken
from dra_toolkit.adapters.settings import given_settings
from dra_toolkit.diversity import ESTIMATORS, Estimator

CENTRED = ("grpo", "gspo", "cispo", "reinforce_plus_plus_baseline")
"""slime's estimators that take the mean of the group away; all but the last divide by its standard deviation too."""
_RUNS: dict[str, EngineRun] = {}
_ROLLOUTS: dict[str, int] = {}


def post_process(args: Any, samples: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Return the raw total of each sample, as slime logs it, and the advantage that it trains with.

    Samples of one `rollout_id` are one completion, of which the last is looked at. One without a reward (NaN) gets no
    advantage. Raises RunError as `EngineRun` does, and ValueError for a sample without `group_index`.
    """
    path = getattr(args, "dra_settings", None) or os.environ.get("DRA_SETTINGS", "")
    if path not in _RUNS:
        settings, weights, made = given_settings(path, "slime"), {args.reward_key or "reward": 1.0}, _estimator(args)
        _RUNS[path] = EngineRun(settings, engine="slime", reward_weights=weights, estimator=made, abstains=True)
        _ROLLOUTS[path] = int(getattr(args, "start_rollout_id", None) or 0)
    run = _RUNS[path]
    _ROLLOUTS[path] += 1
    totals = [float(sample.get_reward_value(args)) for sample in samples]
    batch = run.adjust(_rows(args, samples, totals), _ROLLOUTS[path])
    advantages = run.advantages(batch)
    run.record(batch, advantages)
    return totals, batch.by_row(advantages).tolist()


def _estimator(args: Any) -> Estimator:
    if args.advantage_estimator not in CENTRED or not args.rewards_normalization:
        return Estimator(baseline="none", spread="none")
    divides = args.advantage_estimator != CENTRED[-1] and args.grpo_std_normalization
    return ESTIMATORS["slime"] if divides else Estimator(spread="none")


def _rows(args: Any, samples: Sequence[Any], totals: list[float]) -> EngineRows:
    said = [_said(args, sample) for sample in samples]
    return EngineRows(
        group_ids=[sample.group_index for sample in samples],
        prompts=[sample.prompt for sample in samples],
        completions=[text for text, _ in said],
        said=[turns for _, turns in said],
        rewards={args.reward_key or "reward": np.array(totals)},
        tokens=[sum(sample.loss_mask) if sample.loss_mask else sample.response_length for sample in samples],
        finish_reasons=["length" if sample.status.value == "truncated" else "stop" for sample in samples],
        golds=[sample.label for sample in samples],
        known={"log_probs": np.array([np.mean(sample.rollout_log_probs or [np.nan]) for sample in samples])},
        trajectories=[row if s.rollout_id is None else ("rollout", s.rollout_id) for row, s in enumerate(samples)],
    )


def _said(args: Any, sample: Any) -> tuple[str, Any]:
    if not sample.loss_mask or all(sample.loss_mask):
        return sample.response, None
    return spoken(sample.tokens[-sample.response_length :], sample.loss_mask, _decoder(args.hf_checkpoint))


@functools.cache
def _decoder(name: str) -> Any:
    from transformers import AutoTokenizer

    return functools.partial(AutoTokenizer.from_pretrained(name).decode, skip_special_tokens=True)
