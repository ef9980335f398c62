from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.errors import EmbedderError

GENERATOR = np.random.default_rng(0)
IDS = [GENERATOR.integers(0, 97, size=int(n)).tolist() for n in (1, 2, 5, 9, 17, 30, 31, 40)]


def tiny(**changes: object) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    sizes = {"vocab_size": 97, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "attention_dropout": 0.5}
    return Qwen2ForCausalLM(Qwen2Config(**sizes, **heads, **changes)).train()


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    return tiny()


def embedder(model: nn.Module, *, passes: Callable[[int], int] | None = None, **settings: int) -> Embedder:
    return load_embedder(EmbedderSettings(name="policy", **settings), policy=lambda: model, passes=passes)


def one_by_one(model: Qwen2ForCausalLM, ids: list[list[int]]) -> np.ndarray:
    """The definition, without batches or padding."""
    training = model.training
    model.eval()
    with torch.no_grad():
        means = [model.model(torch.tensor([row])).last_hidden_state[0].mean(0) for row in ids]
    model.train(training)
    return torch.nn.functional.normalize(torch.stack(means).float(), dim=1).numpy()


@pytest.mark.parametrize("batch_tokens", [1, 64, 16384])
def test_the_mean_of_the_last_hidden_states(model: Qwen2ForCausalLM, batch_tokens: int) -> None:
    embeddings = embedder(model, batch_tokens=batch_tokens).embed([""] * len(IDS), IDS)
    np.testing.assert_allclose(embeddings.vectors, one_by_one(model, IDS), atol=1e-6)
    assert (embeddings.truncated, embeddings.invalid) == (0, 0)


def test_the_model_is_left_as_it_was(model: Qwen2ForCausalLM) -> None:
    model.model.layers[0].eval()  # a mixture of modes, as frozen parts of a policy have
    modes = [module.training for module in model.modules()]
    state = torch.random.get_rng_state()
    embedder(model).embed([""] * len(IDS), IDS)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)
    model.train()


def test_the_model_is_left_as_it_was_after_a_failure(model: Qwen2ForCausalLM) -> None:
    with pytest.raises(IndexError):
        embedder(model).embed([""], [[10**6]])
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_newest_weights_are_read() -> None:
    model = tiny()
    reader = embedder(model)
    before = reader.embed([""], [IDS[3]]).vectors
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(-1)
    after = reader.embed([""], [IDS[3]]).vectors
    assert (before @ after.T).item() < 0.99
    np.testing.assert_allclose(after, one_by_one(model, [IDS[3]]), atol=1e-6)


def test_empty_completions_are_duplicates(model: Qwen2ForCausalLM) -> None:
    embeddings = embedder(model).embed(["", "", ""], [[], IDS[2], []])
    assert (embeddings.vectors[0] == embeddings.vectors[2]).all()
    assert np.linalg.norm(embeddings.vectors[0]) == pytest.approx(1.0, abs=1e-6)
    assert embeddings.invalid == 0


def test_long_completions_are_cut_and_counted(model: Qwen2ForCausalLM) -> None:
    rows = [IDS[7], IDS[2], IDS[7]]
    embeddings = embedder(model, max_length=5).embed([""] * 3, rows)
    assert embeddings.truncated == 2
    np.testing.assert_allclose(embeddings.vectors, one_by_one(model, [row[:5] for row in rows]), atol=1e-6)


def test_half_precision_is_pooled_in_float32() -> None:
    model = tiny().to(torch.bfloat16)
    vectors = embedder(model).embed([""] * len(IDS), IDS).vectors
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, one_by_one(tiny(), IDS), atol=0.02)


def test_token_ids_are_needed(model: Qwen2ForCausalLM) -> None:
    with pytest.raises(EmbedderError, match="needs the token ids"):
        embedder(model).embed(["text"])


@pytest.fixture
def calls(model: Qwen2ForCausalLM) -> Iterator[list[tuple[int, ...]]]:
    shapes: list[tuple[int, ...]] = []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    handle.remove()


def test_every_process_makes_as_many_passes(model: Qwen2ForCausalLM, calls: list[tuple[int, ...]]) -> None:
    asked: list[tuple[int, int]] = []

    def passes(local: int) -> int:
        asked.append((local, len(calls)))
        return 5

    vectors = embedder(model, passes=passes, batch_tokens=40).embed([""] * 3, [IDS[7], IDS[6], IDS[0]]).vectors
    assert asked == [(3, 0)]  # asked before the first pass: on partitioned weights both are collectives
    assert calls == [(1, 40), (1, 31), (1, 1), (1, 1), (1, 1)]
    np.testing.assert_allclose(vectors, one_by_one(model, [IDS[7], IDS[6], IDS[0]]), atol=1e-6)


def test_without_completions_only_the_others_passes_are_made(
    model: Qwen2ForCausalLM, calls: list[tuple[int, ...]]
) -> None:
    assert len(embedder(model, passes=lambda local: 2).embed([], []).vectors) == 0
    assert calls == [(1, 1), (1, 1)]


def test_the_head_reads_one_position(model: Qwen2ForCausalLM) -> None:
    read: list[int] = []
    handle = model.lm_head.register_forward_pre_hook(lambda module, args: read.append(args[0].shape[1]))
    embedder(model).embed([""] * len(IDS), IDS)
    handle.remove()
    assert read == [1]


def test_lora_is_part_of_the_policy() -> None:
    from peft import LoraConfig, get_peft_model

    policy = get_peft_model(tiny(), LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False))
    vectors = embedder(policy).embed([""] * len(IDS), IDS).vectors
    assert np.abs(vectors - one_by_one(tiny(), IDS)).max() > 0.01
    np.testing.assert_allclose(vectors, one_by_one(policy.merge_and_unload(), IDS), atol=1e-5)


def test_prompt_tuning_is_part_of_the_policy() -> None:
    from peft import PromptTuningConfig, get_peft_model

    policy = get_peft_model(tiny(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3))
    vectors = embedder(policy).embed(["", ""], [IDS[2], IDS[7]]).vectors
    for row, ids in zip(vectors, (IDS[2], IDS[7]), strict=True):
        np.testing.assert_allclose(embedder(policy).embed([""], [ids]).vectors[0], row, atol=1e-6)
    assert np.abs(vectors - one_by_one(tiny(), [IDS[2], IDS[7]])).max() > 1e-4


def test_fsdp_gathers_the_weights_of_the_outermost_module(tmp_path: object) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model, mesh = tiny(), init_device_mesh("cpu", (1,))
        expected = one_by_one(model, IDS)
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
        np.testing.assert_allclose(embedder(model).embed([""] * len(IDS), IDS).vectors, expected, atol=1e-6)
    finally:
        torch.distributed.destroy_process_group()
