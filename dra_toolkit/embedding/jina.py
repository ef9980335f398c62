"""jina-embeddings-v2 as its weights expect it: a BERT with linear attention biases and gated feed-forward layers.

Günther et al. 2023, arXiv 2310.19923. Written out because the publisher's own code does not import under transformers
5; so no code from the Hub runs. The bias of head h for tokens i and j is -|i - j| * 2^(-8 (h + 1) / heads).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dra_toolkit.errors import EmbedderError

if TYPE_CHECKING:
    import torch

_EXPECTED = {"position_embedding_type": "alibi", "feed_forward_type": "geglu"}
_UNUSED = ("pooler.", "cls.")


class JinaEncoder:
    """The encoder and its mean pooling, with the interface of a SentenceTransformer that `SentenceEmbedder` uses."""

    prompts: Mapping[str, str] = {}
    default_prompt_name: str | None = None
    truncate_dim: int | None = None

    def __init__(self, folder: Path, *, device: str, dtype: torch.dtype) -> None:
        from torch.nn import functional
        from transformers import AutoTokenizer

        self._functional = functional
        self._config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for key, expected in _EXPECTED.items():
            if self._config.get(key) != expected:
                raise EmbedderError(
                    f"embedder: 'jina' reads weights with {key} {expected}, found {self._config.get(key)} in {folder}"
                )
        self._weights = _read_weights(folder, device=device, dtype=dtype)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        self.max_seq_length: int = self._config["max_position_embeddings"]

    def preprocess(self, texts: Sequence[str], prompt: str | None = None) -> dict[str, torch.Tensor]:
        """Return token ids and attention mask, (B, T), cut at `max_seq_length`."""
        tokens = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_seq_length, return_tensors="pt"
        )
        return {key: tokens[key] for key in ("input_ids", "attention_mask")}

    def __call__(self, features: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the mean of the last layer over the tokens of each text, `sentence_embedding` (B, d), float32."""
        ids, mask = features["input_ids"], features["attention_mask"]
        weights = self._weights
        hidden = (
            weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        hidden = self._norm("embeddings.LayerNorm", hidden)
        bias = self._bias(mask, hidden.dtype)
        for layer in range(self._config["num_hidden_layers"]):
            hidden = self._layer(f"encoder.layer.{layer}", hidden, bias)
        shares = mask / mask.sum(dim=1, keepdim=True)
        return {"sentence_embedding": (hidden.float() * shares.unsqueeze(-1)).sum(dim=1)}

    def _layer(self, name: str, hidden: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        split = (self._config["num_attention_heads"], -1)
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", hidden).unflatten(-1, split).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = (
            self._functional.scaled_dot_product_attention(query, key, value, attn_mask=bias).transpose(1, 2).flatten(2)
        )
        attended = self._linear(f"{name}.attention.output.dense", attended)
        hidden = self._norm(f"{name}.attention.output.LayerNorm", attended + hidden)
        gate, linear = self._linear(f"{name}.mlp.gated_layers", hidden).chunk(2, dim=-1)
        fed = self._linear(f"{name}.mlp.wo", self._functional.gelu(gate) * linear)
        return self._norm(f"{name}.mlp.layernorm", fed + hidden)

    def _linear(self, name: str, hidden: torch.Tensor) -> torch.Tensor:
        return self._functional.linear(hidden, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _norm(self, name: str, hidden: torch.Tensor) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._functional.layer_norm(hidden, weight.shape, weight, bias, eps=self._config["layer_norm_eps"])

    def _bias(self, mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return what is added to the attention scores, (B, heads, T, T): the distances; minus infinity for padding."""
        import torch

        positions = torch.arange(mask.shape[1], device=mask.device)
        distance = (positions[:, None] - positions[None, :]).abs().float()
        slopes = torch.tensor(_slopes(self._config["num_attention_heads"]), device=mask.device)
        padded = mask[:, None, None, :] == 0
        return (-slopes[:, None, None] * distance).to(dtype)[None].masked_fill(padded, -torch.inf)


def _slopes(heads: int) -> list[float]:
    """Return the slope of each head's bias (Press et al. 2022, arXiv 2108.12409): 2^(-8/heads), its square, and so on.

    Where the number of heads is no power of two, the slopes of the next lower one come first, then every second slope
    of the next higher one.
    """
    lower = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (head + 1) / lower) for head in range(lower)]
    return slopes + [2 ** (-8 * (head + 1) / (2 * lower)) for head in range(0, 2 * (heads - lower), 2)]


def _read_weights(folder: Path, *, device: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise EmbedderError(f"embedder: 'jina' found no model.safetensors in {folder}; fetch the whole repository")
    weights = {name.removeprefix("bert."): tensor for name, tensor in load_file(path).items()}
    return {
        name: tensor.to(device=device, dtype=dtype)
        for name, tensor in weights.items()
        if not name.startswith(_UNUSED) and tensor.is_floating_point()
    }
