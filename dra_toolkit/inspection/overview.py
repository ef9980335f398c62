"""A run at a glance, and what may be wrong with it.

A health note is given only where two signs that are measured independently agree.
"""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import numpy as np

from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import Array, Mode, mean_of_known
from dra_toolkit.inspection.text_search import correct_sql
from dra_toolkit.recipe.keys import flagged
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.metrics import unjudged

FEWEST_STEPS = 6
"""Steps below which nothing is said: a third of them is then no trend."""
STEPS_READ = 6
"""Steps of a third whose texts are read."""
Curves = Mapping[str, Array]
"""Measure -> its mean at each step, (S,), NaN where it was not measured; `step` -> the steps themselves, ascending."""


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One sign: a measure, and the two numbers that make it speak."""

    what: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that two signs say is wrong: what it is, in a sentence, and what to change, with the recipe keys that do."""

    name: str
    says: str
    signs: tuple[Sign, Sign]
    advice: str


def health_notes(run: Run, curves: Curves | None = None) -> tuple[Note, ...]:
    """Return what two independent signs say is wrong with the training groups of a run.

    curves: the means of the groups' measures at each step, where they are at hand.
    """
    facts = run.facts()
    curves = step_curves(run) if curves is None else curves
    steps = curves["step"]
    found = [abstentions(run)]
    if facts and len(steps) >= FEWEST_STEPS:
        settings = facts[-1].diversity
        known = {**run.recipe, **settings.as_recipe()}
        if not settings.adjusts:
            known["diversity"] = "none"
        right = distinct_right(run, steps)
        found += [by_rule(name, curves, known, right) for name, rule in rules().items() if "signs" in rule]
        found.append(shrunken_updates(curves, facts[-1]))
        if settings.adjusts and settings.negative_totals == "divide":
            late = int(steps[-(len(steps) // 3)]), int(steps[-1])
            found.append(inverted_negatives(*_negative_totals(run, late)))
    return tuple(note for note in found if note is not None)


@functools.cache
def rules() -> dict[str, dict[str, Any]]:
    """Return the rules by the names of their notes; health_rules.toml says what they hold."""
    text = resources.files("dra_toolkit.inspection").joinpath("health_rules.toml").read_text(encoding="utf-8")
    return {rule["name"]: rule for rule in tomllib.loads(text)["rule"]}


def by_rule(
    name: str, curves: Curves, known: Mapping[str, Any] | None = None, right: tuple[float, float] | None = None
) -> Note | None:
    """Return the note of a rule if both its signs speak.

    known: recipe key -> its value in the run. right: the share of different texts among right completions, before and
    after: where it is known it stands for fewer texts or answers in all, which a policy that gets things right has too.
    """
    rule, signs = rules()[name], []
    for ways in rule["signs"]:
        if right is not None and any("of_right" in way for way in ways):
            said = "different texts among right completions"
            found = Sign(what=said, before=right[0], after=right[1]) if right[1] < ways[0]["falls"] * right[0] else None
        else:
            found = next((sign for way in ways if (sign := _sign(curves, **way)) is not None), None)
        if found is None:
            return None
        signs.append(found)
    return Note(name=name, says=rule["says"], signs=(signs[0], signs[1]), advice=_advice(rule["advice"], known or {}))


def _sign(curves: Curves, measure: str, late: bool = False, **when: float) -> Sign | None:
    values = curves[measure]
    third = max(1, len(values) // 3)
    before = mean_of_known(values[-2 * third : -third] if late else values[:third])
    after = mean_of_known(values[-third:])
    (speaks, much), *_ = when.items()
    is_said = {
        "rises": after - before > much,
        "grows": after > much * before,
        "falls": after < much * before,
        "above": after > much,
        "stands": abs(after - before) < much * max(abs(before), 1e-9),
        "sinks": after <= before,
    }[speaks]
    known = not np.isnan([before, after]).any()
    return Sign(what=GROUP_MEASURES[measure].label, before=before, after=after) if known and is_said else None


def _advice(parts: Sequence[str | dict[str, str]], known: Mapping[str, Any]) -> str:
    said = [
        part if isinstance(part, str) else f"set {part['key']}: {part['value']}" for part in parts if _fits(part, known)
    ]
    return ", ".join(said[:-1]) + (" or " if len(said) > 1 else "") + said[-1]


def _fits(part: str | dict[str, str], known: Mapping[str, Any]) -> bool:
    if isinstance(part, str):
        return True
    has = known.get(part["key"])
    return has != part["value"] and (has is None or part.get("replaces", has) == has)


def _measured(name: str, *signs: tuple[float, float]) -> Note:
    """Return the note of a rule whose two signs, each before and after, were made here."""
    rule = rules()[name]
    first, second = (Sign(what=w, before=a, after=b) for w, (a, b) in zip(rule["measured"], signs, strict=True))
    return Note(name=name, says=rule["says"], signs=(first, second), advice=_advice(rule["advice"], {}))


def abstentions(run: Run) -> Note | None:
    """Gold answers cannot be read, or answers cannot be judged in time: said from the first step on, for it is counted."""
    rows = [row for row in run.metrics() if "reward" in row]
    shares = [[unjudged(row, verdict) for row in rows] for verdict in ("unreadable_gold", "timed_out")]
    if not rows or max(map(max, shares)) == 0:
        return None
    note = _measured("not judged", *((values[0], values[-1]) for values in shares))
    return replace(note, says=note.says.format(*map(np.mean, shares)))


def step_curves(run: Run, mode: Mode = "train") -> Curves:
    """Return the steps of a mode, ascending, and the mean of each measure of a group at them."""
    table = run.query("SELECT * FROM steps WHERE mode = $1 ORDER BY step", [mode])
    return {name: np.array(table[name].to_pylist(), dtype=np.float64) for name in ("step", "groups", *GROUP_MEASURES)}


def distinct_right(run: Run, steps: Array) -> tuple[float, float] | None:
    """Return the share of different texts among the right completions of a group, in the first and the last third.

    Of each third some steps are read. None where nothing tells right from wrong, or no group has two right ones.
    """
    right = correct_sql(run, ("train",))
    if right is None or run.texts_left_out():
        return None
    third = max(1, len(steps) // 3)
    key = "mode, step, batch, group_index"
    parts = [
        part[np.linspace(0, len(part) - 1, min(STEPS_READ, len(part))).astype(int)]
        for part in (steps[:third], steps[-third:])
    ]
    some = ", ".join(str(int(step)) for step in np.unique(np.concatenate(parts)))
    table = run.query(
        f"SELECT step, avg(share) AS share FROM (SELECT step, count(DISTINCT completion)::DOUBLE / count(*) AS share "
        f"FROM (SELECT * FROM texts WHERE step IN ({some})) JOIN (SELECT * FROM completions WHERE step IN ({some})) "
        f"USING ({key}, completion_index) WHERE mode = 'train' AND {right} GROUP BY {key} HAVING count(*) > 1) GROUP BY step"
    )
    shares = dict(zip(*(table[name].to_pylist() for name in ("step", "share")), strict=True))
    means = [mean_of_known(shares.get(step) for step in part.tolist()) for part in parts]
    return None if any(map(np.isnan, means)) else (means[0], means[1])


def shrunken_updates(curves: Curves, facts: FileFacts) -> Note | None:
    """Without scaling by the group's spread, raw weights below 1 shrink every advantage."""
    if not facts.diversity.adjusts or facts.scale_rewards != "none" or facts.diversity.weights != "raw":
        return None
    weight, plain, trained = (mean_of_known(curves[v]) for v in ("weight", "abs_advantage_plain", "abs_advantage"))
    spoken = weight < 0.6 and trained < 0.6 * plain
    return _measured("shrunken updates", (1.0, weight), (plain, trained)) if spoken else None


def inverted_negatives(share: float, favour: float) -> Note | None:
    """Negative totals are divided, and among them the redundant completions gain by it.

    share: of all completions, those with a negative total. favour: correlation of redundancy with what the adjustment
    added to the advantage, among them; NaN if there are none.
    """
    return _measured("inverted negatives", (0.0, share), (0.0, favour)) if share > 0.05 and favour > 0.1 else None


def _negative_totals(run: Run, steps: tuple[int, int]) -> tuple[float, float]:
    row = run.query(
        "SELECT avg((total < 0)::INT) AS share, corr(advantage - advantage_plain, redundancy) FILTER (total < 0) AS favour "
        "FROM completions WHERE mode = 'train' AND step BETWEEN $1 AND $2",
        steps,
        steps=steps,
    ).to_pylist()[0]
    return row["share"] or 0.0, float("nan") if row["favour"] is None else row["favour"]


SHOWN_SETTINGS = flagged("in_summary")


@dataclass(frozen=True, kw_only=True)
class StepOverview:
    """One step: the means of `GROUP_MEASURES` over its groups, NaN where nothing was measured; flips are added up."""

    step: int
    groups: int
    flips: int
    means: dict[str, float]

    def __getitem__(self, measure: str) -> float:
        return self.means[measure]


@dataclass(frozen=True, kw_only=True)
class RunOverview:
    """A run at a glance.

    settings     what a reader wants to know of the recipe
    completions  recorded completions of every mode
    steps        training steps, ascending
    notes        what two independent signs say is wrong
    problems     one line for each file that was skipped, and why
    """

    name: str
    state: str
    settings: dict[str, Any]
    completions: int
    steps: tuple[StepOverview, ...]
    notes: tuple[Note, ...]
    problems: tuple[str, ...]


def summarise(run: Run) -> RunOverview:
    """Return the run at a glance; only the groups' measures are read, so its size hardly matters."""
    curves = step_curves(run)
    return RunOverview(
        name=run.name,
        state=str(run.directory.status()["state"]),
        settings={key: run.recipe.get(key, "unknown") for key in SHOWN_SETTINGS},
        completions=run.query("SELECT sum(size)::BIGINT FROM groups").column(0)[0].as_py() or 0,
        steps=tuple(
            StepOverview(
                step=int(step),
                groups=int(curves["groups"][at]),
                flips=int(curves["flips"][at]),
                means={name: float(curves[name][at]) for name in GROUP_MEASURES},
            )
            for at, step in enumerate(curves["step"])
        ),
        notes=health_notes(run, curves),
        problems=(
            *run.directory.problems(),
            *filter(None, [run.texts_left_out()]),
            *(f"groups/{name}: {why}; skipped" for name, why in sorted(run.problems.items())),
        ),
    )


IGNORED = ("output_dir", "run_name", "logging_dir")
"""Keys that differ between any two runs."""


def differing_keys(recipes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys, in order, with different values; one that older recipes do not know does not count for that."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe if key not in IGNORED)
    return [key for key in keys if len({repr(recipe[key]) for recipe in recipes if key in recipe}) > 1]
