"""Evaluations of the demonstration's policy, written as `dra eval` writes them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, write_outcomes
from dra_toolkit.quickstart.checker import well_formed_answer
from dra_toolkit.quickstart.task import problems

if TYPE_CHECKING:
    from dra_app.demo import Policy

BENCHMARK = "ways"
PROBLEMS, SAMPLES = 60, 4


def evaluate(evals: Path, run: str, step: int, policy: Policy) -> None:
    """Sample answers to held-out problems at a step, and write the outcomes."""
    rng, texts = np.random.default_rng(step), random.Random(step)
    asked = problems().held_out[:PROBLEMS]
    rows: list[dict[str, Any]] = []
    place = {"label": f"step-{step}", "run": run, "step": step, "model": run, "benchmark": BENCHMARK}
    for index, problem in enumerate(asked):
        for sample, text in enumerate(policy.sample(problem, SAMPLES, rng, texts)):
            answer = well_formed_answer(text)
            rows.append(
                place
                | {
                    "problem": problem.prompt,
                    "problem_index": index,
                    "sample": sample,
                    "seed": step,
                    "correct": answer == problem.solution,
                    "answer": answer,
                    "tokens": len(text.split()),
                    "finish_reason": "stop" if answer else "length",
                    "gold": problem.solution,
                    "completion": text,
                }
            )
    key = f"{step:016x}"
    folder = evals / f"step-{step}" / BENCHMARK / key
    folder.mkdir(parents=True)
    facts = place | {
        "key": key,
        "n": SAMPLES,
        "settings": {"temperature": 1.0},
        "problems": len(asked),
        "metric": "strict",
    }
    write_outcomes(folder / OUTCOMES_FILE, rows, facts)
