"""The GPUs that processes started here will see, without loading torch."""

import csv
import functools
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

QUERY = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits")
QUERY_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU."""

    index: str
    """How CUDA_VISIBLE_DEVICES names it: a number, or what the user's own setting says."""
    name: str
    memory_mib: int


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Return the GPUs of this machine that CUDA_VISIBLE_DEVICES leaves visible, in its order; none without a driver."""
    rows = [row for row in _rows() if row[3][:1].isdigit()]
    visible, chosen = environment.get("CUDA_VISIBLE_DEVICES"), []
    entries = [row[0] for row in rows] if visible is None else [part.strip() for part in visible.split(",")]
    for entry in filter(None, entries):
        row = next((row for row in rows if row[0] == entry), None)
        row = row or next((row for row in rows if row[1].startswith(entry)), None)
        if row is None:
            break  # CUDA too stops at the first entry that it does not know
        chosen.append(Gpu(index=entry, name=row[2], memory_mib=int(float(row[3]))))
    return chosen


@functools.cache
def _rows() -> list[list[str]]:
    try:
        ran = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # no driver, or one that does not answer: nothing can train on it either
    rows = csv.reader(ran.stdout.splitlines(), skipinitialspace=True)
    return [row for row in rows if len(row) == 4]
