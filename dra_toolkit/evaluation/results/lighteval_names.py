"""How lighteval's versions name tasks and metrics."""

import re
from collections.abc import Mapping

SINGLE: tuple[str, ...] = ("extractive_match", "acc", "accuracy", "exact_match", "em", "quasi_exact_match")
"""Metrics that are accuracy where one sample of each problem was taken, the preferred one first."""
SUITES = ("custom", "lighteval", "community", "extended", "harness", "helm", "bigbench", "leaderboard", "original")
"""First part of a task's name up to lighteval 0.12."""
_SUITE = re.compile(rf"(?:{'|'.join(SUITES)})\|(?=.)|(?:{'|'.join(set(SUITES) - {'bigbench'})}):(?=\D)")
"""bigbench:arithmetic_bb is a task of lighteval 0.13."""

_NUMBERED = re.compile(r"(?:[a-z]+_)?(pass|avg|maj)@(k|n|\d{1,6})(?:[:_](.+))?$")
"""`pass@k:k=4&n=16`, `math_pass@1:16_samples`, `avg@n:n=8`, `maj@8`, `pass@1`."""


def benchmark_of(task: str) -> str | None:
    """Return the task in `custom|aime24|0`, `custom:aime24:0`, `aime24|0` or `aime24:0`; None for an average over tasks.

    >>> benchmark_of("leaderboard|mmlu:abstract_algebra|5"), benchmark_of("lighteval:aime24:0"), benchmark_of("all")
    ('mmlu:abstract_algebra', 'aime24', None)
    """
    name = re.sub(r"[:|]\d+$", "", _SUITE.sub("", task)).partition("|")[0]
    return None if name in ("all", "average") or name.endswith(":_average") else name


def metric_of(name: str) -> tuple[str, int] | None:
    """Return what a numbered metric is here, `avg`, `maj` or `pass@k`, and of how many samples; None for any other.

    0 samples stands for a number that the name does not tell.

    >>> metric_of("pass@k:k=4&n=16"), metric_of("math_pass@1:16_samples"), metric_of("avg@n:n=8")
    (('pass@4', 16), ('pass@1', 16), ('avg', 8))
    """
    match = _NUMBERED.match(name)
    if match is None or name.endswith("_stderr"):
        return None
    kind, number, rest = match[1], match[2], match[3] or ""
    told = {key: int(value) for key, value in re.findall(r"\b([kn])=(\d{1,6})\b", rest)}
    samples = re.match(r"(\d{1,6})_samples$", rest)
    n = int(samples[1]) if samples else told.get("n", 0)
    if kind != "pass":
        return kind, int(number) if number.isdecimal() else n
    k = int(number) if number.isdecimal() else told.get("k", 0)
    return (f"pass@{k}", n) if k else None


def single_metric(row: Mapping[str, object]) -> str | None:
    """Return the metric that is accuracy of one sample: a known one, or else the only one without a number in its name."""
    numbers = [name for name in row if not name.endswith("_stderr")]
    known = next((name for name in SINGLE if name in row), None)
    if known or len(numbers) != 1:
        return known
    return None if metric_of(numbers[0]) else numbers[0]
