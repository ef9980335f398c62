"""How the numbers of a group are told, in HTML and in the terminal: a row for each completion, signs, places."""

from collections.abc import Callable
from typing import Any

from dra_toolkit.group_measures import answers_of, flipped
from dra_toolkit.groups import GroupRecord
from dra_toolkit.inspection.terminal import number


def number_heads(record: GroupRecord) -> list[str]:
    """Return the heads of the columns."""
    verdict = ["verdict"] if record.group.verdicts else []
    told = ["total", "redund.", "weight", "adjusted", "adv. plain", "adv. trained", "flip", "tokens", "end"]
    return ["#", *verdict, *record.group.rewards, *told]


def number_rows(record: GroupRecord, advantage: Callable[[float], Any], shown: Callable[[str], Any]) -> list[list[Any]]:
    """Return a row for each completion; `advantage` and `shown`, which makes harmless what a model wrote, make the cells."""
    group, adjustment, changed = record.group, record.adjustment, flipped(record)
    verdicts = group.verdicts or ()
    coarse = (*group.rewards.values(), adjustment.totals, adjustment.redundancy)
    fine = (adjustment.weights, adjustment.adjusted, record.plain_advantages)
    return [
        [
            shown(str(i)),
            *(shown(verdict or "-") for verdict in verdicts[i : i + 1]),
            *(shown(number(values[i], 2)) for values in coarse),
            *(shown(number(values[i])) for values in fine),
            advantage(record.advantages[i]),
            *map(shown, ("±" if changed[i] else "", str(int(group.token_counts[i])), group.finish_reasons[i])),
        ]
        for i in range(len(group))
    ]


def answers_told(record: GroupRecord) -> str:
    """Return of how many completions the final answer could be read, and how many of these differ."""
    if record.group.texts_dropped:
        return "answers not kept"
    read = answers_of(record)
    return f"answers read {len(read)} of {len(record.group)}" + (f", {len(set(read))} different" if read else "")


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
