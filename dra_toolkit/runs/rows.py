"""Groups in memory as rows of a table, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.groups import Adjustment, CompletionGroup, GroupRecord, Message
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs.group_measures import GroupMeasures, measure_group
from dra_toolkit.runs.schema import GROUP_PREFIX, OPTIONAL, FileFacts, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa


def to_table(records: Sequence[GroupRecord], facts: FileFacts) -> pa.Table:
    """Return the rows of some groups, in order."""
    import pyarrow as pa

    rows = [row for record in records for row in _rows(record, facts)]
    held = {name for name in OPTIONAL if any(row[name] is not None for row in rows)}
    schema = arrow_schema(facts, optional=frozenset(held))
    columns = {name: [row[name] for row in rows] for name in schema.names}
    try:
        return pa.table(columns, schema=schema)
    except UnicodeEncodeError:  # a lone surrogate: not text that UTF-8 can hold
        for name in ("completion", "answer"):
            columns[name] = [text and _replace_surrogates(text) for text in columns[name]]
        columns["prompt"] = [[{k: _replace_surrogates(v) for k, v in m.items()} for m in p] for p in columns["prompt"]]
        return pa.table(columns, schema=schema)


def _replace_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _rows(record: GroupRecord, facts: FileFacts) -> Iterator[dict[str, Any]]:
    group, adjustment = record.group, record.adjustment
    measures = measure_group(record, facts.correct_by)
    shared = {
        "mode": record.mode,
        "step": record.step,
        "batch": record.batch,
        "group_index": record.index,
        "attempt": record.attempt,
        "prompt_hash": record.prompt_hash,
        "prompt": [{"role": message.role, "content": message.content} for message in group.prompt],
        "discard_reason": record.discard_reason,
        **{f"{GROUP_PREFIX}{f.name}": getattr(measures, f.name) for f in fields(GroupMeasures)},
    }
    for i in range(len(group)):
        yield {
            **shared,
            "completion_index": i,
            "completion": group.completions[i],
            "answer": final_answer(group.completions[i]),
            "tokens": int(group.token_counts[i]),
            "finish_reason": group.finish_reasons[i],
            "rewards": {name: _none_if_nan(values[i]) for name, values in group.rewards.items()},
            "total": float(adjustment.totals[i]),
            "similarity": np.asarray(adjustment.similarity[i, i + 1 :], dtype=np.float32),
            "redundancy": float(adjustment.redundancy[i]),
            "weight": float(adjustment.weights[i]),
            "adjusted": float(adjustment.adjusted[i]),
            "advantage_plain": float(record.plain_advantages[i]),
            "advantage": float(record.advantages[i]),
            "bonus": None if adjustment.bonus is None else float(adjustment.bonus[i]),
            "label": None if record.labels is None else int(record.labels[i]),
            "log_prob": None if record.log_probs is None else _none_if_nan(record.log_probs[i]),
            "embedding": None if record.embeddings is None else record.embeddings[i].astype(np.float16),
        }


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def from_table(table: pa.Table, facts: FileFacts) -> Iterator[GroupRecord]:
    """Yield the groups of a table whose rows are in the order in which they were written."""
    index = "group" if facts.version == 1 else "group_index"
    identity = list(zip(*(table.column(name).to_pylist() for name in ("mode", "step", "batch", index)), strict=True))
    starts = [i for i in range(len(identity)) if i == 0 or identity[i] != identity[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(identity)], strict=True):
        yield _record(table.slice(start, end - start), facts, index)


def _record(rows: pa.Table, facts: FileFacts, index: str) -> GroupRecord:
    def column(name: str) -> list[Any]:
        return rows.column(name).to_pylist()

    def numbers(name: str) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in column(name)], dtype=np.float64)

    def optional(name: str) -> list[Any] | None:
        known = name in rows.column_names and rows.column(name).null_count < len(rows)
        return column(name) if known else None

    def optional_numbers(name: str) -> np.ndarray | None:
        return None if optional(name) is None else numbers(name)

    rewards = column("rewards")
    G = len(rewards)
    similarity = np.eye(G, dtype=np.float32)
    for i, row in enumerate(column("similarity")):
        similarity[i, i + 1 :] = row
        similarity[i + 1 :, i] = row
    embeddings, reasons, labels = optional("embedding"), optional("discard_reason"), optional("label")
    return GroupRecord(
        mode=column("mode")[0],
        step=column("step")[0],
        batch=column("batch")[0],
        index=column(index)[0],
        attempt=column("attempt")[0],
        group=CompletionGroup(
            prompt=tuple(Message(**message) for message in column("prompt")[0]),
            completions=tuple(column("completion")),
            token_counts=np.array(column("tokens"), dtype=np.int32),
            finish_reasons=tuple(column("finish_reason")),
            rewards={
                name: np.array([np.nan if r[name] is None else r[name] for r in rewards], dtype=np.float64)
                for name in facts.reward_weights
            },
            reward_weights=facts.reward_weights,
        ),
        adjustment=Adjustment(
            similarity=similarity,
            redundancy=numbers("redundancy"),
            weights=numbers("weight"),
            totals=numbers("total"),
            adjusted=numbers("adjusted"),
            bonus=optional_numbers("bonus"),
        ),
        plain_advantages=numbers("advantage_plain"),
        advantages=numbers("advantage"),
        embeddings=None if embeddings is None else np.array(embeddings, dtype=np.float32),
        labels=None if labels is None else np.array(labels, dtype=np.int64),
        log_probs=optional_numbers("log_prob"),
        discard_reason=reasons[0] if reasons else None,
    )


def of_this_version(table: pa.Table, facts: FileFacts) -> pa.Table:
    """Return a table as this version writes it, however old its file."""
    return table if facts.version == FileFacts.version else to_table(list(from_table(table, facts)), _renewed(facts))


def _renewed(facts: FileFacts) -> FileFacts:
    from dataclasses import replace

    return replace(facts, version=FileFacts.version)
