"""nomic-embed-text: transformers' own class instead of the code that the weights name, and a cap that is applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoders import WORDS, write_json, write_sentence_transformer, write_tokenizer

from dra_toolkit.embedding import EmbedderSettings, load_embedder

COMMIT = "e5cf08aadaa33385f5990def41f7a23405aec398"


@pytest.fixture
def model(snapshot: Callable[..., Path]) -> torch.nn.Module:
    from transformers import NomicBertConfig, NomicBertModel

    folder = snapshot("nomic-ai/nomic-embed-text-v1.5", COMMIT)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = NomicBertConfig(vocab_size=len(WORDS), **sizes)
    model = NomicBertModel(config).eval()
    model.save_pretrained(folder)
    home = "nomic-ai/nomic-bert-2048--"
    classes = {
        "AutoConfig": f"{home}configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": f"{home}modeling_hf_nomic_bert.NomicBertModel",
    }
    write_json(folder / "config.json", {**config.to_dict(), "auto_map": classes})
    write_tokenizer(folder)
    write_sentence_transformer(folder, dimensions=32, longest=8192)
    return model


def mean(model: torch.nn.Module, words: list[str]) -> np.ndarray:
    ids = torch.tensor([[2, *(WORDS.index(word) for word in words), 3]])
    with torch.no_grad():
        row = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(dim=0)
    return (row / row.norm()).numpy()


def test_the_raw_text_is_read_without_remote_code(model: torch.nn.Module) -> None:
    embedder = load_embedder(EmbedderSettings(name="nomic"))
    texts = ["the cat sat", "two dogs ran home while a cat sat", ""]
    expected = [mean(model, text.split()) for text in texts]
    np.testing.assert_allclose(embedder.embed(texts).vectors, expected, atol=2e-6)
    assert embedder.max_length == 8192


def test_the_cap_is_applied(model: torch.nn.Module) -> None:
    embedder = load_embedder(EmbedderSettings(name="nomic", max_length=5))
    embeddings = embedder.embed(["the cat sat", "the cat sat on a mat"])
    assert embeddings.truncated == 1
    np.testing.assert_allclose(embeddings.vectors, [mean(model, ["the", "cat", "sat"])] * 2, atol=2e-6)


def test_longer_than_the_trained_positions(model: torch.nn.Module) -> None:
    embeddings = load_embedder(EmbedderSettings(name="nomic", max_length=3584)).embed(["cat " * 4000])
    assert (embeddings.truncated, embeddings.invalid) == (1, 0)
    np.testing.assert_allclose(embeddings.vectors[0], mean(model, ["cat"] * 3582), atol=1e-5)
