"""Recorded runs of the kinds that are trained for real: long thinking, LaTeX and tools, G = 64, many rewards, a failure.

Beside them rollouts as verl dumps them, imported as a user does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from recorded import make_run

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.groups import CompletionGroup, GroupRecord, Message
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import FileFacts, Recorder, Run, RunDirectory

LONG_NAME = "sweep-" + "x" * 180
FUNCTIONS = {f"my_rewards.family_{i}.a_reward_with_a_long_name": 1.0 / (i + 1) for i in range(12)}
FINDABLE = "a remarkable identity"


def thinking(i: int, characters: int = 3_000) -> str:
    """Return a completion that thinks for long, calls a tool, and answers with Markdown and LaTeX."""
    step = rf"Let $x_{{{i}}}^2 = \frac{{{i + 1}}}{{2}}$, so **we** get \(x \ge {i}\). "
    thought = step * (characters // len(step))
    tool = f"<tool_call>add({i}, 2)</tool_call><tool_response>{i + 2}</tool_response>" if i % 3 == 0 else ""
    return (
        f"<think>{thought}{FINDABLE if i == 2 else ''}</think>{tool}\n**Final:**\n\n- \\[ S = \\begin{{aligned}} x &= {i} "
        f"\\\\ y &= {i * 2} \\end{{aligned}} \\]\n\n<answer>$\\boxed{{{i % 4}}}$</answer>"
    )


def group(step: int, index: int, G: int, *, alike: float = 0.9, characters: int = 3_000, seed: int = 0) -> GroupRecord:
    """Return a group with Dr. GRPO's advantages, which nothing divides, and similarities that are nearly all `alike`."""
    rng = np.random.default_rng([seed, step, index])
    E = np.sqrt(alike) * np.ones((G, 16)) / 4 + np.sqrt(1 - alike) * rng.standard_normal((G, 16)) / 4
    E /= np.linalg.norm(E, axis=1, keepdims=True)
    rewards = {"accuracy": (rng.random(G) < 0.4).astype(float), "format": np.ones(G)}
    weights = {"accuracy": 1.0, "format": 0.2}
    totals = rewards["accuracy"] + 0.2
    adjustment = adjust(embeddings=E.astype(np.float32), totals=totals)
    return GroupRecord(
        mode="train",
        step=step,
        batch=0,
        index=index,
        attempt=1,
        group=CompletionGroup(
            prompt=(Message(role="system", content="be brief " * 60), Message(role="user", content="Find $x$. " * 60)),
            completions=tuple(thinking(i, characters) for i in range(G)),
            token_counts=np.full(G, 999),
            finish_reasons=("stop",) * (G - 1) + ("length",),
            rewards=rewards,
            reward_weights=weights,
        ),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None], "none")[0],
        advantages=group_advantages(adjustment.adjusted[None], "none")[0],
    )


def with_functions(found: GroupRecord, seed: int = 0) -> GroupRecord:
    """Return the group with twelve reward functions, of which some abstain."""
    rng = np.random.default_rng(seed)
    G = len(found.group)
    rewards = {name: np.where(rng.random(G) < 0.3, np.nan, rng.random(G) - 0.2) for name in FUNCTIONS}
    totals = sum(np.nan_to_num(values) * FUNCTIONS[name] for name, values in rewards.items())
    adjustment = replace(found.adjustment, totals=totals, adjusted=totals * found.adjustment.weights)
    return replace(
        found,
        group=replace(found.group, rewards=rewards, reward_weights=FUNCTIONS),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None])[0],
        advantages=group_advantages(adjustment.adjusted[None])[0],
    )


def store(folder: Path, *batches: list[GroupRecord], scaling: str = "none") -> RunDirectory:
    """Record generation batches as a trainer with Dr. GRPO's scaling would."""
    directory = make_run(folder)
    facts = FileFacts(
        run=folder.name,
        reward_weights=batches[0][0].group.reward_weights,
        scale_rewards=scaling,  # type: ignore[arg-type]
        diversity=DiversitySettings(),
        embedder="hash",
        correct_by="accuracy" if "accuracy" in batches[0][0].group.rewards else None,
    )
    recorder = Recorder(directory.groups, facts, tell=print)
    for batch in batches:
        recorder.submit(batch)
    recorder.close()
    return directory


def record_more(directory: RunDirectory, step: int) -> None:
    """Record a step of a run that grows."""
    facts = next(iter(Run(directory).facts()))
    recorder = Recorder(directory.groups, facts, tell=print)
    recorder.submit([group(step, i, 4, characters=300) for i in range(2)])
    recorder.close()


def make_real_runs(root: Path) -> None:
    """Make a run of each kind under a root."""
    store(root / "maths", *([group(step, i, 16) for i in range(3)] for step in (1, 2)))
    store(root / "wide", *([group(step, i, 64, characters=600) for i in range(2)] for step in (1, 2)))
    many = [[with_functions(group(step, i, 8, characters=300), seed=step) for i in range(2)] for step in (1, 2)]
    store(root / "many-rewards", *many, scaling="group")
    store(root / LONG_NAME, [group(1, 0, 4, characters=300)]).write_status("stopped")
    failed = store(root / "failed", [group(1, 0, 4, characters=30_000)])
    failed.start_attempt()
    failed.create(load_recipe(root / "failed.yaml", ["learning_rate=0.5"]))
    log = failed.attempt_logs(failed.start_attempt()) / "output.log"
    log.write_text("step 1\nTraceback (most recent call last):\n  ...\nRuntimeError: out of memory\n")
    failed.write_status("failed", attempt=2)
    grows = store(root / "grows", *([group(step, i, 4, characters=300) for i in range(2)] for step in (1, 2)))
    grows.write_status("running")
    import_verl(root)


def import_verl(root: Path) -> None:
    """Write rollouts in the shape of verl's `trainer.rollout_data_dir`, and import them."""
    for step in (1, 2):
        rows = [
            {
                "uid": f"{prompt}",
                "input": f"user\nFind $x_{prompt}$.\nassistant\n",
                "output": thinking(i, 600),
                "gts": f"{prompt}",
                "score": float((i + step) % 4 == prompt % 4) if prompt else 0.0,
                "acc": float((i + step) % 4 == prompt % 4) if prompt else 0.0,
                "step": step,
            }
            for prompt in range(3)
            for i in range(8)
        ]
        dump = root.parent / f"{root.name}-verl"
        dump.mkdir(exist_ok=True)
        (dump / f"{step}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    program = "from dra_toolkit.cli import main; main()"
    command = [sys.executable, "-c", program, "inspect", "import", dump, "--format", "verl", "--output", root / "verl"]
    subprocess.run(command, check=True, capture_output=True)
