"""Sample from a model and count what it can do: pass@1, pass@k and how many ways it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.quickstart.base_model import one_thread_seeded
from dra_toolkit.quickstart.checker import distinct_correct_styles, effective_styles, well_formed_answer
from dra_toolkit.quickstart.task import Problem

LONGEST = 64
"""New tokens sampled at most; the longest derivation of the task has fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Averages over problems, each sampled G times at temperature 1."""

    pass_at_1: float
    """Share of completions that are well-formed and correct."""
    pass_at_group: float
    """Share of problems with at least one such completion among the G."""
    distinct_correct_styles: float
    """Mean number of styles among a problem's well-formed, correct completions."""
    effective_styles: float
    """Effective number of styles over all completions."""


def sample(model: Any, tokenizer: Any, problems: Sequence[Problem], *, samples: int, seed: int) -> list[list[str]]:
    """Sample `samples` completions for each problem at temperature 1; equal seeds give equal texts on one machine."""
    import torch

    prompts = tokenizer([problem.prompt for problem in problems], return_tensors="pt", padding=True)
    with one_thread_seeded(seed), torch.inference_mode():
        ids = model.generate(
            **prompts,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=LONGEST,
            num_return_sequences=samples,
        )
    texts = tokenizer.batch_decode(ids[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return [texts[start : start + samples] for start in range(0, len(texts), samples)]


def measure(model: Any, tokenizer: Any, problems: Sequence[Problem], *, samples: int, seed: int) -> Measured:
    """Sample and count; see `Measured`."""
    groups = sample(model, tokenizer, problems, samples=samples, seed=seed)
    solved = [
        [well_formed_answer(text) == problem.solution for text in group]
        for problem, group in zip(problems, groups, strict=True)
    ]
    styles = [distinct_correct_styles(group, problem.prompt) for problem, group in zip(problems, groups, strict=True)]
    return Measured(
        pass_at_1=sum(map(sum, solved)) / sum(map(len, solved)),
        pass_at_group=sum(map(any, solved)) / len(solved),
        distinct_correct_styles=sum(styles) / len(styles),
        effective_styles=effective_styles([text for group in groups for text in group]),
    )
