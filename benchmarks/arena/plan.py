"""What is run, in which order, and the rule of the first cut, which was written down before any run.

1. Screening: every arm at every rate, seeds 11 (then 12), judged after 300 steps on 200 problems that are not the test's.
2. An arm's own rate is the one with the highest mean of pass@1 and pass@8 there, over its screening seeds.
3. First cut: an arm is left out if, at its own rate, another arm at its own rate is better there in pass@1 and in pass@8, in
   both by more than 0.02. GRPO, Dr. GRPO, DRA-GRPO with hashed words, placebo, oracle labels and MaxRL are never left out.
4. Test: the arms that are left, at their own rates, seeds 1 to 5, measured on the 200 test problems with 16 samples each.
   All of them begin from the base model that lies in the repository: a test whose base was not recorded is done again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from arms import ARMS, MARKS, RATES, SCREEN_SEEDS, TEST_SEEDS, Arm

MARGIN = 0.02
Record = Mapping[str, Any]
RECORDS = Path(__file__).parent / "results" / "runs.jsonl"
BASE = "base model"
"""Goes for an arm in the records, with no steps."""


def records(path: Path = RECORDS) -> list[dict[str, Any]]:
    """Return what every finished run left."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.strip()]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: an arm of a task at a rate with a seed."""

    task: str
    arm: Arm
    rate: float
    seed: int

    @property
    def key(self) -> tuple[str, str, float, int]:
        """What tells it from every other run."""
        return self.task, self.arm.name, self.rate, self.seed


def key_of(record: Record) -> tuple[str, str, float, int]:
    """Return which run a record is of."""
    return record["task"], record["arm"], record["rate"], record["seed"]


def has_base(record: Record) -> bool:
    """Tell whether a run says which base model it began from: those that do began from the repository's."""
    return "base" in record


def screened(records: Sequence[Record], task: str) -> dict[str, dict[float, tuple[float, float]]]:
    """Return (pass@1, pass@8) on the other problems after the last step: arm -> rate -> mean over screening seeds."""
    found: dict[str, dict[float, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record["task"] == task and record["seed"] in SCREEN_SEEDS:
            dev = record["at"][str(MARKS[-1])]["dev"]
            found[record["arm"]][record["rate"]].append((dev["pass@1"], dev["pass@8"]))
    return {
        arm: {rate: (mean(p for p, _ in pairs), mean(q for _, q in pairs)) for rate, pairs in rates.items()}
        for arm, rates in found.items()
    }


def own_rates(records: Sequence[Record], task: str) -> dict[str, float]:
    """Return the rate of each arm that was screened."""
    return {arm: max(rates, key=lambda r: sum(rates[r])) for arm, rates in screened(records, task).items()}


def survivors(records: Sequence[Record], task: str) -> list[str]:
    """Return the names of the arms that the first cut leaves, of those that were screened."""
    rates, scores = own_rates(records, task), screened(records, task)
    own = {arm: scores[arm][rate] for arm, rate in rates.items()}

    def is_beaten(arm: str) -> bool:
        return any(all(b > a + MARGIN for a, b in zip(own[arm], other, strict=True)) for other in own.values())

    return [arm.name for arm in ARMS if arm.name in own and (arm.is_kept or not is_beaten(arm.name))]


def jobs(records: Sequence[Record], task: str, stages: Sequence[str]) -> Iterator[Job]:
    """Yield what is still to be run, the most telling first; a test needs its arm to be screened at every rate asked."""
    done = {key_of(record) for record in records if record["seed"] in SCREEN_SEEDS or has_base(record)}
    for job in _all(records, task, stages):
        if job.key not in done:
            done.add(job.key)
            yield job


def _all(records: Sequence[Record], task: str, stages: Sequence[str]) -> Iterator[Job]:
    for stage in stages:
        kind, _, rest = stage.partition(":")
        who, _, what = rest.partition(":")
        arms = [arm for arm in ARMS if who in ("", "all") or (who == "kept") == arm.is_kept]
        if kind == "screen":
            seeds = SCREEN_SEEDS[:1] if what == "one" else SCREEN_SEEDS
            rates = RATES[: int(what)] if what.isdigit() else RATES
            if what.isdigit():
                seeds = SCREEN_SEEDS[:1]
            yield from (Job(task=task, arm=a, rate=r, seed=s) for s in seeds for r in rates for a in arms)
        else:
            rates_of, left = own_rates(records, task), survivors(records, task)
            chosen = [arm for arm in arms if arm.name in left]
            seeds = TEST_SEEDS[: int(what)] if what.isdigit() else TEST_SEEDS
            yield from (Job(task=task, arm=a, rate=rates_of[a.name], seed=s) for s in seeds for a in chosen)
