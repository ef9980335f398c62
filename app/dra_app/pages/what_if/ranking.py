"""Several settings side by side over some steps: which of them encourages what one wants encouraged.

Nothing here says what is best: each column is one thing that an adjustment may do for or against the policy.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from dra_app.figure import figure, line_key
from dra_app.pages.what_if.settings import changes_from
from dra_app.palette import colour
from dra_app.templates import part
from dra_toolkit.drawing.curves import Line, curves
from dra_toolkit.errors import DRAError
from dra_toolkit.group_measures import correct_of
from dra_toolkit.groups import Array, GroupRecord, Mode
from dra_toolkit.inspection.replay.pieces import Histories, histories
from dra_toolkit.inspection.replay.run import replay_groups
from dra_toolkit.inspection.replay.settings import Changes
from dra_toolkit.runs import FileFacts, Run

MOST_SETTINGS = 8
MOST_STEPS = 12
"""Steps of a run that are looked at, evenly spread."""
MOST_COMPLETIONS = 8_192
"""Completions of a step that are looked at, whole generation batches at a time."""
BINS = 5
"""Stretches of a group's success rate."""
RARE = 0.25
"""Success rate of a group up to which a right completion is rare."""


@dataclass(kw_only=True)
class Outcome:
    """What one setting does, added up over groups; A is an advantage."""

    name: str
    """The setting, as recipe keys and values."""
    given: str
    """The setting as the address has it."""
    problem: str = ""
    """Why it cannot be replayed, if it cannot."""
    pairs: int = 0
    """Pairs of a right and a wrong completion of a group."""
    inverted: int = 0
    """Those of which the wrong one has the larger A: what a group says of right and wrong, turned round."""
    whole: float = 0.0
    """Sum of |A|."""
    copies: float = 0.0
    """Of it, on completions whose text another of their group has too."""
    rare: float = 0.0
    """Sum of A above 0 on right completions of groups in which at most a quarter is right."""
    encouraged: float = 0.0
    """Sum of A above 0 on right completions."""
    right: Array = field(default_factory=lambda: np.zeros(BINS))
    """(BINS,) sum of A of right completions by their group's success rate."""
    wrong: Array = field(default_factory=lambda: np.zeros(BINS))
    rights: Array = field(default_factory=lambda: np.zeros(BINS))
    """(BINS,) how many right completions there are."""
    wrongs: Array = field(default_factory=lambda: np.zeros(BINS))

    def add(self, record: GroupRecord, advantages: Array, correct: Array | None) -> None:
        """Take in one group. correct: (G,) 1, 0 or NaN."""
        size = np.abs(advantages)
        self.whole += float(size.sum())
        texts = record.group.completions
        self.copies += float(size[[texts.count(text) > 1 for text in texts]].sum())
        if correct is None or not np.isfinite(correct).any():
            return
        is_right, is_wrong = correct == 1, correct == 0
        gaps = advantages[is_right][:, None] - advantages[is_wrong][None, :]
        self.pairs += gaps.size
        self.inverted += int((gaps < 0).sum())
        rate = float(np.nanmean(correct))
        up = float(np.maximum(advantages[is_right], 0).sum())
        self.encouraged += up
        self.rare += up if rate <= RARE else 0.0
        place = min(BINS - 1, int(rate * BINS))
        self.right[place] += advantages[is_right].sum()
        self.rights[place] += is_right.sum()
        self.wrong[place] += advantages[is_wrong].sum()
        self.wrongs[place] += is_wrong.sum()


def candidates(facts: FileFacts, asked: str) -> list[str]:
    """Return the settings that are compared: as recorded, without the adjustment, common ones, and what is asked for."""
    own = facts.diversity.measure if facts.diversity.adjusts else "none"
    common = [f"diversity={name}" for name in ("none", "graph_cut", "facility_location", "mmr", "maxrl")]
    found = ["", *(given for given in common if given != f"diversity={own}")]
    found.append(f"{'diversity=graph_cut,' if own == 'none' else ''}diversity_preset=robust")
    return list(dict.fromkeys([*found, *([asked] if asked else [])]))[:MOST_SETTINGS]


