"""One recorded group as the pages show it: plain values by completion."""

import math
from dataclasses import dataclass

import numpy as np

from dra_app.texts import Shown, beginning, copies_of, parts_in, share_of
from dra_toolkit.drawing.similarity_map import clustered_order
from dra_toolkit.group_measures import correct_of, flipped, is_measured
from dra_toolkit.groups import Array, GroupRecord
from dra_toolkit.rewards.answers import final_answer

PROMPT_CHARACTERS = 6_000
NEIGHBOURS = 3
FOLDED = ("thinking", "tool result")
"""Parts of a text that are folded until they are asked for."""


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
    neighbours: tuple[tuple[int, float], ...]
    """The completions most like it and how like, the most alike first; none where similarity was not measured."""
    verdict: bool | None
    """Whether it is right by the judge, or else by the reward function that tells; None where neither says it."""
    plain: float
    """Advantage without the adjustment: the raw part of the one that the trainer used."""
    advantage: float
    """Advantage that the trainer used."""
    flip: bool
    tokens: int
    is_cut: bool
    gold: str | None
    answer: str | None
    copy: int | None
    """Which set of equal texts of the group it belongs to; None where no other is equal."""
    texts: tuple[tuple[str, Shown], ...]
    """What each part of its text is called (nothing for plain text), and the beginning of it."""
    characters: int

    @property
    def side(self) -> str:
        """Whether it is pushed up, down, or not at all."""
        return "up" if self.advantage > 0 else "down" if self.advantage < 0 else "even"

    @property
    def has_answer(self) -> bool:
        """Whether it says something beside its thinking and what tools answered."""
        return any(kind not in FOLDED for kind, _ in self.texts)


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """One group in full."""

    prompt: list[tuple[str, Shown]]
    """Role and text of each message."""
    completions: list[CompletionView]
    order: list[int]
    """Completions in an order in which similar ones are neighbours."""
    ranking: list[int]
    """Completions by advantage, the largest first."""
    similarity: Array
    measured: bool
    functions: list[str]
    correct_by: str | None
    discard_reason: str | None


def view_of(record: GroupRecord, correct_by: str | None = None) -> GroupView:
    """Return what is shown of a recorded group. correct_by: the reward function that tells right from wrong, if any."""
    group, adjustment = record.group, record.adjustment
    copies, flips = copies_of(group.completions), flipped(record)
    share = share_of(len(group))
    judged = correct_of(record, correct_by)
    completions = [_completion(record, i, share, copies.get(i), bool(flips[i]), judged) for i in range(len(group))]
    return GroupView(
        prompt=[(message.role, beginning(str(message), PROMPT_CHARACTERS)) for message in group.prompt],
        completions=completions,
        order=clustered_order(adjustment.similarity) if is_measured(record) else list(range(len(group))),
        ranking=[int(i) for i in np.argsort(-record.advantages, kind="stable")],
        similarity=adjustment.similarity,
        measured=is_measured(record),
        functions=list(group.rewards),
        correct_by=correct_by if judged is not None else None,
        discard_reason=record.discard_reason,
    )


def known(value: float | None) -> float | None:
    """Return a number, or None for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _completion(
    record: GroupRecord, i: int, share: int, copy: int | None, flip: bool, judged: Array | None
) -> CompletionView:
    group, adjustment = record.group, record.adjustment
    text = group.shown(i)
    rewards = {name: _at(values, i) for name, values in group.rewards.items()}
    return CompletionView(
        index=i,
        rewards=rewards,
        parts={name: None if r is None else r * group.reward_weights.get(name, 1.0) for name, r in rewards.items()},
        total=_at(adjustment.totals, i),
        adjusted=_at(adjustment.adjusted, i),
        weight=_at(adjustment.weights, i),
        redundancy=_at(adjustment.redundancy, i),
        neighbours=_neighbours(adjustment.similarity, i),
        verdict=None if judged is None or np.isnan(judged[i]) else bool(judged[i]),
        plain=float(record.plain_advantages[i]),
        advantage=float(record.advantages[i]),
        flip=flip,
        tokens=int(group.token_counts[i]),
        is_cut=group.finish_reasons[i] == "length",
        gold=group.gold,
        answer=final_answer(group.completions[i]),
        copy=copy,
        texts=tuple((part.kind, beginning(part.text, share)) for part in parts_in(group, i)),
        characters=len(text),
    )


def _neighbours(similarity: Array, i: int) -> tuple[tuple[int, float], ...]:
    row = similarity[i]
    order = [int(j) for j in np.argsort(-row, kind="stable") if j != i and np.isfinite(row[j])]
    return tuple((j, float(row[j])) for j in order[:NEIGHBOURS])


def _at(values: Array, i: int) -> float | None:
    return known(float(values[i]))
