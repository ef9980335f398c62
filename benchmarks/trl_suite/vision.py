"""torchvision's Python parts beside a torch for the CPU: its compiled ones, which the registry has for CUDA alone, left out.

To be imported before torchvision is, by a process that has the folder in which it was installed on its path.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

VERSION = "torchvision==0.28.0"
"""What belongs to the torch of constraints.txt."""
OPERATORS = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):  # named when torchvision is imported, called by no model here
    OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def install(folder: Path) -> None:
    """Install it into a folder of its own, if it is not there yet."""
    if not (folder / "torchvision").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), VERSION]
        subprocess.run(pip, check=True)
