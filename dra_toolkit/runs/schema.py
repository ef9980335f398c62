"""How groups are stored: one row for each completion, columns declared once, documented from here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.errors import RunError
from dra_toolkit.groups import Adjustment, CompletionGroup, GroupRecord, Message

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
METADATA_KEY = b"dra"


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What holds for every group of a file, and lets it be replayed alone; stored as JSON in its metadata."""

    run: str
    """Name of the run."""
    reward_weights: dict[str, float]
    """Factor of each reward function in the total."""
    scale_rewards: str
    """How advantages were scaled: group, batch or none."""
    diversity: DiversitySettings
    """How rewards were adjusted."""
    embedder: str
    """What the similarity was measured with."""
    version: int = SCHEMA_VERSION
    """Version of this schema."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its Arrow type, what it means, and the field of the record that it holds."""

    name: str
    type: str
    meaning: str
    field: str
    """Where the value lives in memory, from GroupRecord down; empty for what order alone says."""


COLUMNS = (
    Column(name="mode", type="dictionary", field="mode", meaning="`train` or `eval`"),
    Column(name="step", type="int32", field="step", meaning="optimizer step that first uses the group, from 1"),
    Column(name="batch", type="int32", field="batch", meaning="generation batch within the step, from 0"),
    Column(name="group", type="int32", field="index", meaning="group within the batch, from 0"),
    Column(name="completion_index", type="int32", field="", meaning="completion within the group, from 0"),
    Column(name="attempt", type="int32", field="attempt", meaning="which start of the run recorded it, from 1"),
    Column(name="prompt_hash", type="dictionary", field="prompt_hash", meaning="identity of the prompt: 16 hex digits"),
    Column(
        name="prompt", type="messages", field="group.prompt", meaning="messages of the prompt; role `text` if plain"
    ),
    Column(name="completion", type="string", field="group.completions", meaning="the text, without special tokens"),
    Column(name="tokens", type="int32", field="group.token_counts", meaning="tokens of the completion"),
    Column(
        name="finish_reason",
        type="dictionary",
        field="group.finish_reasons",
        meaning="`stop`: ended by itself; `length`: cut at the longest length allowed",
    ),
    Column(
        name="rewards",
        type="rewards",
        field="group.rewards",
        meaning="raw value of each reward function; null where it abstained",
    ),
    Column(name="total", type="float64", field="adjustment.totals", meaning="weighted sum of the raw rewards"),
    Column(
        name="similarity",
        type="list<float32>",
        field="adjustment.similarity",
        meaning="cosine similarity to the completions after it in the group: one row of the upper triangle",
    ),
    Column(
        name="redundancy", type="float64", field="adjustment.redundancy", meaning="what the group already says of it"
    ),
    Column(name="weight", type="float64", field="adjustment.weights", meaning="factor on the total"),
    Column(name="adjusted", type="float64", field="adjustment.adjusted", meaning="total after the adjustment"),
    Column(
        name="advantage_plain", type="float64", field="plain_advantages", meaning="advantage of the unadjusted totals"
    ),
    Column(name="advantage", type="float64", field="advantages", meaning="advantage that the trainer used"),
    Column(name="embedding", type="list<float16>", field="embeddings", meaning="unit vector; only where asked for"),
)


REPEATED_COLUMNS = ["mode", "prompt_hash", "finish_reason", "prompt.list.element.role", "prompt.list.element.content"]
"""Columns, by their Parquet paths, whose values repeat within a file, so that a dictionary makes them small."""


def arrow_schema(facts: FileFacts, *, with_embeddings: bool) -> pa.Schema:
    """Return the Arrow schema of a file with these facts."""
    import pyarrow as pa

    types = {
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
        "int32": pa.int32(),
        "float64": pa.float64(),
        "string": pa.string(),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        "rewards": pa.struct([(name, pa.float64()) for name in facts.reward_weights]),
        "list<float32>": pa.list_(pa.float32()),
        "list<float16>": pa.list_(pa.float16()),
    }
    columns = [c for c in COLUMNS if with_embeddings or c.name != "embedding"]
    metadata = {METADATA_KEY: json.dumps(asdict(facts)).encode()}
    return pa.schema([(c.name, types[c.type]) for c in columns], metadata=metadata)


