"""Every key that a recipe may have: ours, TRL's own arguments by their own names, and the rewards' parameters."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from dra_toolkit.diversity import MEASURES, SCALINGS
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
    owner: str = "dra"
    """Whose key it is: `dra`, `reward`, or the TRL class that takes it as an argument."""
    help: str = ""


def _ours(name: str, kinds: str, default: Any, help: str, choices: tuple[str, ...] = ()) -> Key:
    return Key(name=name, kinds=tuple(kinds.split(" | ")), default=default, help=help, choices=choices)


OUR_KEYS = (
    _ours("output_dir", "str", None, "Run directory; by default runs/ and the recipe's file name."),
    _ours("num_processes", "int", 1, "Training processes on this machine."),
    _ours("prompt_column", "str", "problem", "Data column with the prompt: a text, or a list of messages."),
    _ours("solution_column", "str | none", "solution", "Data column with the gold answer, given to the rewards."),
    _ours("system_prompt", "str | none", None, "System message put before every prompt."),
    _ours("reward_funcs", "list[str]", None, "Rewards by name, or dotted paths to your own functions."),
    _ours(
        "diversity",
        "str",
        "graph_cut",
        "How redundancy inside a group is measured; none leaves the rewards alone.",
        choices=(*MEASURES, "none"),
    ),
    _ours(
        "similarity_floor",
        "float | none",
        0.0,
        "Similarities below it count as it; null keeps negative similarities, as the released code did.",
    ),
    _ours(
        "embedder", "str", "minilm", "hash, minilm, jina, nomic, policy, a sentence-transformers id or folder, or none."
    ),
    _ours("embedder_revision", "str | none", None, "Commit of the embedder's weights."),
    _ours("embedder_code_revision", "str | none", None, "Commit of the embedder's remote code, where it has any."),
    _ours("embedder_max_length", "int | none", None, "Longest completion, in tokens, that is embedded whole."),
    _ours("embedder_batch_tokens", "int", 16384, "Padded tokens per embedding batch; on a CPU at most 2048."),
    _ours("record_groups", "bool", True, "Keep every sampled group in the run directory."),
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
    keys |= {key.name: key for key in OUR_KEYS}
    return keys
