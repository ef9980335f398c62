"""One group in numbers: computed once, when it is recorded, so that a run can be searched without reading its texts.

A number is declared here, once: what it is called wherever it is shown, how it is computed, and how it follows in SQL from
the rows of a group, where it does. Columns, tables, curves, filters, metrics and documentation are made of this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import distinct_ratio, mean_similarity, reward_spread, vendi_score, zero_spread
from dra_toolkit.diversity.group_statistics import ZERO_SPREAD
from dra_toolkit.groups import Array, GroupRecord, mean_of_known
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.rewards.answers import final_answer

View = Literal["steps", "runs", "prompt", "notebook"]
Value = float | int | bool | None
_SPREAD = "(CASE WHEN NOT bool_or(isinf(total)) THEN stddev_samp(total) FILTER (isfinite(total)) END)"
VERDICTS = {"right": 1.0, "wrong": 0.0, "no_answer": 0.0, "timed_out": 0.0}
"""Verdict of a judge -> whether it counts as correct; any other leaves it open."""


def flipped(record: GroupRecord) -> NDArray[np.bool_]:
    """Return which completions, (G,) of bool, the adjustment pushes the other way than the raw rewards would."""
    return record.advantages * record.plain_advantages < 0


def is_measured(record: GroupRecord) -> bool:
    """Return whether the similarity of the group was measured; it is not with `embedder: none`."""
    return bool(np.isfinite(record.adjustment.similarity).all())


def answers_of(record: GroupRecord) -> list[str]:
    """Return the final answers that could be read, those that the judge calls the same as one text."""
    from dra_toolkit.judge.joining import joined

    return [answer for answer in joined(map(final_answer, record.group.completions)) if answer is not None]


def correct_of(record: GroupRecord, correct_by: str | None) -> Array | None:
    """Return which completions are correct, (G,): 1 or 0, NaN where nobody could say; None where nothing says it.

    The verdicts of a judge where there are any, else the reward function that tells right from wrong.
    """
    if record.group.verdicts is not None:
        return np.array([VERDICTS.get(verdict or "", np.nan) for verdict in record.group.verdicts])
    values = record.group.rewards.get(correct_by) if correct_by else None
    return None if values is None else above(values, CORRECT_ABOVE)


def above(values: Array, least: float) -> Array:
    """Return which values, (G,), are above `least`: 1 or 0, NaN where the value is."""
    return np.where(np.isnan(values), np.nan, values > least)


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
    logged: str | None = None
    """Its name in metrics.jsonl, where the trainer logs it as the mean over the groups of a batch."""

    def __call__(self, record: GroupRecord, correct_by: str | None = None) -> Value:
        """Return it of a recorded group; None where it is not known."""
        value = self.of(record, correct_by)
        if value is None or not np.isfinite(value):
            return None
        return {"float64": float, "int32": int, "bool": bool}[self.type](value)


def _measure(names: tuple[str, str, str, str], meaning: str, **more: Any) -> GroupMeasure:
    """Declare a number by what it is called: as a column, on a curve, in a narrow column, on an axis."""
    name, label, short, unit = names
    return GroupMeasure(name=name, meaning=meaning, label=label, short=short, unit=unit, **more)


def _mean(column: str, place: str) -> dict[str, Any]:
    """Return how the mean of what is known of a column is computed: in memory, given where it lives, and in SQL."""
    value = attrgetter(place)
    return {"of": lambda r, _: mean_of_known(value(r)), "sql": f"avg({column}) FILTER (NOT isnan({column}))"}


_ALL = (
    _measure(
        ("size", "completions", "size", "completions"),
        "completions in the group",
        of=lambda r, _: len(r.group),
        type="int32",
        sql="count(*)",
    ),
    _measure(
        ("reward", "reward, raw", "reward", "mean total reward"),
        "mean raw total",
        **_mean("total", "adjustment.totals"),
        shown=("steps", "runs", "prompt", "notebook"),
    ),
    _measure(
        ("reward_spread", "spread of the rewards", "spread", "standard deviation"),
        "sample standard deviation of the raw totals",
        of=lambda r, _: reward_spread(r.adjustment.totals),
        sql=_SPREAD,
        from_zero=True,
    ),
    _measure(
        ("adjusted", "reward, adjusted", "adjusted", "mean total reward"),
        "mean adjusted total",
        **_mean("adjusted", "adjustment.adjusted"),
        shown=("steps", "prompt", "notebook"),
        logged="diversity/adjusted_reward",
    ),
    _measure(
        ("similarity", "similarity", "simil.", "mean cosine similarity"),
        "mean similarity of two completions",
        of=lambda r, _: mean_similarity(r.adjustment.similarity),
        sql="sum(list_sum(similarity)) / sum(len(similarity))",
        shown=("steps", "runs", "prompt", "notebook"),
        logged="diversity/similarity",
    ),
    _measure(
        ("max_similarity", "similarity of the nearest", "nearest", "largest cosine similarity"),
        "similarity of the two most similar completions",
        of=lambda r, _: np.max(r.adjustment.similarity[np.triu_indices(len(r.group), 1)], initial=-np.inf),
        sql="max(list_max(similarity))",
    ),
    _measure(
        ("vendi_score", "Vendi score", "Vendi", "effective completions"),
        "effective number of different completions",
        of=lambda r, _: vendi_score(r.adjustment.similarity) if is_measured(r) else None,
        shown=("steps", "runs", "prompt"),
        logged="diversity/vendi_score",
    ),
    _measure(
        ("redundancy", "redundancy", "redund.", "mean redundancy"),
        "mean redundancy",
        **_mean("redundancy", "adjustment.redundancy"),
    ),
    _measure(
        ("weight", "weight", "weight", "mean factor"),
        "mean factor on the total",
        **_mean("weight", "adjustment.weights"),
        logged="diversity/weight",
    ),
    _measure(
        ("min_weight", "smallest weight", "min w.", "smallest factor"),
        "smallest factor on a total",
        of=lambda r, _: np.min(r.adjustment.weights),
        sql="CASE WHEN NOT bool_or(isnan(weight)) THEN min(weight) END",
    ),
    _measure(
        ("distinct_ratio", "distinct texts", "distinct", "share of completions"),
        "share of different texts",
        of=lambda r, _: distinct_ratio(r.group.completions),
        shown=("steps",),
        percent=True,
        logged="diversity/distinct_ratio",
    ),
    _measure(
        ("distinct_answers", "distinct answers", "answers", "answers per group"),
        "final answers that the judge tells apart, null where none could be read",
        of=lambda r, _: len(set(answers_of(r))) or None,
        type="int32",
        stored="nullif({}, 0)",
        shown=("steps", "runs", "prompt", "notebook"),
        from_zero=True,
    ),
    _measure(
        ("answers_read", "answers read", "read", "completions"),
        "completions whose final answer could be read",
        of=lambda r, _: len(answers_of(r)),
        type="int32",
        from_zero=True,
    ),
    _measure(
        ("correct_share", "share correct", "correct", "share of completions"),
        "share of completions that the judge, or else the reward `correct_by`, calls correct; null where neither is",
        of=lambda r, by: mean_of_known([] if (correct := correct_of(r, by)) is None else correct),
        shown=("steps", "runs", "prompt"),
        percent=True,
    ),
    _measure(
        ("positive_share", "reward above 0", "above 0", "share of completions"),
        "share of completions whose raw total is above 0, right or not",
        of=lambda r, _: mean_of_known(above(r.adjustment.totals, 0.0)),
        sql="avg((total > 0)::INT) FILTER (NOT isnan(total))",
        percent=True,
    ),
    _measure(
        ("zero_spread", "zero-spread groups", "zero spread", "share of groups"),
        "whether all raw totals are equal",
        of=lambda r, _: zero_spread(r.adjustment.totals),
        type="bool",
        sql=f"coalesce(NOT {_SPREAD} > {ZERO_SPREAD}, true)",
        shown=("steps", "runs"),
        percent=True,
        from_zero=True,
        logged="diversity/zero_spread_groups",
    ),
    _measure(
        ("flips", "flips in the step", "flips", "advantages per step"),
        "completions whose advantage has the other sign than without the adjustment",
        of=lambda r, _: flipped(r).sum(),
        type="int32",
        sql="count(*) FILTER (advantage * advantage_plain < 0)",
        shown=("steps", "prompt"),
        from_zero=True,
        summed=True,
    ),
    _measure(
        ("tokens", "tokens", "tokens", "mean tokens"),
        "mean tokens of a completion",
        of=lambda r, _: np.mean(r.group.token_counts),
        sql="avg(tokens)",
        shown=("steps", "runs", "prompt"),
    ),
    _measure(
        ("cut_share", "cut completions", "cut", "share of completions"),
        "share of completions cut at the longest length allowed",
        of=lambda r, _: (
            None if "unknown" in r.group.finish_reasons else np.mean([x == "length" for x in r.group.finish_reasons])
        ),
        sql="CASE WHEN NOT bool_or(finish_reason = 'unknown') THEN avg((finish_reason = 'length')::INT) END",
        percent=True,
        from_zero=True,
    ),
    _measure(
        ("abs_advantage_plain", "mean |advantage|, plain", "plain |A|", "mean |advantage|"),
        "mean absolute advantage without the adjustment",
        of=lambda r, _: mean_of_known(np.abs(r.plain_advantages)),
        sql="avg(abs(advantage_plain))",
        shown=("steps",),
        from_zero=True,
        logged="diversity/abs_advantage_plain",
    ),
    _measure(
        ("abs_advantage", "mean |advantage|, trained", "|A|", "mean |advantage|"),
        "mean absolute advantage as trained",
        of=lambda r, _: mean_of_known(np.abs(r.advantages)),
        sql="avg(abs(advantage))",
        shown=("steps", "runs"),
        from_zero=True,
        logged="diversity/abs_advantage",
    ),
)
GROUP_MEASURES = {measure.name: measure for measure in _ALL}
"""Name of each number of a group -> what it is."""


def shown_in(view: View) -> list[GroupMeasure]:
    """Return the numbers that a view shows, in order."""
    return [measure for measure in _ALL if view in measure.shown]