def rank(run: Run, facts: FileFacts, mode: Mode, steps: Sequence[int], settings: Sequence[str]) -> list[Outcome]:
    """Return what each setting does over some steps, those that turn fewest pairs of right and wrong round first."""
    outcomes = [Outcome(name=given.replace(",", " ") or "as recorded", given=given) for given in settings]
    changes = [changes_from({"set": given}) for given in settings]
    earlier = functools.cache(functools.partial(histories, run, mode))
    for step in steps:
        records = _records(run, step, mode)
        for outcome, change in zip(outcomes, changes, strict=True):
            _add(outcome, change, records, facts, mode, earlier)
    return sorted(outcomes, key=lambda o: (bool(o.problem), o.inverted / o.pairs if o.pairs else 0.0))


def _add(
    outcome: Outcome, change: Changes, records: Sequence[GroupRecord], facts: FileFacts, mode: Mode, earlier: Histories
) -> None:
    try:
        settings, made = change.settings(facts, mode), change.estimator(facts)
        replayed = replay_groups(records, settings, made, correct_by=facts.correct_by, earlier=earlier)
    except DRAError as error:
        outcome.problem = error.problems[0]
        return
    for each in replayed:
        advantages = each.record.advantages if not outcome.given else each.advantages
        outcome.add(each.record, np.nan_to_num(advantages), correct_of(each.record, facts.correct_by))


def _records(run: Run, step: int, mode: Mode) -> list[GroupRecord]:
    """Return the first generation batches of a step, as many as are looked at."""
    found: list[GroupRecord] = []
    for record in run.groups(step=step, mode=mode):
        if sum(len(r.group) for r in found) >= MOST_COMPLETIONS and record.batch != found[-1].batch:
            break
        found.append(record)
    return found


_COLUMNS = (
    ("right below wrong", "pairs of a right and a wrong completion of which the wrong one is pushed higher"),
    ("|A| on copies", "share of the absolute advantage on texts that their group has more than once"),
    ("rare right", "share of the encouragement of right completions in groups of which at most a quarter is right"),
    ("mean |A|", "against the recorded one"),
)


def ranking_part(found: Sequence[Outcome], steps: Sequence[int], run: str) -> Markup:
    """Return several settings as a table, and the mean advantage of right and wrong by the group's success rate."""
    recorded = next((outcome.whole for outcome in found if not outcome.given), 0.0)
    rows = [(outcome, () if outcome.problem else _shares(outcome, recorded)) for outcome in found]
    where = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps from {steps[0]} to {steps[-1]}"
    figures = [_by_rate(outcome, run) for outcome in found if outcome.rights.any()]
    return part("what-if", "ranking", rows, where, _COLUMNS, figures)


def _shares(outcome: Outcome, recorded: float) -> tuple[float | None, ...]:
    """Return the numbers of the `_COLUMNS`."""
    parts = (outcome.inverted, outcome.copies, outcome.rare, outcome.whole)
    wholes = (outcome.pairs, outcome.whole, outcome.encouraged, recorded)
    return tuple(part / whole if whole else None for part, whole in zip(parts, wholes, strict=True))


def _by_rate(outcome: Outcome, run: str) -> Markup:
    """Return the mean advantage of right and of wrong completions by the success rate of their group."""
    middles = (np.arange(BINS) + 0.5) * 100 / BINS
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {"right": outcome.right / outcome.rights, "wrong": outcome.wrong / outcome.wrongs}
    inks = {"right": colour("up"), "wrong": colour("down")}
    lines = [Line(name=name, steps=middles, values=values, colour=inks[name]) for name, values in means.items()]
    drawing = curves(lines, y_title="mean advantage", x_title="success rate of the group, %", size=(380, 170))
    numbers = zip(middles.tolist(), *(values.tolist() for values in means.values()), strict=True)
    legend = line_key(*((line.name, line.colour, "") for line in lines))
    name = f"{run}-ranking-{outcome.given or 'recorded'}"
    return figure(outcome.name, drawing, rows=[["success_rate", *means], *numbers], name=name, legend=legend)
