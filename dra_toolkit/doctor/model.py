"""A model's shape, read from its config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
