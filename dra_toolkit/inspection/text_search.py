"""Completions that contain a text or match a regular expression."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.group_outcomes import VERDICTS
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.selection import Selection, require_unicode
from dra_toolkit.rewards import CORRECT_ABOVE
from dra_toolkit.runs import Run
from dra_toolkit.runs.names import quoted_name
from dra_toolkit.safe_text import first_line

AROUND = 60
"""Characters shown on either side of what was found."""
MOST_FOUND = 240
"""Characters shown of what was found."""
KEYS = "mode, step, batch, group_index"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched for."""

    text: str
    is_regex: bool = False
    """Whether `text` is a regular expression, as RE2 reads it."""
    ignore_case: bool = False
    correct: bool | None = None
    """Only completions that are right, or wrong; None for both."""

    def __post_init__(self) -> None:
        if not self.text:
            raise RunError("search: expected a text, found an empty one")
        require_unicode(self.text, "search")
        if self.is_regex:
            _require_expression(self.text)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One completion in which the text was found."""

    mode: Mode
    step: int
    batch: int
    group: int
    completion: int
    before: str
    """What stands before it, at most `AROUND` characters."""
    found: str
    """What was found, the first place."""
    after: str
    times: int
    """How often it was found in the completion."""


@dataclass(frozen=True, kw_only=True)
class Hits:
    """A page of completions in which the text was found."""

    rows: tuple[Hit, ...]
    offset: int
    has_more: bool
    total: int | None
    """Completions in all; None where they were not counted."""


def search(
    run: Run, wanted: Wanted, selection: Selection, *, limit: int = 20, offset: int = 0, count: bool = False
) -> Hits:
    """Return a page of the completions in which a text occurs, in the order of the record.

    The search ends when the page is full, unless `count` asks for all to be counted. Raises RunError for a regular
    expression that is none, and where right and wrong are asked for but no reward function tells them apart.
    """
    condition, parameters = _condition(run, wanted, selection)
    page = (
        f"SELECT {KEYS}, completion_index, completion FROM texts WHERE {condition} "
        f"LIMIT {int(limit) + 1} OFFSET {int(offset)}"
    )
    mark = secrets.token_hex(16)
    if wanted.is_regex:
        found = run.query(_marked(page, wanted, len(parameters)), [*parameters, _around(mark)], steps=selection.steps)
    else:
        found = run.query(page, parameters, steps=selection.steps)
    total = None
    if count:
        counted = run.query(f"SELECT count(*) AS n FROM texts WHERE {condition}", parameters, steps=selection.steps)
        total = int(counted.column(0)[0].as_py())
    rows = found.to_pylist()
    hits = [_marked_hit(row, mark) if wanted.is_regex else _hit(row, wanted) for row in rows[: int(limit)]]
    return Hits(rows=tuple(hits), offset=offset, has_more=len(rows) > limit, total=total)


def _require_expression(text: str) -> None:
    import duckdb

    try:
        duckdb.connect().execute("SELECT regexp_matches('', $1)", [text])
    except duckdb.Error as error:
        why = first_line(error).removeprefix("Invalid Input Error: ")
        raise RunError(f"search: found {text!r}, which is no regular expression as RE2 reads them ({why})") from None


def _marked(page: str, wanted: Wanted, parameters: int) -> str:
    """Return the page with two more columns: the text with a mark on both sides of the first match, and their number.

    RE2 takes time linear in the text, whatever the expression; Python's own matching might never end on a model's text.
    """
    pattern, mark, options = f"${parameters}", f"${parameters + 1}", ", 'i'" if wanted.ignore_case else ""
    return (
        f"SELECT *, regexp_replace(completion, {pattern}, {mark}{options}) AS marked, "
        f"len(regexp_extract_all(completion, {pattern}, 0{options})) AS times FROM ({page})"
    )


def _around(mark: str) -> str:
    return rf"{mark}\0{mark}"


def _condition(run: Run, wanted: Wanted, selection: Selection) -> tuple[str, list[object]]:
    """Return what `texts` must satisfy: the text, the modes and steps, and the groups with the measures asked for."""
    chosen, parameters = selection.sql()
    plain = Selection(modes=selection.modes, steps=selection.steps)
    condition, plain_parameters = plain.sql()
    parts = [condition]
    if selection.conditions:
        parts.append(f"({KEYS}) IN (SELECT ({KEYS}) FROM groups WHERE {chosen})")
    else:
        parameters = plain_parameters
    if wanted.correct is not None:
        told = correct_sql(run, selection.modes)
        if told is None:
            raise RunError(f"{run.name}: nothing tells right from wrong, so neither can be searched for")
        right = f"{'' if wanted.correct else 'NOT '}({told})"
        key = f"({KEYS}, completion_index)"
        parts.append(f"{key} IN (SELECT {key} FROM completions WHERE {condition} AND {right})")
    parameters.append(wanted.text)
    place = f"${len(parameters)}"
    if wanted.is_regex:
        parts.append(f"regexp_matches(completion, {place}{', ' + repr('i') if wanted.ignore_case else ''})")
    elif wanted.ignore_case:
        parts.append(f"contains(lower(completion), lower({place}))")
    else:
        parts.append(f"contains(completion, {place})")
    return " AND ".join(parts), parameters


def correct_sql(run: Run, modes: Sequence[Mode]) -> str | None:
    """Return SQL of whether a completion is correct: by its verdict, or else the reward that tells; None without both."""
    names = {facts.correct_by for mode in modes for facts in run.facts(mode)}
    name = next(iter(names)) if len(names) == 1 else None
    if name is None and not any("verdict" in columns for columns in run.store.snapshot().columns.values()):
        return None
    said = " ".join(f"WHEN verdict = '{verdict}' THEN {bool(value)}" for verdict, value in VERDICTS.items())
    told = f"WHEN verdict IS NULL THEN rewards.{quoted_name(name)} > {CORRECT_ABOVE}" if name else ""
    return f"CASE {said} {told} END"


def _hit(row: dict[str, Any], wanted: Wanted) -> Hit:
    text = row["completion"]
    places = list(re.finditer(re.escape(wanted.text), text, re.IGNORECASE if wanted.ignore_case else 0))
    start, end = places[0].span() if places else (0, 0)  # a few letters change their case in DuckDB only
    return _excerpt(row, start, end, max(1, len(places)))


def _marked_hit(row: dict[str, Any], mark: str) -> Hit:
    start = row["marked"].find(mark)
    end = row["marked"].find(mark, start + len(mark)) - len(mark)
    return _excerpt(row, start, end, row["times"])


def _excerpt(row: dict[str, Any], start: int, end: int, times: int) -> Hit:
    text = row["completion"]
    return Hit(
        mode=row["mode"],
        step=row["step"],
        batch=row["batch"],
        group=row["group_index"],
        completion=row["completion_index"],
        before=text[max(0, start - AROUND) : start],
        found=text[start : min(end, start + MOST_FOUND)],
        after=text[end : end + AROUND],
        times=times,
    )
