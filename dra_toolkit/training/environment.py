"""What a run was made with: versions and hardware."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata
from pathlib import Path

import torch

from dra_toolkit import __version__
from dra_toolkit.runs.files import publish_text

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
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
