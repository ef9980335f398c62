"""How groups are stored: one row for each completion, columns declared once, documented from here."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.errors import RunError
from dra_toolkit.runs.group_measures import ARROW_TYPES, MEANINGS

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 2
METADATA_KEY = b"dra"
GROUP_PREFIX = "group_"
"""A group's measures stand in each of its rows under their names with this prefix."""


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
    correct_by: str | None = None
    """The reward function that tells right from wrong: a completion is correct where it gives more than 0."""
    version: int = SCHEMA_VERSION
    """Version of this schema."""


Part = Literal["key", "number", "text", "group"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its Arrow type, what it means, and the field of the record that it holds."""

    name: str
    type: str
    meaning: str
    field: str
    """Where the value lives in memory, from GroupRecord down; empty for what is derived."""
    part: Part = "number"
    """What it belongs to when a run is compacted: to every table, to the numbers, to the texts, or to the groups."""
    optional: bool = False
    """Whether the column is left out of a file in which it would hold nothing."""


KEY = ("mode", "step", "batch", "group_index", "completion_index")
"""What a completion is known by; the first four are what a group is known by."""

COLUMNS = (
    Column(
        name="mode",
        type="dictionary",
        field="mode",
        part="key",
        meaning="`train`, `eval`, or `discarded` before training",
    ),
    Column(
        name="step", type="int32", field="step", part="key", meaning="optimizer step that first uses the group, from 1"
    ),
    Column(name="batch", type="int32", field="batch", part="key", meaning="generation batch within the step, from 0"),
    Column(name="group_index", type="int32", field="index", part="key", meaning="group within the batch, from 0"),
    Column(name="completion_index", type="int32", field="", part="key", meaning="completion within the group, from 0"),
    Column(name="attempt", type="int32", field="attempt", meaning="which start of the run recorded it, from 1"),
    Column(name="prompt_hash", type="dictionary", field="prompt_hash", meaning="identity of the prompt: 16 hex digits"),
    Column(
        name="prompt",
        type="messages",
        field="group.prompt",
        part="text",
        meaning="messages of the prompt; role `text` if plain",
    ),
    Column(
        name="completion",
        type="string",
        field="group.completions",
        part="text",
        meaning="the text, without special tokens",
    ),
    Column(
        name="answer", type="string", field="", meaning="final answer: the last `\\boxed{...}` or `<answer>`, or null"
    ),
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
    Column(
        name="bonus",
        type="float64",
        field="adjustment.bonus",
        optional=True,
        meaning="what the measure adds after the factor",
    ),
    Column(
        name="label",
        type="int32",
        field="labels",
        optional=True,
        meaning="which cluster of its group it belongs to, where the measure reads clusters",
    ),
    Column(
        name="log_prob",
        type="float64",
        field="log_probs",
        optional=True,
        meaning="mean log-probability of its tokens when sampled, where the measure reads it",
    ),
    Column(
        name="discard_reason",
        type="dictionary",
        field="discard_reason",
        optional=True,
        meaning="why the group was not trained on",
    ),
    Column(
        name="embedding",
        type="list<float16>",
        field="embeddings",
        part="text",
        optional=True,
        meaning="unit vector; only where asked for",
    ),
    *(
        Column(
            name=f"{GROUP_PREFIX}{name}", type=ARROW_TYPES[name], field="", part="group", meaning=f"the group's {said}"
        )
        for name, said in MEANINGS.items()
    ),
)
OPTIONAL = tuple(column.name for column in COLUMNS if column.optional)
GROUP_COLUMNS = tuple(column.name for column in COLUMNS if column.part == "group")


_KINDS = tuple(
    frozenset(column.name for column in COLUMNS if column.part in parts and not column.optional) - {left_out}
    for parts, left_out in (
        (("key", "number", "text", "group"), ""),
        (("key", "group"), "completion_index"),
        (("key", "number"), ""),
        (("key", "text"), ""),
    )
)
"""Columns that a file must have: that of a batch, and the three of a segment."""


def columns_of(*parts: Part) -> list[str]:
    """Return the names of the columns of some parts, in order."""
    return [column.name for column in COLUMNS if column.part in parts]


def arrow_schema(facts: FileFacts, *, optional: frozenset[str] = frozenset()) -> pa.Schema:
    """Return the Arrow schema of a file with these facts and, of the optional columns, those named."""
    import pyarrow as pa

    types = {
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "float64": pa.float64(),
        "string": pa.string(),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        "rewards": pa.struct([(name, pa.float64()) for name in facts.reward_weights]),
        "list<float32>": pa.list_(pa.float32()),
        "list<float16>": pa.list_(pa.float16()),
    }
    columns = [c for c in COLUMNS if not c.optional or c.name in optional]
    return pa.schema([(c.name, types[c.type]) for c in columns], metadata=as_metadata(facts))


def as_metadata(facts: FileFacts) -> dict[bytes, bytes]:
    """Return the facts as the metadata of a Parquet file."""
    return {METADATA_KEY: json.dumps(asdict(facts)).encode()}


def read_facts(schema: pa.Schema, where: str) -> FileFacts:
    """Return the facts of a file; raises RunError if it is not ours or of a newer version."""
    stored = (schema.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise RunError(f"{where}: not written by dra-toolkit")
    found = json.loads(stored)
    if found["version"] > SCHEMA_VERSION:
        raise RunError(
            f"{where}: schema version {found['version']}, this dra-toolkit reads up to {SCHEMA_VERSION}; update it"
        )
    known = {field.name for field in fields(FileFacts)}
    settings = _settings(found["diversity"], where)
    facts = FileFacts(**{**{k: v for k, v in found.items() if k in known}, "diversity": settings})
    if facts.version == SCHEMA_VERSION:
        _check_columns(schema, facts, where)
    return facts


def _check_columns(schema: pa.Schema, facts: FileFacts, where: str) -> None:
    """Raise RunError for a column that is missing or of another type: the footer, which no checksum guards, is damaged."""
    types, there = _types(tuple(facts.reward_weights)), set(schema.names)
    required = max(_KINDS, key=lambda kind: len(kind & there) / len(kind | (there & _KINDS[0])))
    for name in sorted(required - there):
        raise RunError(f"{where}: torn: has no column {name}")
    for field in schema:
        if field.name in types and field.type != types[field.name]:
            raise RunError(f"{where}: torn: the column {field.name} is {field.type}, expected {types[field.name]}")


@functools.cache
def _types(rewards: tuple[str, ...]) -> dict[str, pa.DataType]:
    facts = FileFacts(
        run="",
        reward_weights=dict.fromkeys(rewards, 1.0),
        scale_rewards="",
        diversity=DiversitySettings(),
        embedder="",
    )
    return {field.name: field.type for field in arrow_schema(facts, optional=frozenset(OPTIONAL))}


def _settings(stored: dict[str, Any], where: str) -> DiversitySettings:
    """Return the stored settings; one that an older file does not know of has its default, which changes nothing."""
    try:
        return DiversitySettings(**stored)
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{where}: has diversity settings that this dra-toolkit does not know ({error}); update it"
        ) from None
