"""Cost of each diversity measure for 1,000,000 completions in groups of 8, similarity given, against graph cut."""

from __future__ import annotations

import statistics

import numpy as np
from common import ratio, side_by_side, write, write_markdown

from dra_toolkit.diversity import MEASURES, DiversitySettings, adjust, adjusted_advantages, cosine_similarity

GROUPS, G, ROUNDS = 125_000, 8, 5
EXTRAS = {
    "graph_cut, similarity centred": DiversitySettings(similarity_centre="group_mean"),
    "graph_cut, robust": DiversitySettings(weights="mean_one", negative_totals="multiply", zero_spread_groups="skip"),
    "cluster_size, labels from similarity": DiversitySettings(measure="cluster_size", labels="similarity"),
}


def main() -> None:
    """Measure similarity -> advantages, the work of a replay, for every measure in turn."""
    rng = np.random.default_rng(0)
    known = {
        "similarity": cosine_similarity(rng.standard_normal((GROUPS, G, 16), dtype=np.float32) + 1),
        "totals": rng.integers(0, 2, (GROUPS, G)).astype(float),
        "labels": rng.integers(0, 4, (GROUPS, G)),
        "log_probs": -rng.random((GROUPS, G)),
        "lengths": rng.integers(1, 500, (GROUPS, G)).astype(float),
        "history": rng.integers(0, 9, (GROUPS, G, 2)).astype(float),
    }

    def replay(settings: DiversitySettings) -> object:
        return adjusted_advantages(adjust(settings=settings, **known), "group", settings)

    chosen = {name: DiversitySettings(measure=name) for name in ("none", *MEASURES)} | EXTRAS
    seconds = side_by_side({n: lambda s=s: replay(s) for n, s in chosen.items()}, rounds=ROUNDS)
    ratios = {name: ratio(seconds, name, "graph_cut") for name in seconds}
    write("measures", {"completions": GROUPS * G, "group": G, "seconds": seconds, "against graph_cut": ratios})
    lines = ["| measure | seconds | against graph cut (min to max) |", "| --- | --- | --- |"]
    for name, found in ratios.items():
        median = statistics.median(seconds[name])
        spread = f"**{found['median']:.2f}** ({found['min']:.2f} to {found['max']:.2f})"
        lines.append(f"| {name} | {median:.2f} | {spread} |")
    lines += [
        "",
        f"Similarity to advantages of {GROUPS * G:,} completions in groups of {G}, median of {ROUNDS} rounds.",
    ]
    write_markdown("measures", "Cost of the diversity measures", lines)


if __name__ == "__main__":
    main()
