"""An audit for the terminal, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dra_toolkit.inspection.audit.measures import THERE, WEAK, Agreement, Audited, verdict
from dra_toolkit.inspection.plain import plain
from dra_toolkit.safe_text import visible

HEADS = ("embedder", "within", "between", "AUC", "95 % interval", "cut", "ms each", "s / 1,000 tokens")


def cells(found: Audited) -> list[str]:
    """Return one row of the table, as `HEADS` says."""
    return [
        visible(found.embedder, one_line=True),
        f"{found.within:.3f}",
        f"{found.between:.3f}",
        f"{found.auc:.3f}",
        f"{found.low:.3f} to {found.high:.3f}",
        f"{100 * found.truncated:.0f} %",
        f"{1_000 * found.seconds:.2f}",
        f"{found.seconds_per_1000_tokens:.4f}",
    ]


def audit_view(audited: Sequence[Audited], agreements: Sequence[Agreement]) -> RenderableType:
    """Return the table, a verdict for each embedder, and how far embedders agree."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True)
    for head in HEADS:
        table.add_column(head, justify="left" if head == "embedder" else "right", no_wrap=True)
    for found in audited:
        table.add_row(*cells(found))
    first = audited[0]
    counts = (
        f"{first.groups} groups tell something: {first.within_pairs:,} pairs with equal labels, {first.between_pairs:,} "
        "with different ones; pairs of equal texts are left out"
    )
    parts: list[RenderableType] = [table, Text(counts, "dim")]
    parts += [Text(f"{visible(found.embedder, one_line=True)}: {verdict(found)}") for found in audited]
    parts += [
        Text(
            f"{each.left} and {each.right} rank redundancy alike: Spearman {each.spearman:.2f} over {each.groups} groups"
        )
        for each in agreements
    ]
    parts.append(Text(f"the signal is there from a lower end of {THERE}, weak from {WEAK}", "dim"))
    return Group(*parts)


def as_plain(audited: Sequence[Audited], agreements: Sequence[Agreement]) -> dict[str, Any]:
    """Return an audit as JSON can hold it."""
    rows = [{k: v for k, v in asdict(found).items() if k != "redundancies"} for found in audited]
    found = [{**row, "verdict": verdict(each)} for row, each in zip(rows, audited, strict=True)]
    result: dict[str, Any] = plain({"embedders": found, "agreement": [asdict(each) for each in agreements]})
    return result
