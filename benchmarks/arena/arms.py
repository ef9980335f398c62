"""The arms of the arena: what each changes in the plain recipe, `recipes/quickstart_grpo.yaml`."""

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
WAYS = {"diversity_labels": "bounds.ways"}
PLACEBO = {"embedder": "bounds.placebo"}
ORACLE = {"embedder": "bounds.oracle"}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One method: settings over the plain recipe."""

    name: str
    question: str
    """What the arm is there to tell."""
    settings: dict[str, object] = field(default_factory=dict)
    is_kept: bool = False
    """Whether the first cut never takes it."""


def _kept(name: str, question: str, settings: dict[str, object]) -> Arm:
    return Arm(name=name, question=question, settings=settings, is_kept=True)


def _named(name: str, measure: str, question: str, **settings: object) -> Arm:
    return Arm(name=name, question=question, settings={"diversity": measure, **settings})


ARMS = (
    _kept("GRPO", "the baseline", {}),
    _kept("MaxRL", "rarity of the prompt, no similarity", {"diversity": "maxrl"}),
    _kept("DRA-GRPO, hash", "the method, cheapest embedder", DRA),
    _kept("placebo", "the method with a similarity that says nothing of the text", {**DRA, **PLACEBO}),
    _kept("oracle labels", "the method with the true way as similarity", {**DRA, **ORACLE}),
    _kept("Dr. GRPO", "the other baseline", DR),
    _named("MaxRL x labels", "maxrl_labels", "both rarities, true ways", **WAYS),
    _named("MaxRL x graph cut", "maxrl_graph_cut", "both rarities, hashed words"),
    _named("MaxRL x placebo", "maxrl_graph_cut", "how much of it is any disturbance", **PLACEBO),
    _named("MaxRL x log-probs", "maxrl_log_probs", "both rarities, the policy's own probability"),
    _named("differential smoothing", "differential_smoothing", "unlikely right completions gain"),
    _named("pass@k training, k = 2", "pass_at_k", "groups of two, each worth its best", pass_at_k_k=2),
    _named("PKPO, k = 4", "pkpo", "part in the best of four"),
    _named("Poly-EPO, k = 4", "poly_epo", "sets of four, reward times diversity"),
    _named("UCPO", "ucpo", "advantage moved to the unlikely right ones"),
    _named("unlikeliness", "unlikeliness", "likely completions are worth less"),
    _named("uniqueness", "uniqueness", "advantage over the cluster's share, true ways", **WAYS),
    _named("W-REINFORCE", "w_reinforce", "mistakes pushed down, hardly anything up"),
    _named("leave-one-out", "leave_one_out", "Dr. GRPO's advantage with GRPO's loss"),
    Arm(name="DRA-Dr. GRPO, mean-one weights", question="the method on Dr. GRPO at the same step size",
        settings={**DRA, **DR, "diversity_weights": "mean_one"}),
    Arm(name="robust GRPO", question="mean-one weights, sign-safe, solved groups skipped", settings={**DRA, **ROBUST}),
    Arm(name="DRA-GRPO, MiniLM", question="the method, a sentence embedder", settings={**DRA, "embedder": "minilm"}),
    Arm(name="DRA-GRPO, policy", question="the method, the policy's states", settings={**DRA, "embedder": "policy"}),
    Arm(name="DRA-GRPO, as released", question="rank slices and no clamp", settings={**DRA, **RELEASED}),
)  # fmt: skip
"""In the order of their worth to the question, so that what is there at any time is a comparison."""

TASKS: dict[str, dict[str, object]] = {
    "hidden": {"reward_funcs": ["dra_toolkit.quickstart.reward.hidden_method"]},
    "open": {"reward_funcs": ["dra_toolkit.quickstart.reward.strict"]},
    "palindromes": {"reward_funcs": ["palindromes.valid"]},
}
"""Variants of the quickstart's task, where each way counts on a hidden half of the problems or any way counts; and a task of
reasoning-gym, any of whose solutions counts."""
RATES = (2e-4, 5e-4, 1e-3)
"""Learning rates, a fifth to the whole of the quickstart's, in the order in which they are tried."""
STEPS, MARKS = 300, (60, 150, 300)
"""Length of a run, and where it is evaluated."""
SCREEN_SEEDS, TEST_SEEDS = (11, 12), (1, 2, 3, 4, 5)
"""Seeds for the rates and the first cut, and for the tables."""
