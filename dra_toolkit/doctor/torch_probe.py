"""What torch says of this machine, asked of a child process, so that the command line itself never loads torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

PROBE = (sys.executable, "-P", "-m", "dra_toolkit.training.probe")  # -P: nothing of the working folder runs
PROBE_SECONDS = 120.0
"""How long torch may take; the first import from a cold disk takes most of a minute."""


@dataclass(frozen=True, kw_only=True)
class TorchDevice:
    """A GPU as torch sees it."""

    name: str
    total: int
    """Bytes of memory."""
    free: int | None
    """Bytes that nobody uses; None if the device refused."""
    bf16: bool
    """Whether it computes in bfloat16 by itself."""


@dataclass(frozen=True, kw_only=True)
class TorchFacts:
    """What torch says of itself and of this machine; `problem` alone where it cannot."""

    problem: str = ""
    version: str = ""
    build: str = ""
    """`CPU`, `CUDA 12.8`, `ROCm 6.4`."""
    devices: tuple[TorchDevice, ...] = field(default=())
    device_problem: str = ""
    """Why the GPUs that its build is for cannot be used, in torch's words."""
    matmul_flops: float | None = None
    """Measured FLOP/s of a long matrix product on the first device, in the best precision of the two."""
    bandwidth: float | None = None
    """Measured bytes/s of a copy there, read and written."""


class TorchProbe:
    """The child process: started at once, its answer taken when it is needed."""

    def __init__(self) -> None:
        """Start asking."""
        self._process = subprocess.Popen(
            PROBE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def answer(self) -> TorchFacts:
        """Wait for the answer and return it."""
        try:
            out, err = self._process.communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return TorchFacts(problem=f"it did not answer within {PROBE_SECONDS:g} s")
        try:
            return read_answer(json.loads(out))
        except (ValueError, KeyError, TypeError):
            last = (err.decode(errors="replace").strip().splitlines() or ["no output"])[-1]
            return TorchFacts(problem=f"importing it ended with status {self._process.returncode}: {last[:200]}")

    def end(self) -> None:
        """End the child if its answer is no longer wanted."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def read_answer(said: dict[str, Any]) -> TorchFacts:
    """Return the child's JSON as facts."""
    devices = tuple(TorchDevice(**device) for device in said.pop("devices", ()))
    return TorchFacts(devices=devices, **said)
