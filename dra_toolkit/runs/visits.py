"""What the recorded groups say of each prompt's history, in the order in which they were trained on."""

from __future__ import annotations

from typing import NamedTuple

from dra_toolkit.groups import Mode
from dra_toolkit.runs.reader import Run


class Visit(NamedTuple):
    """One recorded group of a prompt, by its hash; place: step, batch and group."""

    place: tuple[int, ...]
    prompt: str
    right: int
    wrong: int


def visits(run: Run, *, mode: Mode = "train", until: int | None = None) -> list[Visit]:
    """Return every recorded group, the oldest first; `until` is the last step.

    Right is what the reward function that tells gave, or, where none does, a positive total.
    """
    rows = run.query(
        "SELECT g.step, g.batch, g.group_index, g.prompt_hash, g.size, "
        "coalesce(round(g.correct_share * g.size), c.positive)::INT AS correct FROM groups g JOIN (SELECT mode, step, "
        "batch, group_index, count(*) FILTER (WHERE total > 0 AND NOT isnan(total)) AS positive FROM completions "
        "WHERE mode = $1 AND step <= $2 GROUP BY ALL) c USING (mode, step, batch, group_index) "
        "WHERE g.mode = $1 AND g.step <= $2 ORDER BY g.step, g.batch, g.group_index",
        [mode, (1 << 31) - 1 if until is None else until],
    )
    found = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    return [Visit(place=tuple(place), prompt=p, right=right, wrong=size - right) for *place, p, size, right in found]
