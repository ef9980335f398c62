"""Two recorded runs to look around in: SmolLM2-135M-Instruct trained with plain GRPO and with the adjustment.

They are the recipe `smollm2` and its twin, with every number and text; benchmarks/smollm2/demonstration.py packed them.
"""

import shutil
from pathlib import Path

RECORDED = Path(__file__).parent / "demonstration"


def make_demo(root: Path) -> None:
    """Copy the recorded runs into a folder, where they can be asked like any other."""
    shutil.copytree(RECORDED, root, dirs_exist_ok=True)
