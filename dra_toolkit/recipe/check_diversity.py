"""What the settings of the diversity adjustment must fulfil together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dra_toolkit.diversity import LABELS, MEASURES, DiversitySettings
from dra_toolkit.dotted import check_dotted
from dra_toolkit.recipe.recipe import Recipe


def diversity_settings(recipe: Mapping[str, Any]) -> DiversitySettings:
    """Return how a recipe adjusts rewards."""
    name = recipe["diversity"]
    sliced = recipe["diversity_scope"] == "rank_slice"
    keys = [f"{name}_{option.name}" for option in MEASURES[name].options] if name in MEASURES else []
    return DiversitySettings(
        measure=name,
        options={key: recipe[key] for key in keys},
        similarity_floor=recipe["similarity_floor"],
        similarity_centre=recipe["similarity_centre"],
        scope=recipe["diversity_scope"],
        slice_rows=recipe["per_device_train_batch_size"] if sliced else None,
        weights=recipe["diversity_weights"],
        negative_totals=recipe["negative_totals"],
        zero_spread_groups=recipe["zero_spread_groups"],
        labels=recipe["diversity_labels"],
        label_threshold=recipe["diversity_label_threshold"],
        start_step=recipe["diversity_start_step"],
        stop_step=recipe["diversity_stop_step"],
        ramp_steps=recipe["diversity_ramp_steps"],
    )


def check_diversity(recipe: Recipe) -> Iterator[str]:
    """Yield each impossible value or combination: key, what was found, what was expected."""
    name = recipe["diversity"]
    if not recipe["embed_part"] or len(set(recipe["embed_part"])) < len(recipe["embed_part"]):
        yield f"embed_part: found {recipe['embed_part']}, expected one part, or several different ones"
    for key in ("similarity_floor", "diversity_label_threshold"):
        if recipe[key] is not None and not -1.0 <= recipe[key] <= 1.0:
            yield f"{key}: found {recipe[key]:g}, expected a similarity from -1 to 1"
    if name == "none":
        return
    if name not in MEASURES:
        problem = check_dotted(name, recipe.folder)
        if problem:
            yield f"diversity: {problem}"
    else:
        yield from _check_measure(name, recipe)
    if recipe["diversity_scope"] == "rank_slice" and not (name in MEASURES and MEASURES[name].in_slices):
        yield f"diversity_scope: {name} compares the completions of one prompt, which a rank_slice mixes; set group"
    yield from _check_schedule(recipe)


def _check_measure(name: str, recipe: Recipe) -> Iterator[str]:
    measure, labels = MEASURES[name], recipe["diversity_labels"]
    for option in measure.options:
        value = recipe[f"{name}_{option.name}"]
        if not option.low <= value <= option.high:
            yield f"{name}_{option.name}: found {value:g}, expected a number from {option.low:g} to {option.high:g}"
    reads_labels = "labels" in measure.needs
    if reads_labels and labels not in LABELS:
        problem = check_dotted(labels, recipe.folder)
        if problem:
            yield f"diversity_labels: {problem}"
    if recipe["embedder"] != "none":
        return
    if "similarity" in measure.needs:
        yield f"embedder: none cannot measure the redundancy that diversity: {name} needs"
    elif reads_labels and labels == "similarity":
        yield "embedder: none cannot measure the similarity that diversity_labels: similarity needs"


def _check_schedule(recipe: Mapping[str, Any]) -> Iterator[str]:
    start, stop, ramp = (recipe[f"diversity_{part}"] for part in ("start_step", "stop_step", "ramp_steps"))
    if start < 1:
        yield f"diversity_start_step: found {start}, expected at least 1, the first step"
    if stop is not None and stop < start:
        yield f"diversity_stop_step: found {stop}, expected a step not before diversity_start_step {start}, or null"
    if ramp < 0:
        yield f"diversity_ramp_steps: found {ramp}, expected 0 or more"
