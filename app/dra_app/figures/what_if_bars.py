"""Recorded against what if, as bars by completion."""

from __future__ import annotations

from dra_app.data.group_detail import GroupView, known
from dra_app.data.what_if_results import GroupWhatIf
from dra_app.figures.group_bars import pairs


def advantages(view: GroupView, found: GroupWhatIf, name: str) -> str:
    """Return the advantages as trained and as they would have been, flips marked."""
    after = found.replayed.advantages
    return pairs(
        view,
        f"{name}-what-if-advantages",
        "Advantage: as trained and what if",
        "advantage",
        (
            ("trained", "as trained", lambda c: c.advantage),
            ("what-if", "what if", lambda c: known(float(after[c.index]))),
        ),
        marked=lambda c: c.advantage * float(after[c.index]) < 0,
        mark_said="sign flipped",
    )


def totals(view: GroupView, found: GroupWhatIf, name: str) -> str:
    """Return the rewards: raw, adjusted as recorded, and adjusted as they would have been."""
    after = found.replayed.adjustment.adjusted
    return pairs(
        view,
        f"{name}-what-if-rewards",
        "Reward: raw, adjusted, what if",
        "total reward",
        (
            ("raw", "raw", lambda c: c.total),
            ("adjusted", "adjusted", lambda c: c.adjusted),
            ("what-if", "what if", lambda c: known(float(after[c.index]))),
        ),
    )
