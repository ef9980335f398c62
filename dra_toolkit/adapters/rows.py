"""Rows as an engine hands them over, and what the adjustment made of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any

import numpy as np

from dra_toolkit.diversity import AdjustedRows
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Array, CompletionGroup
from dra_toolkit.rewards.text import as_prompt, policy_text, turns_of


@dataclass(frozen=True, kw_only=True)
class EngineRows:
    """N rows of whole groups as an engine hands them over, in any order."""

    group_ids: Sequence[Hashable]
    prompts: Sequence[Any]
    """Texts, or lists of messages."""
    completions: Sequence[Any]
    """All that the policy wrote, texts or messages, which may have what tools said too: what is embedded and recorded."""
    rewards: Mapping[str, Array]
    """By function, (N,); NaN where it abstained."""
    tokens: Sequence[int]
    finish_reasons: Sequence[str]
    golds: Sequence[Any] | None = None
    """What the reward functions were told to be right."""
    known: Mapping[str, Array] = field(default_factory=dict)
    """(N,) what else the engine tells, by the names that `Signals` has for it."""
    trajectories: Sequence[Hashable] | None = None
    """Rows of one are one completion, of which the last is looked at; None for padding, which is none. By default each row
    is a completion."""
    turns: Sequence[int] | None = None
    """Which row of its trajectory is later; by default the order of the rows."""
    said: Sequence[Sequence[Mapping[str, Any]] | None] | None = None
    """What policy and tools said in turn, as messages; None for a completion that is one text."""

    def plain(self) -> EngineRows:
        """Return the rows with ids, numbers and texts of no library's own; RunError for a column that is not one of N."""
        count = len(self.group_ids)
        rewards, known = (
            {name: _numbers(name, column) for name, column in columns.items()} for columns in (self.rewards, self.known)
        )
        own = {name: column for name, column in vars(self).items() if name not in ("rewards", "known")}
        for name, column in (*own.items(), *rewards.items(), *known.items()):
            if column is not None and len(column) != count:
                raise RunError(f"{name}: found {len(column)} values, expected one for each of {count} rows")
        for each in _own(self.trajectories) or ():
            if not isinstance(each, Hashable):
                raise RunError(f"trajectories: found {repr(each)[:60]}, expected one id for each row")
        for each in self.completions:
            if not isinstance(each, str | list | tuple | None):
                raise RunError(f"completions: found {repr(each)[:60]}, expected texts or lists of messages")
        messages = [None if isinstance(each, str) else each for each in self.completions]
        return replace(
            self,
            group_ids=_own(self.group_ids),
            trajectories=_own(self.trajectories),
            turns=_own(self.turns),
            completions=[policy_text(each or "") for each in self.completions],
            said=messages if self.said is None and any(messages) else self.said,
            rewards=rewards,
            known=known,
        )

    def members(self) -> dict[Hashable, int]:
        """Return the row of each completion, by its trajectory."""
        last: dict[Hashable, int] = {}
        for row, key in enumerate(range(len(self.group_ids)) if self.trajectories is None else self.trajectories):
            if key in last and self.group_ids[last[key]] != self.group_ids[row]:
                raise RunError(
                    f"trajectories: {key} has rows of groups {self.group_ids[last[key]]} and {self.group_ids[row]}"
                )
            if key is not None and (self.turns is None or self.turns[last.get(key, row)] <= self.turns[row]):
                last[key] = row
        return last

    def taken(self, rows: Any) -> EngineRows:
        """Return some of the rows, each a completion."""
        places = list(rows)

        def of(values: Any) -> Any:
            if isinstance(values, Mapping):
                return {name: column[places] for name, column in values.items()}
            return None if values is None else [values[row] for row in places]

        given = {each.name: of(getattr(self, each.name)) for each in fields(self)}
        return EngineRows(**{**given, "trajectories": None, "turns": None})

    def group(self, members: Any, weights: Mapping[str, float]) -> CompletionGroup:
        """Return some of the rows, each a completion, as one group."""
        rows = self.taken(members)
        prompt, gold = rows.prompts[0], None if rows.golds is None else rows.golds[0]
        turns = tuple(turns_of(messages or "") for messages in rows.said or ())
        return CompletionGroup(
            prompt=as_prompt(prompt),
            completions=tuple(rows.completions),
            token_counts=np.array(rows.tokens, dtype=np.int32),
            finish_reasons=tuple(reason or "stop" for reason in rows.finish_reasons),
            rewards={name: rows.rewards[name] for name in weights},
            reward_weights=weights,
            turns=turns if any(turns) else None,
            gold=None if gold is None else str(gold),
        )


def _numbers(name: str, column: Any) -> Array:
    try:
        return np.array([np.nan if value is None else float(value) for value in column], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RunError(f"{name}: expected a number for each row ({error})") from None


def _own(column: Any) -> Any:
    """Return ids as Python's own values: a tensor is another one than its equal."""
    return None if column is None else [each.tolist() if hasattr(each, "tolist") else each for each in column]


def spoken(ids: Sequence[int], mask: Sequence[Any], decode: Callable[[Any], str]) -> tuple[str, list[Any] | None]:
    """Return what the policy wrote of a response's tokens, and the messages of it where some, their mask 0, are a tool's."""
    runs = [(own, [t for t, _ in run]) for own, run in groupby(zip(ids, mask, strict=True), lambda pair: bool(pair[1]))]
    turns = [{"role": "assistant" if own else "tool", "content": decode(tokens)} for own, tokens in runs]
    written = decode([token for own, tokens in runs if own for token in tokens])
    return written, None if all(own for own, _ in runs) else turns


@dataclass(frozen=True, kw_only=True)
class EngineBatch:
    """What the adjustment made of rows, until the engine has trained on them."""

    rows: EngineRows
    """M completions."""
    step: int
    found: AdjustedRows
    known: Mapping[str, Any]
    """What the measure was told besides totals, (M, ...)."""
    row_of: Sequence[int]
    """(M,) the row of each completion among the engine's."""
    completion_of: Sequence[int | None]
    """(N,) the completion that each of the engine's rows belongs to; None for padding."""

    def by_row(self, values: Array) -> Array:
        """Return values of the completions, (M,), for each of the engine's rows, (N,); 0 for padding."""
        return np.array([0.0 if place is None else values[place] for place in self.completion_of])
