"""Legal settings that may surprise, one line each, with the key that changes it."""

import math
from collections.abc import Iterator

from dra_toolkit.diversity import MEASURES, OF_POLICY, diversity_settings, idle_note
from dra_toolkit.recipe.accelerate_config import read_accelerate_config
from dra_toolkit.recipe.inferred import steps_per_generation
from dra_toolkit.recipe.keys import stored
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.rewards import REWARDS, can_be_negative

SMALL_LEARNING_RATE = 1e-5
"""Below it most updates of a bfloat16 weight are smaller than half its last digit, about 0.2 % of it."""

NO_EFFECT: dict[str, str] = stored("key_rules.json")["no_effect"]
"""Keys of TRL's that do nothing in GRPO, or not without others."""
USED_WITH = {"max_tool_calling_iterations": ("tools", "environment_factory")}


def notes(recipe: Recipe) -> Iterator[str]:
    """Yield a line for each legal setting that may surprise."""
    if recipe["diversity"] != "none":
        yield from (text for holds, text in _undoing(recipe) if holds)
        measure = MEASURES.get(recipe["diversity"])
        if measure and measure.acts_by != "factor":
            yield from _without_factor(recipe, "adds" if measure.acts_by == "bonus" else "replaces")
        if measure and measure.acts_by == "replacement":
            yield from _replacing(recipe)
    yield from _rounding(recipe)
    yield from _resuming(recipe)
    yield from _idle(recipe)


def _undoing(recipe: Recipe) -> Iterator[tuple[bool, str]]:
    """Yield what works against the diversity adjustment (docs/maths.md says how), and whether the recipe has it."""
    negative = [name for name in recipe["reward_funcs"] if can_be_negative(REWARDS.get(name))]
    name, rows, group = recipe["diversity"], recipe["per_device_train_batch_size"], recipe["num_generations"]
    measure = MEASURES.get(name)
    needs = measure.needs if measure else frozenset()
    on_totals = measure is None or measure.acts_on == "total"
    divides = on_totals and (measure is None or measure.acts_by == "factor")
    scales = recipe["scale_rewards"]
    yield (
        bool(negative) and divides and recipe["negative_totals"] == "divide",
        f"negative_totals: {', '.join(negative)} can be negative, and dividing a negative total punishes a repeated "
        "mistake less; multiply punishes it more",
    )
    yield (
        scales == "none" and divides and recipe["diversity_weights"] == "raw",
        "diversity_weights: raw weights of about 1 / num_generations shrink the update as much where scale_rewards is "
        "none; mean_one keeps its size",
    )
    yield (
        scales == "group" and on_totals and recipe["zero_spread_groups"] == "adjust",
        "zero_spread_groups: in a solved group scale_rewards: group blows small differences of similarity up to full "
        "advantages; skip leaves such groups without gradient",
    )
    yield (
        "cosine_as_released" in recipe["reward_funcs"],
        f"cosine_as_released: counts characters against {recipe['cosine_as_released_max_len']}, without a clamp; the "
        "reward cosine counts tokens against max_completion_length",
    )
    yield (
        "labels" in needs and recipe["diversity_labels"] == "answer",
        "diversity_labels: the correct completions of a problem share one answer and so one cluster; similarity, or a "
        "function of your own, tells their ways apart",
    )
    yield (
        bool(OF_POLICY.intersection(needs)) and not recipe["use_vllm"],
        f"diversity: {name} reads log-probabilities, which only use_vllm gives for nothing; without it the policy reads "
        "every completion once more",
    )
    yield (
        not on_totals and recipe["zero_spread_groups"] == "cap",
        f"zero_spread_groups: cap has no effect on advantages, on which {name} acts; skip leaves such groups out",
    )
    yield (
        recipe["similarity_floor"] is None and name in ("graph_cut", "facility_location"),
        "similarity_floor: with null, completions that are each other's opposites make weights above 1, or negative; "
        "0.0 counts them as unlike",
    )
    yield (
        recipe["diversity_scope"] == "rank_slice" and rows % group != 0,
        f"diversity_scope: rank slices of {rows} rows split groups of {group} and mix prompts; group compares whole "
        "groups, and a per_device_train_batch_size that is a multiple of num_generations keeps them whole",
    )
    idle = idle_note(diversity_settings(recipe), scales, group) if measure else None
    yield idle is not None, f"diversity: {idle}"


