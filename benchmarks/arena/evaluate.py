"""What a checkpoint can do on held-out problems: pass@1, pass@8 and distinct correct ways, by the task's own rule."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from math import comb
from pathlib import Path
from typing import Any

import palindromes

from dra_toolkit.quickstart import STYLES, accepts, effective_styles, problems, style_of, well_formed_answer

TEST, DEV = slice(0, 200), slice(200, 400)
"""Held-out problems of the tables, and those that rates and the first cut are chosen on."""
PALINDROMES = "palindromes"
SAMPLES = {"test": 16, "dev": 8}


@functools.cache
def held_out(part: str, task: str = "hidden") -> Sequence[Any]:
    """Return the problems of a part."""
    every = palindromes.problems()[1] if task == PALINDROMES else problems(0).held_out
    return every[TEST if part == "test" else DEV]


def evaluate(checkpoint: Path, task: str, part: str) -> dict[str, float]:
    """Sample from a checkpoint and count."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dra_toolkit.quickstart.base_model import sample

    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    chosen = held_out(part, task)
    return counted(sample(model, tokenizer, chosen, samples=SAMPLES[part], seed=0), chosen, task)


def counted(groups: Sequence[Sequence[str]], chosen: Sequence[Any], task: str) -> dict[str, float]:
    """Return the unbiased means over problems of what 1 and 8 of the n samples would reach."""
    passed = {1: 0.0, 8: 0.0}
    ways = 0.0
    for group, problem in zip(groups, chosen, strict=True):
        n = len(group)
        styles = [way_of(text, task) for text in group if is_right(text, problem, task)]
        for k in passed:
            passed[k] += at_least_one(n, len(styles), k)
        ways += sum(at_least_one(n, count, 8) for style, count in Counter(styles).items() if style)
    means = {"pass@1": passed[1] / len(chosen), "pass@8": passed[8] / len(chosen), "ways": ways / len(chosen)}
    if task == PALINDROMES:
        return means
    return means | {"effective": effective_styles([text for group in groups for text in group])}


def at_least_one(n: int, c: int, k: int) -> float:
    """Return the probability that k of n samples hold at least one of c."""
    return 1.0 - comb(n - c, k) / comb(n, k)


def way_of(text: str, task: str) -> str | None:
    """Return the way that a right completion takes; of a palindrome, itself."""
    return text if task == PALINDROMES else style_of(text)


def is_right(text: str, problem: Any, task: str) -> bool:
    """Return whether a completion counts in a task."""
    if task == PALINDROMES:
        return palindromes.is_right(text, problem)
    if well_formed_answer(text) != problem.solution:
        return False
    style = style_of(text)
    return task != "hidden" or (style is not None and accepts(problem, style))


def ceiling(task: str, part: str = "test") -> dict[str, float]:
    """Return what a policy reaches that makes no mistake, takes every way equally often and cannot see which count."""
    if task == PALINDROMES:
        ways = palindromes.WAYS
        return {"pass@1": 1.0, "pass@8": 1.0, "ways": ways * (1 - (1 - 1 / ways) ** 8), "effective": float(ways)}
    accepted = [sum(accepts(p, s) or task != "hidden" for s in STYLES) for p in held_out(part)]
    share = [a / len(STYLES) for a in accepted]
    each = 1.0 - (1.0 - 1.0 / len(STYLES)) ** 8
    found = {
        "pass@1": sum(share),
        "pass@8": sum(1 - (1 - s) ** 8 for s in share),
        "ways": sum(a * each for a in accepted),
    }
    return {name: value / len(accepted) for name, value in found.items()} | {"effective": float(len(STYLES))}
