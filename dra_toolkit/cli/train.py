"""`dra train`: check the recipe, have it trained, show how it goes and how it ended."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.common import USER_MISTAKE, user_errors
from dra_toolkit.cli.overrides import CONFIG, KEYS, read_command
from dra_toolkit.cli.printing import console, print_json, print_next, print_problems
from dra_toolkit.cli.sweep import each_run
from dra_toolkit.errors import RecipeError
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.launch import Ended, Plan
    from dra_toolkit.recipe import Recipe

STATUS = {"stopped": 130, "killed": 130, "refused": USER_MISTAKE, "failed": 1}
"""Exit status by how training ended; 0 else."""
SHOWN_STEPS = 5
"""How many steps at each end of a run are averaged for the comparison of first and last."""


@user_errors
def train(
    recipe: str = typer.Argument(None, metavar="RECIPE", help="A recipe, or the name of a shipped one, as quickstart."),
    settings: list[str] = KEYS,
    config: Path = CONFIG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the resolved recipe and the commands; start nothing."),
    resume: bool = typer.Option(False, "--resume", help="Continue from the newest complete checkpoint."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Start anew: delete the run in output_dir, evals apart."),
    sweep: list[str] = typer.Option(
        None, metavar="KEY=V1,V2", help="A run for each value, one after another; seed=1,2,3 is the same."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print events as JSON lines."),
    slurm: Path = typer.Option(None, metavar="FILE", help="Write a Slurm script that trains it; start nothing."),
) -> None:
    """Train with diversity-aware rewards and record every group."""
    from dra_toolkit.launch.slurm import write_slurm_script
    from dra_toolkit.recipe import load_recipe

    if resume and overwrite:
        raise RecipeError("--resume and --overwrite: choose one, continue the run or replace it")
    recipe_file, overrides = read_command(recipe, config, settings or [])
    if recipe_file is None:
        raise RecipeError("RECIPE: missing; name a recipe file, or one of those that `dra recipes` lists")
    runs = each_run(recipe_file, overrides, sweep or [])
    if slurm is not None:
        if len(runs) > 1:
            raise RecipeError(f"--slurm: writes one run, but {len(runs)} are asked for; name one value of each key")
        for note in write_slurm_script(slurm, Path(recipe_file), overrides):
            print(f"note: {visible(note, one_line=True)}", file=sys.stderr)
        look = "look at its first lines (partition, account, time)"
        print(f"wrote {slurm}; {look}, then: sbatch {slurm}", file=sys.stderr)
        return
    recipes = [load_recipe(recipe_file, each) for each in runs]  # all are checked before the first starts
    if dry_run:
        _show_plans(recipes, resume, overwrite, as_json)
        return
    again = ["dra", "train", recipe_file, *overrides, *(word for each in sweep or () for word in ("--sweep", each))]
    raise typer.Exit(_train_each(recipes, resume, overwrite, as_json, shlex.join(again)))


def _train_each(recipes: Sequence[Recipe], resume: bool, overwrite: bool, as_json: bool, again: str) -> int:
    """Train one recipe after another and return the exit status; one that is stopped ends it, one that fails does not."""
    from dra_toolkit import launch
    from dra_toolkit.cli.bars import make_display
    from dra_toolkit.cli.training_events import training_events
    from dra_toolkit.runs.layout import RunDirectory

    status, is_sweep = 0, len(recipes) > 1
    for number, recipe in enumerate(recipes, start=1):
        display = make_display(training_events, as_json=as_json)
        if is_sweep:
            display.show({"event": "notice", "text": f"run {number} of {len(recipes)}: {recipe.output_dir}"})
        there = not is_sweep or RunDirectory(recipe.output_dir).exists()  # the later ones may not have started
        try:
            ended = launch.train(recipe, resume=resume and there, overwrite=overwrite, show=display.show)
        finally:
            display.close()
        _say_how_it_ended(ended, again, as_json, is_sweep)
        status = STATUS.get(ended.state, 0) or status
        if ended.state in ("stopped", "killed", "refused"):
            return status
    if is_sweep and not as_json:
        together = " ".join(str(recipe.output_dir) for recipe in recipes)
        print_next(console(stderr=True), [(f"dra inspect compare {together}", "what they have in common")])
    return status


def _show_plans(recipes: Sequence[Recipe], resume: bool, overwrite: bool, as_json: bool) -> None:
    """Show what would be started; of several runs the first in full, and where the others would lie."""
    from dra_toolkit import launch
    from dra_toolkit.doctor.golds import local_golds

    documents = []
    for number, recipe in enumerate(recipes):
        planned, lacking = launch.preview(recipe, resume=resume, overwrite=overwrite)
        notes = [*recipe.notes, *lacking, *(f"{name}: {report.line}" for name, report in local_golds(recipe))]
        shown = [{"purpose": c.purpose, "argv": c.argv, "environment": c.environment} for c in planned.commands]
        documents.append({**json.loads(recipe.to_json()), "notes": notes, "commands": shown})
        if number == 0 and not as_json:
            _show_plan(recipe, planned, notes)
    if as_json:
        print_json(documents[0] if len(documents) == 1 else {"runs": documents})
    elif len(recipes) > 1:
        print("\n# one run after another:", *(recipe.output_dir for recipe in recipes), sep="\n")


def _show_plan(recipe: Recipe, planned: Plan, notes: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table("key", "value", "from", box=None, pad_edge=False)
    given = {key: setting for key, setting in recipe.chosen().items() if setting.origin != "dra default"}
    for key, setting in sorted(given.items(), key=lambda item: (not item[1].is_given, item[0])):
        table.add_row(*(Text(text) for text in (key, json.dumps(setting.value), setting.origin)))
    out.print(f"{recipe.name}: what is set; every other key has its default (dra recipes keys, or --json here)")
    out.print(table)
    for note in notes:
        out.print(Text(f"note: {note}", style="yellow"))
    for command in planned.commands:
        out.print(Text(f"\n# {command.purpose}", style="bold"))
        print(visible(str(command), one_line=True))


def _say_how_it_ended(ended: Ended, again: str, as_json: bool, is_sweep: bool) -> None:
    """Say it, and what can be done next; `again` is the command to repeat."""
    if ended.state == "was finished":
        print(f"{ended.run.path} is finished; raise max_steps to go on", file=sys.stderr)
    elif ended.state == "refused":
        print_problems(ended.problems)
    elif ended.state == "failed":
        _explain_failure(ended, again)
    elif not as_json:
        _say_what_next(ended, again, is_sweep)


def _explain_failure(ended: Ended, again: str) -> None:
    if ended.log is not None:
        for line in ended.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]:
            print(f"  {visible(line, one_line=True)}", file=sys.stderr)
    print_problems(ended.problems)
    if ended.run.recorded_nothing():
        print(f"  nothing was recorded; mend it, and start again with: {again}", file=sys.stderr)
    else:
        print(f"  what was recorded is kept; continue with: {again} --resume", file=sys.stderr)


def _say_what_next(ended: Ended, again: str, is_sweep: bool) -> None:
    from rich.text import Text

    from dra_toolkit.runs.metrics import never_paid

    out, run = console(stderr=True), ended.run
    if ended.state != "finished":
        said = "Stopped" if ended.state == "stopped" else "Ended at once"
        kept = f"{ended.saved} is in {run.checkpoints}" if ended.saved else "no checkpoint was saved"
        out.print(Text(f"{said}; {kept}. Go on with:\n  {again} --resume", style="yellow"), soft_wrap=True)
        return
    said, style = f"Finished: {run.path}", "green"
    if never_paid(run.metrics):
        nothing = "Finished without a single reward, so nothing was learnt: every reward function abstained throughout"
        said, style = f"{nothing} ({run.path}). Look at the golds: dra doctor {run.recipe}", "red"
    out.print(Text(said, style=style), soft_wrap=True)
    for line in _first_and_last(run.metrics):
        out.print(f"  {line}")
    if not is_sweep:
        one = (f"dra inspect group {run.path} 1 0", "one group: similarity, rewards, weights, advantages, texts")
        print_next(out, [(f"dra inspect summary {run.path}", "the run at a glance"), one])


def _first_and_last(metrics: Path) -> Iterator[str]:
    """Yield what a run's main figures were in its first and its last logged steps, none of them in both."""
    from dra_toolkit.group_measures import GROUP_MEASURES
    from dra_toolkit.groups import mean_of_known
    from dra_toolkit.runs.metrics import read_metrics, unjudged

    rows: list[dict[str, Any]] = [row for row in read_metrics(metrics) if row.get("reward") is not None]
    if rows and (unread := mean_of_known(map(unjudged, rows))):
        yield f"{'golds not read':<16} {unread:6.0%} of the completions got no reward for their answer"
    count = min(SHOWN_STEPS, len(rows) // 2)
    for name in ("reward", "adjusted", "similarity", "vendi_score") if count else ():
        label, key = GROUP_MEASURES[name].label, GROUP_MEASURES[name].logged or name
        first, last = (mean_of_known(row.get(key) for row in part) for part in (rows[:count], rows[-count:]))
        if not math.isnan(first + last):
            yield f"{label:<16} {first:6.3f} -> {last:6.3f}"
