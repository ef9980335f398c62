"""The GPUs that processes started here will see, without loading torch."""

from __future__ import annotations

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
    gpus = {gpu.index: gpu for gpu in _all_gpus()}
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(gpus.values())
    by_uuid = {uuid: gpus[index] for index, uuid in _uuids().items()}
    chosen = []
    for entry in filter(None, (part.strip() for part in visible.split(","))):
        found = gpus.get(entry) or next((gpu for uuid, gpu in by_uuid.items() if uuid.startswith(entry)), None)
        if found is None:
            break  # CUDA too stops at the first entry that it does not know
        chosen.append(Gpu(index=entry, name=found.name, memory_mib=found.memory_mib))
    return chosen


def _all_gpus() -> list[Gpu]:
    return [Gpu(index=row[0], name=row[2], memory_mib=int(float(row[3]))) for row in _rows() if row[3][:1].isdigit()]


def _uuids() -> dict[str, str]:
    return {row[0]: row[1] for row in _rows()}


@functools.cache
def _rows() -> list[list[str]]:
    try:
        ran = subprocess.run(QUERY, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # no driver, or one that does not answer: nothing can train on it either
    rows = csv.reader(ran.stdout.splitlines(), skipinitialspace=True)
    return [row for row in rows if len(row) == 4]
