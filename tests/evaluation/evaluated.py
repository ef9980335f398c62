"""Finished evaluations of a few problems, written as `dra eval` writes them, and the command that reports them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from dra_toolkit.cli.main import app
from dra_toolkit.evaluation.results.stored import write_outcomes


def evaluate(
    root: Path,
    step: int,
    benchmark: str,
    correct,
    *,
    answers=None,
    judged=None,
    key="0" * 16,
    problems=None,
    settings=None,
    hash_examples="abc",
) -> Path:
    """Write one finished evaluation; correct: a row of 0 and 1 for each problem, problems: their identities."""
    folder = root / f"step-{step}" / benchmark / key
    folder.mkdir(parents=True)
    rows = [
        {
            "label": f"step-{step}",
            "run": "r",
            "step": step,
            "model": "m",
            "benchmark": benchmark,
            "problem": problems[p] if problems else f"p{p}",
            "problem_index": p,
            "sample": s,
            "seed": 7,
            "correct": bool(right),
            "correct_judged": None if judged is None else bool(judged[p][s]),
            "answer": answers[p][s] if answers else str(int(right)),
            "tokens": 3,
            "finish_reason": "stop",
            "gold": "1",
            "completion": f"I think {right} of {p}",
        }
        for p, samples in enumerate(correct)
        for s, right in enumerate(samples)
    ]
    facts = {
        "label": f"step-{step}",
        "run": "r",
        "step": step,
        "model": "m",
        "benchmark": benchmark,
        "key": key,
        "n": len(correct[0]),
        "settings": settings or {"temperature": 0.6},
        "hash_examples": hash_examples,
        "finished": f"2026-01-01T00:00:{int(key[0]):02}",
    }
    write_outcomes(folder / "outcomes.parquet", rows, facts)
    return folder


def write_unsealed(table: pa.Table, folder: Path) -> None:
    """Write the samples of an evaluation as a release did that sealed none."""
    pq.write_table(table, folder / "outcomes.parquet")
    facts = json.loads((folder / "evaluation.json").read_text())
    del facts["is_sealed"]
    (folder / "evaluation.json").write_text(json.dumps(facts))


def eval_(*arguments: object, status: int = 0):
    """Run `dra eval` with these arguments; it must end with the status and without a traceback."""
    ran = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    assert ran.exit_code == status, ran.output
    assert "Traceback" not in ran.output
    return ran


def three_steps(root: Path) -> Path:
    """Write steps 0, 50 and 100 on two benchmarks, 4 samples of 30 and 40 problems; 0 is worse than the others."""
    rng = np.random.default_rng(1)
    for step, skill in ((0, 0.2), (50, 0.5), (100, 0.5)):
        evaluate(root, step, "aime24", (rng.random((30, 4)) < skill).astype(int).tolist())
        evaluate(root, step, "minerva", (rng.random((40, 4)) < skill).astype(int).tolist(), judged=np.ones((40, 4)))
    return root
