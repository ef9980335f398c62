"""The scores of an evaluation as lighteval's own command writes them, so that what reads its results reads these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.evaluation.statistics.scores import Bools, pass_at_k, score
from dra_toolkit.runs.files import publish_text

ACCURACY = "extractive_match"
"""The name that Open-RS's logs give the metric; with several samples it is their mean."""


def hash_examples(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return lighteval's hash over the prompts of a task, whatever their order."""
    from xxhash import xxh64

    single = sorted(xxh64(row["query"].encode()).hexdigest() for row in rows)
    return str(xxh64("".join(single).encode()).hexdigest())


def write_results(folder: Path, facts: Mapping[str, Any], correct: Bools) -> None:
    """Write `results_<date>.json` below a folder; the answers themselves stand in outcomes.parquet, which it names.

    correct: (P, n)
    """
    P, n = correct.shape
    ks = sorted({2**i for i in range(1, 12) if 2**i <= n} | ({n} if n > 1 else set()))
    values = {ACCURACY: correct.mean(axis=1)} | {f"pass@k:k={k}&n={n}": pass_at_k(correct, k) for k in ks}
    results: dict[str, float] = {}
    for name, of in values.items():
        made = score(np.asarray(of))
        results |= {name: made.value, f"{name}_stderr": made.error if P > 1 else 0.0}
    asked = facts["settings"]
    given = {name: asked[name] for name in ("temperature", "top_p", "max_new_tokens", "seed")}
    model = {"model_name": facts["model"], "generation_parameters": given, "system_prompt": asked["system_prompt"]}
    task = f"{facts['benchmark']}|0"
    written = {
        "config_general": {"model_name": f"{facts['run'] or ''}/{facts['label']}".strip("/"), "model_config": model},
        "results": {task: results},
        "versions": {task: 1},
        "config_tasks": {task: {"name": facts["benchmark"], "num_samples": [n], "metric": "KeptScores"}},
        "summary_tasks": {task: {"hashes": {"hash_examples": facts["hash_examples"]}, "non_truncated": P}},
        "details": "outcomes.parquet",
    }
    folder.mkdir(parents=True, exist_ok=True)
    publish_text(folder / f"results_{facts['finished'].replace(':', '-')}.json", json.dumps(written, indent=2) + "\n")
