"""What the benchmarks share: repeated timing side by side, and writing results down."""

from __future__ import annotations

import json
import os
import platform
import random
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeVar

RESULTS = Path(__file__).parent / "results"
Result = TypeVar("Result")
RESAMPLES = 10_000


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


def in_turn(candidates: Mapping[str, Callable[[], Result]], *, rounds: int) -> dict[str, list[Result]]:
    """Call each candidate once per round after one round of warm-up, beginning with another one in each round.

    Return what each returned, round by round.
    """
    found: dict[str, list[Result]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            result = candidates[name]()
            print(f"{'warm-up' if number == 0 else f'round {number}'}, {name}: {result}", file=sys.stderr)
            if number:
                found[name].append(result)
    return found


def paired(over: Sequence[float], under: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum of the ratios, pair by pair, and a 95 % bootstrap interval of the median."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    source = random.Random(0)
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios), "low": low, "high": high}


def in_words(ratio: Mapping[str, float]) -> str:
    """Return a ratio of `paired` for a table."""
    return f"**{ratio['median']:.3f}** ({ratio['min']:.3f} to {ratio['max']:.3f}; {ratio['low']:.3f} to {ratio['high']:.3f})"


def write_markdown(name: str, title: str, lines: Sequence[str]) -> None:
    """Write results/NAME.md: title, the command that made it, the machine, and the lines."""
    script = Path(sys.argv[0]).resolve().relative_to(Path(__file__).resolve().parents[1])
    given = ["FOLDER" if argument.startswith("/") else argument for argument in sys.argv[1:]]
    command = shlex.join(["python", str(script), *given])
    machine = f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "transformers", "trl"))
    head = [f"# {title}", "", f"Made by `{command}` on {machine}; {versions}.", ""]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


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
