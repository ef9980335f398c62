"""One prompt through training: its groups, and how the completions of two of them differ."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from dra_toolkit.embedding import Embedder
from dra_toolkit.errors import RunError
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.group_list import GroupRow, group_row
from dra_toolkit.inspection.selection import require_unicode
from dra_toolkit.inspection.word_differences import Differences, word_differences
from dra_toolkit.runs import Run

_HASH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A completion of the later step and the one of the earlier step most like it."""

    earlier: int
    later: int
    similarity: float
    differences: Differences


@dataclass(frozen=True, kw_only=True)
class PromptHistory:
    """The groups of one prompt, by step."""

    prompt_hash: str
    prompt: str
    """The last message."""
    rows: tuple[GroupRow, ...]


def find_prompt(run: Run, wanted: str, mode: Mode = "train") -> str:
    """Return the identity of a prompt, given itself, or a text that occurs in the prompt; the first one recorded.

    Raises RunError if there is none.
    """
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
    columns = f"mode, step, batch, group_index, prompt_hash, {', '.join(GROUP_MEASURES)}"
    sql = f"SELECT {columns} FROM groups WHERE mode = $1 AND prompt_hash = $2 ORDER BY step, batch, group_index"
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
    before, after = earlier.group.completions, later.group.completions
    similarity = embedder.embed(list(after)).vectors @ embedder.embed(list(before)).vectors.T
    first_of = {text: j for j, text in reversed(list(enumerate(after)))}
    order = sorted(first_of.values(), key=lambda j: (float(similarity[j].max()), j))
    nearest = [(int(np.argmax(similarity[j])), j) for j in order[:limit]]
    return [
        Pair(earlier=i, later=j, similarity=float(similarity[j, i]), differences=word_differences(before[i], after[j]))
        for i, j in nearest
    ]
