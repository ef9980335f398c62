"""The tables of the twin, with the real task's runs beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from plan import records
from tables import MEASURES, cell, draw, table
from twin import ARMS, FULL_RATE, GROUPS, LONG, MARKS, RATES, RESULTS, WAYS, World, ceiling, own_rate

KEEPS, NEAR = 0.90, 0.01
"""Share of the ceiling's pass@8 that counts as kept, and how far pass@1 may be below the best arm's."""


def _cell(at: Mapping[str, Any]) -> str:
    one, eight = (f"{at[m][0]:.3f} ± {_half(at[m][1]):.3f}" for m in ("pass@1", "pass@8"))
    return f"{one} / {eight} / {at['ways'][0]:.1f}"


def _half(deviation: float) -> float:
    """Return half the 95 % interval of a mean over the twin's seeds."""
    from scipy.stats import t

    seeds = World().seeds
    return float(t.ppf(0.975, seeds - 1)) * deviation / math.sqrt(seeds)


def write_report(found: Mapping[str, Any]) -> None:
    """Write results/twin.md and the picture."""
    top = ceiling(5)
    own, rates = found["own"], found["rates"]
    lines = [
        "# The arena's tabular twin",
        "",
        f"Made by `python benchmarks/arena/twin.py`: {World().seeds} seeds, {found['cpu_seconds'] / 60:.0f} minutes of one",
        "core. Cells are pass@1 / pass@8 / distinct correct ways of 8, exact for each seed's policy, means over seeds;",
        "± is half a 95 % interval over them. Ceiling of a policy that makes no mistake and takes all ways equally often:",
        f"{top['pass@1']:.3f} / {top['pass@8']:.3f}. Adam's rates on the logits of ways and outcomes, {FULL_RATE} at the",
        "full rate, were fitted to one run of GRPO on the real task; nothing else was. **These are the twin's numbers**:",
        "the last table says how far they are from the real task's.",
        "",
        "## Every arm at every rate, 300 steps",
        "",
        "Its own rate has the highest mean of pass@1 and pass@8 after 300 steps on the problems that are not the test's.",
        "",
    ]
    rows = [[n, *(_cell(rates[n][str(r)]["300"]) for r in RATES), NAMES[own[n]]] for n in ARMS]
    lines += table(["arm", *(NAMES[rate] for rate in RATES), "own rate"], rows)
    lines += [
        f"Who **keeps** at one rate for all: pass@8 at least {KEEPS:.0%} of the ceiling ({KEEPS * top['pass@8']:.3f}) and"
    ]
    lines += [f"pass@1 within {NEAR} of the best arm at that rate, by the means:", ""]
    lines += [f"- {NAMES[rate]}: {'; '.join(keeping(rates, rate, top['pass@8'])) or 'none'}" for rate in RATES]
    lines += [""]
    lines += _longer(found, top["pass@8"])
    for key, title, sizes in (
        ("group", "Group size G, the same 128 completions in groups of G", GROUPS),
        ("ways", "Number of ways", WAYS),
    ):
        lines += [f"## {title}, 300 steps", "", "Each cell at the arm's own rate for that size, in brackets.", ""]
        if key == "ways":
            tops = [ceiling(size) for size in sizes]
            lines += ["Ceilings: " + ", ".join(f"{t['pass@1']:.3f} / {t['pass@8']:.3f}" for t in tops) + ".", ""]
        rows = [[name, *(_at_own_rate(found[key][name][str(size)]) for size in sizes)] for name in ARMS]
        lines += table(["arm", *map(str, sizes)], rows)
    lines += _check(rates)
    (RESULTS / "twin.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    _draw(found)


def keeping(rates: Mapping[str, Any], rate: float, top: float) -> list[str]:
    """Return the arms that keep pass@8 with pass@1 near the best one's, after 300 steps at one rate."""
    at = {name: {m: rates[name][str(rate)]["300"][m][0] for m in MEASURES} for name in ARMS}
    best = max(values["pass@1"] for values in at.values())
    return [n for n, by in at.items() if by["pass@8"] >= KEEPS * top and by["pass@1"] >= best - NEAR]


NAMES = {0.1: "a tenth", 0.2: "a fifth", 0.5: "half", 1.0: "full", 2.0: "double"}
"""Of the rates, as shares of the full one."""


def _at_own_rate(by_rate: Mapping[str, Any]) -> str:
    rate = own_rate(by_rate)
    return f"{_cell(by_rate[str(rate)]['300'])} ({NAMES[rate]})"


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
            NAMES[found["own"][name]],
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


Apart = dict[tuple[str, float], dict[str, dict[int, list[float]]]]
"""(arm, rate) -> measure -> mark -> real less twin of each seed."""


def differences(found: Sequence[Mapping[str, Any]], rates: Mapping[str, Any]) -> Apart:
    """Return how far each run of the real task is from the twin's mean, of arms and rates that both have."""
    apart: Apart = {}
    for record in found:
        share = str(record["rate"] / 1e-3)
        if record["task"] != "hidden" or share not in rates.get(record["arm"], ()):
            continue
        by = apart.setdefault((record["arm"], record["rate"]), {m: {mark: [] for mark in MARKS} for m in MEASURES})
        for m, of_marks in by.items():
            for mark, values in of_marks.items():
                values.append(record["at"][str(mark)]["test"][m] - rates[record["arm"]][share][str(mark)][m][0])
    return apart


def _check(rates: Mapping[str, Any]) -> list[str]:
    """Return the table of arms that ran in both, at rates that both have."""
    apart = differences(records(), rates)
    if not apart:
        return []
    marks = [str(mark) for mark in MARKS]
    rows = [
        [arm, f"{rate:g}", str(len(by["pass@1"][MARKS[0]]))]
        + [f"{_signed(by['pass@1'][mark])} / {_signed(by['pass@8'][mark])}" for mark in MARKS]
        for (arm, rate), by in sorted(apart.items(), key=lambda item: (item[0][1], list(rates).index(item[0][0])))
    ]
    return [
        "## Check against the real task",
        "",
        "Real less twin, pass@1 / pass@8, mean over the real task's seeds, screening and test; ± where there are several.",
        "",
        *table(["arm", "rate", "seeds", *(f"{mark} steps" for mark in marks)], rows),
        *_in_short(apart, rates),
    ]


def _signed(values: Sequence[float]) -> str:
    return cell(values, sign=True)


def _in_short(apart: Apart, rates: Mapping[str, Any]) -> list[str]:
    """Return, for each rate, how far the two are apart after the last step, and whether they order the arms alike."""
    from scipy.stats import spearmanr

    lines = []
    for rate in sorted({rate for _, rate in apart}):
        here = {arm: by for (arm, each), by in apart.items() if each == rate}
        said = []
        for m in ("pass@1", "pass@8"):
            errors = {arm: statistics.mean(by[m][MARKS[-1]]) for arm, by in here.items()}
            twin = {arm: rates[arm][str(rate / 1e-3)][str(MARKS[-1])][m][0] for arm in here}
            order = spearmanr(list(twin.values()), [twin[arm] + errors[arm] for arm in here]).statistic
            size = statistics.mean(map(abs, errors.values()))
            said.append(
                f"{m}: mean {statistics.mean(errors.values()):+.3f}, mean size {size:.3f}, rank correlation {order:.2f}"
            )
        lines.append(f"- rate {rate:g}, {len(here)} arms, {MARKS[-1]} steps, real less twin: {'; '.join(said)}")
    return [*lines, ""]


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
