"""What the benchmarks share: repeated timing side by side, and writing results down."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def side_by_side(candidates: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, list[float]]:
    """Time each candidate once per round, in turn, after one round of warm-up; return the seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(rounds + 1):
        for name, candidate in candidates.items():
            started = time.perf_counter()
            candidate()
            if round_number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: Mapping[str, list[float]], over: str, under: str) -> dict[str, float]:
    """Return minimum, median and maximum over rounds of the ratio of two candidates, round by round."""
    ratios = [a / b for a, b in zip(seconds[over], seconds[under], strict=True)]
    return {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)}


def write(name: str, result: Mapping[str, object]) -> None:
    """Print a result and keep it in results/NAME.json."""
    document = {
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "load": os.getloadavg()[0],
        **result,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))
