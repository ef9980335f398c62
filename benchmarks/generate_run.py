"""Make a recorded run of any size from random numbers and words, for the benchmarks of what reads runs.

`python benchmarks/generate_run.py FOLDER --completions 10000000 --characters 200`

Groups of 8, 1,000 completions in a step; rewards, similarity, weights and advantages are consistent, as a trainer would have
recorded them, and the files are those that compaction makes. Texts are words by Zipf's law, cut at random places.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from dra_toolkit.diversity import (
    DiversitySettings,
    adjust,
    group_advantages,
    mean_similarity,
    reward_spread,
    vendi_score,
)
from dra_toolkit.group_measures import GROUP_MEASURES
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import FileFacts, RunDirectory
from dra_toolkit.runs.files import publish_folder
from dra_toolkit.runs.names import segment_folder
from dra_toolkit.runs.schema import GROUP_PREFIX, arrow_schema
from dra_toolkit.runs.segments import SegmentWriter

G, STEP = 8, 1_000
PROMPTS = 5_000
Placed = dict[int, dict[int, str]]
FACTS = FileFacts(
    run="generated",
    reward_weights={"accuracy": 1.0, "format": 0.5},
    scale_rewards="group",
    diversity=DiversitySettings(),
    embedder="hash",
    correct_by="accuracy",
)
RECIPE = (
    "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [accuracy, format]\nembedder: hash\n"
)


def main() -> None:
    """Make a run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--completions", type=int, required=True)
    parser.add_argument("--characters", type=int, default=200, help="mean length of a completion")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generate(arguments.folder, arguments.completions, arguments.characters, seed=arguments.seed)


