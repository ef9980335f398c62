"""`dra eval`: evaluate every checkpoint of a run, or any model, on benchmarks; and report what was found."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dra_toolkit.cli.common import user_errors
from dra_toolkit.cli.eval_report import compare, report
from dra_toolkit.cli.groups import with_default
from dra_toolkit.cli.printing import print_json, print_lines, print_problems
from dra_toolkit.errors import EvaluationError, counted

if TYPE_CHECKING:
    from dra_toolkit.evaluation.running.options import Chosen

INTERRUPTED = 130

app = typer.Typer(
    cls=with_default("run"),
    help="Evaluate checkpoints on benchmarks, and report. `dra eval RUN --all-steps` is `dra eval run RUN --all-steps`.",
)


@app.command("run")
@user_errors
def run(
    name: str = typer.Argument(None, metavar="[RUN]", help="A run directory, or a name under runs/; else the latest."),
    all_steps: bool = typer.Option(False, "--all-steps", help="Every checkpoint, and the base model as step 0."),
    steps: str = typer.Option(None, help="These steps and the base model: 50,100,150..400:50."),
    model: str = typer.Option(None, help="A folder or Hub id, ORG/NAME or ORG/NAME@REVISION, not a run."),
    revisions: bool = typer.Option(False, "--revisions", help="With --model: its revisions that are steps."),
    base: bool = typer.Option(True, "--base/--no-base", help="Evaluate the base model as well."),
    benchmark: list[str] = typer.Option(None, "--benchmark", "-b", help="aime24, math_500, amc23, minerva, olympiadbench, "
        "paper (these five), aime25, aime26, hmmt25, brumo25, gpqa_diamond, quickstart, a .jsonl or .parquet file, or the "
        "dotted path of a lighteval task; several by comma."),
    problem_column: str = typer.Option(None, help="Column of a file's problems. [default: problem]"),
    answer_column: str = typer.Option(None, help="Column of a file's answers. [default: answer]"),
    data_dir: Path = typer.Option(None, help="Folder with NAME.jsonl or NAME.parquet for benchmarks."),
    limit: int = typer.Option(None, help="Only the first problems of each benchmark."),
    n: int = typer.Option(None, help="Samples of each problem; 1 as in the paper. [default: 16 for AIME and AMC, else 4]"),
    temperature: float = typer.Option(0.6),
    top_p: float = typer.Option(0.95),
    max_new_tokens: int = typer.Option(None, help="[default: 32768; quickstart: 64]"),
    seed: int = typer.Option(0, help="Every sample has its own seed, derived from this one."),
    system_prompt: str = typer.Option(None, help="None by default, as in the paper."),
    chat_template: bool = typer.Option(True, "--chat-template/--no-chat-template", help="Put prompts into it."),
    backend: str = typer.Option("auto", help="transformers or vllm; auto is vllm on a GPU that has it."),
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16; auto is float32 on a CPU."),
    batch_size: int = typer.Option(0, help="Answers at once with transformers; 0 chooses."),
    tensor_parallel: int = typer.Option(1, help="GPUs that share one engine."),
    gpu_memory_utilization: float = typer.Option(0.9, help="Of vLLM."),
    max_model_length: int = typer.Option(None, help="Tokens of prompt and answer together."),
    slots: int = typer.Option(None, help="Checkpoints at once. [default: one for each GPU or group; 1 on a CPU]"),
    coarse_to_fine: int = typer.Option(None, metavar="K", help="Every K-th step, then around the best."),
    watch: bool = typer.Option(False, "--watch", help="Evaluate checkpoints as the running training writes them."),
    output: Path = typer.Option(None, help="Folder of results. [default: RUN/evals; ./evals with --model]"),
    slurm: Path = typer.Option(None, metavar="FILE", help="Write an array job that does it; start nothing."),
    detect: float = typer.Option(None, metavar="POINTS", min=0.1, help="With --dry-run: the samples that show it."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what is there and what is missing; start nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print events as JSON lines."),
) -> None:  # fmt: skip
    """Evaluate checkpoints of a run, or a model; what is finished is kept and never done again."""
    given: dict[str, Any] = dict(locals())
    from dra_toolkit.evaluation.running.options import Options, choose

    shown = {part: given.pop(part) for part in ("dry_run", "slurm", "detect", "as_json")}
    options = Options(run=given.pop("name"), benchmarks=tuple(given.pop("benchmark") or ()), **given)
    _check_installed()
    raise typer.Exit(_evaluate(choose(options, lambda text: print(text, file=sys.stderr)), **shown))


def _check_installed() -> None:
    missing = [name for name in ("lighteval", "torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise EvaluationError(f"dra eval needs {', '.join(missing)}: pip install 'dra-toolkit[train,eval]'")


def _evaluate(chosen: Chosen, *, dry_run: bool, slurm: Path | None, detect: float | None, as_json: bool) -> int:
    from dra_toolkit.cli.bars import make_display
    from dra_toolkit.cli.evaluation_events import EvaluationEvents
    from dra_toolkit.evaluation.running.evaluator import Evaluator
    from dra_toolkit.evaluation.running.options import run_chosen, write_array_job

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    display = make_display(EvaluationEvents(), as_json=as_json)
    told: list[dict[str, Any]] = []  # a plan in JSON is one document, so what is told on the way stands in it
    show = told.append if as_json and dry_run else display.show
    for note in chosen.notes:
        show({"event": "notice", "text": note})
    evaluator: Evaluator | None = None
    try:
        said: dict[str, Any] = {"evals": chosen.evals, "engine": chosen.engine, "slots": chosen.slots, "show": show}
        evaluator = Evaluator(benchmarks=chosen.prepared(), **said)
        if dry_run or slurm is not None:
            rows = evaluator.plan(list(chosen.targets.values()), strict=True, remember=False)
            display.close()
            if slurm is not None:
                print(write_array_job(slurm, sys.argv[1:], rows, chosen.engine), file=sys.stderr)
            else:
                notes = [event["text"] for event in told if event["event"] == "notice"]
                _show_plan(rows, notes, evaluator.power(rows, detect), as_json=as_json)
            return 0
        run_chosen(chosen, evaluator)
    except KeyboardInterrupt:
        display.close()
        print("Stopped; every finished answer is kept. The same command does the rest.", file=sys.stderr)
        return INTERRUPTED
    finally:
        display.close()
        if evaluator is not None:
            evaluator.close()
    return _say_how_it_went(evaluator, chosen, as_json=as_json)


def _show_plan(rows: list[Any], notes: list[str], power: list[str], *, as_json: bool) -> None:
    planned = [
        {
            "label": row.target.label,
            "benchmark": cell.prepared.benchmark.name,
            "n": cell.prepared.sampling.n,
            "answers": cell.kept,
            "of": cell.prepared.answers,
            "folder": str(cell.folder),
        }
        for row in rows
        for cell in row.cells
    ]
    if as_json:
        print_json({"planned": planned, "notes": notes, "power": power})
        return
    for row in planned:
        there = f"{row['answers']} of {counted(row['of'], 'answer')} there, {row['n']} for each problem"
        print_lines([f"{row['label']}  {row['benchmark']}: {there}", f"    {row['folder']}"])
    print_lines(power)


def _say_how_it_went(evaluator: Any, chosen: Chosen, *, as_json: bool) -> int:
    done = evaluator.done
    problems = list(chosen.skipped)
    for failure in done.failures:
        if chosen.options.watch and failure.is_gone:
            print(failure.problems[0], file=sys.stderr)
        else:
            problems += failure.problems
    if done.missed:
        told = ", ".join(map(str, sorted(done.missed)))
        print(f"Deleted before their turn, and not evaluated: steps {told}; raise save_total_limit", file=sys.stderr)
    if not as_json:
        for (label, name), cell in done.cells.items():
            n, share = cell.prepared.sampling.n, 100 * (cell.accuracy or 0.0)
            print(f"{label:<16} {name:<16} {share:5.1f}%  mean of {n} x {len(cell.prepared.rows)} answers")
        if done.evaluated == 0 and not done.failures:
            print(f"Nothing to do: {counted(done.reused, 'evaluation')} there already.", file=sys.stderr)
        else:
            kept = f", {done.reused} were there already" if done.reused else ""
            print(f"Evaluated {done.evaluated}{kept}; results are in {chosen.evals}", file=sys.stderr)
        print(f"Error bars and curves: dra eval report {chosen.report}", file=sys.stderr)
    print_problems(problems)
    return 1 if problems else 0


app.command()(report)
app.command()(compare)
