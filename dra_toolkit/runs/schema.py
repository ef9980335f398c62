"""How groups are stored: one row for each completion, columns declared once, documented from here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import GroupRecord
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs.facts import FileFacts, as_metadata, stored_facts
from dra_toolkit.runs.kinds import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_PREFIX = "group_"
"""A group's measures stand in each of its rows under their names with this prefix."""
OLD_NAMES = {"group": "group_index"}
"""Column of version 1 -> what it is called since."""


Part = Literal["key", "number", "text", "group"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its type, what it means, and the value of a recorded group that it holds; it writes and reads itself."""

    name: str
    type: str
    """One of `KINDS`."""
    meaning: str
    field: str = ""
    """Where the value lives in memory, from GroupRecord down; empty for what is derived."""
    derived: Callable[[GroupRecord, str | None], Any] | None = None
    """Computes the value where it follows from others, given the reward function that tells right from wrong."""
    part: Part = "number"
    """What it belongs to when a run is compacted: to every table, to the numbers, to the texts, or to the groups."""
    per_group: bool = False
    """Whether the value holds for the whole group, and stands in each of its rows."""
    optional: bool = False
    """Whether the column is left out of a file in which it would hold nothing."""
    required: bool = False
    """Whether every version wrote it, so that a file without it is damaged; any other column may lack, and is null then."""

    @property
    def arrow_name(self) -> str:
        """What the documentation calls its type."""
        return self.type.removesuffix(" or null")

    def cells(self, record: GroupRecord, correct_by: str | None) -> Sequence[Any]:
        """Return what the G rows of a group hold."""
        value = self.derived(record, correct_by) if self.derived else attrgetter(self.field)(record)
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


def _key(name: str, type: str, field: str, meaning: str) -> Column:
    return Column(name=name, type=type, field=field, meaning=meaning, part="key", per_group=True, required=True)


def _number(name: str, field: str, meaning: str, type: str = "float64") -> Column:
    return Column(name=name, type=type, field=field, meaning=meaning, required=True)


COLUMNS = (
    _key("mode", "dictionary", "mode", "`train`, `eval`, or `discarded` before training"),
    _key("step", "int32", "step", "optimizer step that first uses the group, from 1"),
    _key("batch", "int32", "batch", "generation batch within the step, from 0"),
    _key("group_index", "int32", "index", "group within the batch, from 0"),
    Column(
        name="completion_index",
        type="int32",
        derived=lambda record, _: range(len(record.group)),
        part="key",
        required=True,
        meaning="completion within the group, from 0",
    ),
    Column(
        name="attempt",
        type="int32",
        field="attempt",
        per_group=True,
        required=True,
        meaning="which start of the run recorded it, from 1",
    ),
    Column(
        name="prompt_hash",
        type="dictionary",
        derived=lambda record, _: record.prompt_hash,
        per_group=True,
        required=True,
        meaning="identity of the prompt: 16 hex digits",
    ),
    Column(
        name="prompt",
        type="messages",
        field="group.prompt",
        part="text",
        per_group=True,
        required=True,
        meaning="messages of the prompt; role `text` if plain",
    ),
    Column(
        name="completion",
        type="string",
        field="group.completions",
        part="text",
        required=True,
        meaning="the text, without special tokens",
    ),
    Column(
        name="prompt_turns",
        type="turns",
        field="group.prompt",
        part="text",
        per_group=True,
        optional=True,
        meaning="the prompt once more with calls of tools, as JSON, and images, where it has any",
    ),
    Column(
        name="turns",
        type="turns",
        field="group.turns",
        part="text",
        optional=True,
        meaning="what was said in turn, by the policy and by tools, where that is more than one text",
    ),
    Column(
        name="gold",
        type="dictionary",
        field="group.gold",
        per_group=True,
        optional=True,
        meaning="the reference answer that the reward functions saw",
    ),
    Column(
        name="verdict",
        type="dictionary",
        field="group.verdicts",
        optional=True,
        meaning="what a judge said of it: `right`, `wrong`, or why it said neither",
    ),
    Column(
        name="answer",
        type="string",
        derived=lambda record, _: map(final_answer, record.group.completions),
        meaning="final answer: the last `\\boxed{...}` or `<answer>`, or null",
    ),
    _number("tokens", "group.token_counts", "tokens of the completion", "int32"),
    _number(
        "finish_reason",
        "group.finish_reasons",
        "`stop`: ended by itself; `length`: cut at the longest length allowed",
        "dictionary",
    ),
    _number("rewards", "group.rewards", "raw value of each reward function; null where it abstained", "rewards"),
    _number("total", "adjustment.totals", "weighted sum of the raw rewards"),
    _number(
        "similarity",
        "adjustment.similarity",
        "cosine similarity to the completions after it in the group: one row of the upper triangle",
        "list<float32>",
    ),
    _number("redundancy", "adjustment.redundancy", "what the group already says of it"),
    _number("weight", "adjustment.weights", "factor on the total"),
    _number("adjusted", "adjustment.adjusted", "total after the adjustment"),
    _number("advantage_plain", "plain_advantages", "advantage of the unadjusted totals"),
    _number("advantage", "advantages", "advantage that the trainer used"),
    Column(
        name="policy_tokens",
        type="int32",
        field="group.policy_tokens",
        optional=True,
        meaning="how many of the tokens the policy wrote, where tools wrote others",
    ),
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
        type="float64 or null",
        field="log_probs",
        optional=True,
        meaning="mean log-probability of its tokens when sampled, where the measure reads it",
    ),
    Column(
        name="discard_reason",
        type="dictionary",
        field="discard_reason",
        per_group=True,
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
            name=f"{GROUP_PREFIX}{measure.name}",
            type=measure.type,
            derived=measure,
            part="group",
            per_group=True,
            meaning=f"the group's {measure.meaning}",
        )
        for measure in GROUP_MEASURES.values()
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
        metadata=as_metadata(facts),
    )


def read_facts(schema: pa.Schema, where: str, columns: Collection[str] | None = None) -> FileFacts:
    """Return the facts of a file; raises RunError if it is not ours, of a newer version, or lacks what every file has.

    columns: those that stand in a file of this kind; None for a file of its own, which has all.
    """
    facts = stored_facts(schema, where)
    _check_columns(schema, facts, where, columns)
    return facts


def _check_columns(schema: pa.Schema, facts: FileFacts, where: str, columns: Collection[str] | None) -> None:
    """Raise RunError for a column that every version wrote and is missing, or one that is of another type."""
    there = {OLD_NAMES.get(name, name) if facts.version == 1 else name for name in schema.names}
    missing = {c.name for c in COLUMNS if c.required and (columns is None or c.name in columns)} - there
    if missing:
        raise RunError(f"{where}: torn: has no column {min(missing)}")
    types = _types(tuple(facts.reward_weights))
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
