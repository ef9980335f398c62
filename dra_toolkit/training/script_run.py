"""The run directory of a trainer that a script of the user's own started: its `output_dir`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from dra_toolkit.recipe import Recipe, recipe_of
from dra_toolkit.runs import Recorder, RunDirectory
from dra_toolkit.runs.metrics import rewind_metrics
from dra_toolkit.training.callbacks import MetricsCallback
from dra_toolkit.training.events import Events
from dra_toolkit.training.facts import file_facts, history_of, write_environment

RECORDED = ("recipe.yaml", "resolved.json", "environment.json", "status.json", "metrics.jsonl", "groups", "logs")
"""What a run directory has of its recording; put aside where another training begins in it."""


class ScriptRun:
    """Records what one trainer trains."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    @contextmanager
    def recording(self, resume: str | bool | None) -> Iterator[None]:
        """Record until the training inside has ended; on the main process alone. `resume` is what `train` was given."""
        trainer = self._trainer
        if not trainer.accelerator.is_main_process:
            yield
            return
        run = RunDirectory(Path(trainer.args.output_dir))
        run.path.mkdir(parents=True, exist_ok=True)
        with run.held():
            attempt = self._begin(run, _step(run.path, resume))
            recorder = Recorder(run.groups, file_facts(run.path.name, trainer), tell=trainer._tell)
            metrics = MetricsCallback(run, Events(run.attempt_logs(attempt) / "events.jsonl"), attempt)
            trainer.add_callback(metrics)
            trainer._on_groups, trainer._before_save, trainer._attempt = recorder.submit, recorder.flush, attempt
            run.write_status("running", attempt=attempt, process=os.getpid())
            state = "failed"
            try:
                yield
                state = "finished" if trainer.state.global_step >= trainer.state.max_steps else "stopped"
            finally:
                trainer._on_groups = trainer._before_save = None
                trainer.remove_callback(metrics)
                recorder.close()
                run.write_status(state, attempt=attempt, process=os.getpid(), step=trainer.state.global_step)

    def _begin(self, run: RunDirectory, step: int) -> int:
        """Make the run directory ready for training from `step`, tell of it, and return the number of this start."""
        tell, aside = self._trainer._tell, None
        if run.exists() and not step:
            aside = _put_aside(run.path)
        recipe = _recipe(self._trainer)
        run.create(recipe)
        attempt = run.start_attempt()
        if step:
            self._trainer._history = history_of(run.path, recipe, Path(f"checkpoint-{step}")) or self._trainer._history
            rewind_metrics(run.metrics, step=step, aside=run.attempt_logs(attempt) / "superseded-metrics.jsonl")
        write_environment(run.environment)
        trainer = self._trainer
        tell(
            f"dra-toolkit: {trainer.diversity.measure}, similarity by {trainer.embedder_name}; groups are recorded in "
            f"{run.path}" + (f", an earlier record lies in {aside}" if aside else "")
        )
        return attempt


def _step(folder: Path, resume: str | bool | None) -> int:
    """Return the step after which training goes on; 0 for a fresh start."""
    checkpoint = get_last_checkpoint(str(folder)) if resume is True else resume
    if not checkpoint:
        return 0
    return int(json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))["global_step"])


def _put_aside(folder: Path) -> Path:
    """Move what an earlier training recorded into a folder of its own; checkpoints stay, as TRL leaves them."""
    number = 1
    while (aside := folder / f"earlier-{number}").exists():
        number += 1
    aside.mkdir()
    for name in RECORDED:
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    return aside


def _recipe(trainer: Any) -> Recipe:
    """Return a recipe that says what is known of a script's settings; nobody can train it."""
    given = {key: getattr(trainer.args, key) for key in vars(trainer.args)}
    known = {
        **{key: value for key, value in given.items() if isinstance(value, bool | int | float | str | list | None)},
        **trainer.diversity.as_recipe(),
        "model_name_or_path": str(trainer.model.config._name_or_path),
        "dataset_name": "script",
        "reward_funcs": list(trainer.reward_columns()),
        "reward_weights": list(trainer.reward_columns().values()),
        "embedder": trainer.embedder_name,
        "num_processes": trainer.accelerator.num_processes,
        "output_dir": str(trainer.args.output_dir),
    }
    text = "# Trained by a script of the user's own; resume it there.\n"
    return recipe_of(Path(trainer.args.output_dir).name, known, text)
