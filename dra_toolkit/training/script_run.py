"""What a run says of itself, whoever trains it; and the run directory of a script of the user's own: its `output_dir`."""

import itertools
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from transformers.trainer_utils import get_last_checkpoint

from dra_toolkit import __version__
from dra_toolkit.diversity import PromptHistory, discount_of, diversity_settings
from dra_toolkit.recipe import Recipe, recipe_of
from dra_toolkit.runs import FileFacts, Recorder, Run, RunDirectory
from dra_toolkit.runs.files import publish_text
from dra_toolkit.runs.metrics import rewind_metrics
from dra_toolkit.runs.numbers import visits
from dra_toolkit.training.callbacks import MetricsCallback
from dra_toolkit.training.events import Events

PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets", "numpy", "deepspeed", "vllm", "math-verify")
RECORDED = ("recipe.yaml", "resolved.json", "environment.json", "status.json", "metrics.jsonl", "groups", "logs")
"""What a run directory has of its recording; put aside where another training begins in it."""


@contextmanager
def recording(trainer: Any, resume: str | bool | None) -> Iterator[None]:
    """Record until the training inside has ended; on the main process alone. `resume` is what `train` was given."""
    if not trainer.accelerator.is_main_process:
        yield
        return
    run = RunDirectory(Path(trainer.args.output_dir))
    run.path.mkdir(parents=True, exist_ok=True)
    with run.held():
        attempt = _begin(trainer, run, _step(run.path, resume))
        metrics = MetricsCallback(run, Events(run.attempt_logs(attempt) / "events.jsonl"), attempt)
        trainer.add_callback(metrics)
        run.write_status("running", attempt=attempt, process=os.getpid())
        state = "failed"
        try:
            with recorded(trainer, run, attempt):
                yield
            state = "finished" if trainer.state.global_step >= trainer.state.max_steps else "stopped"
        finally:
            trainer.remove_callback(metrics)
            run.write_status(state, attempt=attempt, process=os.getpid(), step=trainer.state.global_step)


@contextmanager
def recorded(trainer: Any, run: RunDirectory, attempt: int, **further: Any) -> Iterator[None]:
    """Write the groups of what is trained inside into a run directory, with further facts; on the main process alone."""
    facts = replace(file_facts(run.path.name, trainer), **further)
    recorder = Recorder(run.groups, facts, tell=trainer._tell)
    trainer._on_groups = lambda records: recorder.submit(
        records, correct_by=trainer.correct_by, reward_weights=records[0].group.reward_weights
    )
    trainer._before_save, trainer._attempt = recorder.flush, attempt
    try:
        yield
    finally:
        trainer._on_groups = trainer._before_save = None
        recorder.close()


def _begin(trainer: Any, run: RunDirectory, step: int) -> int:
    aside = _put_aside(run.path) if run.exists() and not step else None
    recipe = _recipe(trainer)
    run.create(recipe)
    attempt = run.start_attempt()
    if step:
        trainer._history = history_of(run.path, recipe, Path(f"checkpoint-{step}")) or trainer._history
        rewind_metrics(run.metrics, step=step, aside=run.attempt_logs(attempt) / "superseded-metrics.jsonl")
    write_environment(run.environment)
    trainer._tell(
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
    aside = next(path for n in itertools.count(1) if not (path := folder / f"earlier-{n}").exists())
    aside.mkdir()
    for name in RECORDED:
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    return aside


def _recipe(trainer: Any) -> Recipe:
    """Return a recipe that says what is known of a script's settings; nobody can train it."""
    given, plain = vars(trainer.args), bool | int | float | str | list | None
    known = {
        **{key: value for key, value in given.items() if isinstance(value, plain)},
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


def write_environment(path: Path) -> None:
    """Write environment.json: the toolkit's and its engines' versions, the machine, the devices."""
    facts = {
        "dra_toolkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: next((d.version for d in metadata.distributions(name=name)), None) for name in PACKAGES},
        "cuda": torch.version.cuda,
        "devices": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "cores": os.cpu_count(),
    }
    publish_text(path, json.dumps(facts, indent=1) + "\n")


def file_facts(run: str, trainer: Any) -> FileFacts:
    """Return what every file of a run's groups says of itself."""
    return FileFacts(
        run=run,
        reward_weights=trainer.reward_columns(),
        scale_rewards=trainer.scale_rewards,
        diversity=trainer.diversity,
        estimator=trainer.estimator,
        embedder=trainer.embedder_name,
        correct_by=trainer.correct_by,
    )


def history_of(run: Path, recipe: Recipe, checkpoint: Path | None) -> PromptHistory | None:
    """Return the prompts' history up to a checkpoint; None without one, or where the measure reads none."""
    settings = diversity_settings(recipe)
    if checkpoint is None or "history" not in settings.needs:
        return None
    found = visits(Run.open(run), until=int(checkpoint.name.rpartition("-")[2]))
    return PromptHistory(discount_of(settings), ((v.prompt, v.right, v.wrong) for v in found))
