"""Adjusting 1,000,000 completions (G = 8, d = 384, embeddings given) against the bare batched matrix product."""

from __future__ import annotations

import numpy as np
from common import ratio, side_by_side, write

from dra_toolkit.diversity import adjust

GROUPS, G, D, ROUNDS = 125_000, 8, 384, 7


def main() -> None:
    """Measure."""
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((GROUPS, G, D), dtype=np.float32)
    totals = rng.random((GROUPS, G))
    seconds = side_by_side(
        {
            "matrix product": lambda: embeddings @ embeddings.swapaxes(1, 2),
            "adjust": lambda: adjust(embeddings=embeddings, totals=totals),
        },
        rounds=ROUNDS,
    )
    result = {"completions": GROUPS * G, "group": G, "dimensions": D, "seconds": seconds}
    write("adjusting", {**result, "adjust / matrix product": ratio(seconds, "adjust", "matrix product")})


if __name__ == "__main__":
    main()
