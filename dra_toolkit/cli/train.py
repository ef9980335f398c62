"""`dra train`: check the recipe, make the run directory, start the processes, show how they go."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.errors import USER_MISTAKE, print_problems, user_errors
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.cli.supervise import Outcome
    from dra_toolkit.launch import Gpu, Plan, Start
    from dra_toolkit.recipe import Recipe

STOPPED = 3
"""Exit status of a training process that saved and stopped as asked."""
INTERRUPTED = 130


@user_errors
def train(
    recipe_file: Path = typer.Argument(..., metavar="RECIPE", help="A recipe, such as recipes/quickstart.yaml."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Settings that replace the recipe's."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the resolved recipe and the commands; start nothing."),
    resume: bool = typer.Option(False, "--resume", help="Continue from the newest complete checkpoint."),
    overwrite: bool = typer.Option(
        False, "--overwrite", help="Delete the run that lies in output_dir, and start anew."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print events as JSON lines."),
    slurm: Path = typer.Option(
        None, "--slurm", metavar="FILE", help="Write a Slurm script that trains this recipe; start nothing."
    ),
) -> None:
    """Train with diversity-aware rewards and record every group."""
    from dra_toolkit.errors import LaunchError, RecipeError
    from dra_toolkit.launch import join, missing, plan, prepare, visible_gpus
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.runs.layout import RunDirectory

    if resume and overwrite:
        raise RecipeError("--resume and --overwrite: choose one, continue the run or replace it")
    if slurm is not None:
        _write_slurm_script(slurm, recipe_file, overrides or [])
        return
    recipe = load_recipe(recipe_file, overrides or [])
    gpus = visible_gpus()
    if dry_run:
        _show_plan(recipe, plan(recipe, RunDirectory(recipe.output_dir), gpus=gpus or _assumed(recipe)), as_json)
        return
    if resume and _is_finished(recipe):
        print(f"{recipe.output_dir} is finished; raise max_steps to go on", file=sys.stderr)
        return
    problems = [*missing(recipe, gpus), *_login_problems(recipe)]
    if problems:
        raise LaunchError(*problems)
    start = prepare(recipe, resume=resume, overwrite=overwrite) if recipe["machine_rank"] == 0 else join(recipe)
    again = shlex.join(["dra", "train", str(recipe_file), *(overrides or [])])
    raise typer.Exit(_run(recipe, start, gpus, again, as_json))


def _login_problems(recipe: Recipe) -> list[str]:
    """Return what trackers and Hub lack on the machine whose first process reports and pushes."""
    from dra_toolkit.logins import login_problems

    return login_problems(recipe) if recipe["machine_rank"] == 0 else []


def _write_slurm_script(path: Path, recipe_file: Path, overrides: list[str]) -> None:
    from dra_toolkit.errors import LaunchError
    from dra_toolkit.launch.slurm import slurm_script
    from dra_toolkit.recipe import load_recipe

    recipe = load_recipe(recipe_file, [*overrides, "main_process_ip=set-by-slurm"])
    if path.exists():
        raise LaunchError(f"--slurm: {path} exists already; choose another name or delete it")
    path.write_text(slurm_script(recipe, recipe_file, overrides), encoding="utf-8")
    for note in recipe.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"wrote {path}; look at its first lines (partition, account, time), then: sbatch {path}", file=sys.stderr)


def _assumed(recipe: Recipe) -> list[Gpu]:
    """Return the GPUs to show in a dry run on a machine without any, for a recipe that needs them."""
    from dra_toolkit.launch import Gpu

    if recipe["vllm_gpus"] == 0:
        return []
    count = recipe["num_processes"] // recipe["num_machines"] + recipe["vllm_gpus"]
    return [Gpu(index=str(index), name="assumed", memory_mib=0) for index in range(count)]


def _is_finished(recipe: Recipe) -> bool:
    from dra_toolkit.runs.layout import RunDirectory

    run = RunDirectory(recipe.output_dir)
    if not run.exists() or run.status().get("state") != "finished":
        return False
    before = run.read_recipe()
    return all(recipe[key] == before[key] for key in ("max_steps", "num_train_epochs"))


def _show_plan(recipe: Recipe, planned: Plan, as_json: bool) -> None:
    commands = planned.commands
    notes = [*recipe.notes, *(f"before training: {problem}" for problem in _login_problems(recipe))]
    if as_json:
        shown = [{"purpose": c.purpose, "argv": c.argv, "environment": c.environment} for c in commands]
        print(json.dumps({**json.loads(recipe.to_json()), "notes": notes, "commands": shown}))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table("key", "value", "from", box=None, title=f"{recipe.name}: settings other than TRL's defaults")
    for key, setting in sorted(recipe.chosen().items()):
        style = "dim" if setting.origin == "dra default" else ""
        table.add_row(Text(key, style), Text(json.dumps(setting.value), style), Text(setting.origin, style))
    console.print(table)
    for note in notes:
        console.print(Text(f"note: {note}", style="yellow"))
    for command in commands:
        console.print(Text(f"\n# {command.purpose}", style="bold"))
        print(command)


def _run(recipe: Recipe, start: Start, gpus: list[Gpu], again: str, as_json: bool) -> int:
    """Run the recipe's commands and say how it ended; return the exit status. `again` is the command to repeat."""
    from dra_toolkit.cli.progress import make_display
    from dra_toolkit.cli.supervise import supervise
    from dra_toolkit.launch import plan
    from dra_toolkit.launch.start import say_failed

    display = make_display(as_json=as_json)
    try:
        for note in _opening_notes(recipe, start):
            display.show({"event": "notice", "text": note})
        planned = plan(recipe, start.run, gpus=gpus, attempt=start.attempt, checkpoint=start.checkpoint)
        outcome = supervise(recipe, planned, start, display)
    finally:
        display.close()
        if recipe["machine_rank"] == 0:
            say_failed(start)
    if outcome.problems:
        print_problems(outcome.problems)
        return USER_MISTAKE
    stopped = outcome.stopped or outcome.killed or outcome.status == STOPPED
    if not stopped and (outcome.status or outcome.reason):
        return _explain_failure(outcome, start, again)
    if not as_json:
        _say_what_next(start, again, outcome)
    return INTERRUPTED if stopped else 0


