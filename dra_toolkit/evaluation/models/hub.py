"""Benchmarks and models from the Hub, or from its cache here where the network is away."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.benchmarks.registry import FILE_SUFFIXES, Benchmark

MODEL_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "*.py"]
_SHARD = re.compile(r"[-_.]?\d{5}-of-\d{5}(?:-[0-9a-f]{16})?|(?<=/)\d+(?=\.)")
_STEP = re.compile(r"(?:step|checkpoint|global_step)[-_]?0*(\d+)")


def benchmark_files(benchmark: Benchmark) -> list[Path]:
    """Return the files with a benchmark's problems in the cache of the Hub, fetched where they are not there yet.

    They are those that the upload's split is in, one or the shards of one.
    """
    fetch = f"hf download {benchmark.source} --repo-type dataset"
    mend = f"; fetch it beforehand with `{fetch}`, or put {benchmark.name}.jsonl into a folder and name that with --data-dir"
    with _told(f"--benchmark {benchmark.name}", benchmark.source, "dataset", benchmark.revision, mend):
        folder = _snapshot(benchmark.source, repo_type="dataset", revision=benchmark.revision)
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.suffix in FILE_SUFFIXES)
    of_split = [p for p in files if re.search(rf"(?:^|[/._-]){benchmark.split}[/._-]", str(p))] or files
    if len(of_split) != 1 and len({_SHARD.sub("", str(p)) for p in of_split}) != 1:
        found = ", ".join(map(str, files)) or "none"
        raise EvaluationError(
            f"--benchmark {benchmark.name}: {benchmark.source} has no .parquet or .jsonl file, or shards of one, of its "
            f"split {benchmark.split} here (found: {found}); fetch it again with `{fetch}`"
        )
    return [folder / p for p in of_split]


def model_folder(name: str, revision: str | None = None) -> Path:
    """Return the folder in the cache of the Hub with a model's files, fetched where they are not there yet."""
    from huggingface_hub.utils import validate_repo_id

    at = f" --revision {revision}" if revision else ""
    mend = f"; fetch it beforehand with `hf download {name}{at}`"
    with _told(f"--model {name}", name, "model", revision, mend):
        validate_repo_id(name)
        return _snapshot(name, revision=revision, allow_patterns=MODEL_FILES)


def step_revisions(name: str) -> dict[int, str]:
    """Return the branches and tags of a model on the Hub that are steps: `step-00050`, `checkpoint-50`."""
    from huggingface_hub import HfApi

    with _told("--revisions", name, "model"):
        refs = HfApi().list_repo_refs(name)
    names = [ref.name for ref in (*refs.branches, *refs.tags)]
    found = {int(match[1]): branch for branch in names if (match := _STEP.fullmatch(branch))}
    if not found:
        raise EvaluationError(
            f"--revisions: {name} has no branch or tag such as step-00050 or checkpoint-50; it has {', '.join(names)}"
        )
    return dict(sorted(found.items()))


def _snapshot(name: str, **arguments: Any) -> Path:
    """Fetch a repository, or find what an earlier download left where the Hub cannot be reached."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, **arguments))
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            return Path(snapshot_download(name, local_files_only=True, **arguments))
        raise error from None


@contextmanager
def _told(
    option: str, name: str, kind: Literal["model", "dataset"], revision: str | None = None, mend: str = ""
) -> Iterator[None]:
    """Say in a few words why the Hub did not give `name`, and what mends it."""
    from dra_toolkit.training.hub_errors import first_words, hub_problem

    try:
        yield
    except Exception as error:
        told = hub_problem(error, name, kind, revision) or f"{name} cannot be fetched ({first_words(error, 200)})"
        raise EvaluationError(f"{option}: {told}{mend}") from None
