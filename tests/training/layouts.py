"""A script of this folder in so many processes: one is the tests' own, which has loaded the libraries already."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock


def in_processes(count: int, script: Path, *arguments: str) -> None:
    """Run a script to its end, as `torchrun` does where it takes several processes."""
    if count == 1:
        with mock.patch.object(sys, "argv", [str(script), *arguments]):
            runpy.run_path(str(script), run_name="__main__")
        return
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not os.environ.get("DRA_TEST_CUDA"):  # set by benchmarks/gpu
        environment["ACCELERATE_TORCH_DEVICE"] = "cpu"
    ran = subprocess.run([*launcher, str(script), *arguments], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
