"""The shape of a dense decoder, read from its config.json, and what follows from it: parameters, activations, KV cache."""

from __future__ import annotations

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
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    """Whether the head shares the weights of the embeddings."""
    qkv_bias: bool = False
    qk_norm: bool = False
    positions: int = 0
    """Longest text that it was made for; 0 if it does not say."""

    @property
    def query_dim(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of all keys of a token; its values have the same."""
        return self.kv_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """Return the parameters of one layer."""
        attention = 2 * self.hidden * self.query_dim + 2 * self.hidden * self.kv_dim
        biases = self.query_dim + 2 * self.kv_dim if self.qkv_bias else 0
        norms = 2 * self.hidden + (2 * self.head_dim if self.qk_norm else 0)
        return attention + biases + 3 * self.hidden * self.intermediate + norms

    @property
    def body_parameters(self) -> int:
        """Return the parameters that every token passes through: all layers and the last norm."""
        return self.layers * self.layer_parameters + self.hidden

    @property
    def head_parameters(self) -> int:
        """Return the parameters of the head, and of the embeddings."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Return all parameters; weights that are shared count once."""
        return self.body_parameters + self.head_parameters * (1 if self.tied else 2)

    def kv_bytes_per_token(self, element_bytes: int) -> int:
        """Return the bytes that one token takes in the KV cache."""
        return 2 * self.layers * self.kv_dim * element_bytes


def read_shape(config: Mapping[str, Any]) -> ModelShape | None:
    """Return the shape that a config.json describes; None if it is no dense decoder of this kind."""
    config = config.get("text_config") or config
    if any(config.get(key) for key in EXPERTS):
        return None
    kind = str(config.get("model_type"))
    try:
        heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
        return ModelShape(
            layers=int(config["num_hidden_layers"]),
            hidden=hidden,
            intermediate=int(config["intermediate_size"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=int(config.get("head_dim") or hidden // heads),
            vocabulary=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", kind in TIED_UNLESS_SAID)),
            qkv_bias=bool(config.get("attention_bias")) or kind in QKV_BIAS,
            qk_norm=kind in QK_NORM,
            positions=int(config.get("max_position_embeddings") or 0),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
