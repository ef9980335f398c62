"""What a run gives to others: its model card, its revisions on the Hub, and the finished model there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from transformers import TrainerCallback

from dra_toolkit.recipe import Recipe
from dra_toolkit.runs import RunDirectory
from dra_toolkit.training.hub import PATIENCE, RevisionCallback, push_final
from dra_toolkit.training.model_card import model_card
from dra_toolkit.training.trackers import tracker_links

STOP_PATIENCE = 10.0
"""Seconds for uploads under way when somebody asked training to stop; the next attempt takes up the rest."""
REVISIONS = "hub"
"""The folder of a run whose subfolders wait for their upload."""


class Publishing:
    """Writes the model card of every save, and pushes what the recipe wants on the Hub."""

    def __init__(self, recipe: Recipe, run: RunDirectory, tell: Callable[[str], None]) -> None:
        self._recipe, self._run, self._tell = recipe, run, tell
        self._links: list[str] = []
        revisions = recipe.hub.push_to_hub and recipe.hub.hub_revisions
        self._revisions = RevisionCallback(run.path / REVISIONS, tell) if revisions else None

    @property
    def callbacks(self) -> list[TrainerCallback]:
        """What the trainer must call."""
        return [self._revisions] if self._revisions else []

    def card(self, step: int, repo: str | None, tags: Iterable[str]) -> str:
        """Return the model card of the weights after `step`."""
        self._links = tracker_links() or self._links  # a tracker that has finished no longer knows its address
        text = self._run.recipe.read_text(encoding="utf-8")
        return model_card(self._recipe, text=text, step=step, repo=repo, tags=tags, links=self._links)

    def finish(self, trainer: Any, *, stopped: bool) -> None:
        """Push the finished model and wait for the revisions; called on every process. `stopped`: it is not finished."""
        if self._recipe.hub.push_to_hub and not stopped:
            push_final(trainer, self._tell)
        if self._revisions:
            self._revisions.close(STOP_PATIENCE if stopped else PATIENCE)
