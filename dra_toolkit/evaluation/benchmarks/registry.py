"""The benchmarks by name: where their problems come from, how they are asked, and how answers are compared.

Prompts, golds and metric of the paper's five are those of Open-RS; `hash_examples` is lighteval's own hash over the
prompts, as it stands in the logs that Open-RS published.
"""

from __future__ import annotations

import difflib
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path

from dra_toolkit.errors import EvaluationError, did_you_mean

MATHS_PROMPT = (
    "Solve the following math problem efficiently and clearly.  The last line of your response should be of the following "
    "format: 'Therefore, the final answer is: $\\boxed{ANSWER}$. I hope it is correct' (without quotes) where ANSWER is "
    "just the final number or expression that solves the problem. Think step by step before answering.\n\n{problem}"
)
"""Open-RS's prompt; `{problem}` is where the problem goes."""
PLAIN_PROMPT = "{problem}"
METRIC_VERSION = "1"
"""Raised whenever the same answer could be scored otherwise."""
PAPER = ("aime24", "math_500", "amc23", "minerva", "olympiadbench")
GROUPS = {"paper": PAPER}
BUILTIN_QUICKSTART = "quickstart"
LIGHTEVAL_TASKS = "lighteval.tasks.tasks"
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

    def ask(self, problem: str) -> str:
        """Return the prompt for a problem."""
        return self.prompt.replace("{problem}", problem)


UNCHECKED = "no log with these prompts is published, so their hash is not checked against one"


def _integers(name: str, source: str) -> Benchmark:
    """Return a contest of 30 problems whose answers are whole numbers, asked as aime24 is."""
    return Benchmark(name=name, source=source, split="train", extraction="expression", n=16, size=30, note=UNCHECKED)


def _formulas(name: str, source: str) -> Benchmark:
    """Return a contest of 30 problems whose answers are formulas without a delimiter."""
    return Benchmark(name=name, source=source, split="train", gold="boxed", n=16, size=30, note=UNCHECKED)


REGISTRY = {
    b.name: b
    for b in (
        Benchmark(
            name="aime24",
            source="HuggingFaceH4/aime_2024",
            split="train",
            extraction="expression",
            n=16,
            size=30,
            hash_examples="ddec8fc79d0a014b",
        ),
        Benchmark(
            name="math_500",
            source="HuggingFaceH4/MATH-500",
            answer_column="solution",
            size=500,
            hash_examples="adf0cc8311011db2",
        ),
        Benchmark(
            name="amc23",
            source="knoveleng/AMC-23",
            split="train",
            extraction="expression",
            n=16,
            size=40,
            hash_examples="57f3ead69f601b6a",
        ),
        Benchmark(
            name="minerva",
            source="knoveleng/Minerva-Math",
            split="train",
            answer_column="solution",
            tolerance=True,
            size=272,
            hash_examples="2380609739db80f4",
            note="the comparison metric accepts about 65% of correct answers here; see the judged column",
        ),
        Benchmark(
            name="olympiadbench",
            source="knoveleng/OlympiadBench",
            split="train",
            problem_column="question",
            gold="boxed",
            size=675,
            hash_examples="96eebb759f237c57",
        ),
        _integers("aime25", "MathArena/aime_2025"),
        _integers("aime26", "MathArena/aime_2026"),
        _formulas("hmmt25", "MathArena/hmmt_feb_2025"),
        _formulas("brumo25", "MathArena/brumo_2025"),
        Benchmark(
            name="gpqa_diamond",
            source=f"{LIGHTEVAL_TASKS}.gpqa.gpqa_diamond_instruct",
            kind="task",
            size=198,
            note="asked with lighteval's own prompt and metric",
        ),
        Benchmark(
            name=BUILTIN_QUICKSTART,
            source="builtin:ways",
            kind="builtin",
            answer_column="solution",
            prompt=PLAIN_PROMPT,
            extraction="expression",
            max_new_tokens=64,
            limit=200,
            note="two-digit additions of the quickstart, held out of its training",
        ),
    )
}


def choose_benchmarks(
    names: list[str], *, problem_column: str | None = None, answer_column: str | None = None
) -> list[Benchmark]:
    """Return the benchmarks that `names` say: registered ones, groups, local files and dotted paths, each once."""
    chosen: dict[str, Benchmark] = {}
    problems: list[str] = []
    for name in (part.strip() for given in names for part in given.split(",")):
        for single in GROUPS.get(name, (name,)):
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
    known = [*REGISTRY, *GROUPS]
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
    return (
        f"; lighteval has tasks in {LIGHTEVAL_TASKS}.{near[0]}: name one as {LIGHTEVAL_TASKS}.{near[0]}.TASK"
        if near
        else ""
    )


def with_limit(benchmark: Benchmark, limit: int | None) -> Benchmark:
    """Return the benchmark cut to its first `limit` problems, and says so where it is compared."""
    if limit is None or (benchmark.limit is not None and limit == benchmark.limit):
        return benchmark
    if limit < 1:
        raise EvaluationError(f"--limit: found {limit}, expected 1 or more problems")
    note = f"only the first {limit} problems; not comparable with figures for the whole"
    return replace(benchmark, limit=limit, size=None, hash_examples=None, note=note)


def _clean(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name) or "benchmark"
