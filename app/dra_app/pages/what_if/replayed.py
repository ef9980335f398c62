"""What other settings would have made of a group, beside what was recorded, and how much of it that changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from dra_app.group_figures import Series, map_figure, pairs
from dra_app.group_view import known, view_of
from dra_app.templates import part
from dra_toolkit.diversity import DiversitySettings, Estimator
from dra_toolkit.drawing.number_columns import aligned
from dra_toolkit.drawing.numbers import percent, short
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.replay.differences import ChangedGroup, Differences, Sums
from dra_toolkit.inspection.replay.pieces import histories
from dra_toolkit.inspection.replay.run import ReplayedGroup, piece_of_records, replay_groups
from dra_toolkit.inspection.replay.settings import Changes
from dra_toolkit.runs import FileFacts, Run

_HEADS = ("#", "advantage", "→", "change", "flip", "reward", "weight", "→", "adjusted", "→")


@dataclass(frozen=True, kw_only=True)
class GroupWhatIf:
    """One group under other settings, beside what was recorded."""

    record: GroupRecord
    replayed: ReplayedGroup
    sums: Sums


def group_what_if(run: Run, record: GroupRecord, facts: FileFacts, changes: Changes) -> GroupWhatIf:
    """Recompute one group; its whole generation batch where the settings compare across groups."""
    settings, made = changes.settings(facts, record.mode), changes.estimator(facts)
    records = [record]
    if needs_batch(settings, made):
        records = [r for r in run.groups(step=record.step, mode=record.mode) if r.batch == record.batch]
    earlier = partial(histories, run, record.mode)
    replayed = replay_groups(records, settings, made, correct_by=facts.correct_by, earlier=earlier)
    mine = next(r for r in replayed if r.record.index == record.index)
    differences = Differences(top=0)
    differences.add(piece_of_records([record], settings), mine.adjustment.adjusted, mine.advantages, made)
    return GroupWhatIf(record=record, replayed=mine, sums=differences.total())


def needs_batch(settings: DiversitySettings, made: Estimator) -> bool:
    """Return whether the advantages of a group depend on the other groups of its generation batch."""
    return made.scope == "batch" or (settings.adjusts and settings.scope != "group")


def tiles(title: str, sums: Sums, note: str, most: Sequence[ChangedGroup] = ()) -> Markup:
    """Return what changed as a row of numbers. most: groups that change most, to go to."""
    each = max(1, sums.completions)
    mean, recorded = short(sums.replayed / each), f"recorded {short(sums.recorded / each)}"
    flips, swaps = (_share(*pair) for pair in ((sums.flips, sums.completions), (sums.rank_swaps, sums.pairs)))
    facts = (
        ("sign flips", f"{sums.flips:,}", flips, "completions pushed the other way"),
        ("rank swaps", f"{sums.rank_swaps:,}", swaps, "pairs of a group ranked the other way"),
        ("gradient moved", percent(sums.moved_share), "", "sum of |A' - A| over sum of |A|"),
        ("by tokens", percent(sums.moved_share_tokens), "", "the same, each completion weighted by its tokens"),
        ("mean |A|", mean, recorded, "mean absolute advantage"),
    )
    return part("what-if", "tiles", title, facts, note, most)


def _share(share: int, whole: int) -> str:
    return f"{percent(share / whole)} of {whole:,}" if whole else ""


def group_tiles(found: GroupWhatIf) -> Markup:
    """Return what the settings asked for change in the group."""
    record = found.record
    place = f"group {record.index}" if not record.batch else f"batch {record.batch}, group {record.index}"
    return tiles(f"Step {record.step}, {place}", found.sums, f"{len(record.group)} completions")


def figures_parts(found: GroupWhatIf, name: str) -> dict[str, str]:
    """Return the bars, the numbers by completion and the similarity map, apart: what did not change is left as it is."""
    view = view_of(found.record)
    then, adjusted = found.replayed.advantages, found.replayed.adjustment.adjusted
    name = f"{name}-what-if"
    advantages: tuple[Series, ...] = (
        ("trained", "as trained", lambda c: c.advantage),
        ("what-if", "what if", lambda c: known(float(then[c.index]))),
    )
    totals: tuple[Series, ...] = (
        ("raw", "raw", lambda c: c.total),
        ("adjusted", "adjusted", lambda c: c.adjusted),
        ("what-if", "what if", lambda c: known(float(adjusted[c.index]))),
    )
    title = "Advantage: as trained and what if"
    bars = (
        pairs(
            view, f"{name}-advantages", title, "advantage", advantages, lambda c: c.advantage * float(then[c.index]) < 0
        ),
        pairs(view, f"{name}-rewards", "Reward: raw, adjusted, what if", "total reward", totals),
    )
    return {
        "figures": part("what-if", "bars", bars),
        "table": part("what-if", "completions", _HEADS, _rows(found)),
        "map": map_figure(view, name, compares=False),
    }


def _rows(found: GroupWhatIf) -> list[tuple[int, bool, tuple[str, ...]]]:
    """Return the completions by their new advantage: which, whether its sign flips, its numbers before and after."""
    record, after = found.record, found.replayed
    order = (-after.advantages).argsort(kind="stable")
    was, then = record.advantages[order], after.advantages[order]
    before, now = record.adjustment, after.adjustment
    numbers = (before.totals, before.weights, now.weights, before.adjusted, now.adjusted)
    columns = [aligned(values.tolist(), plus=True) for values in (was, then, then - was)]
    columns += [aligned(values[order].tolist()) for values in numbers]
    flips = (was * then < 0).tolist()
    return list(zip(order.tolist(), flips, zip(*columns, strict=True), strict=True))
