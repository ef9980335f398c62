"""The shape of a reward function, as TRL's GRPOTrainer calls it."""

from __future__ import annotations

from typing import Any, Protocol


class Reward(Protocol):
    """Scores N completions in one call; its `__name__` is the name of its column in the logs and records.

    TRL passes by keyword `prompts`, `completions` and `completion_ids` (N each), every other column of the data set (N
    each), and `trainer_state`, `log_extra(column, values)` and `log_metric(name, value)`.
    """

    def __call__(self, *, prompts: Any, completions: Any, completion_ids: Any, **columns: Any) -> list[float | None]:
        """Return N rewards; None where the function abstains."""
        ...
