"""One group as HTML, for notebooks and reports. Model text enters only through `safe_html`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from dra_toolkit.drawing.similarity_map import similarity_map
from dra_toolkit.group_outcomes import flipped, is_measured
from dra_toolkit.groups import GroupRecord
from dra_toolkit.safe_text import visible

CHARACTERS = 20_000
"""Of a text at most; the rest is counted."""


def group_html(record: GroupRecord) -> str:
    """Return a group as HTML without script, style sheet or anything fetched: numbers, similarity, texts."""
    return "".join(_parts(record))


def _parts(record: GroupRecord) -> Iterator[str]:
    batch = f", batch {record.batch}" if record.batch else ""
    yield f"<h3>{record.mode} step {record.step}, group {record.index}{batch}</h3>\n"
    if record.discard_reason:
        yield f"<p>discarded: {safe_html(record.discard_reason)}</p>\n"
    for message in record.group.prompt:
        yield f"<p>{safe_html(message.role)}</p><pre>{_cut(str(message))}</pre>\n"
    if record.group.gold is not None:
        yield f"<p>gold</p><pre>{_cut(record.group.gold)}</pre>\n"
    yield _numbers(record)
    if is_measured(record):
        drawn = similarity_map(record.adjustment.similarity)
        yield f'<details><summary>Similarity</summary><div style="max-width:24rem;font-size:10px">{drawn}</div></details>\n'
    for i in sorted(range(len(record.group)), key=lambda i: -record.advantages[i]):
        yield (
            f"<details open><summary>#{i}, advantage {_signed(record.advantages[i])}</summary>"
            f"<pre>{_cut(record.group.shown(i))}</pre></details>\n"
        )


def _numbers(record: GroupRecord) -> str:
    group, adjustment, changed = record.group, record.adjustment, flipped(record)
    heads = [
        "#",
        *(["verdict"] if group.verdicts else []),
        *group.rewards,
        "total",
        "redundancy",
        "weight",
        "adjusted",
        "plain",
        "trained",
        "flip",
        "tokens",
        "end",
    ]
    rows = []
    for i in range(len(group)):
        cells = [
            str(i),
            *(safe_html(verdict or "-") for verdict in (group.verdicts or ())[i : i + 1]),
            *(_number(values[i]) for values in group.rewards.values()),
            _number(adjustment.totals[i]),
            _number(adjustment.redundancy[i]),
            _number(adjustment.weights[i]),
            _number(adjustment.adjusted[i]),
            _number(record.plain_advantages[i]),
            _signed(record.advantages[i]),
            "±" if changed[i] else "",
            str(int(group.token_counts[i])),
            safe_html(group.finish_reasons[i]),
        ]
        rows.append(f"<tr>{''.join(f'<td>{value}</td>' for value in cells)}</tr>")
    return f"<table><tr>{''.join(f'<th>{safe_html(head)}</th>' for head in heads)}</tr>{''.join(rows)}</table>\n"


def _signed(value: Any) -> str:
    number = float(value)
    return f'<span class="{"up" if number > 0 else "down"}">{number:+.3f}</span>' if number else "0.000"


def _number(value: Any) -> str:
    return f"{float(value):.3f}" if np.isfinite(value) else "-"


def _cut(text: str) -> str:
    left = len(text) - CHARACTERS
    return safe_html(text[:CHARACTERS]) + (f"\n… {left:,} more characters" if left > 0 else "")


def safe_html(text: object) -> str:
    """Return text that no browser takes for anything else: escaped, and what shows nothing or turns the line spelt out."""
    return escape(visible(str(text)))
