"""What a resumed run knows of its prompts: read from the groups that it recorded up to its checkpoint."""

from __future__ import annotations

from pathlib import Path

from dra_toolkit.diversity import PromptHistory, discount_of, diversity_settings
from dra_toolkit.recipe.recipe import Recipe
from dra_toolkit.runs import Run
from dra_toolkit.runs.visits import visits


def history_of(run: Path, recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    """Return the prompts' history up to a checkpoint; None without one, or where the measure reads none."""
    settings = diversity_settings(recipe)
    if checkpoint is None or "history" not in settings.needs:
        return None
    step = int(checkpoint.name.rpartition("-")[2])
    found = visits(Run.open(run), until=step)
    return PromptHistory(discount_of(settings), ((v.prompt, v.right, v.wrong) for v in found))
