"""What a watch sees of a run that writes and deletes checkpoints faster than they are evaluated."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from evaluated import eval_, evaluate
from recorded import make_run

from dra_toolkit.evaluation.models.fingerprint import Fingerprints
from dra_toolkit.evaluation.models.targets import Target, locate
from dra_toolkit.evaluation.report.figures import figures
from dra_toolkit.evaluation.report.gather import gather
from dra_toolkit.evaluation.running import evaluator as evaluator_module
from dra_toolkit.evaluation.running.evaluator import Evaluator, Watched
from dra_toolkit.evaluation.settings import Engine
from dra_toolkit.launch.start import prepare
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import RunDirectory
from dra_toolkit.runs.checkpoints import MANIFEST, mark_complete


def save(run: RunDirectory, step: int) -> Path:
    """Put a checkpoint into a run that looks whole."""
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    mark_complete(folder)
    return folder


class Slow(Evaluator):
    """An evaluator during whose turns a training goes on: each turn takes the next of its moments."""

    def __init__(self, evals: Path, moments: list) -> None:
        self.told: list[str] = []
        super().__init__(
            evals=evals, benchmarks=[], engine=Engine(), slots=[], show=lambda e: self.told.append(e.get("text", ""))
        )
        self.moments, self.turns = moments, []

    def evaluate(self, targets, *, strict=True, look=lambda: None) -> None:
        self.turns.append([target.step for target in targets])
        for moment in self.moments.pop(0) if self.moments else ():
            moment()
            look()


def test_every_checkpoint_that_vanished_before_its_turn_is_named_once(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    save(run, 2)
    vanishes = [lambda: save(run, 4), lambda: shutil.rmtree(run.checkpoints / "checkpoint-4"), lambda: save(run, 6)]
    evaluator = Slow(run.path / "evals", [vanishes])
    running = iter([True, True, False, False])
    monkeypatch.setattr(Watched, "is_running", lambda self: next(running))
    evaluator.watch(Watched(run, base=False), seconds=0)
    assert evaluator.turns == [[2], [6]]
    assert evaluator.done.missed == [4]
    assert [text for text in evaluator.told if "deleted" in text] == [
        "deleted before their turn (save_total_limit): step-4"
    ]


def test_what_the_recipe_says_was_saved_is_missed_although_nobody_saw_it(tmp_path, monkeypatch):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\nembedder: hash\n"
        f"save_strategy: steps\nsave_steps: 5\noutput_dir: {tmp_path / 'run'}\n"
    )
    run = prepare(load_recipe(recipe)).run
    save(run, 20)
    (run.path / "evals" / "step-5" / "b" / "k").mkdir(parents=True)
    (run.path / "evals" / "step-5" / "b" / "k" / "evaluation.json").write_text("{}")
    monkeypatch.setattr(Watched, "is_running", lambda self: False)
    evaluator = Slow(run.path / "evals", [])
    evaluator.watch(Watched(run, base=False), seconds=0)
    assert evaluator.done.missed == [10, 15], "5 was evaluated before"


def test_waiting_is_said_once_until_something_comes(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    running = iter([True] * 5 + [False])
    monkeypatch.setattr(Watched, "is_running", lambda self: next(running))
    evaluator = Slow(run.path / "evals", [])
    evaluator.watch(Watched(run, base=False), seconds=0)
    assert evaluator.told == ["waiting for the next checkpoint"]


def test_a_checkpoint_that_is_being_written_is_waited_for_and_evaluated_once(tmp_path, monkeypatch):
    """The watch starts during a save, and the training goes on after it, both as their lock tells."""
    run = make_run(tmp_path / "run")
    manifest = save(run, 4) / MANIFEST
    whole = manifest.read_text()
    manifest.unlink()
    with ExitStack() as training:
        training.enter_context(run.held())
        moments = [lambda: None, lambda: manifest.write_text(whole), lambda: save(run, 8), training.close]
        sleep = SimpleNamespace(sleep=lambda seconds: moments.pop(0)())
        monkeypatch.setattr(evaluator_module, "time", sleep)  # not that of the threads that other tests have left
        evaluator = Slow(run.path / "evals", [])
        evaluator.watch(Watched(run, base=False))
    assert (evaluator.turns, evaluator.done.missed, moments) == ([[4], [8]], [], [])
    assert evaluator.told == ["waiting for the next checkpoint"] * 3, "once before each, and for the end"


def test_a_deleted_checkpoint_is_no_name_for_the_hub(tmp_path):
    target = Target(label="step-4", model=str(tmp_path / "checkpoints" / "checkpoint-4"), run="r", step=4)
    with pytest.raises(Exception, match=r"^step-4: was deleted before its turn \(save_total_limit\)$"):
        locate(target, chat_template=False)


def test_watch_and_steps_exclude_each_other(tmp_path):
    run = make_run(tmp_path / "run")
    assert "leave --steps and --all-steps out" in eval_("run", run.path, "--watch", "--steps", "4", status=2).stderr


def test_overwriting_a_run_keeps_its_evaluations_beside_it(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\nembedder: hash\n"
        f"output_dir: {tmp_path / 'run'}\n"
    )
    loaded = load_recipe(recipe)
    for number in (1, 2):
        start = prepare(loaded, overwrite=number > 1)
        answers = start.run.path / "evals" / "step-4" / "b" / "k" / "answers.jsonl"
        answers.parent.mkdir(parents=True)
        answers.write_text(f"{number}\n")
    start = prepare(loaded, overwrite=True)
    assert start.kept_aside == tmp_path / "run-evals-2"
    kept = [tmp_path / f"run-evals-{number}/step-4/b/k/answers.jsonl" for number in (1, 2)]
    assert [path.read_text() for path in kept] == ["1\n", "2\n"]
    assert not (start.run.path / "evals").exists()


def test_part_of_a_benchmark_is_told_beside_published_figures(tmp_path):
    evaluate(tmp_path, 4, "amc23", [[1], [0], [1], [0]], settings={"temperature": 0.6, "limit": 4})
    assert gather(tmp_path).notes == ("amc23: 4 of 40 problems; not comparable with figures for the whole (1 row)",)
    for format in ("table", "markdown", "latex", "html", "csv"):
        said = " ".join(eval_("report", tmp_path, "--published", "--format", format).stdout.split())
        assert "4 of 40 problems; not comparable with figures for the whole" in said
    evaluate(tmp_path, 5, "amc23", [[1], [0], [1], [0]], settings={"temperature": 0.6, "limit": 4})
    for figure in figures(gather(tmp_path)).values():
        assert "note: amc23: 4 of 40 problems; not comparable" in " ".join(figure.get_supxlabel().split())


def test_the_first_problems_of_a_benchmark_are_told_in_every_format(tmp_path):
    """As `dra eval --limit` leaves it: once in a text, in each row of a CSV."""
    note = "only the first 4 problems; not comparable with figures for the whole"
    written = evaluate(tmp_path, 4, "amc23", [[1], [0], [1], [0]], settings={"temperature": 0.6, "limit": 4})
    facts = json.loads((written / "evaluation.json").read_text())
    (written / "evaluation.json").write_text(json.dumps(facts | {"comparable_note": note}))
    for format in ("table", "markdown", "latex", "html", "csv"):
        said = " ".join(eval_("report", tmp_path, "--published", "--format", format).stdout.split())
        assert said.count(note) == 1, format


def test_replaced_weights_are_told_before_they_are_evaluated_again(tmp_path):
    run = make_run(tmp_path / "run")
    folders = {step: save(run, step) for step in (4, 8)}
    for step, folder in folders.items():
        written = evaluate(run.path / "evals", step, "b", [[1, 0], [0, 1]]) / "evaluation.json"
        hashes = Fingerprints(run.path / "evals").files(folder, ("*.safetensors",))
        written.write_text(json.dumps(json.loads(written.read_text()) | {"depends_on": {"model": {"weights": hashes}}}))
    assert not [note for note in gather(run.path).notes if "replaced" in note]
    (folders[8] / "model.safetensors").write_text("[]")
    (note,) = [note for note in gather(run.path).notes if "replaced" in note]
    assert note == "replaced weights, not evaluated since: step-8; `dra eval` asks them anew"


def test_replaced_weights_are_told_wherever_the_evaluations_lie(tmp_path):
    """With --output, and of a model that is no step."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("{}")
    for step, name in ((4, "a"), (8, "b")):
        written = evaluate(tmp_path / "evals", step, "x", [[1, 0], [0, 1]]) / "evaluation.json"
        hashes = Fingerprints(tmp_path / "evals").files(tmp_path / name, ("*.safetensors",))
        told = {"model": str(tmp_path / name), "depends_on": {"model": {"weights": hashes}}}
        written.write_text(json.dumps(json.loads(written.read_text()) | told))
    assert not gather(tmp_path / "evals").notes
    (tmp_path / "a" / "model.safetensors").write_text("[]")
    (note,) = gather(tmp_path / "evals").notes
    assert note == "replaced weights, not evaluated since: step-4; `dra eval` asks them anew"
