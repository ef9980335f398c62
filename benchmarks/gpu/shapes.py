"""Models with random weights in the shapes of the paper's, and completions of its length; nothing is downloaded."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

TINY = bool(os.environ.get("DRA_GPU_TINY"))
DEVICE = "cpu" if TINY else "cuda"
WORDS = 500 if TINY else 151_000
"""Words of the policy, one token each; Qwen2.5's vocabulary has 151,936 tokens."""
ENCODER_WORDS = 300 if TINY else 30_000
LENGTH = 48 if TINY else 3584
"""Tokens of every completion."""
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}{% if add_generation_prompt %}{{ '' }}{% endif %}"


def tokenizer(words: int) -> Any:
    """Return a tokenizer that has one token for each of so many made-up words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<unk>"]
    vocabulary = {word: i for i, word in enumerate([*special, *(f"w{i}" for i in range(words))])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.decoder = decoders.WordPiece(prefix="##")
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def policy(reader: Any) -> Any:
    """Return a policy with the layers and the vocabulary of DeepSeek-R1-Distill-Qwen-1.5B, in bfloat16 on the device."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape: dict[str, int] = (
        {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
        if TINY
        else {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12}
    )
    config = Qwen2Config(
        vocab_size=len(reader),
        num_key_value_heads=2,
        max_position_embeddings=LENGTH + 512,
        tie_word_embeddings=False,
        pad_token_id=reader.pad_token_id,
        eos_token_id=reader.eos_token_id,
        bos_token_id=None,
        **shape,
    )
    torch.manual_seed(0)
    with torch.device(DEVICE):
        torch.set_default_dtype(torch.bfloat16)
        try:
            return Qwen2ForCausalLM(config)
        finally:
            torch.set_default_dtype(torch.float32)


def rollouts(group: int, seed: int = 0) -> Callable[[list[Any], Any], dict[str, list[Any]]]:
    """Return a rollout function: completions of LENGTH tokens that share half of their words inside a group."""
    calls = 0

    def rollout(prompts: list[Any], trainer: Any) -> dict[str, list[Any]]:
        nonlocal calls
        calls += 1
        reader = trainer.processing_class
        ids = []
        for place in range(len(prompts)):
            shared = random.Random(f"{seed}-{calls}-{place // group}").choices(range(3, WORDS), k=LENGTH // 2)
            own = random.Random(f"{seed}-{calls}-{place}").choices(range(3, WORDS), k=LENGTH - 1 - len(shared))
            ids.append([*shared, *own, reader.eos_token_id])
        asked = reader.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
        return {"prompt_ids": asked, "completion_ids": ids, "logprobs": None}

    return rollout


def save_jina(cache: Path) -> Path:
    """Put an encoder of jina-embeddings-v2-small's shape into a Hugging Face cache, where the name `jina` finds it."""
    import torch
    from safetensors.torch import save_file

    from dra_toolkit.embedding import EMBEDDERS

    source = EMBEDDERS["jina"].source
    assert source is not None
    assert source.revision is not None
    folder = cache / f"models--{source.name.replace('/', '--')}" / "snapshots" / source.revision
    folder.mkdir(parents=True)
    reader = tokenizer(ENCODER_WORDS)
    reader.padding_side = "right"
    reader.save_pretrained(folder)
    width, layers, heads = (32, 1, 4) if TINY else (512, 4, 8)
    fed = 4 * width
    torch.manual_seed(1)
    weights = {
        "embeddings.word_embeddings.weight": torch.randn(len(reader), width),
        "embeddings.token_type_embeddings.weight": torch.randn(2, width) * 0.02,
        **_norm("embeddings.LayerNorm", width),
    }
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        shapes = {f"{name}.attention.self.{part}": (width, width) for part in ("query", "key", "value")}
        shapes |= {f"{name}.attention.output.dense": (width, width), f"{name}.mlp.wo": (width, fed)}
        for part, shape in shapes.items():
            weights |= {f"{part}.weight": torch.randn(shape) * shape[1] ** -0.5, f"{part}.bias": torch.zeros(shape[0])}
        weights[f"{name}.mlp.gated_layers.weight"] = torch.randn(2 * fed, width) * width**-0.5
        weights |= _norm(f"{name}.attention.output.LayerNorm", width) | _norm(f"{name}.mlp.layernorm", width)
    save_file(weights, folder / "model.safetensors")
    config = {
        "position_embedding_type": "alibi",
        "feed_forward_type": "geglu",
        "hidden_size": width,
        "intermediate_size": fed,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 8192,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _norm(name: str, width: int) -> dict[str, Any]:
    import torch

    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