def _without_factor(recipe: Recipe, does: str) -> Iterator[str]:
    """Settings of the factor, which a measure that adds or replaces does not have."""
    for key, value in (("diversity_weights", "raw"), ("negative_totals", "divide")):
        found = recipe[key]
        if found not in (value, "correct_only"):
            yield f"{key}: {found} has no effect, since diversity: {recipe['diversity']} {does} and does not multiply"


def _replacing(recipe: Recipe) -> Iterator[str]:
    """Settings of the advantage, whose place a measure takes, and what it does not read."""
    name, group = recipe["diversity"], recipe["num_generations"]
    if recipe["scale_rewards"] != "group":
        yield f"scale_rewards: {recipe['scale_rewards']} has no effect, since diversity: {name} replaces the advantage"
    if name == "leave_one_out":
        yield (
            "diversity: leave_one_out is the advantage of scale_rewards: none times a constant, num_generations / "
            "(num_generations - 1), which AdamW hardly sees"
        )
    if MEASURES[name].reads_right and len(recipe["reward_funcs"]) > 1:
        yield (
            f"diversity: {name} reads only whether a completion is right (accuracy, or else a positive total); what other "
            "rewards add does not count"
        )
    k = recipe[f"{name}_k"] if any(option.name == "k" for option in MEASURES[name].options) else 1
    if k > group:
        yield f"{name}_k: {k:g} counts as {group}, the num_generations of a group"


def _rounding(recipe: Recipe) -> Iterator[str]:
    plain = recipe["dtype"] == "bfloat16" and not recipe["use_peft"] and recipe["learning_rate"] < SMALL_LEARNING_RATE
    if plain and not _keeps_float32_copy(recipe):
        yield (
            f"dtype: weights in bfloat16 round most updates at learning_rate {recipe['learning_rate']:g} away; float32 "
            "(bf16: true still computes in bfloat16) or accelerate_config: zero2 keep them"
        )


def _keeps_float32_copy(recipe: Recipe) -> bool:
    """Return whether the processes keep a float32 copy of the weights for the optimizer, as DeepSpeed and FSDP do."""
    if recipe["accelerate_config"] is None:
        return recipe["deepspeed"] is not None
    return read_accelerate_config(recipe["accelerate_config"]).distributed_type in ("DEEPSPEED", "FSDP")


def _resuming(recipe: Recipe) -> Iterator[str]:
    per_generation = recipe["num_iterations"] * steps_per_generation(recipe)
    every = per_generation // math.gcd(per_generation, recipe["gradient_accumulation_steps"])
    if recipe["save_strategy"] == "steps" and recipe["save_steps"] >= 1 and recipe["save_steps"] % every:
        yield (
            f"save_steps: {recipe['save_steps']} is not a multiple of {every}, after which no generation is left "
            "half used; a resumed run samples that batch anew instead of repeating it"
        )


def _idle(recipe: Recipe) -> Iterator[str]:
    for key in recipe.owned_by("reward"):
        given = recipe.settings[key].is_given
        owner = max((name for name in REWARDS if key.startswith(f"{name}_")), key=len)
        if given and owner not in recipe["reward_funcs"]:
            yield f"{key}: has no effect, {owner} is not among reward_funcs"
    for key, reason in NO_EFFECT.items():
        used = any(recipe[other] for other in USED_WITH.get(key, ()))
        if recipe.settings[key].is_given and not used:
            yield f"{key}: has no effect, {reason}"
    name = recipe["diversity"]
    options = {f"{name}_{option.name}" for option in MEASURES[name].options} if name in MEASURES else set()
    for key in recipe.owned_by("measure"):
        if recipe.settings[key].is_given and key not in options:
            yield f"{key}: has no effect with diversity: {name}"
