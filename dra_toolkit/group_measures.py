"""One group in numbers: computed once, when it is recorded, so that a run can be searched without reading its texts.

A number is declared here, once: what it is called wherever it is shown, how it is computed, and how it follows in SQL from
the rows of a group, where it does. Columns, tables, curves, filters, metrics and documentation are made of this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dra_toolkit.diversity import distinct_ratio, mean_similarity, reward_spread, vendi_score, zero_spread
from dra_toolkit.diversity.group_statistics import ZERO_SPREAD
from dra_toolkit.group_outcomes import above, answers_of, correct_share, flipped, is_measured, largest_similarity
from dra_toolkit.groups import GroupRecord, mean_of_known

View = Literal["steps", "runs", "prompt", "notebook"]
Value = float | int | bool | None
_PAIRS = "flatten(list(similarity))"
_SPREAD = "(CASE WHEN NOT bool_or(isinf(total)) THEN stddev_samp(total) FILTER (isfinite(total)) END)"


@dataclass(frozen=True, kw_only=True)
class GroupMeasure:
    """One number of a group."""

    name: str
    """Its column in the table `groups`, and what it is sorted and filtered by."""
    meaning: str
    label: str
    """What a curve of it is called."""
    short: str
    """The head of a narrow column."""
    unit: str
    """What it counts, or what it is a share of."""
    of: Callable[[GroupRecord, str | None], Any]
    """Computes it of a recorded group, given the reward function that tells right from wrong; NaN or None if unknown."""
    type: Literal["float64", "int32", "bool"] = "float64"
    sql: str | None = None
    """How it follows from the group's rows, where SQL can say it: groups stored before it was are known by this."""
    stored: str = "{}"
    """SQL of its value, given its column: what older files wrote for unknown is null."""
    shown: tuple[View, ...] = ()
    """Where it has a curve or a column of its own: over the steps, in a comparison of runs, of a prompt, in a notebook."""
    percent: bool = False
    from_zero: bool = False
    """Whether an axis of it begins at 0."""
    summed: bool = False
    """Whether a step has the sum of it; of the others it has the mean."""
    metric: str | None = None
    """Its name among the trainer's metrics, where it is logged as the mean over the groups of a batch."""

    @property
    def logged(self) -> str | None:
        """Its name in metrics.jsonl, where the trainer logs it."""
        return f"diversity/{self.metric}" if self.metric else None

    def __call__(self, record: GroupRecord, correct_by: str | None = None) -> Value:
        """Return it of a recorded group; None where it is not known."""
        value = self.of(record, correct_by)
        if value is None or not np.isfinite(value):
            return None
        return {"float64": float, "int32": int, "bool": bool}[self.type](value)


def _average(column: str) -> str:
    return f"avg({column}) FILTER (NOT isnan({column}))"


