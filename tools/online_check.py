"""What cannot be tried without a network, for a machine that has one:

    python tools/online_check.py [CHECK ...] [--repository NAME]

login       somebody who may write is logged in to the Hub
push        a save goes to a private repository as a revision, and comes back the same by that revision
embedders   the real weights of jina and nomic give the vectors that the publishers' own code gives
benchmarks  the five sets of the paper are there, with the columns and the number of problems that are declared
evaluation  one revision of Open-RS1 answers ten problems, and the table comes

Each prints what agreed or what did not; the exit status is how many did not. Not run so far; tests run it on stand-ins.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TEXTS = (
    "First the tens, then the ones: 47 + 38 = 85.",
    "The ones give 15, so carry 1: 85.",
    "By symmetry it is enough to look at $x > 0$. " * 200,
    "",
)
COSINE = 0.999
"""Least cosine of a vector of ours and the publishers'."""
MODEL, REVISION = "knoveleng/Open-RS1", "main"


def login() -> Iterator[str]:
    """Yield what keeps this login from writing."""
    from dra_toolkit.logins import hub_problems

    yield from (f"online check: {problem}" for problem in hub_problems("online check"))


def push(repository: str) -> Iterator[str]:
    """Push a file as a revision, read it back, and yield what differs; the repository stays, private."""
    from huggingface_hub import HfApi, hf_hub_download

    api, saved = HfApi(), b"weights of step 1"
    name = api.create_repo(repository, private=True, exist_ok=True).repo_id
    api.create_branch(name, branch="step-00001", exist_ok=True)
    api.upload_file(path_or_fileobj=saved, path_in_repo="save.bin", repo_id=name, revision="step-00001")
    with tempfile.TemporaryDirectory() as folder:
        back = hf_hub_download(name, "save.bin", revision="step-00001", local_dir=folder)
        if Path(back).read_bytes() != saved:
            yield f"{name}: save.bin of step-00001 came back as something else"


def embedders(names: Sequence[str]) -> Iterator[str]:
    """Yield the embedders whose vectors are not those of the publishers' code, loaded by sentence-transformers."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    from dra_toolkit.embedding import EmbedderSettings, known_embedder, load_embedder

    for name in names:
        source, texts = known_embedder(name).source, [text for text in TEXTS if text]
        ours = load_embedder(EmbedderSettings(name=name)).embed(texts)
        remote = not Path(source.name).is_dir()
        theirs = SentenceTransformer(source.name, revision=source.revision, trust_remote_code=remote, device="cpu")
        if ours.truncated:
            theirs.max_seq_length = load_embedder(EmbedderSettings(name=name)).max_length
        cosine = (ours.vectors * theirs.encode(texts, normalize_embeddings=True)).sum(axis=1)
        if np.isnan(cosine).any() or cosine.min() < COSINE:
            yield f"{name}: smallest cosine with the publishers' vectors {cosine.min():.5f}, expected at least {COSINE}"


def benchmarks(names: Sequence[str]) -> Iterator[str]:
    """Yield what is not as declared of benchmarks of the registry, or of JSONL files in a folder of that name."""
    from datasets import load_dataset

    from dra_toolkit.evaluation.benchmarks.registry import choose_benchmarks

    for benchmark in choose_benchmarks(names):
        rows = load_dataset(benchmark.source, split=benchmark.split)
        lacking = {benchmark.problem_column, benchmark.answer_column} - set(rows.column_names)
        if lacking:
            yield f"{benchmark.name}: no column {', '.join(sorted(lacking))}; it has {', '.join(rows.column_names)}"
        if benchmark.size is not None and len(rows) != benchmark.size:
            yield f"{benchmark.name}: {len(rows)} problems, expected {benchmark.size}"


def evaluation(model: str, revision: str | None, benchmark: str, problems: int = 10) -> Iterator[str]:
    """Yield the error of `dra eval run` on a few problems, which checks their hash where one was published."""
    given = ["--model", f"{model}@{revision}" if revision else model, "--benchmark", benchmark]
    with tempfile.TemporaryDirectory() as folder:
        options = ("--limit", str(problems), "--n", "1", "--output", folder)
        program = (sys.executable, "-c", "from dra_toolkit.cli import main; main()", "eval", "run")
        ran = subprocess.run([*program, *given, *options], capture_output=True, text=True)
    if ran.returncode:
        yield f"{' '.join(given)}: {(ran.stderr.strip().splitlines() or ['no output'])[-1]}"


def report(name: str, check: Callable[[], Iterator[str]]) -> bool:
    """Run one check and say what came of it; return whether all agreed."""
    try:
        differs = list(check())
    except Exception as error:
        differs = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
    for line in differs or ["agrees"]:
        print(f"{name}: {line}", flush=True)
    return not differs


def main() -> int:
    """Run the checks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--repository", default="dra-toolkit-online-check")
    chosen = parser.parse_args()
    checks: dict[str, Callable[[], Iterator[str]]] = {
        "login": login,
        "push": lambda: push(chosen.repository),
        "embedders": lambda: embedders(["jina", "nomic"]),
        "benchmarks": lambda: benchmarks(["paper"]),
        "evaluation": lambda: evaluation(MODEL, REVISION, "aime24"),
    }
    if unknown := [name for name in chosen.checks if name not in checks]:
        parser.error(f"{unknown[0]}: expected one of {', '.join(checks)}")
    return sum(not report(name, checks[name]) for name in chosen.checks or checks)


if __name__ == "__main__":
    sys.exit(main())
