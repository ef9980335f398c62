"""What one group, one step and a whole run look like in numbers: plain values first, for scripts and for any view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np

from dra_toolkit.diversity import distinct_ratio, mean_similarity, reward_spread, vendi_score, zero_spread
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.runs import Run
from dra_toolkit.runs.group_measures import flipped, is_measured

STEP_MEASURES = (
    "reward",
    "adjusted",
    "similarity",
    "vendi_score",
    "distinct_ratio",
    "zero_spread",
    "abs_advantage_plain",
    "abs_advantage",
)
"""What a step's overview has the mean of, over its groups."""


@dataclass(frozen=True, kw_only=True)
class GroupOverview:
    """One group in numbers; NaN where something was not measured."""

    step: int
    batch: int
    index: int
    prompt: str
    """The last message of the prompt."""
    size: int
    """Completions in the group."""
    reward: float
    """Mean raw total."""
    spread: float
    """Sample standard deviation of the raw totals."""
    adjusted: float
    """Mean adjusted total."""
    similarity: float
    """Mean similarity of two completions."""
    vendi_score: float
    distinct_ratio: float
    zero_spread: bool
    """Whether all raw totals are equal."""
    flips: int
    """Completions whose advantage has the other sign than it would have without the adjustment."""
    abs_advantage_plain: float
    abs_advantage: float

    @property
    def has_duplicates(self) -> bool:
        """Whether two completions are the same text."""
        return self.distinct_ratio < 1


@dataclass(frozen=True, kw_only=True)
class StepOverview:
    """One step: the mean of each measure over its groups, and its flips."""

    step: int
    groups: int
    flips: int
    means: dict[str, float]
    """By the names of `STEP_MEASURES`."""


@dataclass(frozen=True, kw_only=True)
class RunOverview:
    """A run at a glance."""

    name: str
    state: str
    settings: dict[str, Any]
    """What a reader wants to know of the recipe."""
    completions: int
    """Recorded completions, training and evaluation."""
    steps: tuple[StepOverview, ...]
    problems: tuple[str, ...]
    """One line for each file that was skipped, and why."""


SHOWN_SETTINGS = (
    "model_name_or_path",
    "dataset_name",
    "reward_funcs",
    "diversity",
    "embedder",
    "loss_type",
    "scale_rewards",
    "num_generations",
    "max_steps",
)


def look_at_group(record: GroupRecord) -> GroupOverview:
    """Return the measures of one recorded group."""
    adjustment = record.adjustment
    return GroupOverview(
        step=record.step,
        batch=record.batch,
        index=record.index,
        prompt=record.group.prompt[-1].content if record.group.prompt else "",
        size=len(record.group),
        reward=_mean(adjustment.totals),
        spread=float(reward_spread(adjustment.totals)),
        adjusted=_mean(adjustment.adjusted),
        similarity=float(mean_similarity(adjustment.similarity)),
        vendi_score=float(vendi_score(adjustment.similarity)) if is_measured(record) else float("nan"),
        distinct_ratio=distinct_ratio(record.group.completions),
        zero_spread=bool(zero_spread(adjustment.totals)),
        flips=int(flipped(record).sum()),
        abs_advantage_plain=_mean(np.abs(record.plain_advantages)),
        abs_advantage=_mean(np.abs(record.advantages)),
    )


def look_at_step(run: Run, step: int, mode: Mode = "train") -> list[GroupOverview]:
    """Return the groups of one step, in order; raises RunError, naming the nearest step, if there are none."""
    run.require_step(step, mode)
    return [look_at_group(record) for record in run.groups(step=step, mode=mode)]


def summarise(run: Run) -> RunOverview:
    """Return the whole run at a glance, one file of groups in memory at a time."""
    recipe, summary = run.recipe, run.summary()
    steps = tuple(_steps(look_at_group(record) for record in run.groups()))
    return RunOverview(
        name=run.name,
        state=str(run.directory.status()["state"]),
        settings={key: recipe[key] for key in SHOWN_SETTINGS},
        completions=summary.completions,
        steps=steps,
        problems=summary.problems,
    )


def _steps(groups: Iterable[GroupOverview]) -> Iterator[StepOverview]:
    for step, members in groupby(groups, key=lambda group: group.step):
        overviews = list(members)
        yield StepOverview(
            step=step,
            groups=len(overviews),
            flips=sum(group.flips for group in overviews),
            means={name: _mean([getattr(group, name) for group in overviews]) for name in STEP_MEASURES},
        )


def plain(value: Any) -> Any:
    """Return dataclasses, arrays and tuples as JSON can hold them; what is not a finite number is null."""
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _mean(values: Any) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")
