"""A model's size and shape, read from its config.json and the headers of its safetensors. No weight is read."""

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.runs.files import json_object

DTYPE_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CONFIG, INDEX, WEIGHTS = "config.json", "model.safetensors.index.json", "model.safetensors"
QKV_BIAS = ("qwen2",)
QK_NORM = ("qwen3",)
TIED_UNLESS_SAID = ("gemma", "gemma2", "gemma3_text")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of a decoder of the Llama kind: attention, gated MLP, RMS norms."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    query_dim: int
    """Width of all queries of a token."""
    kv_dim: int
    """Width of all keys of a token; its values have the same."""
    vocabulary: int
    layer_parameters: int
    parameters: int
    """All of them; weights that are shared count once."""
    positions: int = 0
    """Longest text that it was made for; 0 if it does not say."""

    @property
    def body_parameters(self) -> int:
        """Return the parameters that every token passes through: all layers and the last norm."""
        return self.layers * self.layer_parameters + self.hidden

    @property
    def head_parameters(self) -> int:
        """Return the parameters of the head, and of the embeddings."""
        return self.vocabulary * self.hidden

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Return the bytes that one token takes in the KV cache."""
        return 2 * self.layers * self.kv_dim * element_bytes


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """How large a model is."""

    parameters: int
    """0 where that is not known."""
    stored_bytes: int
    """Bytes of one parameter, as stored."""
    shape: ModelShape | None
    """None for a model that is no dense decoder of the Llama kind."""

    def __str__(self) -> str:
        """Return the size in words."""
        count = self.parameters
        unit, name = next(((u, n) for u, n in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if count >= u), (1.0, ""))
        return f"{count / unit:.3g}{name} parameters" if count else "parameters not known"


def read_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """Return the shape that a config.json describes; None if it is no dense decoder of this kind."""
    config = config.get("text_config") or config
    if any(config.get(key) for key in EXPERTS):
        return None
    try:
        heads, hidden, layers = (int(config[f]) for f in ("num_attention_heads", "hidden_size", "num_hidden_layers"))
        intermediate, vocabulary = int(config["intermediate_size"]), int(config["vocab_size"])
        head_dim = int(config.get("head_dim") or hidden // heads)
        queries, keys = heads * head_dim, int(config.get("num_key_value_heads") or heads) * head_dim
        positions = int(config.get("max_position_embeddings") or 0)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    kind = str(config.get("model_type"))
    layer = 2 * hidden * (queries + keys) + 3 * hidden * intermediate + 2 * hidden
    layer += queries + 2 * keys if config.get("attention_bias") or kind in QKV_BIAS else 0
    layer += 2 * head_dim if kind in QK_NORM else 0
    ends = 1 if config.get("tie_word_embeddings", kind in TIED_UNLESS_SAID) else 2
    return ModelShape(
        layers=layers,
        hidden=hidden,
        intermediate=intermediate,
        heads=heads,
        query_dim=queries,
        kv_dim=keys,
        vocabulary=vocabulary,
        layer_parameters=layer,
        parameters=layers * layer + hidden + ends * vocabulary * hidden,
        positions=positions,
    )


def size_of(config: Mapping[str, Any], dtypes: Mapping[str, int]) -> ModelSize:
    """Return the size of a model from its config and from its parameters counted by dtype, either of them empty."""
    shape = read_shape(config)
    said = {"float32": 4, "bfloat16": 2, "float16": 2}.get(str(config.get("dtype") or config.get("torch_dtype")), 4)
    most = max(dtypes, key=lambda name: dtypes[name]) if dtypes else ""
    return ModelSize(
        parameters=sum(dtypes.values()) or (shape.parameters if shape else 0),
        stored_bytes=DTYPE_BYTES.get(most, 1) if most else said,
        shape=shape,
    )


def read_folder(folder: Path) -> ModelSize:
    """Return the size of the model in a folder; files of weights without a safetensors header count nothing."""
    counted: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with contextlib.suppress(Exception):
            from huggingface_hub import parse_local_safetensors_file_metadata

            counted.update(parse_local_safetensors_file_metadata(path).parameter_count)
    return size_of(json_object(folder / CONFIG), counted)


def missing_weights(folder: Path) -> list[str]:
    """Return which files of weights a folder lacks; empty if it is complete."""
    if (folder / WEIGHTS).is_file():
        return []
    shards = json_object(folder / INDEX).get("weight_map")
    if shards and isinstance(shards, dict):
        return [name for name in sorted(set(map(str, shards.values()))) if not (folder / name).is_file()]
    return [] if any(folder.glob("*.bin")) or any(folder.glob("*.safetensors")) else [WEIGHTS]