def _opening_notes(recipe: Recipe, start: Start) -> Iterator[str]:
    yield from recipe.notes
    yield from start.skipped
    if start.checkpoint:
        yield f"continuing after step {start.checkpoint.name.split('-')[-1]} (attempt {start.attempt})"
    elif start.attempt > 1:
        yield f"no complete checkpoint in {start.run.checkpoints}; starting from the first step (attempt {start.attempt})"


def _explain_failure(outcome: Outcome, start: Start, again: str) -> int:
    from dra_toolkit.launch.command import how_it_ended

    if outcome.reason:
        print_problems([outcome.reason])
    else:
        logs = sorted(start.logs.glob("output*.log"), key=lambda path: path.stat().st_mtime)
        for line in logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()[-15:]:
            print(f"  {visible(line, one_line=True)}", file=sys.stderr)
        print_problems([f"training {how_it_ended(outcome.status)}; its whole output is in {logs[-1]}"])
    print(f"  what was recorded is kept; continue with: {again} --resume", file=sys.stderr)
    return 1


def _say_what_next(start: Start, again: str, outcome: Outcome) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    run = start.run
    if outcome.killed or outcome.stopped or outcome.status == STOPPED:
        said = "Ended at once; the last checkpoint" if outcome.killed else "Stopped with a checkpoint; it"
        console.print(Text(f"{said} is in {run.checkpoints}. Go on with:", style="yellow"))
        console.print(f"  {again} --resume")
        return
    console.print(Text(f"Finished: {run.path}", style="green"))
    for line in _first_and_last(run.metrics):
        console.print(f"  {line}")
    console.print("Next:")
    for command, purpose in (
        (f"dra inspect summary {run.path}", "the run at a glance"),
        (f"dra inspect groups {run.path}", "the groups of its last step"),
        (f"dra inspect group {run.path} 1 0", "one group: similarity, rewards, weights, advantages, texts"),
    ):
        console.print(f"  {command:<48} {purpose}")


def _first_and_last(metrics: Path) -> Iterator[str]:
    """Yield what a run's main figures were in its first and its last five logged steps."""
    from dra_toolkit.groups import mean_of_known
    from dra_toolkit.runs.metrics import read_metrics

    rows: list[dict[str, Any]] = [row for row in read_metrics(metrics) if row.get("reward") is not None]
    if len(rows) < 2:
        return
    for label, key in (
        ("reward", "reward"),
        ("adjusted reward", "diversity/adjusted_reward"),
        ("similarity", "diversity/similarity"),
        ("Vendi score", "diversity/vendi_score"),
    ):
        first, last = (mean_of_known(row.get(key) for row in part) for part in (rows[:5], rows[-5:]))
        if not math.isnan(first + last):
            yield f"{label:<16} {first:6.3f} -> {last:6.3f}"
