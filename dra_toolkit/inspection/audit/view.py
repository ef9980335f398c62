"""An audit for the terminal, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from dra_toolkit.inspection.audit.measures import ENOUGH, THERE, WEAK, Agreement, Audited, verdict
from dra_toolkit.inspection.plain import plain
from dra_toolkit.inspection.terminal import table
from dra_toolkit.safe_text import visible

RULE = (
    f"the signal is there if the interval begins at {THERE} or above, weak from {WEAK}; "
    f"fewer than {ENOUGH} groups say nothing"
)


def heads(unit: str = "tokens") -> tuple[str, ...]:
    """Return the heads of the table."""
    return "embedder", "within", "between", "AUC", "95 % interval", "cut", "ms each", f"s / 1,000 {unit}"


def cells(found: Audited) -> list[str]:
    """Return one row of the table, as `heads` says."""
    return [
        visible(found.embedder, one_line=True),
        f"{found.within:.3f}",
        f"{found.between:.3f}",
        f"{found.auc:.3f}",
        "-" if np.isnan(found.low) else f"{found.low:.3f} to {found.high:.3f}",
        f"{100 * found.truncated:.0f} %",
        f"{1_000 * found.seconds:.2f}",
        f"{found.seconds_per_1000:.4f}",
    ]


def in_words(pair: Agreement) -> str:
    """Return how far two embedders agree, as one line."""
    names = f"{visible(pair.left, one_line=True)} and {visible(pair.right, one_line=True)}"
    if not pair.groups:
        return f"{names}: no group in which both rank redundancies"
    return f"{names} rank redundancy alike: Spearman {pair.spearman:.2f}, mean of {pair.groups} groups"


def audit_view(audited: Sequence[Audited], agreements: Sequence[Agreement]) -> RenderableType:
    """Return the table, a verdict for each embedder, and how far embedders agree."""
    first = audited[0]
    counts = (
        f"groups that tell something: {first.groups:,}, with {first.within_pairs:,} pairs of equal labels and "
        f"{first.between_pairs:,} of different ones; pairs of equal texts are left out"
    )
    lines = [
        Text(counts, "dim"),
        *(Text(f"{visible(found.embedder, one_line=True)}: {verdict(found)}") for found in audited),
        *(Text(in_words(each)) for each in agreements),
        Text(RULE, "dim"),
    ]
    columns = (head if head == "embedder" else f">{head}" for head in heads(first.unit))
    return Group(table(columns, map(cells, audited)), *lines)


def as_plain(audited: Sequence[Audited], agreements: Sequence[Agreement]) -> dict[str, Any]:
    """Return an audit as JSON can hold it."""
    rows = [{k: v for k, v in asdict(found).items() if k != "redundancies"} for found in audited]
    found = [{**row, "verdict": verdict(each)} for row, each in zip(rows, audited, strict=True)]
    result: dict[str, Any] = plain({"embedders": found, "agreement": [asdict(each) for each in agreements]})
    return result
