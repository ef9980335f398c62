"""One prompt through training: which prompts there are, its groups by step, and two of them compared."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.inspection.prompt_history import Pair, PromptHistory, look_at_prompt, nearest_pairs
from dra_toolkit.runs import Run

LISTED = 12
"""Prompts that are offered to choose from."""
THUMBNAILS = 12
"""Groups of a prompt that are shown small."""
COMPARED = 6
"""Pairs of completions of two steps that are compared."""


@dataclass(frozen=True, kw_only=True)
class PromptRow:
    """One prompt of a run."""

    prompt_hash: str
    prompt: str
    """The last message."""
    groups: int
    first: int
    """Step."""
    last: int
    reward_first: float | None
    reward_last: float | None


def list_prompts(run: Run, mode: Mode = "train") -> list[PromptRow]:
    """Return the prompts that were sampled most often, the most often first."""
    found = run.query(
        "SELECT prompt_hash, count(*) AS n, min(step) AS first, max(step) AS last, arg_min(reward, step) AS before, "
        "arg_max(reward, step) AS after, arg_max(batch, step) AS batch, arg_max(group_index, step) AS place "
        "FROM groups WHERE mode = $1 GROUP BY prompt_hash ORDER BY n DESC, prompt_hash LIMIT $2",
        [mode, LISTED],
    ).to_pylist()
    rows = []
    for row in found:
        prompt = run.group(row["last"], row["place"], mode=mode, batch=row["batch"]).group.prompt
        rows.append(
            PromptRow(
                prompt_hash=row["prompt_hash"],
                prompt=prompt[-1].content if prompt else "",
                groups=row["n"],
                first=row["first"],
                last=row["last"],
                reward_first=row["before"],
                reward_last=row["after"],
            )
        )
    return rows


def history(run: Run, prompt_hash: str, mode: Mode = "train") -> PromptHistory:
    """Return all groups of a prompt, by step; raises RunError if there are none."""
    return look_at_prompt(run, prompt_hash, mode)


def spread(count: int, most: int = THUMBNAILS) -> list[int]:
    """Return places from 0 to count - 1, evenly spread, at most so many, the first and the last included."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def near_pairs(earlier: GroupRecord, later: GroupRecord, most: int = COMPARED) -> list[Pair]:
    """Return the nearest pairs of two groups, whose words the embedder `hash` compares: it needs no model."""
    return nearest_pairs(earlier, later, _embedder(), limit=most)


@functools.cache
def _embedder() -> Embedder:
    return load_embedder(EmbedderSettings(name="hash"))
