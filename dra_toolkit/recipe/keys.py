"""Every key that a recipe may have: ours, TRL's own arguments by their own names, and the rewards' parameters."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import Field, fields
from importlib import resources
from typing import Any

from dra_toolkit.diversity import SCALINGS, SETTING_KEYS, measure_options
from dra_toolkit.recipe.sections import DIVERSITY_PRESETS, SECTIONS, Key, Section
from dra_toolkit.recipe.sections.declaring import kinds_of
from dra_toolkit.rewards import reward_parameters

__all__ = ["BUILTINS", "BUILTIN_PREFIX", "DIVERSITY_PRESETS", "OUR_KEYS", "REFUSED", "Key", "flagged", "known_keys"]

BUILTIN_PREFIX = "builtin:"
BUILTINS = ("ways",)
"""Models and data sets that the toolkit makes itself, named `builtin:NAME` where an id or a folder could stand."""


def _declared() -> Iterator[tuple[Field[Any], bool]]:
    """Yield the fields of all sections, and whether each is a key of our own."""
    for section in SECTIONS:
        for each in fields(section):  # type: ignore[arg-type]
            yield each, each.metadata["ours"]


def _of_the_adjustment() -> Iterator[Key]:
    """Yield the keys of `DiversitySettings`, as they are declared there."""
    for each in SETTING_KEYS.values():
        if not each.borrowed:
            own = (f.name for f in fields(Key) if f.name not in ("low", "high"))  # DiversitySettings checks its ranges
            found = {name: getattr(each, name) for name in own if hasattr(each, name)}
            yield Key(name=each.key, **found, in_summary=each.field == "measure")


OUR_KEYS = (
    *(
        Key(name=each.name, kinds=kinds_of(str(each.type)), **each.metadata["declared"])
        for each, is_ours in _declared()
        if is_ours
    ),
    *_of_the_adjustment(),
)
"""The keys that are not TRL's, a reward's or a measure's."""

OUR_DEFAULTS: dict[str, Any] = {"logging_steps": 1, "disable_tqdm": True}
"""TRL arguments whose default differs here: a metrics line for every step, and no second progress bar."""

REFUSED = {
    "resume_from_checkpoint": "resume with `dra train RECIPE --resume`, which picks the newest complete checkpoint",
    "hub_token": "a token must not stand in a file; log in with `hf auth login` or set HF_TOKEN",
    "local_rank": "it is set by the launcher; say num_processes",
    "dataset_streaming": "groups are drawn by index, which a stream does not have; leave it out",
    "ignore_bias_buffers": "TRL's GRPO does not read it; leave it out",
    "do_predict": "training has nothing to predict",
    "use_transformers_paged": "it is deprecated in TRL; say use_transformers_continuous_batching",
    "vllm_importance_sampling_cap": "it is deprecated in TRL; say vllm_importance_sampling_clip_max",
    "parallelism_config": "it is an object, which YAML cannot hold",
    "model": "say model_name_or_path",
    "args": "TRL's arguments are keys of the recipe themselves",
    "train_dataset": "say dataset_name",
    "eval_dataset": "say eval_strategy, and dataset_test_split for the split",
    "processing_class": "it is the model's own",
    "quantization_config": "say load_in_4bit or load_in_8bit",
    "peft_config": "say use_peft, and lora_r and its like",
    "optimizers": "they are objects, which YAML cannot hold; say optim and learning_rate, or take DRATrainer in a script",
    "callbacks": "they are objects, which YAML cannot hold; take DRATrainer in a script (docs/scripts.md)",
}
"""Keys that TRL knows and a recipe may not set, with what to do instead."""

CHOICES: dict[str, tuple[str, ...]] = {
    "scale_rewards": SCALINGS,
    "loss_type": ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo"),
    "vllm_mode": ("colocate", "server"),
    "importance_sampling_level": ("token", "sequence"),
    "multi_objective_aggregation": ("sum_then_normalize", "normalize_then_sum"),
    "dtype": ("auto", "float32", "bfloat16", "float16"),
}
"""Closed lists of values that TRL states in words only."""


_SMALLEST = 1e-6
RANGES: dict[str, tuple[float, float | None]] = {
    **dict.fromkeys(
        (
            *(
                "gradient_accumulation_steps",
                "per_device_train_batch_size",
                "per_device_eval_batch_size",
                "num_iterations",
            ),
            *(
                "steps_per_generation",
                "generation_batch_size",
                "num_generations_eval",
                "max_completion_length",
                "lora_r",
            ),
            *("vllm_tensor_parallel_size", "vllm_max_model_length", "ref_model_sync_steps", "max_steps", "ddp_timeout"),
            *("save_total_limit", "eval_accumulation_steps", "torch_empty_cache_steps", "lora_alpha"),
        ),
        (1, None),
    ),
    **dict.fromkeys(
        (
            *("learning_rate", "beta", "weight_decay", "warmup_steps", "max_grad_norm", "adam_epsilon", "epsilon"),
            *("epsilon_high", "delta", "seed", "data_seed", "dataloader_num_workers", "top_k", "eval_delay"),
            "vllm_server_timeout",
        ),
        (0, None),
    ),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "lora_dropout", "label_smoothing_factor", "min_p"), (0, 1)),
    **dict.fromkeys(("top_p", "vllm_gpu_memory_utilization", "top_entropy_quantile"), (_SMALLEST, 1)),
    **dict.fromkeys(
        ("temperature", "num_train_epochs", "save_steps", "logging_steps", "eval_steps", "repetition_penalty"),
        (_SMALLEST, None),
    ),
}
"""The numbers of TRL's that have a smallest and a largest value, which it does not check itself."""
ALSO = {"max_steps": (-1,), "top_k": (-1,)}
"""Numbers outside that mean that something is left out."""


@functools.cache
def trl_table() -> dict[str, Any]:
    """Return the stored table of TRL's arguments; a test holds it against the installed TRL."""
    return json.loads(resources.files("dra_toolkit.recipe").joinpath("trl_arguments.json").read_text())


@functools.cache
def known_keys() -> dict[str, Key]:
    """Return every key by name; where a name is ours and TRL's, ours."""
    declared = {each.name: each.metadata["declared"] for each, is_ours in _declared() if not is_ours}
    keys = {
        name: Key(
            name=name,
            kinds=tuple(entry["kinds"]),
            default=entry["default"],
            choices=CHOICES.get(name, tuple(entry.get("choices", ()))),
            owner=entry["owner"],
            low=RANGES.get(name, (None, None))[0],
            high=RANGES.get(name, (None, None))[1],
            also=ALSO.get(name, ()),
            **declared.get(name, {}),
        )
        for name, entry in trl_table()["arguments"].items()
        if name not in REFUSED
    }
    for name, parameter in reward_parameters().items():
        annotation = parameter.annotation
        written = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        kinds = tuple(part.strip().replace("None", "none") for part in written.split("|"))
        keys[name] = Key(name=name, kinds=kinds, default=parameter.default, owner="reward")
    for name, option in measure_options().items():
        keys[name] = Key(name=name, kinds=("float",), default=option.default, owner="measure", help=option.meaning)
    keys |= {key.name: key for key in OUR_KEYS}
    return keys


def flagged(flag: str, *sections: type[Section]) -> tuple[str, ...]:
    """Return the keys of sections, or of all and of the adjustment, that have a flag of `Key`."""
    wanted = [each.name for section in sections or SECTIONS for each in fields(section)]  # type: ignore[arg-type]
    names = wanted if sections else [*wanted, *(key.name for key in _of_the_adjustment())]
    return tuple(name for name in names if getattr(known_keys()[name], flag))
