"""The defaults of 2025 that have changed since and that a legacy recipe is trained with.

Read from GRPOConfig, ModelConfig and ScriptArguments of TRL 0.15.2, of which DRA-GRPO carries a copy with two keys of its
own, from transformers 4.49.0, and from the scripts of DRA-GRPO and Open-RS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.recipe import Setting

Settings = Mapping[str, Setting]
TRL_THEN, TRANSFORMERS_THEN = "TRL 0.15.2", "transformers 4.49.0"
RELEASE, OPEN_RS, OPEN_R1 = "DRA-GRPO", "Open-RS", "open-r1"


@dataclass(frozen=True, kw_only=True)
class LegacyDefault:
    """A default that a legacy recipe relied on and that is another today."""

    key: str
    value: Any
    today: Any
    source: str
    why: str
    """What the old value does."""
    when: Callable[[Settings], bool] = lambda settings: True
    condition: str = ""
    """`when` in words; empty: always."""


def _use_vllm(settings: Settings) -> bool:
    return settings["use_vllm"].value is True


def _own_server(settings: Settings) -> bool:
    """Return whether nothing given speaks of another engine than a server of the run's own."""
    others = ("vllm_mode", "vllm_server_base_url", "vllm_server_host")
    return _use_vllm(settings) and not any(is_given(settings[key]) for key in others)


def _several_processes(settings: Settings) -> bool:
    """Return whether the accelerate configuration leaves the number of processes open and starts several."""
    with contextlib.suppress(RecipeError):  # a file that cannot be read is told by the checks
        name = settings["accelerate_config"].value
        config = read_accelerate_config(name) if name is not None else None
        return config is None or (config.distributed_type != "NO" and "num_processes" not in config.layout)
    return True


LEGACY_DEFAULTS = (
    LegacyDefault(
        key="diversity", value="none", today="graph_cut", source=RELEASE, why="SMI_reweighting was false: plain GRPO"
    ),
    LegacyDefault(
        key="embedder",
        value="jina",
        today=EmbedderSettings().name,
        source=RELEASE,
        why="extractor_name was jina",
        when=lambda settings: settings["diversity"].value != "none",
        condition="with SMI_reweighting",
    ),
    LegacyDefault(
        key="reward_funcs",
        value=["accuracy", "format", "tag_count"],
        today=[],
        source=OPEN_R1,
        why="the rewards of open-r1's script",
    ),
    LegacyDefault(key="beta", value=0.04, today=0.0, source=TRL_THEN, why="weight of the KL term"),
    LegacyDefault(
        key="use_bias_correction_kl",
        value=False,
        today=True,
        source=TRL_THEN,
        why="the KL term was not multiplied by the importance ratio, through which today's sends a gradient",
    ),
    LegacyDefault(
        key="loss_type",
        value="grpo",
        today="dapo",
        source=TRL_THEN,
        why="the loss was the mean over completions of each one's mean over its tokens",
    ),
    LegacyDefault(
        key="scale_rewards",
        value="group",
        today="group",
        source=TRL_THEN,
        why="advantages were always divided by their group's standard deviation",
    ),
    LegacyDefault(key="temperature", value=0.9, today=1.0, source=TRL_THEN, why="sampling temperature"),
    LegacyDefault(
        key="top_k",
        value=50,
        today=0,
        source=TRANSFORMERS_THEN,
        why="GenerationConfig's default, which TRL left alone; vLLM's was no limit, as today",
        when=lambda settings: not _use_vllm(settings),
        condition="without use_vllm",
    ),
    LegacyDefault(
        key="vllm_importance_sampling_correction",
        value=False,
        today=True,
        source=TRL_THEN,
        why="did not exist: what vLLM sampled was taken as the policy's own",
        when=_use_vllm,
        condition="with use_vllm",
    ),
    LegacyDefault(key="max_prompt_length", value=512, today=None, source=TRL_THEN, why="longest prompt in tokens"),
    LegacyDefault(
        key="max_completion_length", value=256, today=512, source=TRL_THEN, why="longest completion in tokens"
    ),
    LegacyDefault(
        key="optim",
        value="adamw_torch",
        today="adamw_torch_fused",
        source=TRANSFORMERS_THEN,
        why="the same AdamW, rounded otherwise",
    ),
    LegacyDefault(
        key="ref_model_mixup_alpha",
        value=0.9,
        today=0.6,
        source=TRL_THEN,
        why="share of the policy that the reference model takes over",
        when=lambda settings: settings["sync_ref_model"].value is True,
        condition="with sync_ref_model",
    ),
    LegacyDefault(
        key="ref_model_sync_steps",
        value=64,
        today=512,
        source=TRL_THEN,
        why="steps between two such updates",
        when=lambda settings: settings["sync_ref_model"].value is True,
        condition="with sync_ref_model",
    ),
    LegacyDefault(
        key="accelerate_config",
        value="zero2",
        today=None,
        source=f"commands in the READMEs of {RELEASE} and {OPEN_RS}",
        why="DeepSpeed ZeRO-2, with float32 copies of the weights for the optimizer",
    ),
    LegacyDefault(
        key="num_processes",
        value=3,
        today=1,
        source=f"commands in the READMEs of {RELEASE} and {OPEN_RS}",
        why="three training GPUs: the number of completions in a step",
        when=_several_processes,
        condition="unless accelerate_config says it",
    ),
    LegacyDefault(
        key="vllm_gpus",
        value=1,
        today=0,
        source=TRL_THEN,
        why="vllm_device was auto: vLLM on the GPU after the training ones",
        when=_own_server,
        condition="with use_vllm, where nothing is said of another engine",
    ),
    LegacyDefault(
        key="vllm_gpu_memory_utilization",
        value=0.9,
        today=0.3,
        source=TRL_THEN,
        why="vLLM had its GPU for itself",
        when=lambda settings: bool(settings["vllm_gpus"].value),
        condition="with vllm_gpus",
    ),
)
"""In the order in which they are set, since some depend on others."""

DR_GRPO = {"loss_type": "dr_grpo", "scale_rewards": "none"}
"""What the released repository's second script, of Dr. GRPO, did otherwise."""


def set_legacy_defaults(settings: dict[str, Setting], *, dr_grpo: bool) -> list[str]:
    """Set each legacy default whose key was not given and whose condition holds; return the keys that were set.

    dr_grpo: whether the recipe is for the released repository's script of Dr. GRPO.
    """
    done = []
    for default in LEGACY_DEFAULTS:
        if is_given(settings[default.key]) or not default.when(settings):
            continue
        value = DR_GRPO.get(default.key, default.value) if dr_grpo else default.value
        settings[default.key] = Setting(value=value, origin="legacy default")
        done.append(default.key)
    return done


def is_given(setting: Setting) -> bool:
    """Return whether the recipe or an override says it."""
    return setting.origin in ("recipe", "override")
