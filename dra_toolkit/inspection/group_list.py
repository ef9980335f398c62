"""Groups by step or prompt, and runs of a folder, a page at a time; how completions of two groups differ."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import DRAError, RunError, did_you_mean
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.overview import differing_keys
from dra_toolkit.inspection.selection import Page, Selection, require_unicode
from dra_toolkit.runs import Run, find_runs

MOST_WORDS = 3_000
"""Words and spaces compared of each text; what follows is left out, since the time grows faster than their number."""
Kind = Literal["both", "left", "right"]
_WORDS = re.compile(r"\s{1,400}|\w{1,400}|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Neighbouring words that both texts have, or one of them."""

    kind: Kind
    text: str


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How two texts differ: stretches that read in order make both, and whether only the beginnings were compared.

    ratio: twice the characters in common over those of both texts compared, 1 for equal texts.
    """

    stretches: tuple[Stretch, ...]
    ratio: float
    is_cut: bool


def word_differences(left: str, right: str, words: int = MOST_WORDS, units: re.Pattern[str] = _WORDS) -> Differences:
    """Compare two texts word by word. units: what counts as a word or a space; every character is part of one.

    >>> [(s.kind, s.text) for s in word_differences("add the ones", "add the tens").stretches]
    [('both', 'add the '), ('left', 'ones'), ('right', 'tens')]
    """
    a, b = ([found[0] for found in islice(units.finditer(text), words)] for text in (left, right))
    stretches = [Stretch(kind=kind, text="".join(words)) for kind, words in _aligned(a, b)]
    common = sum(len(stretch.text) for stretch in stretches if stretch.kind == "both")
    compared = sum(map(len, a)) + sum(map(len, b))
    is_cut = compared < len(left) + len(right)
    return Differences(stretches=tuple(stretches), ratio=2 * common / compared if compared else 1.0, is_cut=is_cut)


def _aligned(a: list[str], b: list[str]) -> list[tuple[Kind, list[str]]]:
    """Align two lists by their longest common subsequence: stretches that read in order make both, left before right.

    A row of lengths is one integer whose zero bits are the places of `a` where the length grows (Hyyrö, "Bit-parallel
    LCS-length computation revisited", 2004): time and memory do not depend on how often words repeat.
    """
    places = dict[str, int]()
    for place, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << place
    rows = [every := (1 << len(a)) - 1]
    for word in b:
        met = rows[-1] & places.get(word, 0)
        rows.append(((rows[-1] + met) | (rows[-1] - met)) & every)
    kinds, i, j = list[Kind](), len(a), len(b)
    while i or j:
        if i and (j == 0 or rows[j] >> (i - 1) & 1):
            kinds.append("left")
        elif i == 0 or not rows[j - 1] >> (i - 1) & 1:
            kinds.append("right")
        else:
            kinds.append("both")
        i, j = i - (kinds[-1] != "right"), j - (kinds[-1] != "left")
    return list(_stretches(a, b, reversed(kinds)))


def _stretches(a: list[str], b: list[str], kinds: Iterable[Kind]) -> Iterator[tuple[Kind, list[str]]]:
    left, right = iter(a), iter(b)
    for is_common, found in groupby(kinds, lambda kind: kind == "both"):
        counts = Counter(found)
        ours = list(islice(left, counts["both"] + counts["left"]))
        theirs = list(islice(right, counts["both"] + counts["right"]))
        sides: dict[Kind, list[str]] = {"both": ours} if is_common else {"left": ours, "right": theirs}
        yield from ((kind, words) for kind, words in sides.items() if words)


IN_ORDER = "index"
"""Sorts by step, batch and group, as they were sampled."""
SORTS = (IN_ORDER, *GROUP_MEASURES)
_PLACE = "step, batch, group_index"
_COLUMNS = f"mode, {_PLACE}, prompt_hash, {', '.join(GROUP_MEASURES)}"
_HASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group in numbers: the last message of its prompt, and the `GROUP_MEASURES`, None where one is not known."""

    mode: Mode
    step: int
    batch: int
    index: int
    prompt_hash: str
    prompt: str
    measures: dict[str, float | None]

    def __getitem__(self, measure: str) -> float:
        value = self.measures[measure]
        return float("nan") if value is None else float(value)


def list_groups(
    run: Run, selection: Selection, *, sort: str = IN_ORDER, ascending: bool = False, limit: int = 20, offset: int = 0
) -> Page[GroupRow]:
    """Return a page of groups, the highest first unless `ascending`, unknown last; raises RunError for no measure."""
    if sort not in SORTS:
        raise RunError(f"--sort: no measure {sort!r}{did_you_mean(sort, SORTS)}; there are {', '.join(SORTS)}")
    condition, parameters = selection.sql()
    first = "" if sort == IN_ORDER else f"{sort} {'ASC' if ascending else 'DESC'} NULLS LAST, "
    found = run.query(
        f"SELECT {_COLUMNS} FROM groups WHERE {condition} ORDER BY {first}{_PLACE} LIMIT {int(limit)} OFFSET {int(offset)}",
        parameters,
        steps=selection.steps,
    ).to_pylist()
    total = run.query(f"SELECT count(*) AS n FROM groups WHERE {condition}", parameters, steps=selection.steps)
    rows = tuple(group_row(row, text) for row, text in zip(found, _prompts(run, found), strict=True))
    return Page(rows=rows, offset=offset, total=int(total.column(0)[0].as_py()))


def group_row(row: dict[str, Any], prompt: str) -> GroupRow:
    """Return a row of the table `groups` as a value."""
    return GroupRow(
        **{name: row[name] for name in ("mode", "step", "batch", "prompt_hash")},
        index=row["group_index"],
        prompt=prompt,
        measures={name: None if row[name] is None else float(row[name]) for name in GROUP_MEASURES},
    )


def _prompts(run: Run, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the last message of each group's prompt; equal prompts are read once, in the order in which they lie."""
    known: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (row["mode"], row["step"], row["batch"], row["group_index"])):
        if row["prompt_hash"] not in known:
            found = run.store.read_group(row["mode"], (row["step"], row["batch"]), row["group_index"])
            messages = found[1]["prompt"][0].as_py() if found and len(found[1]) else None
            known[row["prompt_hash"]] = messages[-1]["content"] if messages else ""
    return [known[row["prompt_hash"]] for row in rows]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A completion of the later step and the one of the earlier step most like it."""

    earlier: int
    later: int
    similarity: float
    differences: Differences


@dataclass(frozen=True, kw_only=True)
class PromptHistory:
    """The groups of one prompt, by step, and its last message."""

    prompt_hash: str
    prompt: str
    rows: tuple[GroupRow, ...]


def find_prompt(run: Run, wanted: str, mode: Mode = "train") -> str:
    """Return the identity of a prompt, given itself or a text in it, the first recorded; raises RunError for none."""
    require_unicode(wanted, "prompt")
    if _HASH.fullmatch(wanted):
        sql = "SELECT prompt_hash FROM groups WHERE mode = $1 AND prompt_hash = $2 LIMIT 1"
    else:
        sql = (
            "SELECT g.prompt_hash FROM texts t JOIN groups g USING (mode, step, batch, group_index) WHERE t.mode = $1 "
            "AND t.completion_index = 0 AND contains(t.prompt[-1].content, $2) ORDER BY step, batch, group_index LIMIT 1"
        )
    found = run.query(sql, [mode, wanted])
    if not len(found):
        raise RunError(f"{run.name}: no {mode} prompt is or contains {wanted!r}; `dra inspect groups` lists prompts")
    return str(found.column(0)[0].as_py())


def look_at_prompt(run: Run, prompt_hash: str, mode: Mode = "train") -> PromptHistory:
    """Return all groups of a prompt, by step."""
    sql = f"SELECT {_COLUMNS} FROM groups WHERE mode = $1 AND prompt_hash = $2 ORDER BY {_PLACE}"
    rows = tuple(group_row(row, "") for row in run.query(sql, [mode, prompt_hash]).to_pylist())
    if not rows:
        raise RunError(f"{run.name}: no {mode} group has the prompt {prompt_hash}")
    first = run.group(rows[0].step, rows[0].index, mode=mode, batch=rows[0].batch)
    prompt = first.group.prompt[-1].content if first.group.prompt else ""
    return PromptHistory(prompt_hash=prompt_hash, prompt=prompt, rows=rows)


def nearest_pairs(
    earlier: GroupRecord, later: GroupRecord, embedder: Embedder, *, limit: int | None = None
) -> list[Pair]:
    """Return, for each different completion of the later group, the earlier one most like it, the least alike first."""
    before, after = earlier.group.texts, later.group.texts
    similarity = embedder.embed(list(after)).vectors @ embedder.embed(list(before)).vectors.T
    first_of = {text: j for j, text in reversed(list(enumerate(after)))}
    order = sorted(first_of.values(), key=lambda j: (float(similarity[j].max()), j))
    nearest = [(int(np.argmax(similarity[j])), j) for j in order[:limit]]
    return [
        Pair(earlier=i, later=j, similarity=float(similarity[j, i]), differences=word_differences(before[i], after[j]))
        for i, j in nearest
    ]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a folder.

    steps        training steps with recorded groups
    completions  recorded to train on
    reward       mean raw reward of the last recorded step
    differences  recipe keys whose values are not the same in all runs of the folder
    problem      why the run cannot be read, if it cannot
    """

    name: str
    path: str
    state: str
    steps: int = 0
    last_step: int | None = None
    completions: int = 0
    reward: float | None = None
    differences: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def list_runs(root: Path, *, limit: int | None = None, offset: int = 0) -> Page[RunRow]:
    """Return a page of the runs directly under a folder, the latest first; groups are read only of those on the page."""
    runs = [Run(directory) for directory in reversed(find_runs(root))]
    recipes = []
    for run in runs:
        with contextlib.suppress(DRAError):  # told in its row
            recipes.append(run.recipe)
    differing = differing_keys(recipes)
    rows = tuple(_row(run, differing) for run in runs[offset : None if limit is None else offset + limit])
    return Page(rows=rows, offset=offset, total=len(runs))


def _row(run: Run, differing: list[str]) -> RunRow:
    place: dict[str, Any] = {"name": run.name, "path": str(run.directory.path)}
    try:
        recipe = run.recipe
        counts = run.query(
            "SELECT count(*) AS steps, max(step) AS last_step, coalesce(sum(groups * size), 0)::BIGINT AS completions, "
            "arg_max(reward, step) AS reward FROM steps WHERE mode = 'train'"
        ).to_pylist()[0]
    except DRAError as error:
        return RunRow(**place, state="unreadable", problem=error.problems[0])
    return RunRow(
        **place,
        state=str(run.directory.status()["state"]),
        **counts,
        differences={key: recipe.get(key) for key in differing if key in recipe},
        problem=next(iter(run.directory.problems()), None),
    )
