"""What is evaluated: the checkpoints of a run with its base model as step 0, a model, or its revisions on the Hub."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dra_toolkit.errors import EvaluationError, did_you_mean
from dra_toolkit.evaluation.models.folders import (
    TOKENIZER_FILES,
    ModelFolder,
    adapter_base,
    has_chat_template,
    what_is_wrong,
)
from dra_toolkit.recipe import BUILTIN_PREFIX
from dra_toolkit.runs.checkpoints import checkpoint_step, complete_checkpoints, incomplete_checkpoints
from dra_toolkit.runs.layout import RunDirectory

BASE_STEP = 0
_PART = re.compile(r"(\d+)(?:\.\.(\d+)(?::([1-9]\d*))?)?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One model to evaluate, not yet looked at."""

    label: str
    """`step-50` or a cleaned name; names its folder of results."""
    model: str
    """As the user knows it: a folder or a Hub id."""
    run: str | None = None
    step: int | None = None
    revision: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is a checkpoint of a run whose folder was deleted since."""
        return self.run is not None and self.step != BASE_STEP and not Path(self.model).is_dir()

    @property
    def why_gone(self) -> str:
        """What is told of it then."""
        return f"{self.label}: was deleted before its turn (save_total_limit)"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is to choose from."""

    targets: dict[int, Target] = field(default_factory=dict)
    """By step."""
    skipped: tuple[str, ...] = ()
    """Checkpoints that cannot be evaluated, a line each."""


def targets_of_run(run: RunDirectory) -> Found:
    """Return the base model of a run as step 0 and its checkpoints; those not written to their end are skipped."""
    model = run.read_recipe().model
    places: dict[int, str] = {BASE_STEP: model.model_name_or_path}
    places |= {checkpoint_step(path): str(path) for path in complete_checkpoints(run.checkpoints)}
    skipped = []
    writing = run.is_held()
    for path, lack in incomplete_checkpoints(run.checkpoints):
        if what_is_wrong(path) and adapter_base(path) is None:
            skipped.extend(what_is_wrong(path))
        elif writing:
            skipped.append(f"{path}: is being written ({lack} is missing); left for the next call")
        else:  # what is missing belongs to the optimizer; the model itself is whole
            places[checkpoint_step(path)] = str(path)
    revisions = {BASE_STEP: model.model_revision}
    targets = {
        step: Target(label=f"step-{step}", model=place, run=run.name, step=step, revision=revisions.get(step))
        for step, place in sorted(places.items())
    }
    return Found(targets=targets, skipped=tuple(skipped))


def target_of_model(name: str) -> Target:
    """Return a folder or Hub model as a target; `name` may end in `@revision`."""
    revision = None
    if "@" in name and not Path(name).exists():
        name, _, revision = name.rpartition("@")
    shown = "-".join(Path(name).absolute().parts[-2:]) if Path(name).is_dir() else name
    label = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{shown}-{revision}" if revision else shown).strip("-.")
    return Target(label=label or "model", model=name, revision=revision)


def targets_of_revisions(name: str) -> Found:
    """Return the steps of a model that are revisions on the Hub."""
    from dra_toolkit.evaluation.models.hub import step_revisions

    steps = step_revisions(name).items()
    return Found(targets={step: Target(label=f"step-{step}", model=name, step=step, revision=at) for step, at in steps})


def locate(target: Target, *, chat_template: bool) -> ModelFolder:
    """Return where a target's files lie, fetched where needed; raises EvaluationError for what cannot be loaded.

    chat_template: whether the tokenizer must have one.
    """
    if target.is_gone:
        raise EvaluationError(target.why_gone)
    folder = _folder(target.model, target.revision)
    base_name = adapter_base(folder)
    if base_name is None:
        model = ModelFolder(path=folder)
        problems = what_is_wrong(folder)
    else:
        model = ModelFolder(path=folder, base=_base_of_adapter(folder, base_name))
        problems = what_is_wrong(model.base or folder)
        if not (folder / "adapter_model.safetensors").is_file():
            problems = [f"{folder}: is a LoRA adapter without weights (adapter_model.safetensors)"]
    if not problems and not any((model.tokenizer / name).is_file() for name in (*TOKENIZER_FILES, "tokenizer.model")):
        problems.append(f"{model.tokenizer}: has no tokenizer (tokenizer.json or tokenizer_config.json)")
    if not problems and chat_template and not has_chat_template(model.tokenizer):
        ways = "add chat_template.jinja, or ask without one with --no-chat-template"
        problems.append(f"{model.tokenizer}: its tokenizer has no chat template; {ways}")
    if problems:
        raise EvaluationError(*problems)
    return model


def _folder(name: str, revision: str | None) -> Path:
    if name.startswith(BUILTIN_PREFIX):
        from dra_toolkit.quickstart import cached_ways

        made = cached_ways()
        if made is None:
            raise EvaluationError(f"{name} is not made yet; run `python -m dra_toolkit.quickstart`")
        return made.model
    path = Path(name).expanduser()
    if path.is_dir():
        return path.absolute()
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise EvaluationError(f"--model: {name} does not exist; expected a folder or a Hub id such as ORG/NAME")
    from dra_toolkit.evaluation.models.hub import model_folder

    return model_folder(name, revision)


def _base_of_adapter(folder: Path, name: str) -> Path:
    try:
        if not name:
            raise EvaluationError("its adapter_config.json names no base model")
        return _folder(name, None)
    except EvaluationError as error:
        reason = error.problems[0].removeprefix("--model: ").removeprefix(f"--model {name}: ")
        raise EvaluationError(f"{folder}: is a LoRA adapter whose base model is absent: {reason}") from None


def chosen_steps(spec: str, known: Sequence[int]) -> list[int]:
    """Return the steps that `spec` says, smallest first.

    spec: numbers and ranges, `50,150..400:50`; a range without a stride takes the known steps inside it. Raises
    EvaluationError for a number that is not among the known steps.
    """
    steps: set[int] = set()
    problems = []
    have = ", ".join(map(str, known)) or "none"
    for part in (p.strip() for p in spec.split(",")):
        match = _PART.fullmatch(part)
        if not match:
            problems.append(f"--steps: found {part!r}, expected a step such as 50, or a range such as 150..400:50")
            continue
        first, last, stride = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        inside = [k for k in known if first <= k <= last and (k - first) % stride == 0]
        if not inside:
            near = did_you_mean(part, map(str, known))
            problems.append(f"--steps: there is no checkpoint of step {part}{near}; there are {have}")
        steps.update(inside)
    if problems:
        raise EvaluationError(*problems)
    return sorted(steps)


def coarse(steps: Sequence[int], every: int) -> list[int]:
    """Return the first step, every `every`-th one after it, and the last."""
    return sorted({*steps[::every], *steps[-1:]})


def around(steps: Sequence[int], best: int, every: int) -> list[int]:
    """Return the steps less than `every` places from the best, the best left out."""
    at = list(steps).index(best)
    return [step for i, step in enumerate(steps) if 0 < abs(i - at) < every]
