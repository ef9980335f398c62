"""A small recorded run with everything that the group pages show, and those pages served on this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "app"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from recorded import make_run, record, record_all

from dra_toolkit.groups import GroupRecord
from dra_toolkit.runs import Run

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'><b>bold</b>",
    "![x](http://evil.example/a.png) [y](javascript:window.hacked=3) {{7*7}} ${window.hacked=4} `x`",
    r"$\href{javascript:window.hacked=5}{x}$ $\includegraphics{http://evil.example/b.png}$ $\rule{9999em}{9999em}$ "
    r"$\def\a{\a\a}\a$ $\htmlData{x=y}{z}$",
    "\u202eright to left\u202c \x1b[31mred\x1b[0m </div></article><iframe src='http://evil.example'></iframe>",
)
LATEX = r"<think>We know that $x^2 = 4$, and \(x > 0\).</think>So \[x = \frac{4}{2}\] and the answer is $\boxed{2}$."
STEPS = 4


def make_groups_run(folder: Path) -> Run:
    """Make a run of four steps of three groups: ordinary with formulas and copies, hostile, of equal rewards."""
    directory = make_run(folder)
    batches = []
    for step in range(1, STEPS + 1):
        texts = [LATEX, LATEX, f"step {step}: no formula, the answer is 3", "<think>never closed"]
        batches.append(
            [
                record(step, 0, G=4, texts=texts, prompt="Solve $x^2 = 4$ for positive $x$."),
                record(step, 1, G=4, texts=HOSTILE, prompt="<img src=x onerror='window.hacked = 6'>", seed=3),
                equal(record(step, 2, G=4, seed=5)),
            ]
        )
    record_all(directory, *batches, [record(2, 0, mode="eval")])
    return Run.open(directory.path)


def equal(found: GroupRecord) -> GroupRecord:
    """Return a group whose raw rewards are all equal."""
    ones = np.ones(len(found.group))
    group = replace(found.group, rewards={"a": ones, "b b": np.full_like(ones, np.nan)})
    adjustment = replace(found.adjustment, totals=ones, adjusted=ones * found.adjustment.weights)
    return replace(found, group=group, adjustment=adjustment, plain_advantages=np.zeros_like(ones))