def read_facts(schema: pa.Schema, where: str) -> FileFacts:
    """Return the facts of a file; raises RunError if it is not ours or of a newer version."""
    stored = (schema.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise RunError(f"{where}: not written by dra-toolkit")
    facts = json.loads(stored)
    if facts["version"] > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {facts['version']}, this dra-toolkit reads up to {SCHEMA_VERSION}; update it"
        )
    return FileFacts(**{**facts, "diversity": DiversitySettings(**facts["diversity"])})


def to_table(records: Sequence[GroupRecord], facts: FileFacts) -> pa.Table:
    """Return the rows of some groups, in order."""
    import pyarrow as pa

    schema = arrow_schema(facts, with_embeddings=records[0].embeddings is not None)
    rows = [row for record in records for row in _rows(record)]
    columns = {name: [row[name] for row in rows] for name in schema.names}
    try:
        return pa.table(columns, schema=schema)
    except UnicodeEncodeError:  # a lone surrogate: not text that UTF-8 can hold
        columns["completion"] = [_replace_surrogates(text) for text in columns["completion"]]
        columns["prompt"] = [[{k: _replace_surrogates(v) for k, v in m.items()} for m in p] for p in columns["prompt"]]
        return pa.table(columns, schema=schema)


def _replace_surrogates(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _rows(record: GroupRecord) -> Iterator[dict[str, Any]]:
    group, adjustment = record.group, record.adjustment
    prompt = [{"role": message.role, "content": message.content} for message in group.prompt]
    shared = {
        "mode": record.mode,
        "step": record.step,
        "batch": record.batch,
        "group": record.index,
        "attempt": record.attempt,
        "prompt_hash": record.prompt_hash,
        "prompt": prompt,
    }
    for i in range(len(group)):
        yield {
            **shared,
            "completion_index": i,
            "completion": group.completions[i],
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
            "embedding": None if record.embeddings is None else record.embeddings[i].astype(np.float16),
        }


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def from_table(table: pa.Table, facts: FileFacts) -> Iterator[GroupRecord]:
    """Yield the groups of a table whose rows are in the order in which they were written."""
    identity = list(zip(*(table.column(name).to_pylist() for name in ("mode", "step", "batch", "group")), strict=True))
    starts = [i for i in range(len(identity)) if i == 0 or identity[i] != identity[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(identity)], strict=True):
        yield _record(table.slice(start, end - start), facts)


def _record(rows: pa.Table, facts: FileFacts) -> GroupRecord:
    def column(name: str) -> list[Any]:
        return rows.column(name).to_pylist()

    def numbers(name: str) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in column(name)], dtype=np.float64)

    rewards = column("rewards")
    G = len(rewards)
    similarity = np.eye(G, dtype=np.float32)
    for i, row in enumerate(column("similarity")):
        similarity[i, i + 1 :] = row
        similarity[i + 1 :, i] = row
    has_embeddings = "embedding" in rows.column_names
    return GroupRecord(
        mode=column("mode")[0],
        step=column("step")[0],
        batch=column("batch")[0],
        index=column("group")[0],
        attempt=column("attempt")[0],
        group=CompletionGroup(
            prompt=tuple(Message(**message) for message in column("prompt")[0]),
            completions=tuple(column("completion")),
            token_counts=np.array(column("tokens"), dtype=np.int32),
            finish_reasons=tuple(column("finish_reason")),
            rewards={
                name: np.array([np.nan if r[name] is None else r[name] for r in rewards])
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
        ),
        plain_advantages=numbers("advantage_plain"),
        advantages=numbers("advantage"),
        embeddings=np.array(column("embedding"), dtype=np.float32) if has_embeddings else None,
    )
