"""The numbers of a group's completions as a table: the terminal, notebooks and reports show this one."""

from __future__ import annotations

from dra_toolkit.group_outcomes import flipped
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.terminal import number

TRAINED = "adv. trained"


def number_heads(record: GroupRecord) -> list[str]:
    """Return the heads of the columns."""
    verdict = ["verdict"] if record.group.verdicts else []
    told = ["total", "redund.", "weight", "adjusted", "adv. plain", TRAINED, "flip", "tokens", "end"]
    return ["#", *verdict, *record.group.rewards, *told]


def number_rows(record: GroupRecord) -> list[list[str]]:
    """Return a row for each completion; what a model or judge wrote in it is not yet made harmless."""
    group, adjustment, changed = record.group, record.adjustment, flipped(record)
    verdicts = group.verdicts or ()
    return [
        [
            str(i),
            *(verdict or "-" for verdict in verdicts[i : i + 1]),
            *(number(values[i], 2) for values in group.rewards.values()),
            number(adjustment.totals[i], 2),
            number(adjustment.redundancy[i], 2),
            number(adjustment.weights[i]),
            number(adjustment.adjusted[i]),
            number(record.plain_advantages[i]),
            signed(record.advantages[i]),
            "±" if changed[i] else "",
            str(int(group.token_counts[i])),
            group.finish_reasons[i],
        ]
        for i in range(len(group))
    ]


def signed(value: float) -> str:
    """Return an advantage with its sign."""
    return f"{value:+.3f}"


def place_of(record: GroupRecord) -> str:
    """Return where a group stands: its mode, step and number, and the batch unless it is the first."""
    batch = f" of batch {record.batch}" if record.batch else ""
    return f"{record.mode} step {record.step}, group {record.index}{batch}"


def by_advantage(record: GroupRecord) -> list[int]:
    """Return the completions, the most encouraged first."""
    return sorted(range(len(record.group)), key=lambda i: -record.advantages[i])
