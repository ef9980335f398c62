"""Completions that contain a text or match a regular expression."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import VERDICTS
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.selection import Selection, require_unicode
from dra_toolkit.inspection.text_index import Steps, build_later, needed_by, steps_that_may_hold
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.runs import Run
from dra_toolkit.runs.names import quoted_name
from dra_toolkit.safe_text import first_line

AROUND = 60
"""Characters shown on either side of what was found."""
MOST_FOUND = 240
"""Characters shown of what was found."""
MOST_LISTED = 4_096
"""Steps that are listed one by one in SQL."""
_SAID = "concat_ws(chr(10), t.content, t.calls)"
"""What a message of a completion says: its text and its calls."""
KEYS = "mode, step, batch, group_index"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A text, or a regular expression as RE2 reads it; only in right, or wrong, completions where `correct` says so."""

    text: str
    is_regex: bool = False
    ignore_case: bool = False
    correct: bool | None = None

    def __post_init__(self) -> None:
        if not self.text:
            raise RunError("search: expected a text, found an empty one")
        require_unicode(self.text, "search")
        if self.is_regex:
            _require_expression(self.text)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One completion in which the text was found: what stands before and after the first place, and how often it was found.

    turn: which message of the completion it is in, from 0, and who speaks there; None where it was one text.
    """

    mode: Mode
    step: int
    batch: int
    group: int
    completion: int
    before: str
    found: str
    after: str
    times: int
    turn: int | None = None
    role: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hits:
    """A page of completions in which the text was found; `total` is None where they were not counted."""

    rows: tuple[Hit, ...]
    offset: int
    has_more: bool
    total: int | None


def search(
    run: Run, wanted: Wanted, selection: Selection, *, limit: int = 20, offset: int = 0, count: bool = False
) -> Hits:
    """Return a page of the completions in which a text occurs, in the order of the record.

    Of completions in several turns all are searched, calls of tools and what tools said too. The search ends when the page
    is full, unless `count` asks for all to be counted. Raises RunError for a regular expression that is none, and where
    right and wrong are asked for but no reward function tells them apart.
    """
    condition, parameters = _condition(run, wanted, selection)
    page = f"SELECT * FROM texts WHERE {condition} LIMIT {int(limit) + 1} OFFSET {int(offset)}"
    mark = secrets.token_hex(16)
    found = run.query(_marked(page, wanted, len(parameters)), [*parameters, rf"{mark}\0{mark}"], steps=selection.steps)
    total = None
    if count:
        counted = run.query(f"SELECT count(*) AS n FROM texts WHERE {condition}", parameters, steps=selection.steps)
        total = int(counted.column(0)[0].as_py())
    build_later(run.directory.groups)
    rows = found.to_pylist()
    hits = tuple(_hit(row, mark) for row in rows[: int(limit)])
    return Hits(rows=hits, offset=offset, has_more=len(rows) > limit, total=total)


def _require_expression(text: str) -> None:
    import duckdb

    try:
        duckdb.connect().execute("SELECT regexp_matches('', $1)", [text])
    except duckdb.Error as error:
        why = first_line(error).removeprefix("Invalid Input Error: ")
        raise RunError(f"search: found {text!r}, which is no regular expression as RE2 reads them ({why})") from None


def _marked(page: str, wanted: Wanted, parameters: int) -> str:
    """Return the page with the turn and text of each hit, a mark on both sides of the first match in it, and their number.

    RE2 takes time linear in the text, whatever the expression; Python's own matching might never end on a model's text.
    """
    text, mark, options = f"${parameters}", f"${parameters + 1}", ", 'i'" if wanted.ignore_case else ""
    pattern = text if wanted.is_regex else f"regexp_escape({text})"
    turn = f"list_position(list_transform(turns, lambda t: {_matches(wanted, _SAID, text)}), true)"
    said = f"CASE WHEN turn IS NULL THEN completion ELSE {_SAID.replace('t.', 'turns[turn].')} END"
    return (
        'SELECT mode, step, batch, group_index AS "group", completion_index AS completion, turn - 1 AS turn, '
        "turns[turn].role AS role, text, "
        f"regexp_replace(text, {pattern}, {mark}{options}) AS marked, "
        f"len(regexp_extract_all(text, {pattern}, 0{options})) AS times "
        f"FROM (SELECT *, {said} AS text FROM (SELECT *, {turn} AS turn FROM ({page})))"
    )


def _matches(wanted: Wanted, value: str, place: str) -> str:
    """Return SQL of whether a value holds what is wanted, which stands in the place of a parameter."""
    if wanted.is_regex:
        return f"regexp_matches({value}, {place}{', ' + repr('i') if wanted.ignore_case else ''})"
    return f"contains(lower({value}), lower({place}))" if wanted.ignore_case else f"contains({value}, {place})"


def _condition(run: Run, wanted: Wanted, selection: Selection) -> tuple[str, list[object]]:
    """Return what `texts` must satisfy: the text, the modes and steps, and the groups with the measures asked for."""
    chosen, parameters = selection.sql()
    condition, _ = Selection(modes=selection.modes, steps=selection.steps).sql()
    parts = [condition]
    if selection.conditions:
        parts.append(f"({KEYS}) IN (SELECT ({KEYS}) FROM groups WHERE {chosen})")
    if wanted.correct is not None:
        told = correct_sql(run, selection.modes)
        if told is None:
            raise RunError(f"{run.name}: nothing tells right from wrong, so neither can be searched for")
        right = f"{'' if wanted.correct else 'NOT '}({told})"
        key = f"({KEYS}, completion_index)"
        parts.append(f"{key} IN (SELECT {key} FROM completions WHERE {condition} AND {right})")
    needed, ignores = needed_by(wanted.text if wanted.is_regex else re.escape(wanted.text))
    steps = steps_that_may_hold(run.store, needed, ignore_case=ignores or wanted.ignore_case)
    if steps is not None:
        parts.append(_within(steps))
    parameters.append(wanted.text)
    place = f"${len(parameters)}"
    matches = _matches(wanted, "completion", place)
    if any("turns" in columns for columns in run.store.snapshot().columns.values()):
        in_turn = _matches(wanted, _SAID, place)
        matches = f"({matches} OR turns IS NOT NULL AND len(list_filter(turns, lambda t: {in_turn})) > 0)"
    return " AND ".join([*parts, matches]), parameters


def _within(ranges: list[Steps]) -> str:
    """Return SQL of whether a step is in one of some ranges; DuckDB is several times as fast with a list of few."""
    if sum(last - first + 1 for first, last in ranges) > MOST_LISTED:
        return f"({' OR '.join(f'step BETWEEN {first} AND {last}' for first, last in ranges)})"
    steps = [str(step) for first, last in ranges for step in range(first, last + 1)]
    return f"step IN ({', '.join(steps)})" if steps else "false"


def correct_sql(run: Run, modes: Sequence[Mode]) -> str | None:
    """Return SQL of whether a completion is correct: by its verdict, or else the reward that tells; None without both."""
    names = {facts.correct_by for mode in modes for facts in run.facts(mode)}
    name = next(iter(names)) if len(names) == 1 else None
    if name is None and not any("verdict" in columns for columns in run.store.snapshot().columns.values()):
        return None
    said = " ".join(f"WHEN verdict = '{verdict}' THEN {bool(value)}" for verdict, value in VERDICTS.items())
    told = f"WHEN verdict IS NULL THEN rewards.{quoted_name(name)} > {CORRECT_ABOVE}" if name else ""
    return f"CASE {said} {told} END"


def _hit(row: dict[str, Any], mark: str) -> Hit:
    text = row["text"]
    start = max(0, row["marked"].find(mark))  # a letter that changes its case in DuckDB's lower alone is not marked
    end = max(0, row["marked"].find(mark, start + len(mark)) - len(mark))
    return Hit(
        **{name: row[name] for name in ("mode", "step", "batch", "group", "completion", "turn", "role")},
        before=text[max(0, start - AROUND) : start],
        found=text[start : min(end, start + MOST_FOUND)],
        after=text[end : end + AROUND],
        times=max(1, row["times"]),
    )
