"""The quickstart's base model: a tiny Qwen2 taught all five styles, and slips, by a short supervised warm-up.

It solves about half of the held-out problems, in five equally frequent styles, so that reinforcement learning has
something to improve and something to lose. Runs on one CPU thread; the same seed gives the same weights on one machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dra_toolkit.quickstart.derivations import STYLES, render
from dra_toolkit.quickstart.task import Problem

IGNORED = -100
"""Label of the positions that no loss is taken on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUp:
    """Every number that shapes the base model."""

    steps: int = 1200
    """Optimizer steps."""
    batch: int = 16
    """Rows a step; every row is generated anew."""
    matrix_rate: float = 8e-3
    """Highest learning rate of the layers' matrices, under Muon."""
    other_rate: float = 4e-3
    """Highest learning rate of embeddings, biases and norms, under AdamW."""
    rise: float = 0.05
    """Share of the steps in which the learning rates rise from 0; then they fall linearly to 0."""
    slip: float = 0.5
    """Probability that a row holds a slip."""
    hidden: int = 64
    """Width of the model."""
    layers: int = 2
    """Transformer layers."""
    heads: int = 2
    """Attention heads; 32 wide each, the least that vLLM's CPU build supports."""
    mlp: int = 192
    """Width of the feed-forward part."""
    rope_theta: float = 100.0
    """Base of the rotary position embedding: small, because the texts are short."""
    spread: float = 0.06
    """Standard deviation of the untrained weights."""


def warm_up_rows(problems: Sequence[Problem], *, count: int, slip: float, seed: int) -> Iterator[tuple[str, str]]:
    """Yield `count` pairs of prompt and completion: problem, style and slip are drawn independently."""
    rng = random.Random(f"ways:warm-up:{seed}")
    for _ in range(count):
        problem, style, slips = rng.choice(problems), rng.choice(STYLES), rng.random() < slip
        yield problem.prompt, render(problem, style, slip=slips, rng=rng)


def build_model(tokenizer: Any, settings: WarmUp) -> Any:
    """Build the untrained `Qwen2ForCausalLM` in fp32 from torch's current random state."""
    from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "eos_token_id", "bos_token_id")}
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden,
            intermediate_size=settings.mlp,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=tokenizer.model_max_length,
            tie_word_embeddings=True,
            initializer_range=settings.spread,
            rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
            **ids,
        )
    )
    # No length here: a limit in the file would cap every later generation, and top_k 0 undoes a default of 50.
    model.generation_config = GenerationConfig(do_sample=True, top_k=0, **ids)
    return model


def warm_up(
    *,
    problems: Sequence[Problem],
    tokenizer: Any,
    settings: WarmUp,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Build a model and train it on generated rows, with the loss on completion tokens only.

    Args:
        problems: what the rows are drawn from.
        tokenizer: as `build_tokenizer` makes it.
        settings: sizes and optimisation.
        seed: of the rows and the weights.
        progress: called with the steps done and the steps in all.

    Returns:
        The `Qwen2ForCausalLM`, in evaluation mode.
    """

    with one_thread_seeded(seed):
        model = build_model(tokenizer, settings).train()
        rows = warm_up_rows(problems, count=settings.steps * settings.batch, slip=settings.slip, seed=seed)
        ids, labels = _encode(tokenizer, list(rows))
        optimizers = _optimizers(model, settings)
        rise = max(1, round(settings.rise * settings.steps))
        for step in range(settings.steps):
            factor = min((step + 1) / rise, (settings.steps - step) / max(1, settings.steps - rise))
            batch = slice(step * settings.batch, (step + 1) * settings.batch)
            model.zero_grad(set_to_none=True)
            _loss(model, ids[batch], labels[batch]).backward()
            for optimizer, rate in optimizers:
                optimizer.param_groups[0]["lr"] = rate * factor
                optimizer.step()
            if progress:
                progress(step + 1, settings.steps)
        return model.eval()


def _optimizers(model: Any, settings: WarmUp) -> list[tuple[Any, float]]:
    """Pair each optimizer with its highest learning rate: Muon for the layers' matrices, AdamW for everything else.

    Muon (https://kellerjordan.github.io/posts/muon/) needs about half the rows that AdamW alone does here.
    """
    import torch

    named = list(model.named_parameters())
    matrices = [weight for name, weight in named if weight.ndim == 2 and ".layers." in name]
    others = [weight for name, weight in named if weight.ndim != 2 or ".layers." not in name]
    return [
        (torch.optim.Muon(matrices, lr=settings.matrix_rate, weight_decay=0.0), settings.matrix_rate),
        (
            torch.optim.AdamW(others, lr=settings.other_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True),
            settings.other_rate,
        ),
    ]


@contextmanager
def one_thread_seeded(seed: int) -> Iterator[None]:
    """Run torch on one thread from a given random state, and put both back afterwards."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def _encode(tokenizer: Any, rows: Sequence[tuple[str, str]]) -> tuple[Any, Any]:
    """Encode rows as ids and labels, both (rows, longest), padded on the right."""
    import torch

    texts = tokenizer([prompt + completion + tokenizer.eos_token for prompt, completion in rows])["input_ids"]
    starts = {prompt: len(tokenizer(prompt)["input_ids"]) for prompt in {prompt for prompt, _ in rows}}
    longest = max(map(len, texts))
    ids = torch.tensor([text + [tokenizer.pad_token_id] * (longest - len(text)) for text in texts])
    start = torch.tensor([starts[prompt] for prompt, _ in rows])[:, None]
    end = torch.tensor([len(text) for text in texts])[:, None]
    place = torch.arange(longest)
    return ids, ids.where((start <= place) & (place < end), IGNORED)


def _loss(model: Any, ids: Any, labels: Any) -> Any:
    """Mean cross-entropy of the completion tokens; padding on the right needs no mask under causal attention."""
    import torch

    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
