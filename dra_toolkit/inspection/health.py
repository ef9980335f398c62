"""What may be wrong with a run. A note is given only where two signs that are measured independently agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, mean_of_known
from dra_toolkit.inspection.text_search import correct_sql
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.metrics import unjudged

FEWEST_STEPS = 6
"""Steps below which nothing is said: a third of them is then no trend."""
STEPS_READ = 6
"""Steps of a third whose texts are read."""
Settings = Mapping[str, Any]
"""Key of the recipe -> its value in the run."""
NO_SETTINGS: Settings = {}
Curves = Mapping[str, Array]
"""Measure -> its mean at each step, (S,), NaN where it was not measured; `step` -> the steps themselves, ascending."""
CURVES = (
    "reward",
    "similarity",
    "distinct_ratio",
    "distinct_answers",
    "correct_share",
    "zero_spread",
    "weight",
    "tokens",
    "cut_share",
    "abs_advantage_plain",
    "abs_advantage",
)
"""Measures that the notes read."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One sign: a measure, and the two numbers that make it speak."""

    what: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that two signs say is wrong."""

    name: str
    says: str
    """What it is, in one sentence."""
    signs: tuple[Sign, Sign]
    advice: str
    """What to change, with the recipe keys that do."""


@dataclass(frozen=True, kw_only=True)
class NegativeTotals:
    """What the adjustment did to completions with a negative total."""

    share: float
    """Of all completions."""
    favour: float
    """Correlation of redundancy with what the adjustment added to the advantage, among them; NaN if there are none."""


def health_notes(run: Run, curves: Curves | None = None) -> tuple[Note, ...]:
    """Return what two independent signs say is wrong with the training groups of a run.

    curves: those of `step_curves`, where they are at hand.
    """
    facts = run.facts()
    curves = step_curves(run) if curves is None else curves
    steps = curves["step"]
    unread = abstentions(run)
    if not facts or len(steps) < FEWEST_STEPS:
        return (unread,) if unread else ()
    recipe, settings = run.recipe, facts[-1].diversity
    known: Settings = {
        "loss_type": recipe.objective.loss_type,
        "diversity": settings.measure if settings.adjusts else "none",
        "zero_spread_groups": settings.zero_spread_groups,
    }
    found: list[Note | None] = [
        unread,
        diversity_collapse(curves, known, distinct_right(run, steps)),
        length_drift(curves, known),
        saturation(curves, known),
    ]
    found.append(shrunken_updates(curves, facts[-1]))
    if _divides_negatives(facts[-1]):
        late = steps[-(len(steps) // 3) :]
        found.append(inverted_negatives(_negative_totals(run, (int(late[0]), int(late[-1]))), facts[-1]))
    return tuple(note for note in found if note is not None)


def abstentions(run: Run) -> Note | None:
    """Gold answers cannot be read, or answers cannot be judged in time: said from the first step on, for it is counted."""
    rows = [row for row in run.metrics() if "reward" in row]
    shares = {v: [unjudged(row, v) for row in rows] for v in ("unreadable_gold", "timed_out")}
    if not rows or max(map(max, shares.values())) == 0:
        return None
    unread, late = (float(np.mean(values)) for values in shares.values())
    return Note(
        name="not judged",
        says=f"{unread:.1%} of the completions got no reward, as their gold cannot be read; {late:.1%} ran out of time.",
        signs=(
            _ends("share of completions whose gold cannot be read", shares["unreadable_gold"]),
            _ends("share of answers that could not be judged in time", shares["timed_out"]),
        ),
        advice="run dra doctor on the recipe for the rows; set solution_column, or mend or remove these golds",
    )


def _ends(what: str, shares: Sequence[float]) -> Sign:
    return Sign(what=what, before=shares[0], after=shares[-1])


def step_curves(run: Run) -> Curves:
    """Return the training steps and the mean of each measure that the notes read."""
    names = ("step", *CURVES)
    table = run.query(f"SELECT {', '.join(names)} FROM steps WHERE mode = 'train' ORDER BY step")
    return {name: table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names}


def distinct_right(run: Run, steps: Array) -> tuple[float, float] | None:
    """Return the share of different texts among the right completions of a group, in the first and the last third.

    Of each third some steps are read. None where nothing tells right from wrong, or no group has two right ones.
    """
    right = correct_sql(run, ("train",))
    if right is None:
        return None
    third = max(1, len(steps) // 3)
    key = "mode, step, batch, group_index"
    sql = (
        f"SELECT avg(share) AS share FROM (SELECT count(DISTINCT t.completion)::DOUBLE / count(*) AS share FROM texts t "
        f"JOIN completions c USING ({key}, completion_index) WHERE mode = 'train' AND step = $1 "
        f"AND {right} GROUP BY {key} HAVING count(*) > 1)"
    )
    means = []
    for part in (steps[:third], steps[-third:]):
        some = part[np.linspace(0, len(part) - 1, min(STEPS_READ, len(part))).astype(int)].astype(int).tolist()
        means.append(mean_of_known(run.query(sql, [step], steps=(step, step)).column(0)[0].as_py() for step in some))
    return None if any(map(np.isnan, means)) else (means[0], means[1])


def diversity_collapse(
    curves: Curves, known: Settings = NO_SETTINGS, right: tuple[float, float] | None = None
) -> Note | None:
    """Completions grow alike by their embeddings, and fewer texts differ among those that are right.

    right: the share of different texts among right completions, before and after. Fewer texts or answers in all are no
    sign where it is known: a policy that gets things right has fewer wrong answers.
    """
    alike = _sign(curves, "similarity", lambda before, after: after - before > 0.1)
    if right is None:
        fewer = _sign(curves, "distinct_answers", lambda before, after: after < 0.75 * before)
        fewer = fewer or _sign(curves, "distinct_ratio", lambda before, after: after < 0.75 * before)
    else:
        said = "different texts among right completions"
        fewer = Sign(what=said, before=right[0], after=right[1]) if right[1] < 0.75 * right[0] else None
    if not alike or not fewer:
        return None
    return Note(
        name="diversity collapse",
        says="The completions of a group become each other's copies.",
        signs=(alike, fewer),
        advice=_advice(known, "raise temperature or beta", "lower learning_rate", ("diversity", "graph_cut", "none")),
    )


def length_drift(curves: Curves, known: Settings = NO_SETTINGS) -> Note | None:
    """Completions grow longer and are cut more often, or longer without being right more often."""
    longer = _sign(curves, "tokens", lambda before, after: after > 1.3 * before)
    cut = _sign(curves, "cut_share", lambda before, after: after - before > 0.1)
    worse = _sign(curves, "correct_share", lambda before, after: after <= before)
    second = cut or worse
    if not longer or not second:
        return None
    return Note(
        name="length drift",
        says="Completions grow longer without being right more often.",
        signs=(longer, second),
        advice=_advice(
            known,
            ("loss_type", "dr_grpo", None),
            "add a length reward",
            "raise max_completion_length if they are cut in mid-thought",
        ),
    )


def saturation(curves: Curves, known: Settings = NO_SETTINGS) -> Note | None:
    """Most groups have equal rewards, and the reward stands still."""
    equal = _sign(curves, "zero_spread", lambda before, after: after > 0.5)
    still = _sign(
        curves, "reward", lambda before, after: abs(after - before) < 0.02 * max(abs(before), 1e-9), late=True
    )
    if not equal or not still:
        return None
    return Note(
        name="saturation",
        says="Most groups are solved or hopeless, so little is learnt from them.",
        signs=(equal, still),
        advice=_advice(
            known, "use harder or fresher problems", "raise num_generations", ("zero_spread_groups", "skip", None)
        ),
    )


def shrunken_updates(curves: Curves, facts: FileFacts) -> Note | None:
    """Without scaling by the group's spread, raw weights below 1 shrink every advantage."""
    if not facts.diversity.adjusts or facts.scale_rewards != "none" or facts.diversity.weights != "raw":
        return None
    weight = _overall(curves, "weight")
    plain, trained = _overall(curves, "abs_advantage_plain"), _overall(curves, "abs_advantage")
    if not (weight < 0.6 and trained < 0.6 * plain):
        return None
    return Note(
        name="shrunken updates",
        says="The adjustment makes every update smaller, as a smaller learning rate would.",
        signs=(
            Sign(what="mean weight, against 1", before=1.0, after=weight),
            Sign(what="mean |advantage|, plain and as trained", before=plain, after=trained),
        ),
        advice="set diversity_weights: mean_one, or compare with a baseline at a smaller learning_rate",
    )


