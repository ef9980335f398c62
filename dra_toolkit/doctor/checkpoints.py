"""How much disk a run takes: its checkpoints, and the groups that it records."""

from __future__ import annotations

from dra_toolkit.doctor.estimate import Estimate
from dra_toolkit.doctor.memory import state_bytes, trainable_parameters
from dra_toolkit.doctor.workload import Workload
from dra_toolkit.recipe import Recipe

BYTES_PER_TOKEN = 4.0
"""Recorded bytes for each token of a completion: its text, compressed."""
BYTES_PER_COMPLETION = 100.0
"""Recorded bytes for each completion beside: rewards, similarity, weights, advantages."""
EMBEDDING_BYTES = 2 * 768


def checkpoint_bytes(recipe: Recipe, expected: Estimate) -> float:
    """Return the bytes of one checkpoint: the trained weights, and the optimizer's state unless it is left out."""
    work, trained = expected.work, trainable_parameters(expected.work, expected.model)
    deepspeed = work.strategy.startswith("zero")
    weight = work.compute_bytes if deepspeed else max(2.0, work.weight_bytes)
    if recipe.output.save_only_model:
        return trained * weight
    state = state_bytes(work.optimizer, 4.0 if deepspeed else weight) + (4.0 if deepspeed else 0.0)
    return trained * (weight + state + (weight if deepspeed else 0.0))  # DeepSpeed keeps the weights once more


def kept_checkpoints(recipe: Recipe) -> int | None:
    """Return how many checkpoints lie on the disk at the end; None where the recipe does not bound them."""
    if recipe.output.save_strategy == "no":
        return 0
    limit, steps, every = recipe.output.save_total_limit, recipe.training.max_steps, recipe.output.save_steps
    if recipe.output.save_strategy == "epoch":
        made: int | None = int(recipe.training.num_train_epochs) if steps <= 0 else None
    elif every < 1:
        made = round(1 / every) if every else None
    else:
        made = -(-steps // int(every)) if steps > 0 else None
    if limit is not None and limit > 0:
        return min(limit + 1, made) if made is not None else limit + 1  # the old one goes after the new one is written
    return made


def record_bytes(recipe: Recipe, work: Workload) -> float:
    """Return the bytes of all recorded groups; of 1,000 steps where the recipe does not say how many."""
    if not recipe.output.record_groups:
        return 0.0
    steps = recipe.training.max_steps if recipe.training.max_steps > 0 else 1000
    completions = steps * work.completions_per_step / work.repeats
    each = BYTES_PER_COMPLETION + BYTES_PER_TOKEN * work.mean_completion
    return float(completions * (each + (EMBEDDING_BYTES if recipe.output.record_embeddings else 0)))
