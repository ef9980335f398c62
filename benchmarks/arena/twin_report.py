"""The tables of the twin, with the real task's runs beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plan import records
from tables import MEASURES, draw, table
from twin import ARMS, FULL_RATE, GROUPS, LONG, MARKS, RATES, RESULTS, WAYS, World, ceiling

KEEPS, NEAR = 0.90, 0.01
"""Share of the ceiling's pass@8 that counts as kept, and how far pass@1 may be below the best arm's."""


def _cell(at: Mapping[str, Any]) -> str:
    return " / ".join(f"{at[m][0]:.{1 if m == 'ways' else 3}f}" for m in MEASURES)


def write_report(found: Mapping[str, Any]) -> None:
    """Write results/twin.md and the picture."""
    top = ceiling(5)
    own, rates = found["own"], found["rates"]
    lines = [
        "# The arena's tabular twin",
        "",
        f"Made by `python benchmarks/arena/twin.py`: {World().seeds} seeds, {found['cpu_seconds'] / 60:.0f} minutes of one",
        "core. Cells are pass@1 / pass@8 / distinct correct ways of 8, exact for each seed's policy, means over seeds.",
        "Ceiling of a policy that makes no mistake and takes all ways equally often:",
        f"{top['pass@1']:.3f} / {top['pass@8']:.3f}. Adam's rates on the logits of ways and outcomes, {FULL_RATE} at the",
        "full rate, were fitted to one run of GRPO on the real task; nothing else was.",
        "",
        "## Every arm at every rate",
        "",
        "Its own rate has the highest mean of pass@1 and pass@8 after 300 steps on the problems that are not the test's.",
        "",
    ]
    head = ["arm", *(f"{_named(rate)}, {mark} steps" for rate in RATES for mark in (MARKS[0], MARKS[-1])), "own rate"]
    lines += table(
        head,
        [
            [
                name,
                *(_cell(rates[name][str(r)][str(m)]) for r in RATES for m in (MARKS[0], MARKS[-1])),
                _named(own[name]),
            ]
            for name in ARMS
        ],
    )
    spread = max(rates[n][str(r)][str(m)]["pass@8"][1] for n in ARMS for r in RATES for m in MARKS)
    lines += [f"Largest standard deviation of pass@8 over seeds: {spread:.3f}.", "", *_longer(found, top["pass@8"])]
    for key, title, sizes in (
        ("group", "Group size G, the same 128 completions in groups of G", GROUPS),
        ("ways", "Number of ways", WAYS),
    ):
        lines += [f"## {title}, own rate, 300 steps", ""]
        if key == "ways":
            tops = [ceiling(size) for size in sizes]
            lines += ["Ceilings: " + ", ".join(f"{t['pass@1']:.3f} / {t['pass@8']:.3f}" for t in tops) + ".", ""]
        rows = [[name, *(_cell(found[key][name][str(size)]) for size in sizes)] for name in ARMS]
        lines += table(["arm", *map(str, sizes)], rows)
    lines += _check(rates)
    (RESULTS / "twin.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    _draw(found)


def _named(rate: float) -> str:
    return {0.2: "a fifth", 0.5: "half", 1.0: "full"}[rate]


def _longer(found: Mapping[str, Any], top: float) -> list[str]:
    """Return the horizon's table: who keeps pass@8 with pass@1 near the best, and rises as fast as GRPO."""
    longer = found["longer"]
    rise = longer["GRPO"]["60"]["reward"][0]
    best = {mark: max(longer[name][str(mark)]["pass@1"][0] for name in ARMS) for mark in LONG}

    def keeps(name: str, mark: int) -> bool:
        at = longer[name][str(mark)]
        return at["pass@8"][0] >= KEEPS * top and at["pass@1"][0] >= best[mark] - NEAR

    rows = [
        [
            name,
            _named(found["own"][name]),
            *(_cell(longer[name][str(mark)]) + (" **keeps**" if keeps(name, mark) else "") for mark in LONG),
            f"{longer[name]['60']['reward'][0] - rise:+.3f}",
        ]
        for name in ARMS
    ]
    return [
        "## Horizon, own rate",
        "",
        f"**keeps**: pass@8 at least {KEEPS:.0%} of the ceiling ({KEEPS * top:.3f}) and pass@1 within {NEAR} of the best",
        "arm at that length. Last column: mean reward of steps 51 to 60, less GRPO's.",
        "",
        *table(["arm", "rate", *(f"{mark} steps" for mark in LONG), "reward by 60"], rows),
    ]


def _check(rates: Mapping[str, Any]) -> list[str]:
    """Return the table of arms that ran in both, at rates that both have."""
    rows = []
    for record in records():
        share = record["rate"] / 1e-3
        if record["task"] != "hidden" or record["arm"] not in rates or str(share) not in rates[record["arm"]]:
            continue
        twin = rates[record["arm"]][str(share)]
        cells = []
        for mark in MARKS:
            real = record["at"][str(mark)]["test"]
            cells.append(f"{real['pass@1']:.3f} / {real['pass@8']:.3f} / {real['ways']:.1f} · {_cell(twin[str(mark)])}")
        rows.append([record["arm"], f"{record['rate']:g}", str(record["seed"]), *cells])
    if not rows:
        return []
    return [
        "## Check against the real task",
        "",
        "Real run (one seed a line) · twin (mean of its seeds).",
        "",
        *table(["arm", "rate", "seed", *(f"{mark} steps" for mark in MARKS)], sorted(rows)),
    ]


SHOWN = (
    "GRPO",
    "DRA-GRPO, hash",
    "placebo",
    "oracle labels",
    "MaxRL",
    "MaxRL x log-probs",
    "PKPO, k = 4",
    "Poly-EPO, k = 4",
)


def _draw(found: Mapping[str, Any]) -> None:
    panels = []
    for measure in ("pass@8", "pass@1"):
        at = {name: found["longer"][name] for name in SHOWN}
        lines = {n: ([float(m) for m in LONG[:4]], [at[n][str(m)][measure][0] for m in LONG[:4]]) for n in SHOWN}
        panels.append((f"{measure}, own rate", "steps", lines))
    images = RESULTS.parents[2] / "docs" / "images"
    draw(images / "arena-twin.svg", panels)
