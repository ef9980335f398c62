"""The arena's tables and pictures from what `results/runs.jsonl` has by now: results/arena*.md, docs/images/arena-*.svg."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from arms import ARMS, MARKS, RATES, SCREEN_SEEDS, TEST_SEEDS
from evaluate import ceiling
from plan import BASE, has_base, own_rates, records, survivors
from tables import MEASURES, cell, draw, holm, p_value, shown, table

KEEPS, NEAR = 0.90, 0.01
"""Share of the ceiling's pass@8 that counts as kept, and how far pass@1 may be below the best arm's."""
IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
Runs = Mapping[tuple[str, float], Mapping[int, Mapping[str, Any]]]
"""(arm, rate) -> seed -> record."""


def report(task: str = "hidden") -> None:
    """Write the tables of one task."""
    found = [record for record in records() if record["task"] == task]
    runs: dict[tuple[str, float], dict[int, Any]] = defaultdict(dict)
    for record in found:
        runs[record["arm"], record["rate"]][record["seed"]] = record
    hours = sum(record.get("cpu_seconds", 0) for record in found) / 3600
    lines = [
        f"# The arena, `{task}`",
        "",
        f"Made by `python benchmarks/arena/run.py`; {sum(r['arm'] != BASE for r in found)} runs of {MARKS[-1]} steps, "
        f"{hours:.1f} hours of one core.",
        "Cells are pass@1 / pass@8 / distinct correct ways of 8 on the 200 test problems, 16 samples each; ± is half a 95 %",
        "interval over training seeds, which one seed does not have: problems and sampling seed are the same for all runs.",
        "p are of t tests of the differences, after Holm over the arms of a table, each measure and table for itself.",
        "",
    ]
    lines += _screening(runs, found, task)
    lines += _test(found, task)
    name = "arena.md" if task == "hidden" else f"arena-{task}.md"
    (Path(__file__).parent / "results" / name).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    _draw(runs, found, task)


def _values(seeds: Mapping[int, Any], mark: int, measure: str, only: Sequence[int]) -> list[float]:
    return [by["at"][str(mark)]["test"][measure] for seed, by in sorted(seeds.items()) if seed in only]


def _cells(seeds: Mapping[int, Any], only: Sequence[int]) -> list[str]:
    return [" / ".join(cell(_values(seeds, mark, m, only)) for m in MEASURES) for mark in MARKS]


def _bounds(runs: Runs, task: str, blank: int) -> list[list[str]]:
    top = ceiling(task)
    rows = [["ceiling", *[""] * blank, *[" / ".join(f"{top[m]:.3f}" for m in MEASURES)] * len(MARKS)]]
    for seeds in [seeds for (arm, _), seeds in runs.items() if arm == BASE]:
        at = seeds[0]["at"]["0"]["test"]
        rows.append([BASE, *[""] * blank, *[" / ".join(f"{at[m]:.3f}" for m in MEASURES)] * len(MARKS)])
    return rows


def _screening(runs: Runs, found: Sequence[Mapping[str, Any]], task: str) -> list[str]:
    rates, left = own_rates(found, task), survivors(found, task)
    rows = []
    for arm in ARMS:
        for rate in RATES:
            seeds = [seed for seed in runs.get((arm.name, rate), {}) if seed in SCREEN_SEEDS]
            if seeds:
                own = (
                    "" if rates.get(arm.name) != rate else "own" if _ran_at(runs, arm.name) > 1 else "only rate so far"
                )
                fate = "" if own == "" or arm.name in left else ", cut"
                told = [arm.name, f"{rate:g}", ", ".join(map(str, seeds)), *_cells(runs[arm.name, rate], SCREEN_SEEDS)]
                rows.append([*told, own + fate])
    return [
        f"## Screening, seeds {' and '.join(map(str, SCREEN_SEEDS))}",
        "",
        "An arm's own rate, and whether it is cut, is decided on 200 other problems ([plan.py](../plan.py)).",
        "",
        *table(
            ["arm", "rate", "seeds", *(f"{m} steps" for m in MARKS), ""],
            [*([*r, ""] for r in _bounds(runs, task, 2)), *rows],
        ),
    ]


def _test(found: Sequence[Mapping[str, Any]], task: str) -> list[str]:
    here, before = (_tested(found, task, known) for known in (True, False))
    if not here and not before:
        return ["## Test, seeds 1 to 5", "", "No run yet.", ""]
    rates = own_rates(found, task)
    head = ["arm", "rate", "seeds", *(f"{m} steps" for m in MARKS), "keeps pass@8"]
    bounds = [[*row, ""] for row in _bounds({(r["arm"], 0.0): {0: r} for r in found if r["arm"] == BASE}, task, 2)]

    def rows(tested: Mapping[str, Mapping[int, Any]]) -> list[list[str]]:
        return [
            [a, f"{rates[a]:g}", str(len(s)), *_cells(s, TEST_SEEDS), _verdict(a, tested, task)]
            for a, s in tested.items()
        ]

    lines = [
        "## Test, own rates",
        "",
        f"Keeps: after {MARKS[-1]} steps pass@8 at least {KEEPS:.0%} of the ceiling, pass@1 within {NEAR} of the best arm,",
        "and mean reward of steps 51 to 60 no more than 0.01 below GRPO's.",
        "",
        *table(head, [*bounds, *rows(here)]),
        *_paired([here], "GRPO"),
        *_paired([here], "placebo"),
    ]
    if before:
        lines += [
            "## Test, earlier weights",
            "",
            "The same seeds from base models that were made on their own machines, by the same command, and were not kept.",
            "",
            *table(head, [*bounds[:1], *rows(before)]),
            "## Both tests together",
            "",
            "Each difference is of two runs of one test.",
            "",
            *_paired([here, before], "GRPO"),
            *_paired([here, before], "placebo"),
        ]
    return lines


def _tested(found: Sequence[Mapping[str, Any]], task: str, known: bool) -> dict[str, dict[int, Any]]:
    """Return arm -> seed -> test record, from the repository's base model or, if it is not known, from others."""
    rates = own_rates(found, task)
    tested: dict[str, dict[int, Any]] = {}
    for arm in ARMS:
        seeds = {
            record["seed"]: record
            for record in found
            if record["seed"] in TEST_SEEDS and has_base(record) == known and record["arm"] == arm.name
            if record["rate"] == rates.get(arm.name)
        }
        if seeds:
            tested[arm.name] = seeds
    return tested


