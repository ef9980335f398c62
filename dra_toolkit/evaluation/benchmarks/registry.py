"""The benchmarks by name, as `known.json` declares them: source, prompt, and how answers are compared.

Prompts, golds and metric of the paper's five are those of Open-RS; `hash_examples` is lighteval's own hash over the
prompts, as it stands in the logs that Open-RS published.
"""

import difflib
import importlib.util
import json
from dataclasses import dataclass, replace
from pathlib import Path

from dra_toolkit.errors import EvaluationError, counted, did_you_mean

KNOWN = json.loads(Path(__file__).with_name("known.json").read_text(encoding="utf-8"))
MATHS_PROMPT: str = KNOWN["prompt"]
"""Open-RS's prompt; `{problem}` is where the problem goes."""
METRIC_VERSION = "1"
"""Raised whenever the same answer could be scored otherwise."""
PAPER = ("aime24", "math_500", "amc23", "minerva", "olympiadbench")
BUILTIN_QUICKSTART = "quickstart"
FILE_SUFFIXES = (".jsonl", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark, as declared."""

    name: str
    source: str
    """A Hub data set's id, `builtin:ways`, a file, or the dotted path of a lighteval task."""
    kind: str = "hub"
    """hub, builtin, file or task."""
    split: str = "test"
    revision: str | None = None
    """Of the data set; None is its newest, whose problems the hash over the prompts still tells apart."""
    problem_column: str = "problem"
    answer_column: str = "answer"
    prompt: str = MATHS_PROMPT
    gold: str = "as given"
    """as given, or boxed: golds without a delimiter are put into a box, since bare LaTeX is misread."""
    extraction: str = "latex"
    """How a gold is read: latex, or expression (a plain number)."""
    tolerance: bool = False
    """Whether decimal golds were computed and rounded, so that the judge accepts what is near one."""
    n: int = 4
    max_new_tokens: int = 32768
    limit: int | None = None
    """Only so many problems, the first ones."""
    size: int | None = None
    """Problems that it should have."""
    hash_examples: str | None = None
    """lighteval's hash over the prompts in Open-RS's logs."""
    note: str | None = None
    """What keeps its numbers from being compared."""


REGISTRY = {row["name"]: Benchmark(**row) for row in KNOWN["benchmarks"]}


def choose_benchmarks(
    names: list[str], *, problem_column: str | None = None, answer_column: str | None = None
) -> list[Benchmark]:
    """Return the benchmarks that `names` say: registered ones, groups, local files and dotted paths, each once."""
    chosen: dict[str, Benchmark] = {}
    problems: list[str] = []
    for name in (part.strip() for given in names for part in given.split(",")):
        for single in PAPER if name == "paper" else (name,):
            try:
                benchmark = _benchmark(single, problem_column, answer_column)
            except EvaluationError as error:
                problems.extend(error.problems)
                continue
            if chosen.get(benchmark.name, benchmark) != benchmark:
                problems.append(
                    f"--benchmark: two different benchmarks are called {benchmark.name!r}; rename one's file"
                )
            chosen[benchmark.name] = benchmark
    if problems:
        raise EvaluationError(*problems)
    return list(chosen.values())


def _benchmark(name: str, problem_column: str | None, answer_column: str | None) -> Benchmark:
    if name in REGISTRY:
        return REGISTRY[name]
    path = Path(name).expanduser()
    if path.suffix in FILE_SUFFIXES:
        return Benchmark(
            name=_clean(path.stem),
            source=str(path.absolute()),
            kind="file",
            problem_column=problem_column or "problem",
            answer_column=answer_column or "answer",
            gold="boxed",
        )
    if path.exists():
        raise EvaluationError(
            f"--benchmark: {name} is neither .jsonl nor .parquet, and no dotted path of a lighteval task"
        )
    module, _, attribute = name.rpartition(".")
    if module and attribute.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        return Benchmark(name=_clean(attribute), source=name, kind="task")
    known = [*REGISTRY, "paper"]
    raise EvaluationError(
        f"--benchmark: found {name!r}, expected one of {', '.join(known)}, a .jsonl or .parquet file, or the dotted path "
        f"of a lighteval task{did_you_mean(name, known) or _of_lighteval(name)}"
    )


def _of_lighteval(name: str) -> str:
    """Return where the installed lighteval has tasks of nearly this name; nothing where it has none, or is not installed."""
    spec = importlib.util.find_spec("lighteval")
    folders = [Path(place, "tasks", "tasks") for place in (spec and spec.submodule_search_locations) or ()]
    modules = {path.stem for folder in folders for path in folder.glob("[a-z]*.py")}
    near = difflib.get_close_matches(name.lower(), modules, n=1, cutoff=0.75)
    module = f"lighteval.tasks.tasks.{near[0]}" if near else ""
    return f"; lighteval has tasks in {module}: name one as {module}.TASK" if near else ""


def with_limit(benchmark: Benchmark, limit: int | None) -> Benchmark:
    """Return the benchmark cut to its first `limit` problems, and says so where it is compared."""
    if limit is None or (benchmark.limit is not None and limit == benchmark.limit):
        return benchmark
    if limit < 1:
        raise EvaluationError(f"--limit: found {limit}, expected 1 or more problems")
    note = f"only the first {counted(limit, 'problem')}; not comparable with figures for the whole"
    return replace(benchmark, limit=limit, size=None, hash_examples=None, note=note)


def _clean(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name) or "benchmark"
