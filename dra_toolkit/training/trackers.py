"""Where trackers keep their files, how a resumed run goes on in the same tracked run, and what they say when they fail."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dra_toolkit.errors import LaunchError
from dra_toolkit.logins import chosen_trackers, wandb_settings
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.inferred import chosen_project
from dra_toolkit.runs.files import publish_text
from dra_toolkit.safe_text import visible
from dra_toolkit.training.hub_errors import first_words

PROJECT = "dra-toolkit"
"""The project that trackers file a run under, unless the recipe or WANDB_PROJECT says another."""


def project_name(recipe: Recipe) -> str:
    """Return the project that a recipe's runs belong to."""
    return chosen_project(recipe) or os.environ.get("WANDB_PROJECT") or wandb_settings().get("project") or PROJECT


def prepare_trackers(recipe: Recipe, folder: Path) -> None:
    """Point the chosen trackers at `folder`, through their own environment variables; what the user has set there holds.

    To be called before TRL is imported, which imports the trackers.
    """
    trackers = chosen_trackers(recipe)
    if not trackers:
        return
    folder.mkdir(exist_ok=True)
    folder = folder.absolute()
    settings = {"TRACKIO_DIR": str(folder / "trackio"), "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard")}
    os.environ["WANDB_PROJECT"] = project_name(recipe)
    if "wandb" in trackers:
        stored = wandb_settings()  # what is stored for a folder counts no longer once WANDB_DIR names another
        settings |= {f"WANDB_{key.upper()}": stored[key] for key in ("mode", "base_url", "entity") if key in stored}
        settings |= {"WANDB_DIR": str(folder), "WANDB_RESUME": "allow", "WANDB_RUN_ID": _wandb_run_id(folder)}
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def tracker_links() -> list[str]:
    """Return the addresses of the run that is under way, in the trackers that have one."""
    links = []
    wandb: Any = sys.modules.get("wandb")  # TRL has imported what is installed
    run = getattr(wandb, "run", None)
    if run is not None and not (run.offline or run.disabled):
        links.append(str(run.url))
    if "trackio" in sys.modules:
        from trl.trainer.utils import get_trackio_space_url

        links += [address for address in [get_trackio_space_url()] if address]
    return links


@contextmanager
def tracker_errors() -> Iterator[None]:
    """Turn what Weights & Biases refuses when the run begins there into one line that says what to do."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("wandb."):
            raise
        said = visible(first_words(error, 200), one_line=True)
        raise LaunchError(
            f"report_to: Weights & Biases does not take the run ({said}); log in with `wandb login --relogin`, or keep the "
            "run on this machine with WANDB_MODE=offline"
        ) from None


def _wandb_run_id(folder: Path) -> str:
    """Return the id that every attempt of a run shares; a run that replaces it gets another."""
    file = folder / "wandb-run-id"
    if not file.is_file():
        publish_text(file, secrets.token_hex(6) + "\n")
    return file.read_text(encoding="utf-8").strip()
