"""Completions that contain a text or match a regular expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.inspection.selection import Selection
from dra_toolkit.runs import Run
from dra_toolkit.runs.group_measures import CORRECT_ABOVE

AROUND = 60
"""Characters shown on either side of what was found."""
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
        if self.is_regex:
            try:
                re.compile(self.text)
            except re.error as error:
                raise RunError(f"search: found {self.text!r}, which is no regular expression ({error})") from None


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
    page = run.query(
        f"SELECT {KEYS}, completion_index, completion FROM texts WHERE {condition} "
        f"LIMIT {int(limit) + 1} OFFSET {int(offset)}",
        parameters,
        steps=selection.steps,
    ).to_pylist()
    total = None
    if count:
        counted = run.query(f"SELECT count(*) AS n FROM texts WHERE {condition}", parameters, steps=selection.steps)
        total = int(counted.column(0)[0].as_py())
    pattern = _pattern(wanted)
    rows = [
        _hit(row["completion"], pattern, {k: row[k] for k in ("mode", "step", "batch")}, row)
        for row in page[: int(limit)]
    ]
    return Hits(rows=tuple(rows), offset=offset, has_more=len(page) > limit, total=total)


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
        parameters.append(CORRECT_ABOVE)
        reward, comparison = _telling(run, selection.modes), ">" if wanted.correct else "<="
        right = f"rewards.{reward} {comparison} ${len(parameters)}"
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


def _telling(run: Run, modes: tuple[Mode, ...]) -> str:
    names = {facts.correct_by for mode in modes for facts in run.facts(mode)}
    name = next(iter(names)) if len(names) == 1 else None
    if name is None:
        raise RunError(f"{run.name}: no one reward function tells right from wrong, so neither can be searched for")
    return '"' + name.replace('"', '""') + '"'


def _pattern(wanted: Wanted) -> re.Pattern[str]:
    text = wanted.text if wanted.is_regex else re.escape(wanted.text)
    return re.compile(text, re.IGNORECASE if wanted.ignore_case else 0)


def _hit(text: str, pattern: re.Pattern[str], key: dict[str, object], row: dict[str, int]) -> Hit:
    first = pattern.search(text)
    start, end = first.span() if first else (0, 0)  # RE2 and Python may differ on rare constructs
    return Hit(
        **key,  # type: ignore[arg-type]
        group=row["group_index"],
        completion=row["completion_index"],
        before=text[max(0, start - AROUND) : start],
        found=text[start : min(end, start + 4 * AROUND)],
        after=text[end : end + AROUND],
        times=sum(1 for _ in _at_most(pattern.finditer(text), 1_000)),
    )


def _at_most(matches: Iterator[re.Match[str]], most: int) -> Iterator[re.Match[str]]:
    for number, match in enumerate(matches):
        if number == most:
            return
        yield match
