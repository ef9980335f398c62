"""What a run says of itself, whoever trains it: versions and hardware, its files' facts, its prompts' history."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from dra_toolkit import __version__
from dra_toolkit.diversity import PromptHistory, discount_of, diversity_settings
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs import FileFacts, Run
from dra_toolkit.runs.files import publish_text
from dra_toolkit.runs.visits import visits

PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets", "numpy", "deepspeed", "vllm", "math-verify")


def write_environment(path: Path) -> None:
    """Write environment.json: the toolkit's and its engines' versions, the machine, the devices."""
    facts = {
        "dra_toolkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "cores": os.cpu_count(),
    }
    publish_text(path, json.dumps(facts, indent=1) + "\n")


def _version(package: str) -> str | None:
    return next((found.version for found in metadata.distributions(name=package)), None)


def file_facts(run: str, trainer: Any) -> FileFacts:
    """Return what every file of a run's groups says of itself."""
    return FileFacts(
        run=run,
        reward_weights=trainer.reward_columns(),
        scale_rewards=trainer.scale_rewards,
        diversity=trainer.diversity,
        estimator=trainer.estimator,
        embedder=trainer.embedder_name,
        correct_by=trainer.correct_by,
    )


def history_of(run: Path, recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    """Return the prompts' history up to a checkpoint; None without one, or where the measure reads none."""
    settings = diversity_settings(recipe)
    if checkpoint is None or "history" not in settings.needs:
        return None
    step = int(checkpoint.name.rpartition("-")[2])
    found = visits(Run.open(run), until=step)
    return PromptHistory(discount_of(settings), ((v.prompt, v.right, v.wrong) for v in found))
