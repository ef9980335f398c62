"""What every format is read into: one completion of another trainer, where it was found, and what was wrong."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dra_toolkit.groups import Mode, Prompt, Turns
from dra_toolkit.rewards.text import as_prompt, policy_text, turns_of


class Rollout(NamedTuple):
    """One completion."""

    mode: Mode
    step: int
    group: str | None
    """Identity of its group within the step; None where the format has none: equal prompts are then a group."""
    prompt: Prompt
    text: str
    rewards: Mapping[str, float]
    """Raw value of each reward; NaN where there is none."""
    advantage: float | None = None
    tokens: int | None = None
    finish_reason: str | None = None
    discard_reason: str | None = None
    turns: Turns | None = None
    """What was said in turn, where that is more than one text."""
    gold: str | None = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the caller says about the source; the formats know their own columns."""

    prompt_column: str = "prompt"
    completion_column: str = "completion"
    reward_columns: tuple[str, ...] = ()
    """Columns that are rewards; empty leaves it to the format."""
    step_column: str | None = None
    group_column: str | None = None
    trajectory_column: str | None = None
    """Rows of a group that are alike in it are turns of one completion, of which the last is taken."""
    advantage_column: str | None = None
    mode: Mode = "train"
    """What the rollouts were sampled for, where the format does not say."""


@dataclass
class Problems:
    """What could not be read: counted, and the first of them kept as lines."""

    keep: int = 50
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, where: str, what: str) -> None:
        """Note one problem: file and line, and what is wrong there."""
        self.count += 1
        if len(self.lines) < self.keep:
            self.lines.append(f"{where}: {what}; skipped")


class BadRowError(ValueError):
    """A row that cannot be a rollout; the message says why."""


def prompt_of(found: Any) -> Prompt:
    """Return a prompt, a text or a list of messages, as messages; raises BadRowError for anything else."""
    is_list = isinstance(found, list) and found and all(isinstance(m, dict) and "role" in m for m in found)
    if isinstance(found, str) or is_list:
        return as_prompt(found)
    raise BadRowError(f"the prompt is {_kind(found)}, expected a text or a list of messages with role and content")


def shared_prompts() -> Callable[[Any], Prompt]:
    """Return what `prompt_of` is, but neighbours of one prompt share its messages."""
    held: list[Any] = [object(), ()]

    def prompt(found: Any) -> Prompt:
        if found is not held[0] and (found != held[0] or not held[1]):
            held[:] = found, prompt_of(found)
        return held[1]

    return prompt


def spoken(found: Any) -> tuple[str, Turns | None]:
    """Return what the policy wrote of a completion, a text or a list of messages, and its turns; raises BadRowError else."""
    if isinstance(found, str):
        return found, None
    if type(found) is list and len(found) == 1 and type(found[0]) is dict and type(found[0].get("content")) is str:
        text = found[0]["content"]
        if found == [{"role": "assistant", "content": text}]:  # as most are; the way below costs as much as reading one
            return text, None
    if not isinstance(found, list) or not all(isinstance(message, dict) for message in found):
        raise BadRowError(f"the completion is {_kind(found)}, expected a text or a list of messages")
    if len(found) == 1 and not found[0].get("role"):
        found = [{**found[0], "role": "assistant"}]
    return policy_text(found), turns_of(found)


def as_number(found: Any, what: str) -> float:
    """Return a number, NaN for none and for an infinite one, as in training; raises BadRowError for anything else."""
    if found is None:
        return math.nan
    try:
        return value if math.isfinite(value := float(found)) else math.nan
    except (TypeError, ValueError, OverflowError):
        raise BadRowError(f"{what} is {_kind(found)}, expected a number") from None


def as_step(found: Any, what: str = "step") -> int:
    """Return a step, also from a text such as "12"; raises BadRowError for anything else."""
    value = as_number(found, what)
    if not math.isfinite(value) or value != int(value) or value < 0:
        raise BadRowError(f"{what} is {found!r}, expected a whole number")
    return int(value)


def _kind(found: Any) -> str:
    return "missing" if found is None else f"of type {type(found).__name__}"
