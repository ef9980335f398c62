"""Train from the page, with `dra app --train`: choose a recipe, change it, see what it would do, start it, stop it, go on.

A page of Gradio's own controls, beside the dashboard as pages of one's own are. What it starts is `dra train` itself, in a
process of its own that goes on when the dashboard ends. Every action carries the token that its page was given.
"""

import atexit
import json
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dra_app.context import Context
from dra_app.own_pages import OwnPage
from dra_app.templates import shared
from dra_toolkit import launch
from dra_toolkit.errors import DRAError, RecipeError, RunError, did_you_mean
from dra_toolkit.launch.command import Command, run_command
from dra_toolkit.recipe import Recipe, known_keys
from dra_toolkit.recipe.load import examine_recipe
from dra_toolkit.recipe.shipped import shipped_recipes
from dra_toolkit.runs import RunDirectory
from dra_toolkit.runs.layout import STOP_FILE
from dra_toolkit.safe_text import visible

MOST_PAGES = 100
"""Pages whose token counts, the most recently opened."""
LOG_LINES = 20
_DRA = "from dra_toolkit.cli import main; main()"
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,60}")
_GOES_ON = ("starting", "running")
_FIRST = {"override": 0, "recipe": 1}
"""Origin of a key -> where it stands; the others after these."""


class Trainings:
    """What the page can do: everything that starts or writes something asks for a token first."""

    def __init__(self, context: Context, folder: Path) -> None:
        if context.only:
            raise RunError(f"--train: {context.only} is one run; expected a folder of runs, for the new ones")
        self.context, self.folder = context, folder.resolve()
        self._tokens: OrderedDict[str, None] = OrderedDict()
        self._started: dict[Path, subprocess.Popen[bytes]] = {}
        self._logs = Path(tempfile.mkdtemp(prefix="dra-train-"))
        atexit.register(shutil.rmtree, self._logs, ignore_errors=True)

    def token(self) -> str:
        """Return the token of a page that is opened."""
        made = secrets.token_urlsafe(24)
        self._tokens[made] = None
        while len(self._tokens) > MOST_PAGES:
            self._tokens.popitem(last=False)
        return made

    def recipes(self) -> list[str]:
        """Return the shipped recipes by name, and the recipe files of the folder."""
        own = [path.name for path in sorted(self.folder.glob("*.y*ml")) if path.is_file() and not path.is_symlink()]
        return [*shipped_recipes(), *own]

    def asked(self, name: str, written: str) -> tuple[Path, list[str], Recipe, list[str]]:
        """Return a recipe's file, what was typed as overrides, the recipe with them, and every problem with it."""
        if name not in self.recipes():
            raise RecipeError(f"recipe: found {str(name)[:80]!r}{did_you_mean(str(name), self.recipes())}")
        path = shipped_recipes().get(name) or self.folder / name
        overrides = [line.strip().removeprefix("--") for line in (written or "").splitlines() if line.strip()]
        keys = [each.partition("=")[0].strip() for each in overrides]
        if "output_dir" not in keys:
            overrides.append(f"output_dir={self.context.root / path.stem}")
        recipe, problems = examine_recipe(path, overrides)
        problems += [f"{key}: unknown key" for key in keys if key.startswith("-")]
        if recipe.output_dir.resolve().parent != self.context.root:
            problems.append(f"output_dir: found {recipe.output_dir}, expected a folder directly in {self.context.root}")
        return path, overrides, recipe, problems

    def look(self, name: str, written: str, word: str) -> tuple[list[list[str]], str, str]:
        """Return the keys with value, origin and help; what is wrong or may surprise; the commands."""
        try:
            path, overrides, recipe, problems = self.asked(name, written)
        except DRAError as error:
            return [], "\n".join(error.problems), ""
        known, wanted = known_keys(), (word or "").strip().lower()
        rows = [
            [key, json.dumps(setting.value), setting.origin, known[key].help]
            for key, setting in sorted(
                (recipe.settings if wanted else recipe.chosen()).items(),
                key=lambda each: (_FIRST.get(each[1].origin, 2), each[0]),
            )
            if wanted in f"{key} {known[key].help}".lower()
        ]
        if problems:
            return rows, "\n".join(problems), ""
        try:
            planned, lacking = launch.preview(recipe)
        except DRAError as error:
            return rows, "\n".join(error.problems), ""
        commands = [f"# {command.purpose}\n{command}" for command in planned.commands]
        typed = shlex.join(["dra", "train", str(path), *overrides])
        return rows, "\n".join([*recipe.notes, *lacking]) or "nothing to object to", "\n".join([typed, *commands])

    def doctor(self, token: str, name: str, written: str) -> str:
        """Return what the doctor finds of this machine for the recipe."""
        from dra_toolkit.doctor.report import examine

        self._require(token)
        _, _, recipe, problems = self.asked(name, written)
        found = examine(recipe, problems).findings
        return "\n".join(f"{each.level}: {each.subject}: {each.found}{each.fix and f'; {each.fix}'}" for each in found)

    def start(self, token: str, name: str, written: str, resume: bool = False) -> str:
        """Start `dra train`, or go on from the newest checkpoint; say that it was."""
        self._require(token)
        path, overrides, recipe, problems = self.asked(name, written)
        if problems:
            raise RecipeError(*problems)
        run = recipe.output_dir.resolve()
        process = self._started.get(run)
        if process is not None and process.poll() is None:
            raise RunError(f"{run.name}: is being trained; stop it first")
        again = ["--resume"] if resume else []
        argv = (sys.executable, "-c", _DRA, "train", *again, str(path), *overrides)
        self._log(run).unlink(missing_ok=True)
        self._started[run] = run_command(Command(purpose="train", argv=argv), self._log(run))
        return f"{run.name}: started"

    def resume(self, token: str, name: str, written: str) -> str:
        """Go on from the newest complete checkpoint."""
        return self.start(token, name, written, resume=True)

    def stop(self, token: str, name: str, written: str) -> str:
        """Ask the training to save a checkpoint and end, as Ctrl-C does."""
        self._require(token)
        run = RunDirectory(self.asked(name, written)[2].output_dir)
        if not run.exists() or run.status()["state"] not in _GOES_ON:
            raise RunError(f"{run.path.name}: is not being trained")
        (run.attempt_logs(run.last_attempt()) / STOP_FILE).touch()
        return f"{run.path.name}: stops after its step, with a checkpoint"

    def copy(self, token: str, name: str, written: str, target: str) -> str:
        """Write the recipe with what was typed into the folder of recipes."""
        self._require(token)
        _, overrides, recipe, problems = self.asked(name, written)
        if not _NAME.fullmatch(target or ""):
            raise RecipeError(f"name: found {str(target)[:60]!r}, expected letters, digits, - and _")
        if problems:
            raise RecipeError(*problems)
        given = {key: each.value for key, each in recipe.settings.items() if each.origin in ("recipe", "override")}
        if not any("output_dir" in line.partition("=")[0] for line in (written or "").splitlines()):
            given.pop("output_dir")
        path = self.folder / f"{target}.yaml"
        try:
            with open(path, "x", encoding="utf-8") as file:
                file.write(f"# {name} {shlex.join(overrides[: len(overrides) - 1])}".strip() + "\n")
                yaml.safe_dump(given, file, sort_keys=False, allow_unicode=True)
        except OSError as error:
            raise RecipeError(f"{path}: cannot be written ({error.strerror})") from None
        return f"written to {path}"

    def status(self, name: str, written: str) -> tuple[str, str, bool]:
        """Return how the recipe's run stands, with the way to it; the end of what it printed; whether it goes on."""
        try:
            run = RunDirectory(self.asked(name, written)[2].output_dir.resolve())
            state = str(run.status()["state"]) if run.exists() else "not started"
        except DRAError as error:
            return "", "\n".join(error.problems), False
        process = self._started.get(run.path)
        ended = process.poll() if process else None
        log = self._log(run.path)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        lines += [f"dra train ended with status {ended}"] if ended is not None else []
        goes_on = state in _GOES_ON or (process is not None and ended is None)
        return shared("trained", run.path.name, state, run.exists()), visible("\n".join(lines)), goes_on

    def _log(self, run: Path) -> Path:
        return self._logs / f"{run.name}.log"

    def _require(self, token: str) -> None:
        if token not in self._tokens:
            raise RunError("this page was opened before the dashboard was started anew; load it again")