def inverted_negatives(negative: NegativeTotals, facts: FileFacts) -> Note | None:
    """Negative totals are divided, and among them the redundant completions gain by it."""
    if not _divides_negatives(facts):
        return None
    if not (negative.share > 0.05 and negative.favour > 0.1):
        return None
    return Note(
        name="inverted negatives",
        says="Dividing a negative reward makes it smaller: repeated mistakes are punished less than rare ones.",
        signs=(
            Sign(what="share of completions with a negative total, against 0", before=0.0, after=negative.share),
            Sign(what="correlation of redundancy and gained advantage among them", before=0.0, after=negative.favour),
        ),
        advice="set negative_totals: multiply or shift",
    )


def _divides_negatives(facts: FileFacts) -> bool:
    return facts.diversity.adjusts and facts.diversity.negative_totals == "divide"


def _negative_totals(run: Run, steps: tuple[int, int]) -> NegativeTotals:
    row = run.query(
        "SELECT avg((total < 0)::INT) AS share, corr(advantage - advantage_plain, redundancy) FILTER (total < 0) AS favour "
        "FROM completions WHERE mode = 'train' AND step BETWEEN $1 AND $2",
        steps,
        steps=steps,
    ).to_pylist()[0]
    unknown = float("nan")
    return NegativeTotals(share=row["share"] or 0.0, favour=unknown if row["favour"] is None else row["favour"])


def _advice(known: Settings, *parts: str | tuple[str, str, str | None]) -> str:
    """Return what to change. A part that is a key, a value, and the only value that it replaces (None: any) is said of a
    run whose settings leave room for it."""
    said = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
        elif known.get(part[0]) != part[1] and part[2] in (None, known.get(part[0], part[2])):
            said.append(f"set {part[0]}: {part[1]}")
    return ", ".join(said[:-1]) + (" or " if len(said) > 1 else "") + said[-1]


def _sign(curves: Curves, name: str, speaks: Callable[[float, float], bool], *, late: bool = False) -> Sign | None:
    """Return the sign if it speaks. It compares the first third of the steps with the last; `late`: the two last thirds."""
    values = curves[name]
    third = max(1, len(values) // 3)
    before = mean_of_known(values[-2 * third : -third] if late else values[:third])
    after = mean_of_known(values[-third:])
    if np.isnan(before) or np.isnan(after) or not speaks(before, after):
        return None
    return Sign(what=GROUP_MEASURES[name].label, before=before, after=after)


def _overall(curves: Curves, name: str) -> float:
    return mean_of_known(curves[name])