def generate(
    folder: Path, completions: int, characters: int, *, seed: int = 0, needles: Mapping[str, int] = MappingProxyType({})
) -> RunDirectory:
    """Make a run in `folder`, replacing what is there, with at least that many completions.

    needles: word -> in how many completions it stands, spread over the run.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe = folder.parent / f"{folder.name}.yaml"
    recipe.write_text(RECIPE)
    run = RunDirectory(folder)
    run.create(load_recipe(recipe))
    steps = -(-completions // STEP)
    per_segment = max(1, min(steps, 1_000, 200_000_000 // (STEP * (characters // 3 + 100))))
    words, placed = Words(characters, seed), _placed(needles, steps * STEP)
    for number, first in enumerate(range(1, steps + 1, per_segment), start=1):
        last = min(first + per_segment - 1, steps)
        _segment(run.groups, number, first, last, words, seed, placed)
    return run


def _placed(needles: Mapping[str, int], completions: int) -> Placed:
    """Return step -> which of its completions hold which word."""
    placed: Placed = {}
    for word, count in needles.items():
        rng = np.random.default_rng(list(word.encode()))
        for row in rng.choice(completions, size=count, replace=False).tolist():
            placed.setdefault(1 + row // STEP, {})[row % STEP] = word
    return placed


class Words:
    """A long text of words to cut completions from."""

    def __init__(self, characters: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        vocabulary = np.array(["".join(rng.choice(letters, size=size)) for size in rng.integers(2, 9, size=20_000)])
        chosen = np.minimum(rng.zipf(1.3, size=12_000_000) - 1, len(vocabulary) - 1)
        self._text = " ".join(vocabulary[chosen].tolist()).encode()
        self._mean = characters

    def cut(self, count: int, rng: np.random.Generator, needles: Mapping[int, str]) -> pa.Array:
        """Return texts of about the mean length, from random places, without a copy for each; some end with a needle."""
        lengths = rng.integers(self._mean // 2, self._mean * 3 // 2 + 1, size=count)
        starts = rng.integers(0, len(self._text) - self._mean * 2, size=count)
        text = memoryview(self._text)
        cuts: list[bytes | memoryview] = [
            text[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]
        for row, needle in needles.items():
            cuts[row] = bytes(cuts[row]) + f" {needle}.".encode()
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in cuts])]).astype(np.int32)
        joined = b"".join(cuts)
        return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(joined))


def _segment(groups: Path, number: int, first: int, last: int, words: Words, seed: int, placed: Placed) -> None:
    def write(folder: Path) -> None:
        writer = SegmentWriter(folder, FACTS, frozenset(), [])
        for step in range(first, last + 1):
            writer.add(step_rows(step, words, np.random.default_rng([seed, step]), placed.get(step, {})))
        writer.close()

    publish_folder(groups / segment_folder("train", first, last, number), write)
    print(f"steps {first} to {last}", flush=True)


def step_rows(
    step: int, words: Words, rng: np.random.Generator, needles: Mapping[int, str] = MappingProxyType({})
) -> pa.Table:
    """Return the rows of one step; some completions, by their place, hold a needle."""
    P = STEP // G
    base = rng.beta(4, 2, size=(P, 1, 1))
    noise = rng.normal(0, 0.05, size=(P, G, G))
    similarity = np.clip(base + (noise + noise.swapaxes(1, 2)) / 2, -0.2, 1.0)
    similarity[:, np.arange(G), np.arange(G)] = 1.0
    similarity = similarity.astype(np.float32)
    skill = rng.beta(1.5, 1.5, size=(P, 1))
    accuracy = (rng.random((P, G)) < skill).astype(np.float64)
    form = (rng.random((P, G)) < 0.9).astype(np.float64)
    totals = accuracy + 0.5 * form
    adjustment = adjust(similarity=similarity, totals=totals)
    plain = group_advantages(totals)
    advantages = group_advantages(adjustment.adjusted).astype(np.float32).astype(np.float64)  # what the trainer holds
    tokens = rng.integers(20, 3584, size=(P, G))
    upper = np.triu(np.ones((G, G), dtype=bool), 1)
    offsets = np.concatenate([[0], np.cumsum(np.tile(np.arange(G - 1, -1, -1), P))]).astype(np.int32)
    prompts = rng.integers(0, PROMPTS, size=P)
    above = similarity[:, upper]
    measures = {
        "size": np.full(P, G),
        "reward": totals.mean(1),
        "reward_spread": reward_spread(totals),
        "adjusted": adjustment.adjusted.mean(1),
        "similarity": mean_similarity(similarity),
        "max_similarity": above.max(1),
        "vendi_score": vendi_score(similarity),
        "redundancy": adjustment.redundancy.mean(1),
        "weight": adjustment.weights.mean(1),
        "min_weight": adjustment.weights.min(1),
        "distinct_ratio": np.ones(P),
        "distinct_answers": pa.nulls(P, pa.int32()),
        "answers_read": np.zeros(P),
        "correct_share": accuracy.mean(1),
        "positive_share": (totals > 0).mean(1),
        "zero_spread": reward_spread(totals) < 1e-8,
        "flips": (plain * advantages < 0).sum(1),
        "tokens": tokens.mean(1),
        "cut_share": np.zeros(P),
        "abs_advantage_plain": np.abs(plain).mean(1),
        "abs_advantage": np.abs(advantages).mean(1),
    }
    assert set(measures) == set(GROUP_MEASURES)
    each = np.repeat(np.arange(P), G)
    columns = {
        "mode": _same("train", P * G),
        "step": np.full(P * G, step),
        "batch": np.zeros(P * G),
        "group_index": each,
        "completion_index": np.tile(np.arange(G), P),
        "attempt": np.ones(P * G),
        "prompt_hash": pa.array([f"{p:016x}" for p in prompts]).take(each),
        "prompt": pa.array([[{"role": "user", "content": f"Problem {p}: what is it?"}] for p in prompts]).take(each),
        "completion": words.cut(P * G, rng, needles),
        "answer": pa.nulls(P * G, pa.string()),
        "tokens": tokens.ravel(),
        "finish_reason": _same("stop", P * G),
        "rewards": pa.StructArray.from_arrays([accuracy.ravel(), form.ravel()], ["accuracy", "format"]),
        "total": totals.ravel(),
        "similarity": pa.ListArray.from_arrays(offsets, pa.array(above.ravel())),
        "redundancy": adjustment.redundancy.ravel(),
        "weight": adjustment.weights.ravel(),
        "adjusted": adjustment.adjusted.ravel(),
        "advantage_plain": plain.ravel(),
        "advantage": advantages.ravel(),
        **{f"{GROUP_PREFIX}{name}": pa.array(values).take(each) for name, values in measures.items()},
    }
    return _typed(columns)


def _typed(columns: dict[str, object]) -> pa.Table:
    schema = arrow_schema(FACTS)
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in schema], schema=schema)


def _same(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [text])


if __name__ == "__main__":
    main()