def train_page(context: Context, folder: Path) -> OwnPage:
    """Return the page, over the runs of a root and the recipes of a folder."""
    trainings = Trainings(context, folder)
    return OwnPage(name="train", title="Train", build=lambda _: _build(trainings))


def _build(trainings: Trainings) -> None:
    import gradio as gr

    token = gr.Textbox(trainings.token, visible="hidden")
    with gr.Row():
        recipe = gr.Dropdown(trainings.recipes(), value=None, label="recipe")
        word = gr.Textbox(label="keys with", placeholder="a part of a key or its help; all keys are searched")
    written = gr.Textbox(label="settings that replace the recipe's", placeholder="max_steps=20", lines=3)
    said = gr.Textbox(label="said of it", interactive=False)
    command = gr.Textbox(label="command", interactive=False)
    with gr.Row():
        buttons = {name: gr.Button(name) for name in ("Doctor", "Start", "Stop", "Resume")}
        target = gr.Textbox(label="name of a copy", scale=2)
        save = gr.Button("Copy as a recipe")
    answer = gr.Textbox(label="answer", interactive=False)
    state, log = gr.HTML(), gr.Textbox(label="output", interactive=False, lines=6)
    table = gr.Dataframe(
        headers=["key", "value", "from", "help"], label="keys", wrap=True, column_widths=["20%", "20%", "12%", "48%"]
    )
    asked = [recipe, written]
    told: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    typed, looked = [recipe.change, written.change, word.change], [table, said, command]
    gr.on(typed, trainings.look, [*asked, word], looked, trigger_mode="multiple", **told)
    timer = gr.Timer(2, active=False)  # a run that has ended is not asked about

    def follow(*given: str) -> tuple[Any, ...]:
        *shown, goes_on = trainings.status(*given)
        return *shown, gr.Timer(active=goes_on)

    gr.on([timer.tick, recipe.change, written.change], follow, asked, [state, log, timer], **told)
    for name, button in buttons.items():
        action = getattr(trainings, name.lower())
        done = button.click(_told(action), [token, *asked], answer, api_visibility="private")
        done.then(follow, asked, [state, log, timer], **told)
    save.click(_told(trainings.copy), [token, *asked, target], answer, api_visibility="private")


def _told(action: Callable[..., str]) -> Callable[..., str]:
    """Return an action that says a user's mistake as its answer."""

    def done(*given: Any) -> str:
        try:
            return action(*given)
        except DRAError as error:
            return "\n".join(error.problems)

    return done
