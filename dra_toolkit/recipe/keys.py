"""Every key that a recipe may have: ours, TRL's own arguments by their own names, and the rewards' parameters."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any

from dra_toolkit.diversity import PRESETS, SCALINGS, SETTING_KEYS, measure_options
from dra_toolkit.embedding import EMBEDDERS, PARTS, EmbedderSettings
from dra_toolkit.rewards import reward_parameters

BUILTIN_PREFIX = "builtin:"
BUILTINS = ("ways",)
"""Models and data sets that the toolkit makes itself, named `builtin:NAME` where an id or a folder could stand."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What a recipe key accepts and what holds when it is left out."""

    name: str
    kinds: tuple[str, ...]
    """Accepted types: bool, int, float, str, dict, list[str], list[float], none."""
    default: Any = None
    choices: tuple[str, ...] = ()
    """Accepted texts, where there is a closed list."""
    dotted: bool = False
    """Whether a dotted path is accepted besides the choices."""
    owner: str = "dra"
    """Whose key it is: `dra`, `reward`, `measure`, or the TRL class that takes it as an argument."""
    help: str = ""


def _ours(
    name: str, kinds: str, default: Any, help: str, choices: tuple[str, ...] = (), *, dotted: bool = False
) -> Key:
    return Key(name=name, kinds=tuple(kinds.split(" | ")), default=default, help=help, choices=choices, dotted=dotted)


DIVERSITY_PRESETS = {
    name: {SETTING_KEYS[field].key: value for field, value in values.items()} for name, values in PRESETS.items()
}
"""Name -> what holds for the keys that the recipe leaves open."""


def _of_the_adjustment() -> Iterator[Key]:
    """Yield the keys of `DiversitySettings`, as they are declared there."""
    for each in SETTING_KEYS.values():
        if not each.borrowed:
            found = {f.name: getattr(each, f.name) for f in fields(Key) if hasattr(each, f.name)}
            yield Key(name=each.key, **found)


OUR_KEYS = (
    _ours("output_dir", "str", None, "Run directory; by default runs/ and the recipe's file name."),
    _ours("num_processes", "int", 1, "Training processes in all, over all machines; one for each training GPU."),
    _ours(
        "accelerate_config",
        "str | none",
        None,
        "How the processes work together: single_gpu, ddp, fsdp2, zero2, zero3, two_nodes, or a file of accelerate's.",
    ),
    _ours("num_machines", "int", 1, "Machines that train together; each runs `dra train` with its own machine_rank."),
    _ours("machine_rank", "int", 0, "Which of the machines this is, from 0; 0 holds the vLLM server."),
    _ours("main_process_ip", "str | none", None, "Address of machine 0, reachable from the others."),
    _ours("main_process_port", "int", 29500, "Port on machine 0 where the machines meet."),
    _ours(
        "vllm_gpus",
        "int",
        0,
        "GPUs, the last of machine 0, for a vLLM server that is started, watched and stopped with the run; "
        "0 with use_vllm: colocated, or your own server (vllm_mode: server).",
    ),
    _ours("vllm_enforce_eager", "bool", False, "Start that server without CUDA graphs: slower, and ready sooner."),
    _ours(
        "completions_per_step",
        "int | none",
        None,
        "Completions in one optimizer step, whatever the number of processes; gradient_accumulation_steps follows from it.",
    ),
    _ours(
        "dataset_name",
        "str | list[str]",
        None,
        "Hub id, folder, or JSONL, CSV or Parquet file; a list mixes several.",
    ),
    _ours(
        "dataset_weights",
        "list[float] | none",
        None,
        "Shares of the data sets in the mixture; null takes every row of each.",
    ),
    _ours(
        "prompt_column",
        "str | list[str]",
        "problem",
        "Data column with the prompt, a text or a list of messages; a list has one for each data set.",
    ),
    _ours(
        "solution_column",
        "str | none | list[str]",
        "solution",
        "Data column with the gold answer, given to the rewards; a list has one for each data set.",
    ),
    _ours(
        "max_prompt_length",
        "int | none",
        None,
        "Prompts of more tokens, chat template included, are left out of the data and counted.",
    ),
    _ours("system_prompt", "str | none", None, "System message put before every prompt."),
    _ours("reward_funcs", "list[str]", None, "Rewards by name, or dotted paths to your own functions."),
    *_of_the_adjustment(),
    _ours(
        "diversity_preset",
        "str",
        "paper",
        "Settings of the adjustment in one word, for those left out: paper, or robust (mean_one weights, negative totals "
        "multiplied, groups without spread skipped); docs/experiment.md says what it does.",
        choices=tuple(DIVERSITY_PRESETS),
    ),
    _ours(
        "embedder",
        "str",
        EmbedderSettings().name,
        f"{', '.join(EMBEDDERS)}, a sentence-transformers id or folder, the dotted path of a function, or none.",
    ),
    _ours(
        "embed_part",
        "list[str]",
        ["completion"],
        "What is embedded: completion, reasoning or answer; of a list the mean of the parts' similarities counts.",
        choices=PARTS,
    ),
    _ours("embedder_revision", "str | none", None, "Commit of the embedder's weights."),
    _ours("embedder_code_revision", "str | none", None, "Commit of the embedder's remote code, where it has any."),
    _ours("embedder_max_length", "int | none", None, "Longest completion, in tokens, that is embedded whole."),
    _ours("embedder_batch_tokens", "int", 16384, "Padded tokens per embedding batch; on a CPU at most 2048."),
    _ours("record_groups", "bool", True, "Keep every sampled group in the run directory."),
    _ours(
        "hub_revisions",
        "bool",
        False,
        "With push_to_hub: push every checkpoint to the Hub as a revision of its own, step-00050 and so on.",
    ),
    _ours("record_embeddings", "bool", False, "Keep the embeddings too (2 bytes for each dimension)."),
)

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


@functools.cache
def trl_table() -> dict[str, Any]:
    """Return the stored table of TRL's arguments; a test holds it against the installed TRL."""
    return json.loads(resources.files("dra_toolkit.recipe").joinpath("trl_arguments.json").read_text())


@functools.cache
def known_keys() -> dict[str, Key]:
    """Return every key by name; where a name is ours and TRL's, ours."""
    keys = {
        name: Key(
            name=name,
            kinds=tuple(entry["kinds"]),
            default=entry["default"],
            choices=CHOICES.get(name, tuple(entry.get("choices", ()))),
            owner=entry["owner"],
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
