"""Two small recorded runs that tests look around in: nothing is downloaded and no model is trained.

A policy of a few numbers, one for each way of writing a completion to the quickstart's additions, learns from the advantages
that are recorded. Texts, rewards, similarity, weights and advantages come from the same functions as in training.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dra_toolkit.diversity import DiversitySettings, adjust, group_advantages
from dra_toolkit.embedding.hashed import HashEmbedder
from dra_toolkit.evaluation.results.stored import OUTCOMES_FILE, write_outcomes
from dra_toolkit.groups import Array, CompletionGroup, GroupRecord, Message
from dra_toolkit.quickstart.addition_ways import STYLES
from dra_toolkit.quickstart.checker import well_formed_answer
from dra_toolkit.quickstart.derivations import render
from dra_toolkit.quickstart.reward import strict
from dra_toolkit.quickstart.task import Problem, problems
from dra_toolkit.recipe import load_recipe
from dra_toolkit.rewards.shape import well_formed
from dra_toolkit.runs import FileFacts, Recorder, RunDirectory
from dra_toolkit.runs.metrics import append_metrics

TOYS = {"toy-grpo": "none", "toy-dra-grpo": "graph_cut"}
"""Run -> its measure."""
STEPS, PROMPTS, G = 40, 8, 8
EVALUATED = 10
"""Steps from one evaluation to the next."""
PROBLEMS = 48
"""Problems in turn, so that each is sampled several times through the run."""
HELD_OUT, SAMPLES = 60, 4
"""Problems of an evaluation, and answers to each."""
LEARNING_RATE = 1.2
WEIGHTS = {"strict": 1.0, "format": 0.2}
_RECIPE = """\
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [dra_toolkit.quickstart.reward.strict, format]
reward_weights: [1.0, 0.2]
diversity: {measure}
embedder: hash
num_generations: {G}
max_steps: {steps}
"""
KINDS = [(style, kind) for style in STYLES for kind in ("right", "slip", "unfinished")]
"""What the policy chooses from: a way of working it out, and whether it ends well."""


def make_toys(root: Path, *, steps: int = STEPS) -> None:
    """Record two runs under a folder; equal calls record equal runs."""
    for name, measure in TOYS.items():
        _make(root, name, measure, steps)


def _make(root: Path, name: str, measure: str, steps: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    recipe = root / f"{name}.yaml"
    recipe.write_text(_RECIPE.format(measure=measure, G=G, steps=steps), encoding="utf-8")
    run = RunDirectory(root / name)
    run.create(load_recipe(recipe))
    recipe.unlink()
    run.start_attempt()
    settings = DiversitySettings(measure=measure)
    made: dict[str, Any] = {"reward_weights": WEIGHTS, "scale_rewards": "group", "correct_by": "strict"}
    facts = FileFacts(run=name, diversity=settings, embedder="hash", **made)
    recorder = Recorder(run.groups, facts, tell=print)
    for step, (records, chances) in enumerate(_train(settings, steps)):
        if step % EVALUATED == 0:
            _evaluate(run.path / "evals", name, step, chances)
        if not records:
            continue
        recorder.submit(records)
        mean = float(np.mean([record.adjustment.totals.mean() for record in records]))
        append_metrics(run.metrics, step=step, attempt=1, values={"reward": mean})
    recorder.close()
    run.write_status("finished", step=steps)


def _train(settings: DiversitySettings, steps: int) -> Iterator[tuple[list[GroupRecord], Array]]:
    """Yield, from step 0 on, the groups of each step and how likely each of the `KINDS` then is; step 0 has no groups."""
    rng, texts = np.random.default_rng(0), random.Random(0)
    asked = problems().train[:PROBLEMS]
    logits = np.array([{"right": 0.0, "slip": 0.6, "unfinished": -0.4}[kind] for _, kind in KINDS])
    yield [], _softmax(logits)
    for step in range(1, steps + 1):
        chances = _softmax(logits)
        gradient = np.zeros_like(logits)
        records = []
        for index in range(PROMPTS):
            problem = asked[((step - 1) * PROMPTS + index) % len(asked)]
            chosen = rng.choice(len(KINDS), size=G, p=chances)
            completions = tuple(_completion(problem, kind, texts) for kind in chosen)
            record = _record((step, index), problem, completions, settings)
            records.append(record)
            for kind, advantage in zip(chosen, record.advantages, strict=True):
                gradient += advantage * ((np.arange(len(logits)) == kind) - chances)
        logits += LEARNING_RATE * gradient / (PROMPTS * G)
        yield records, _softmax(logits)


def _softmax(logits: Array) -> Array:
    chances: Array = np.exp(logits - logits.max())
    return chances / chances.sum()


def _completion(problem: Problem, number: int, texts: random.Random) -> str:
    style, kind = KINDS[number]
    text = render(problem, style, slip=kind == "slip", rng=texts)
    return text if kind != "unfinished" else text[: int(len(text) * texts.uniform(0.4, 0.7))]


def _record(
    place: tuple[int, int], problem: Problem, completions: tuple[str, ...], settings: DiversitySettings
) -> GroupRecord:
    rewards = {
        "strict": np.array(strict(completions, [problem.solution] * len(completions))),
        "format": np.array([float(well_formed(text)) for text in completions]),
    }
    totals: Array = sum((WEIGHTS[name] * values for name, values in rewards.items()), np.zeros(len(completions)))
    adjustment = adjust(embeddings=HashEmbedder().embed(list(completions)).vectors, totals=totals, settings=settings)
    return GroupRecord(
        mode="train",
        step=place[0],
        batch=0,
        index=place[1],
        attempt=1,
        group=CompletionGroup(
            prompt=(Message(role="user", content=problem.prompt),),
            completions=completions,
            token_counts=np.array([len(text.split()) for text in completions], dtype=np.int32),
            finish_reasons=tuple("stop" if text.endswith("}") else "length" for text in completions),
            rewards=rewards,
            reward_weights=WEIGHTS,
        ),
        adjustment=adjustment,
        plain_advantages=group_advantages(totals[None])[0],
        advantages=group_advantages(adjustment.adjusted[None])[0],
    )


def _evaluate(evals: Path, run: str, step: int, chances: Array) -> None:
    """Sample answers to held-out problems at a step, and write the outcomes as `dra eval` does."""
    rng, texts = np.random.default_rng(step), random.Random(step)
    asked = problems().held_out[:HELD_OUT]
    place = {"label": f"step-{step}", "run": run, "step": step, "model": run, "benchmark": "ways"}
    rows = []
    for index, problem in enumerate(asked):
        for sample, kind in enumerate(rng.choice(len(KINDS), size=SAMPLES, p=chances)):
            text = _completion(problem, kind, texts)
            answer = well_formed_answer(text)
            told = {"problem": problem.prompt, "problem_index": index, "sample": sample, "seed": step, "answer": answer}
            told |= {"correct": answer == problem.solution, "gold": problem.solution, "completion": text}
            rows.append(place | told | {"tokens": len(text.split()), "finish_reason": "stop" if answer else "length"})
    key = f"{step:016x}"
    folder = evals / f"step-{step}" / "ways" / key
    folder.mkdir(parents=True)
    facts = {"key": key, "n": SAMPLES, "settings": {"temperature": 1.0}, "problems": len(asked), "metric": "strict"}
    write_outcomes(folder / OUTCOMES_FILE, rows, place | facts)
