"""The encoder of jina-embeddings-v2 against its definition, written out token by token."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_encoders import WORDS, write_json, write_tokenizer

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.embedding.jina import _slopes
from dra_toolkit.errors import EmbedderError

pytestmark = pytest.mark.slow

COMMIT = "44e7d1d6caec8c883c2d4b207588504d519788d0"
CONFIG = {
    "model_type": "bert",
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
    },
    "position_embedding_type": "alibi",
    "feed_forward_type": "geglu",
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 8192,
}
Weights = dict[str, np.ndarray]


def random_weights() -> Weights:
    d, f = 16, 24
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), d),
        "embeddings.token_type_embeddings.weight": (2, d),
        "embeddings.LayerNorm.weight": (d,),
        "embeddings.LayerNorm.bias": (d,),
        "pooler.dense.weight": (d, d),
    }
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{name}.{part}.weight": (d, d), f"{name}.{part}.bias": (d,)}
        for part in ("attention.output.LayerNorm", "mlp.layernorm"):
            shapes |= {f"{name}.{part}.weight": (d,), f"{name}.{part}.bias": (d,)}
        shapes[f"{name}.mlp.gated_layers.weight"] = (2 * f, d)
        shapes |= {f"{name}.mlp.wo.weight": (d, f), f"{name}.mlp.wo.bias": (d,)}
    generator = np.random.default_rng(0)
    return {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def weights(snapshot: Callable[..., Path]) -> Weights:
    from safetensors.numpy import save_file

    folder, made = snapshot("jinaai/jina-embeddings-v2-small-en", COMMIT), random_weights()
    save_file(made, folder / "model.safetensors")
    write_json(folder / "config.json", CONFIG)
    write_tokenizer(folder)
    return made


@pytest.fixture
def jina(weights: Weights) -> Embedder:
    return load_embedder(EmbedderSettings(name="jina", batch_tokens=32))


def by_definition(W: Weights, text: str) -> np.ndarray:
    """One text, one token and one head at a time, in float64."""

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        return (x - x.mean()) / np.sqrt(x.var() + 1e-12) * W[f"{name}.weight"] + W[f"{name}.bias"]

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return W[f"{name}.weight"] @ x + W.get(f"{name}.bias", 0.0)

    ids = [2, *(WORDS.index(word) for word in text.split()), 3]
    x = [W["embeddings.word_embeddings.weight"][i] + W["embeddings.token_type_embeddings.weight"][0] for i in ids]
    x = [norm("embeddings.LayerNorm", row.astype(np.float64)) for row in x]
    for layer in range(2):
        name, size = f"encoder.layer.{layer}", 4
        q, k, v = ([linear(f"{name}.attention.self.{part}", row) for row in x] for part in ("query", "key", "value"))
        attended = []
        for i in range(len(x)):
            heads = []
            for h in range(4):
                part = slice(h * size, (h + 1) * size)
                scores = [q[i][part] @ k[j][part] / 2 - abs(i - j) * 4.0 ** -(h + 1) for j in range(len(x))]
                shares = np.exp(scores) / np.exp(scores).sum()
                heads.append(sum(share * row[part] for share, row in zip(shares, v, strict=True)))
            attended.append(linear(f"{name}.attention.output.dense", np.concatenate(heads)))
        x = [norm(f"{name}.attention.output.LayerNorm", a + row) for a, row in zip(attended, x, strict=True)]
        for i, row in enumerate(x):
            both = linear(f"{name}.mlp.gated_layers", row)
            gate = np.array([g / 2 * (1 + math.erf(g / math.sqrt(2))) for g in both[:24]])
            x[i] = norm(f"{name}.mlp.layernorm", linear(f"{name}.mlp.wo", gate * both[24:]) + row)
    mean = np.mean(x, axis=0)
    return mean / np.linalg.norm(mean)


TEXTS = ["the cat sat on a mat while two dogs ran home", "cat", "", "two dogs sat", "home ran dogs two while mat a on"]


def test_the_definition(weights: Weights, jina: Embedder) -> None:
    expected = np.array([by_definition(weights, text) for text in TEXTS])
    np.testing.assert_allclose(jina.embed(TEXTS).vectors, expected, atol=2e-6)


def test_the_published_cap_is_applied(jina: Embedder) -> None:
    assert jina.max_length == 3584
    embeddings = jina.embed(["cat " * 3582, "cat " * 3583])
    assert embeddings.truncated == 1
    np.testing.assert_allclose(embeddings.vectors @ embeddings.vectors.T, 1.0, atol=1e-5)


def test_slopes() -> None:
    np.testing.assert_allclose(_slopes(8), [2.0**-i for i in range(1, 9)])
    # Twelve heads: those of eight, then every second one of sixteen.
    np.testing.assert_allclose(_slopes(12)[8:], [2.0**-0.5, 2.0**-1.5, 2.0**-2.5, 2.0**-3.5])


def test_half_precision_weights_are_read_in_float32_on_a_cpu(jina: Embedder, weights: Weights, hub: Path) -> None:
    from safetensors.numpy import save_file

    path = next(hub.rglob("model.safetensors"))
    save_file({f"bert.{name}": tensor.astype(np.float16) for name, tensor in weights.items()}, path)
    half = load_embedder(EmbedderSettings(name="jina")).embed(TEXTS).vectors
    rounded = {name: tensor.astype(np.float16).astype(np.float32) for name, tensor in weights.items()}
    np.testing.assert_allclose(half, [by_definition(rounded, text) for text in TEXTS], atol=2e-6)


def test_other_weights_are_refused(weights: Weights, hub: Path) -> None:
    write_json(next(hub.rglob("config.json")), {**CONFIG, "feed_forward_type": "original"})
    with pytest.raises(EmbedderError, match="feed_forward_type geglu, found original"):
        load_embedder(EmbedderSettings(name="jina"))


def test_missing_weights_are_refused(weights: Weights, hub: Path) -> None:
    from safetensors.numpy import save_file

    del weights["encoder.layer.1.mlp.layernorm.bias"]
    save_file(weights, next(hub.rglob("model.safetensors")))
    with pytest.raises(
        EmbedderError, match=r"could not be loaded: KeyError: .*encoder\.layer\.1\.mlp\.layernorm\.bias"
    ):
        load_embedder(EmbedderSettings(name="jina"))


def test_by_its_id_it_is_not_taken_for_a_bert(weights: Weights) -> None:
    with pytest.raises(EmbedderError, match="needs code of its publisher's"):
        load_embedder(EmbedderSettings(name="jinaai/jina-embeddings-v2-small-en", revision=COMMIT))
