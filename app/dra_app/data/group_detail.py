"""One recorded group as the Groups page shows it: plain values by completion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dra_app.data.group_order import clustered_order
from dra_app.data.group_texts import Shown, beginning, copies_of, has_formula, share_of, think_and_answer
from dra_toolkit.group_measures import flipped, is_measured
from dra_toolkit.groups import Array, GroupRecord
from dra_toolkit.rewards.answers import final_answer


@dataclass(frozen=True, kw_only=True)
class CompletionView:
    """One completion of a group; numbers are None where they are not known."""

    index: int
    rewards: dict[str, float | None]
    """Reward function -> its raw value; None where it abstained."""
    parts: dict[str, float | None]
    """Reward function -> what it adds to the total: its value times its factor."""
    total: float | None
    adjusted: float | None
    weight: float | None
    redundancy: float | None
    plain: float
    """Advantage without the adjustment."""
    advantage: float
    """Advantage that the trainer used."""
    flip: bool
    tokens: int
    is_cut: bool
    """Whether it ended at the longest length allowed."""
    answer: str | None
    """The final answer that it states."""
    copy: int | None
    """Which set of equal texts of the group it belongs to; None where no other is equal."""
    think: Shown | None
    reply: Shown
    characters: int
    """Characters of the whole text."""


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """One group in full."""

    prompt: list[tuple[str, Shown]]
    """Role and text of each message."""
    completions: list[CompletionView]
    """In the order in which they were sampled."""
    order: list[int]
    """Completions in an order in which similar ones are neighbours."""
    ranking: list[int]
    """Completions by advantage, the largest first."""
    similarity: list[list[float | None]]
    """(G, G) as recorded, in the order of `completions`."""
    measured: bool
    """Whether similarity was measured at all."""
    functions: list[str]
    """Names of the reward functions."""
    has_formulas: bool
    discard_reason: str | None
    attempt: int


PROMPT_CHARACTERS = 6_000


def view_of(record: GroupRecord) -> GroupView:
    """Return what is shown of a recorded group."""
    group, adjustment = record.group, record.adjustment
    copies, flips = copies_of(group.completions), flipped(record)
    share = share_of(len(group))
    completions = [_completion(record, i, share, copies.get(i), bool(flips[i])) for i in range(len(group))]
    return GroupView(
        prompt=[(message.role, beginning(message.content, PROMPT_CHARACTERS)) for message in group.prompt],
        completions=completions,
        order=clustered_order(adjustment.similarity) if is_measured(record) else list(range(len(group))),
        ranking=[int(i) for i in np.argsort(-record.advantages, kind="stable")],
        similarity=[[known(value) for value in row] for row in adjustment.similarity.tolist()],
        measured=is_measured(record),
        functions=list(group.rewards),
        has_formulas=any(map(has_formula, group.completions)) or any(has_formula(m.content) for m in group.prompt),
        discard_reason=record.discard_reason,
        attempt=record.attempt,
    )


def known(value: float) -> float | None:
    """Return a number, or None for one that is not finite."""
    return value if math.isfinite(value) else None


def _completion(record: GroupRecord, i: int, share: int, copy: int | None, flip: bool) -> CompletionView:
    group, adjustment = record.group, record.adjustment
    text = group.completions[i]
    think, reply = think_and_answer(text)
    rewards = {name: _at(values, i) for name, values in group.rewards.items()}
    return CompletionView(
        index=i,
        rewards=rewards,
        parts={name: None if r is None else r * group.reward_weights.get(name, 1.0) for name, r in rewards.items()},
        total=_at(adjustment.totals, i),
        adjusted=_at(adjustment.adjusted, i),
        weight=_at(adjustment.weights, i),
        redundancy=_at(adjustment.redundancy, i),
        plain=float(record.plain_advantages[i]),
        advantage=float(record.advantages[i]),
        flip=flip,
        tokens=int(group.token_counts[i]),
        is_cut=group.finish_reasons[i] == "length",
        answer=final_answer(text),
        copy=copy,
        think=None if think is None else beginning(think, share),
        reply=beginning(reply, share),
        characters=len(text),
    )


def _at(values: Array, i: int) -> float | None:
    return known(float(values[i]))
