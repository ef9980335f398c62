"""The quickstart's base model: a tiny Qwen2 taught all five styles, and slips, by a short warm-up; and what it can do.

It solves about half of the held-out problems, in five equally frequent styles, so that reinforcement learning has
something to improve and something to lose. Runs on one CPU thread; the same seed gives the same weights on one machine.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dra_toolkit.quickstart.addition_ways import STYLES
from dra_toolkit.quickstart.checker import distinct_correct_styles, effective_styles, well_formed_answer
from dra_toolkit.quickstart.derivations import render
from dra_toolkit.quickstart.task import Problem

IGNORED = -100
"""Label of the positions that no loss is taken on."""
LONGEST = 64
"""New tokens sampled at most; the longest derivation of the task has fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WarmUp:
    """Every number that shapes the base model.

    Its rows, generated anew for each of `steps` steps, hold a slip with probability `slip`. The layers' matrices are learnt
    under Muon and the rest under AdamW, at rates that rise from 0 in a share `rise` of the steps and then fall to 0.
    """

    steps: int = 1200
    batch: int = 16
    matrix_rate: float = 8e-3
    other_rate: float = 4e-3
    rise: float = 0.05
    slip: float = 0.5
    hidden: int = 64
    layers: int = 2
    heads: int = 2  # 32 wide each, the least that vLLM's CPU build supports
    mlp: int = 192
    rope_theta: float = 100.0  # small, because the texts are short
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
    """Return a `Qwen2ForCausalLM` trained on generated rows, with the loss on completion tokens only.

    progress: called with the steps done and the steps in all
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

    kinds: dict[bool, list[Any]] = {True: [], False: []}
    for name, weight in model.named_parameters():
        kinds[weight.ndim == 2 and ".layers." in name].append(weight)
    muon = torch.optim.Muon(kinds[True], lr=settings.matrix_rate, weight_decay=0.0)
    adam = torch.optim.AdamW(kinds[False], lr=settings.other_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    return [(muon, settings.matrix_rate), (adam, settings.other_rate)]


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Averages over problems, each sampled G times at temperature 1; correct is who is well-formed too.

    The share of completions that are correct, of problems with a correct one among the G, the mean number of styles among a
    problem's correct ones, and the effective number of styles over all completions.
    """

    pass_at_1: float
    pass_at_group: float
    distinct_correct_styles: float
    effective_styles: float


def sample(model: Any, tokenizer: Any, problems: Sequence[Problem], *, samples: int, seed: int) -> list[list[str]]:
    """Sample `samples` completions for each problem at temperature 1; equal seeds give equal texts on one machine."""
    import torch

    prompts = tokenizer([problem.prompt for problem in problems], return_tensors="pt", padding=True)
    with one_thread_seeded(seed), torch.inference_mode():
        drawn = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "num_return_sequences": samples}
        ids = model.generate(**prompts, **drawn, max_new_tokens=LONGEST)
    texts = tokenizer.batch_decode(ids[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return [texts[start : start + samples] for start in range(0, len(texts), samples)]


def measure(model: Any, tokenizer: Any, problems: Sequence[Problem], *, samples: int, seed: int) -> Measured:
    """Sample and count; see `Measured`."""
    groups = sample(model, tokenizer, problems, samples=samples, seed=seed)
    asked = list(zip(problems, groups, strict=True))
    solved = [[well_formed_answer(text) == problem.solution for text in group] for problem, group in asked]
    styles = [distinct_correct_styles(group, problem.prompt) for problem, group in asked]
    return Measured(
        pass_at_1=sum(map(sum, solved)) / sum(map(len, solved)),
        pass_at_group=sum(map(any, solved)) / len(solved),
        distinct_correct_styles=sum(styles) / len(styles),
        effective_styles=effective_styles([text for group in groups for text in group]),
    )
