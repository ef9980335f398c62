"""From what the user asks for to what is evaluated: targets, benchmarks, sampling, engine, slots and folder."""

import importlib.util
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dra_toolkit.errors import DRAError, EvaluationError, RunError, counted
from dra_toolkit.evaluation.benchmarks.registry import BUILTIN_QUICKSTART, Benchmark, choose_benchmarks, with_limit
from dra_toolkit.evaluation.models.targets import (
    BASE_STEP,
    Found,
    Target,
    chosen_steps,
    target_of_model,
    targets_of_revisions,
    targets_of_run,
)
from dra_toolkit.evaluation.results.claims import shards
from dra_toolkit.evaluation.running.evaluator import WATCH_SECONDS, Evaluator, Watched
from dra_toolkit.evaluation.running.gpu_slots import Slot, make_slots
from dra_toolkit.evaluation.running.plan import CheckpointWork, Prepared, prepare
from dra_toolkit.evaluation.settings import Engine, Sampling
from dra_toolkit.launch.slurm import dra_command
from dra_toolkit.recipe import BUILTIN_PREFIX
from dra_toolkit.runs.layout import EVALUATIONS, RunDirectory, latest_run, named_run

Options = SimpleNamespace
"""What the user asked for: the options of `dra eval run`, by name."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is evaluated, and where the results go."""

    targets: Mapping[int, Target]
    """By step; a single model stands at -1."""
    run: RunDirectory | None
    benchmarks: tuple[tuple[Benchmark, Sampling], ...]
    engine: Engine
    slots: tuple[Slot, ...]
    evals: Path
    report: str
    """What `dra eval report` is given."""
    options: Options
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def prepared(self) -> list[Prepared]:
        """Load every benchmark's problems; raises EvaluationError with all that is wrong with any of them."""
        made: list[Prepared] = []
        problems: list[str] = []
        for benchmark, sampling in self.benchmarks:
            try:
                made.append(prepare(benchmark, sampling, self.options.data_dir))
            except EvaluationError as error:
                problems.extend(error.problems)
        if problems:
            raise EvaluationError(*problems)
        return made


def choose(options: Options, tell: Callable[[str], None] = lambda text: None) -> Chosen:
    """Check what was asked for as a whole and return what it means; raises DRAError with every mistake.

    tell: hears once that the run to watch is not there yet, and is waited for.
    """
    _check(options)
    run: RunDirectory | None = None
    if options.model is not None:
        one = {} if options.revisions else {-1: target_of_model(options.model)}
        found = Found(targets=one) if one else targets_of_revisions(options.model)
        evals, report = options.output or Path(EVALUATIONS), str(options.output or EVALUATIONS)
    else:
        run = _run(options, tell)
        found = targets_of_run(run)
        evals, report = options.output or run.path / EVALUATIONS, str(options.output or run.path)
    targets = _choose_steps(options, found, run)
    slots = make_slots(options.slots, tensor_parallel=options.tensor_parallel)
    backend, notes = _backend(options, slots[0].device)
    engine = Engine(**{**_given(options, Engine), "backend": backend})
    is_quickstart = run is not None and run.read_recipe().model.model_name_or_path.startswith(BUILTIN_PREFIX)
    names = list(options.benchmarks) or [BUILTIN_QUICKSTART if is_quickstart else "paper"]
    if not options.benchmarks:
        notes.append(f"--benchmark {names[0]} is taken, the default for this model")
    return Chosen(
        targets=targets,
        run=run,
        benchmarks=tuple(_benchmarks(options, names)),
        engine=engine,
        slots=tuple(slots),
        evals=evals,
        report=shlex.quote(report),
        options=options,
        skipped=() if options.watch else found.skipped,
        notes=tuple(notes),
    )


def run_chosen(chosen: Chosen, evaluator: Evaluator) -> None:
    """Evaluate what was chosen, in the order that was asked for."""
    options = chosen.options
    if options.watch:
        assert chosen.run is not None
        evaluator.watch(Watched(chosen.run, options.base))
    elif options.coarse_to_fine:
        evaluator.coarse_to_fine(chosen.targets, options.coarse_to_fine)
    else:
        named = options.steps is not None or options.model is not None
        evaluator.evaluate(list(chosen.targets.values()), strict=named)


