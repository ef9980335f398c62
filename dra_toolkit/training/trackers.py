"""Where trackers keep their files, and how a resumed run goes on in the same tracked run.

trackers/wandb-run-id   the id of the run at Weights & Biases
trackers/wandb/         what wandb writes, offline or on its way
trackers/trackio/       trackio's database
trackers/tensorboard/   TensorBoard's event files
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dra_toolkit.logins import chosen_trackers
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs.files import publish_text

PROJECT = "dra-toolkit"
"""The project that trackers file a run under, unless the recipe or WANDB_PROJECT says another."""


def project_name(recipe: Recipe) -> str:
    """Return the project that a recipe's runs belong to."""
    given = recipe.settings["project"].origin != "TRL default"
    return str(recipe["project"]) if given else PROJECT


def prepare_trackers(recipe: Recipe, folder: Path) -> None:
    """Point the chosen trackers at `folder`, through their own environment variables; what the user has set there holds.

    To be called before TRL is imported, which imports the trackers.
    """
    trackers = chosen_trackers(recipe)
    if not trackers:
        return
    folder.mkdir(exist_ok=True)
    places = {"TRACKIO_DIR": folder / "trackio", "TENSORBOARD_LOGGING_DIR": folder / "tensorboard"}
    settings = {name: str(path.absolute()) for name, path in places.items()}
    if "wandb" in trackers:
        settings |= {
            "WANDB_DIR": str(folder.absolute()),
            "WANDB_PROJECT": project_name(recipe),
            "WANDB_RUN_ID": _wandb_run_id(folder),
            "WANDB_RESUME": "allow",
        }
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def _wandb_run_id(folder: Path) -> str:
    """Return the id that every attempt of a run shares; a run that replaces it gets another."""
    file = folder / "wandb-run-id"
    if not file.is_file():
        publish_text(file, secrets.token_hex(6) + "\n")
    return file.read_text(encoding="utf-8").strip()
