"""How groups are stored: one row for each completion, columns declared once, documented from here.

What holds for every group of a file stands in the file itself, so that it can be read alone.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, cast

from dra_toolkit.diversity import DiversitySettings, Estimator, Scaling, estimator_of
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import GroupRecord
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs.kinds import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 2
METADATA_KEY = b"dra"
GROUP_PREFIX = "group_"
"""A group's measures stand in each of its rows under their names with this prefix."""
OLD_NAMES = {"group": "group_index"}
"""Column of version 1 -> what it is called since."""

Part = Literal["key", "number", "text", "group"]
Derived = Callable[[GroupRecord, str | None], Any]
"""Computes a value of a group, given the reward function that tells right from wrong."""


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What holds for every group of a file, and lets it be replayed alone; stored as JSON in its metadata."""

    run: str
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
    estimator: Estimator | None = None
    """How advantages were made of the totals, where `scale_rewards` does not say it: TRL's otherwise."""
    record_texts: float = 1.0
    """Share of the groups whose texts are kept when files are joined."""
    version: int = SCHEMA_VERSION

    @property
    def made(self) -> Estimator:
        """How advantages were made of the totals."""
        return self.estimator or estimator_of(cast(Scaling, self.scale_rewards))


@dataclass(frozen=True)
class Column:
    """One column: its type, what it means, and the value of a recorded group that it holds; it writes and reads itself."""

    name: str
    type: str
    """One of `KINDS`."""
    source: str | Derived
    """Where the value lives in memory, from GroupRecord down, or what computes it where it follows from others."""
    meaning: str
    part: Part = "number"
    """What it belongs to when a run is compacted: to every table, to the numbers, to the texts, or to the groups."""
    per_group: bool = False
    """Whether the value holds for the whole group, and stands in each of its rows."""
    optional: bool = False
    """Whether the column is left out of a file in which it would hold nothing."""
    required: bool = False
    """Whether every version wrote it, so that a file without it is damaged; any other column may lack, and is null then."""

    @property
    def field(self) -> str:
        """Where the value lives in memory; empty for what is derived."""
        return self.source if isinstance(self.source, str) else ""

    def cells(self, record: GroupRecord, correct_by: str | None) -> Sequence[Any]:
        """Return what the G rows of a group hold."""
        source = self.source
        value = attrgetter(source)(record) if isinstance(source, str) else source(record, correct_by)
        kind = KINDS[self.type]
        if value is None or self.per_group:
            return [None if value is None else kind.to_cell(value)] * len(record.group)
        return kind.to_cells(value)

    def value(self, rows: pa.Table) -> Any:
        """Return the value in memory of the rows of one group; None if they hold nothing."""
        if self.name not in rows.column_names:
            return None
        cells, kind = rows[self.name].to_pylist(), KINDS[self.type]
        if self.optional and all(cell is None for cell in cells):
            return None
        return kind.from_cell(cells[0]) if self.per_group else kind.from_cells(cells)


KEY = ("mode", "step", "batch", "group_index", "completion_index")
"""What a completion is known by."""
GROUP_KEY = KEY[:-1]
"""What a group is known by."""

_DERIVED: dict[str, Derived] = {
    "place": lambda record, _: range(len(record.group)),
    "prompt_hash": lambda record, _: record.prompt_hash,
    "answer": lambda record, _: map(final_answer, record.group.completions),
}

_DECLARED = json.loads(resources.files("dra_toolkit.runs").joinpath("columns.json").read_text(encoding="utf-8"))
COLUMNS = (
    *(Column(**{**said, "source": _DERIVED.get(said["source"], said["source"])}) for said in _DECLARED),
    *(
        Column(f"{GROUP_PREFIX}{m.name}", m.type, m, f"the group's {m.meaning}", "group", per_group=True)
        for m in GROUP_MEASURES.values()
    ),
)
OPTIONAL = tuple(column.name for column in COLUMNS if column.optional)
KNOWN = frozenset(column.name for column in COLUMNS) | set(OLD_NAMES)


def columns_of(*parts: Part, there: Collection[str] | None = None) -> list[str]:
    """Return the names of the columns of some parts, in order; of those that are there, where it is said."""
    return [c.name for c in COLUMNS if c.part in parts and (there is None or c.name in there)]


def arrow_schema(facts: FileFacts, *, optional: frozenset[str] = frozenset()) -> pa.Schema:
    """Return the Arrow schema of a file with these facts and, of the optional columns, those named."""
    import pyarrow as pa

    rewards = pa.struct([(name, pa.float64()) for name in facts.reward_weights])
    columns = [c for c in COLUMNS if not c.optional or c.name in optional]
    return pa.schema(
        [(c.name, rewards if c.type == "rewards" else KINDS[c.type].arrow(pa)) for c in columns],
        metadata={METADATA_KEY: json.dumps(asdict(facts)).encode()},
    )


def read_facts(schema: pa.Schema, where: str, columns: Collection[str] | None = None) -> FileFacts:
    """Return the facts of a file; raises RunError if it is not ours, of a newer version, or lacks what every file has.

    columns: those that stand in a file of this kind; None for a file of its own, which has all.
    """
    stored = (schema.metadata or {}).get(METADATA_KEY)
    if stored is None:
        raise RunError(f"{where}: not written by dra-toolkit")
    try:
        facts = _facts_of(stored)
    except RunError as error:
        raise RunError(f"{where}: {error}") from None
    _check_columns(schema, facts, where, columns)
    return facts


@functools.lru_cache(maxsize=64)  # thousands of files say the same: one object for all
def _facts_of(stored: bytes) -> FileFacts:
    found = json.loads(stored)
    if found["version"] > SCHEMA_VERSION:
        raise RunError(f"schema version {found['version']}, this dra-toolkit reads up to {SCHEMA_VERSION}; update it")
    known = {field.name for field in fields(FileFacts)}
    kept = {key: value for key, value in found.items() if key in known}
    try:  # a setting that an older file does not know of has its default, which changes nothing
        kept["diversity"] = DiversitySettings(**found["diversity"])
        kept["estimator"] = Estimator(**found["estimator"]) if found.get("estimator") else None
    except (TypeError, ValueError) as error:
        raise RunError(f"has settings that this dra-toolkit does not know ({error}); update it") from None
    return FileFacts(**kept)


def _check_columns(schema: pa.Schema, facts: FileFacts, where: str, columns: Collection[str] | None) -> None:
    """Raise RunError for a column that every version wrote and is missing, or one that is of another type."""
    there = {OLD_NAMES.get(name, name) if facts.version == 1 else name for name in schema.names}
    missing = {c.name for c in COLUMNS if c.required and (columns is None or c.name in columns)} - there
    if missing:
        raise RunError(f"{where}: torn: has no column {min(missing)}")
    if later := set(OLD_NAMES.values()).intersection(schema.names if facts.version == 1 else ()):
        raise RunError(f"{where}: torn: says version 1, which had no column {min(later)}")
    types = _types(tuple(facts.reward_weights))
    for field in schema:
        if field.name in types and field.type != types[field.name]:
            raise RunError(f"{where}: torn: the column {field.name} is {field.type}, expected {types[field.name]}")


@functools.cache
def _types(rewards: tuple[str, ...]) -> dict[str, pa.DataType]:
    weights = dict.fromkeys(rewards, 1.0)
    facts = FileFacts(run="", reward_weights=weights, scale_rewards="", diversity=DiversitySettings(), embedder="")
    return {field.name: field.type for field in arrow_schema(facts, optional=frozenset(OPTIONAL))}