def _check(options: Options) -> None:
    of_model, watched = options.model is not None, options.watch
    steps = options.all_steps or options.steps or options.coarse_to_fine
    coarse = options.coarse_to_fine
    mistakes = {
        "dra eval: say what to evaluate: --all-steps, --steps 50,100, --watch, or --model ID_OR_FOLDER": not (
            of_model or steps or watched
        ),
        f"--model {options.model}: the run {options.run} is named as well; choose one": of_model and options.run,
        "--watch: follows a run; leave --model out": of_model and watched,
        "--all-steps and --steps: choose one": options.all_steps and options.steps,
        "--revisions: name the model on the Hub with --model ORG/NAME": options.revisions and not of_model,
        "--model is one model without steps; add --revisions for a model whose steps are revisions": (
            of_model and not options.revisions and steps
        ),
        f"--coarse-to-fine: found {coarse}, expected every 2nd step or rarer": coarse is not None and coarse < 2,
        "--watch takes every checkpoint as it comes; leave --steps and --all-steps out": (
            watched and (options.all_steps or options.steps)
        ),
        "--coarse-to-fine and --watch: choose one": coarse and watched,
        f"--data-dir: {options.data_dir} is no folder": options.data_dir and not options.data_dir.is_dir(),
    }
    if problems := [told for told, is_made in mistakes.items() if is_made]:
        raise EvaluationError(*problems)


def _run(options: Options, tell: Callable[[str], None]) -> RunDirectory:
    while True:
        try:
            return named_run(options.run) if options.run else latest_run()
        except RunError as error:
            if not options.watch:
                raise
            tell(f"{error.problems[0]}; waiting for it")
            tell = lambda text: None  # noqa: E731
            time.sleep(WATCH_SECONDS)


def _choose_steps(options: Options, found: Found, run: RunDirectory | None) -> dict[int, Target]:
    targets = dict(found.targets)
    if options.steps:
        wanted = chosen_steps(options.steps, list(targets))
        keep = {*wanted, BASE_STEP} if options.base else set(wanted)
        targets = {step: target for step, target in targets.items() if step in keep}
    elif not options.base:
        targets.pop(BASE_STEP, None)
    if run is not None and not options.watch and not [step for step in targets if step != BASE_STEP or options.steps]:
        raise DRAError(
            *(found.skipped or (f"{run.path}: has no checkpoints yet; save_steps says when they are saved",))
        )
    return targets


def _benchmarks(options: Options, names: list[str]) -> list[tuple[Benchmark, Sampling]]:
    chosen = choose_benchmarks(names, problem_column=options.problem_column, answer_column=options.answer_column)
    n = 1 if options.n is None and options.temperature == 0 else options.n
    given = {**_given(options, Sampling), "n": n}
    made = []
    for benchmark in chosen:
        own = {name: getattr(benchmark, name) for name in ("n", "max_new_tokens") if given[name] is None}
        made.append((with_limit(benchmark, options.limit), Sampling(**{**given, **own})))
    return made


def _given(options: Options, kind: type[Sampling | Engine]) -> dict[str, Any]:
    """Return the options that are fields of `kind`."""
    return {field.name: getattr(options, field.name) for field in fields(kind)}


def _backend(options: Options, device: str) -> tuple[str, list[str]]:
    """Return the backend, and what is worth saying about its choice."""
    has_vllm = importlib.util.find_spec("vllm") is not None
    if options.backend == "vllm" and not has_vllm:
        raise EvaluationError("--backend vllm: vllm is not installed; install with: pip install 'dra-toolkit[vllm]'")
    if options.backend != "auto":
        return options.backend, []
    if device == "cuda" and has_vllm:
        return "vllm", []
    slow = ["vllm is not installed; transformers generates, which is several times slower"] if device == "cuda" else []
    return "transformers", slow


def write_array_job(path: Path, arguments: Sequence[str], rows: Sequence[CheckpointWork], engine: Engine) -> str:
    """Write the script of a `dra eval` that was given `arguments`; return what to do with it.

    Raises EvaluationError if the file is there already.
    """
    if path.exists():
        raise EvaluationError(f"--slurm: {path} exists already; choose another name or delete it")
    before = ["", *arguments]
    given = [part for i, part in enumerate(arguments) if "--slurm" not in (before[i], part.partition("=")[0])]
    missing = [cell.prepared for row in rows for cell in row.missing]
    tasks = max(1, min(8, sum(len(shards(range(each.answers))) for each in missing)))
    devices = f"#SBATCH --gpus-per-task={engine.tensor_parallel}\n" if engine.backend == "vllm" else ""
    script = Path(__file__).with_name("array_job.sh").read_text(encoding="utf-8")
    command, folder = shlex.join([*dra_command(), *given]), shlex.quote(str(Path.cwd()))
    script = script.format(last=tasks - 1, devices=devices, folder=folder, command=command)
    path.write_text(script, encoding="utf-8")
    return f"wrote {path} for {counted(tasks, 'task')}; look at its first lines, then: sbatch {path}"
