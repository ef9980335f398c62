"""Recorded runs made on the spot, for every test that reads one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.groups import CompletionGroup, GroupRecord, Message, Mode
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import FileFacts, Recorder, RunDirectory

FACTS = FileFacts(
    run="r",
    reward_weights={"a": 1.0, "b b": 0.5},
    scale_rewards="group",
    diversity=DiversitySettings(),
    embedder="hash",
)
RECIPE = "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\nembedder: hash\n"


def record(
    step: int,
    index: int = 0,
    *,
    G: int = 3,
    mode: Mode = "train",
    batch: int = 0,
    attempt: int = 1,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    prompt: str | None = None,
    keep: bool = False,
) -> GroupRecord:
    """Return a group with random embeddings and rewards, adjusted as the trainer would."""
    rng = np.random.default_rng([seed, step, index])
    E = rng.standard_normal((G, 4)).astype(np.float32)
    E /= np.linalg.norm(E, axis=1, keepdims=True)
    rewards = {"a": rng.random(G), "b b": np.where(rng.random(G) < 0.5, np.nan, 1.0)}
    totals = rewards["a"] + 0.5 * np.nan_to_num(rewards["b b"])
    adjustment = adjust(embeddings=E, totals=totals)
    return GroupRecord(
        mode=mode,
        step=step,
        batch=batch,
        index=index,
        attempt=attempt,
        group=CompletionGroup(
            prompt=(
                Message(role="system", content="be brief"),
                Message(role="user", content=prompt or f"prompt {index}"),
            ),
            completions=tuple(texts or (f"text {step} {i}" for i in range(G))),
            token_counts=np.arange(G, dtype=np.int32),
            finish_reasons=("stop",) * G,
            rewards=rewards,
            reward_weights=FACTS.reward_weights,
        ),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None])[0],
        advantages=group_advantages(adjustment.adjusted[None])[0],
        embeddings=E if keep else None,
    )


def make_run(folder: Path, more: str = "") -> RunDirectory:
    """Make an empty run; more: further lines of its recipe."""
    recipe = folder.parent / f"{folder.name}.yaml"
    recipe.write_text(RECIPE + more)
    directory = RunDirectory(folder)
    directory.create(load_recipe(recipe))
    return directory


def record_all(run: RunDirectory, *batches: Sequence[GroupRecord], facts: FileFacts = FACTS) -> Recorder:
    """Record generation batches, one after the other."""
    recorder = Recorder(run.groups, facts, tell=print)
    for batch in batches:
        recorder.submit(batch)
    recorder.close()
    return recorder
