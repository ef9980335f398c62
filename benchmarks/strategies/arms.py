"""The arms of the experiment: what each changes in the plain recipe, `recipes/quickstart_grpo.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, field

DRA = {"diversity": "graph_cut"}
DR = {"loss_type": "dr_grpo", "scale_rewards": "none"}
ROBUST = {"diversity_weights": "mean_one", "negative_totals": "multiply", "zero_spread_groups": "skip"}
RELEASED = {
    "diversity_scope": "rank_slice",
    "similarity_floor": None,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 32,
}
"""Slices of 4 completions, the released recipe's batch of one device; a step has 128 completions as in the other arms."""
MEAN_WEIGHT = 0.2
"""What the raw weights of DRA-Dr. GRPO shrink the update to in this task, roughly: 1 / (1 + 7 x 0.57)."""

SMALL = {"learning_rate": 1e-3 * MEAN_WEIGHT}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One method: settings over the plain recipe."""

    name: str
    question: str
    """What the arm is there to tell."""
    settings: dict[str, object] = field(default_factory=dict)


ARMS = (
    Arm(name="GRPO", question="the baseline"),
    Arm(name="Dr. GRPO", question="the other baseline", settings=DR),
    Arm(name="DRA-GRPO, hash", question="the method, cheapest embedder", settings=DRA),
    Arm(name="DRA-GRPO, MiniLM", question="the method, a sentence embedder", settings={**DRA, "embedder": "minilm"}),
    Arm(name="DRA-GRPO, policy", question="the method, the policy's states", settings={**DRA, "embedder": "policy"}),
    Arm(name="DRA-Dr. GRPO, hash", question="the method on Dr. GRPO", settings={**DRA, **DR}),
    Arm(
        name="Dr. GRPO, smaller steps",
        question="how much of DRA-Dr. GRPO is the smaller update",
        settings={**DR, **SMALL},
    ),
    Arm(name="GRPO, smaller steps", question="the baseline where training does not collapse", settings=SMALL),
    Arm(
        name="DRA-GRPO, hash, smaller steps",
        question="what the method adds to a baseline that does not collapse",
        settings={**DRA, **SMALL},
    ),
    Arm(
        name="robust GRPO, smaller steps",
        question="the same with the traps closed",
        settings={**DRA, **ROBUST, **SMALL},
    ),
    Arm(
        name="oracle labels, smaller steps",
        question="upper bound there",
        settings={**DRA, **SMALL, "embedder": "embedders.oracle"},
    ),
    Arm(
        name="placebo, smaller steps",
        question="lower bound there",
        settings={**DRA, **SMALL, "embedder": "embedders.placebo"},
    ),
    *(
        Arm(
            name=f"{name}, smaller steps, G = {size}",
            question=f"the same 128 completions in groups of {size}",
            settings={**settings, **SMALL, "num_generations": size},
        )
        for size in (4, 16)
        for name, settings in (("GRPO", {}), ("DRA-GRPO, hash", DRA))
    ),
    Arm(
        name="DRA-GRPO, as released",
        question="rank slices and no clamp, as in the released code",
        settings={**DRA, **RELEASED},
    ),
    Arm(name="robust GRPO", question="mean-one weights, sign-safe, solved groups skipped", settings={**DRA, **ROBUST}),
    Arm(name="robust Dr. GRPO", question="the same on Dr. GRPO", settings={**DRA, **ROBUST, **DR}),
    *(
        Arm(name=f"{name}, {said}", question=f"{key} of robust alone", settings={**settings, key: ROBUST[key]})
        for name, settings, key, said in (
            ("DRA-Dr. GRPO", {**DRA, **DR}, "diversity_weights", "mean-one weights"),
            ("DRA-GRPO", DRA, "negative_totals", "negatives multiplied"),
            ("DRA-GRPO", DRA, "zero_spread_groups", "solved groups skipped"),
        )
    ),
    Arm(
        name="oracle labels",
        question="upper bound: the true way as similarity",
        settings={**DRA, "embedder": "embedders.oracle"},
    ),
    Arm(
        name="placebo",
        question="lower bound: similarity that says nothing of the text",
        settings={**DRA, "embedder": "embedders.placebo"},
    ),
)

TASKS = {
    "open": {"reward_funcs": ["dra_toolkit.quickstart.reward.strict"]},
    "hidden": {"reward_funcs": ["dra_toolkit.quickstart.reward.hidden_method"]},
    "signed": {"reward_funcs": ["rewards.signed"]},
}
"""Variants of the task: any way counts; each way counts on a hidden half of the problems; a wrong answer costs 1."""
