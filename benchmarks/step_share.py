"""Share of a quickstart step spent in adjusting, recording and embedding, for each embedder that works offline.

The seconds of our own parts are taken inside the process, on the training thread; what the recorder does in the background
is its thread's processor time. The step is TRL's own `step_time`, which includes generation.
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

EMBEDDERS = ("hash", "policy", "minilm")
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
    """Train some quickstart steps and return each part's share of the steps' seconds."""
    from dra_toolkit.training import trainer as module
    from dra_toolkit.training.build import build_trainer
    from dra_toolkit.training.data import load_tokenizer, training_splits
    from dra_toolkit.training.script_run import file_facts

    recipe_file = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"
    recipe = load_recipe(recipe_file, [f"embedder={embedder}", f"max_steps={steps}", "save_strategy=no"])
    watch = Stopwatch()
    original = module.measure
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(recipe)
        train, _ = training_splits(recipe, tokenizer)
        recorder: Recorder | None = None
        submit: Callable[..., None] = lambda records: recorder.submit(records)  # noqa: E731
        trainer = build_trainer(
            recipe,
            Path(folder),
            processing_class=tokenizer,
            train=train,
            test=None,
            on_groups=lambda records: submit(records),
        )
        recorder = Recorder(Path(folder) / "groups", file_facts("share", trainer), tell=print)
        recorder._write = watch.timed("recording, background", recorder._write, time.thread_time)
        module.measure = watch.timed("adjusting and metrics", original, time.perf_counter)
        trainer._publish = watch.timed("recording, training thread", trainer._publish, time.perf_counter)
        trainer._gather_embeddings = watch.timed("embedding", trainer._gather_embeddings, time.perf_counter)
        try:
            trainer.train()
        finally:
            module.measure = original
            recorder.close()
    step_times = [row["step_time"] for row in trainer.state.log_history if "step_time" in row]
    total = sum(step_times)
    shares = {name: seconds / total for name, seconds in watch.seconds.items()}
    return {"step_seconds": statistics.median(step_times), **shares}


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
    write("step_share", {"steps": arguments.steps, "median share of a step": summary, "rounds": measured})


if __name__ == "__main__":
    main()
