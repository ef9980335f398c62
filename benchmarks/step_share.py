"""Processor seconds of a quickstart step, and of its embedding, adjusting and recording, for each offline embedder.

All are processor seconds of one thread, so that other work on the machine blurs them little: those of the training thread,
which also samples, and those of the recorder's thread in the background. `none` is the same recipe with
nothing measured, adjusted or embedded: what the toolkit costs beside that is recording alone. Embedders take turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from common import write

from dra_toolkit.quickstart import ways
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Recorder

EMBEDDERS = ("none", "hash", "policy", "minilm")
WARM_UP_STEPS = 2


class Stopwatch:
    """Adds up the seconds that wrapped functions take."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, name: str, function: Callable[..., Any], clock: Callable[[], float]) -> Callable[..., Any]:
        """Return the function, its seconds by `clock` added under `name`."""

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            started = clock()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += clock() - started

        return wrapped


def measure_embedder(embedder: str, steps: int) -> dict[str, float]:
    """Train some quickstart steps and return the processor seconds of a step and of its parts."""
    from transformers import TrainerCallback

    from dra_toolkit.training import adjusted as module
    from dra_toolkit.training.build import build_trainer
    from dra_toolkit.training.data import load_tokenizer, training_splits
    from dra_toolkit.training.script_run import file_facts

    recipe_file = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"
    changes = [f"embedder={embedder}", *(["diversity=none"] if embedder == "none" else [])]
    recipe = load_recipe(recipe_file, [*changes, f"max_steps={steps + WARM_UP_STEPS}", "save_strategy=no"])
    watch, clock, original = Stopwatch(), time.thread_time, module.measure
    seconds: list[float] = []

    class Steps(TrainerCallback):  # type: ignore[misc]
        began = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            if len(seconds) == WARM_UP_STEPS:
                watch.seconds.clear()
            self.began = clock()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(clock() - self.began)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(recipe)
        train, _ = training_splits(recipe, tokenizer)
        recorder: Recorder | None = None
        submit: Callable[..., None] = lambda records: recorder.submit(records)  # noqa: E731
        trainer = build_trainer(
            recipe,
            Path(folder),
            processing_class=tokenizer,
            train_dataset=train,
            on_groups=lambda records: submit(records),
        )
        trainer.add_callback(Steps())
        recorder = Recorder(Path(folder) / "groups", file_facts("share", trainer), tell=print)
        recorder._write = watch.timed("recording, background", recorder._write, clock)
        module.measure = watch.timed("adjusting and metrics", original, clock)
        trainer._publish = watch.timed("recording, training thread", trainer._publish, clock)
        trainer._gather_embeddings = watch.timed("embedding", trainer._gather_embeddings, clock)
        try:
            trainer.train()
        finally:
            module.measure = original
            recorder.close()
    counted = seconds[WARM_UP_STEPS:]
    return {"step": statistics.mean(counted), **{name: spent / len(counted) for name, spent in watch.seconds.items()}}


def main() -> None:
    """Measure every embedder, in rounds, in one process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--embedders", nargs="+", default=EMBEDDERS)
    arguments = parser.parse_args()
    ways()
    import pyarrow.parquet  # noqa: F401 - a run pays for the import once, not for each step

    measured: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.embedders}
    for _ in range(arguments.rounds):
        for name in arguments.embedders:
            measured[name].append(measure_embedder(name, arguments.steps))
    summary = {
        name: {part: statistics.median(row[part] for row in rows) for part in rows[0]}
        for name, rows in measured.items()
    }
    shares = {name: {part: each / row["step"] for part, each in row.items()} for name, row in summary.items()}
    document = {"steps": arguments.steps, "processor seconds of a step": summary, "shares": shares, "rounds": measured}
    write("step_share", document)


if __name__ == "__main__":
    main()