_ALL = (
    GroupMeasure(
        name="size",
        meaning="completions in the group",
        label="completions",
        short="size",
        unit="completions",
        type="int32",
        of=lambda r, _: len(r.group),
        sql="count(*)",
    ),
    GroupMeasure(
        name="reward",
        meaning="mean raw total",
        label="reward, raw",
        short="reward",
        unit="mean total reward",
        of=lambda r, _: mean_of_known(r.adjustment.totals),
        sql=_average("total"),
        shown=("steps", "runs", "prompt", "notebook"),
    ),
    GroupMeasure(
        name="reward_spread",
        meaning="sample standard deviation of the raw totals",
        label="spread of the rewards",
        short="spread",
        unit="standard deviation",
        of=lambda r, _: reward_spread(r.adjustment.totals),
        sql=_SPREAD,
        from_zero=True,
    ),
    GroupMeasure(
        name="adjusted",
        meaning="mean adjusted total",
        label="reward, adjusted",
        short="adjusted",
        unit="mean total reward",
        of=lambda r, _: mean_of_known(r.adjustment.adjusted),
        sql=_average("adjusted"),
        shown=("steps", "prompt", "notebook"),
        metric="adjusted_reward",
    ),
    GroupMeasure(
        name="similarity",
        meaning="mean similarity of two completions",
        label="similarity",
        short="simil.",
        unit="mean cosine similarity",
        of=lambda r, _: mean_similarity(r.adjustment.similarity),
        sql=f"nullif(list_avg({_PAIRS}), 'nan')",
        shown=("steps", "runs", "prompt", "notebook"),
        metric="similarity",
    ),
    GroupMeasure(
        name="max_similarity",
        meaning="similarity of the two most similar completions",
        label="similarity of the nearest",
        short="nearest",
        unit="largest cosine similarity",
        of=lambda r, _: largest_similarity(r.adjustment.similarity),
        sql=f"nullif(list_max({_PAIRS}), 'nan')",
    ),
    GroupMeasure(
        name="vendi_score",
        meaning="effective number of different completions",
        label="Vendi score",
        short="Vendi",
        unit="effective completions",
        of=lambda r, _: vendi_score(r.adjustment.similarity) if is_measured(r) else None,
        shown=("steps", "runs", "prompt"),
        metric="vendi_score",
    ),
    GroupMeasure(
        name="redundancy",
        meaning="mean redundancy",
        label="redundancy",
        short="redund.",
        unit="mean redundancy",
        of=lambda r, _: mean_of_known(r.adjustment.redundancy),
        sql=_average("redundancy"),
    ),
    GroupMeasure(
        name="weight",
        meaning="mean factor on the total",
        label="weight",
        short="weight",
        unit="mean factor",
        of=lambda r, _: mean_of_known(r.adjustment.weights),
        sql=_average("weight"),
        metric="weight",
    ),
    GroupMeasure(
        name="min_weight",
        meaning="smallest factor on a total",
        label="smallest weight",
        short="min w.",
        unit="smallest factor",
        of=lambda r, _: np.min(r.adjustment.weights),
        sql="CASE WHEN NOT bool_or(isnan(weight)) THEN min(weight) END",
    ),
    GroupMeasure(
        name="distinct_ratio",
        meaning="share of different texts",
        label="distinct texts",
        short="distinct",
        unit="share of completions",
        of=lambda r, _: distinct_ratio(r.group.completions),
        shown=("steps",),
        percent=True,
        metric="distinct_ratio",
    ),
    GroupMeasure(
        name="distinct_answers",
        meaning="final answers that the judge tells apart, null where none could be read",
        label="distinct answers",
        short="answers",
        unit="answers per group",
        type="int32",
        of=lambda r, _: len(set(answers_of(r))) or None,
        stored="nullif({}, 0)",
        shown=("steps", "runs", "prompt", "notebook"),
        from_zero=True,
    ),
    GroupMeasure(
        name="answers_read",
        meaning="completions whose final answer could be read",
        label="answers read",
        short="read",
        unit="completions",
        type="int32",
        of=lambda r, _: len(answers_of(r)),
        from_zero=True,
    ),
    GroupMeasure(
        name="correct_share",
        meaning="share of completions that the judge, or else the reward `correct_by`, calls correct; null where neither is",
        label="share correct",
        short="correct",
        unit="share of completions",
        of=correct_share,
        shown=("steps", "runs", "prompt"),
        percent=True,
    ),
    GroupMeasure(
        name="positive_share",
        meaning="share of completions whose raw total is above 0, right or not",
        label="reward above 0",
        short="above 0",
        unit="share of completions",
        of=lambda r, _: mean_of_known(above(r.adjustment.totals, 0.0)),
        sql="avg((total > 0)::INT) FILTER (NOT isnan(total))",
        percent=True,
    ),
    GroupMeasure(
        name="zero_spread",
        meaning="whether all raw totals are equal",
        label="zero-spread groups",
        short="zero spread",
        unit="share of groups",
        type="bool",
        of=lambda r, _: zero_spread(r.adjustment.totals),
        sql=f"coalesce(NOT {_SPREAD} > {ZERO_SPREAD}, true)",
        shown=("steps", "runs"),
        percent=True,
        from_zero=True,
        metric="zero_spread_groups",
    ),
    GroupMeasure(
        name="flips",
        meaning="completions whose advantage has the other sign than without the adjustment",
        label="flips in the step",
        short="flips",
        unit="advantages per step",
        type="int32",
        of=lambda r, _: flipped(r).sum(),
        sql="count(*) FILTER (advantage * advantage_plain < 0)",
        shown=("steps", "prompt"),
        from_zero=True,
        summed=True,
    ),
    GroupMeasure(
        name="tokens",
        meaning="mean tokens of a completion",
        label="tokens",
        short="tokens",
        unit="mean tokens",
        of=lambda r, _: np.mean(r.group.token_counts),
        sql="avg(tokens)",
        shown=("steps", "runs", "prompt"),
    ),
    GroupMeasure(
        name="cut_share",
        meaning="share of completions cut at the longest length allowed",
        label="cut completions",
        short="cut",
        unit="share of completions",
        of=lambda r, _: (
            None if "unknown" in r.group.finish_reasons else np.mean([x == "length" for x in r.group.finish_reasons])
        ),
        sql="CASE WHEN NOT bool_or(finish_reason = 'unknown') THEN avg((finish_reason = 'length')::INT) END",
        percent=True,
        from_zero=True,
    ),
    GroupMeasure(
        name="abs_advantage_plain",
        meaning="mean absolute advantage without the adjustment",
        label="mean |advantage|, plain",
        short="plain |A|",
        unit="mean |advantage|",
        of=lambda r, _: mean_of_known(np.abs(r.plain_advantages)),
        sql="avg(abs(advantage_plain))",
        shown=("steps",),
        from_zero=True,
        metric="abs_advantage_plain",
    ),
    GroupMeasure(
        name="abs_advantage",
        meaning="mean absolute advantage as trained",
        label="mean |advantage|, trained",
        short="|A|",
        unit="mean |advantage|",
        of=lambda r, _: mean_of_known(np.abs(r.advantages)),
        sql="avg(abs(advantage))",
        shown=("steps", "runs"),
        from_zero=True,
        metric="abs_advantage",
    ),
)
GROUP_MEASURES = {measure.name: measure for measure in _ALL}
"""Name of each number of a group -> what it is."""


def shown_in(view: View) -> list[GroupMeasure]:
    """Return the numbers that a view shows, in order."""
    return [measure for measure in _ALL if view in measure.shown]