def _ran_at(runs: Runs, arm: str) -> int:
    """Return at how many rates an arm was screened."""
    return sum(name == arm and any(seed in SCREEN_SEEDS for seed in seeds) for (name, _), seeds in runs.items())


def _mean_of(seeds: Mapping[int, Any], measure: str) -> float:
    values = _values(seeds, MARKS[-1], measure, TEST_SEEDS)
    return sum(values) / len(values)


def _rise(seeds: Mapping[int, Any]) -> float:
    values = [record["by_ten"]["correct_share"][5] for record in seeds.values()]
    return sum(values) / len(values)


def _verdict(arm: str, tested: Mapping[str, Mapping[int, Any]], task: str) -> str:
    best = max(_mean_of(seeds, "pass@1") for seeds in tested.values())
    short = []
    if _mean_of(tested[arm], "pass@8") < KEEPS * ceiling(task)["pass@8"]:
        short.append("pass@8")
    if _mean_of(tested[arm], "pass@1") < best - NEAR:
        short.append("pass@1")
    if "GRPO" in tested and _rise(tested[arm]) < _rise(tested["GRPO"]) - NEAR:
        short.append("speed")
    return f"no: {', '.join(short)}" if short else "yes"


def _paired(tests: Sequence[Mapping[str, Mapping[int, Any]]], to: str) -> list[str]:
    """Return differences against an arm after the last step, paired by seed, p after Holm over the other arms.

    Of several tests, those arms that all of them have, each pair within its own.
    """
    common = [arm for arm in tests[0] if all(arm in test and to in test for test in tests)]
    last = str(MARKS[-1])

    def differences(arm: str, measure: str) -> list[float]:
        return [
            test[arm][seed]["at"][last]["test"][measure] - test[to][seed]["at"][last]["test"][measure]
            for test in tests
            for seed in test[arm]
            if seed in test[to]
        ]

    apart = {arm: {m: differences(arm, m) for m in MEASURES} for arm in common if arm != to}
    apart = {arm: by for arm, by in apart.items() if by[MEASURES[0]]}
    if not apart:
        return []
    p = {m: holm({arm: p_value(by[m]) for arm, by in apart.items()}) for m in MEASURES}
    rows = [[arm, *(f"{cell(by[m], sign=True)} ({shown(p[m][arm])})" for m in MEASURES)] for arm, by in apart.items()]
    return [f"### Against {to} after {last} steps, paired by seed", "", *table(["arm", *MEASURES], rows)]


def _draw(runs: Runs, found: Sequence[Mapping[str, Any]], task: str) -> None:
    """Draw curves over steps of the arms that are never cut, at their own rates, and the frontier of all at one rate.

    Means over all seeds of an arm. The frontier is at the rate at which most arms ran.
    """
    base = next((s[0]["at"]["0"]["test"] for (arm, _), s in runs.items() if arm == BASE), None)
    every = (*SCREEN_SEEDS, *TEST_SEEDS)
    curves: dict[str, dict[str, tuple[list[float], list[float]]]] = {"pass@1": {}, "pass@8": {}}
    frontier = {}
    rates, kept = own_rates(found, task), {arm.name for arm in ARMS if arm.is_kept}
    common = max(RATES, key=lambda rate: sum(each == rate for _, each in runs))
    for (arm, rate), seeds in sorted(runs.items()):
        if arm == BASE:
            continue
        means = {m: [_mean(_values(seeds, mark, m, every)) for mark in MARKS] for m in MEASURES}
        for m, lines in curves.items():
            start = ([0.0], [base[m]]) if base else ([], [])
            if arm in kept and rates.get(arm) == rate:
                lines[f"{arm}, {rate:g}"] = ([*start[0], *map(float, MARKS)], [*start[1], *means[m]])
        if rate == common:
            frontier[arm] = ([means["pass@1"][-1]], [means["pass@8"][-1]])
    if frontier:
        panels = [(m, "steps", lines) for m, lines in curves.items()]
        draw(
            IMAGES / f"arena-{task}.svg", [*panels, (f"pass@8 over pass@1, last step, {common:g}", "pass@1", frontier)]
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    for each in sorted({record["task"] for record in records()}):
        report(each)
