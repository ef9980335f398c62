"""`dra audit`: does an embedder see what completions do, or only how they say it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.common import JSON, user_errors
from dra_toolkit.cli.printing import answer
from dra_toolkit.errors import EmbedderError

if TYPE_CHECKING:
    from dra_toolkit.embedding import Embedder
    from dra_toolkit.runs import Run


@user_errors
def audit(
    source: Path = typer.Argument(
        None, help="A run, or a JSONL or Parquet file of labelled texts; else the latest run."
    ),
    embedder: list[str] = typer.Option(
        None, "--embedder", "-e", help="May be repeated; left out, those that are here and fetch nothing."
    ),
    labels: str = typer.Option(
        "answer", help="Of a run: answer, recorded, or a dotted path to a function of a group's texts."
    ),
    policy: Path = typer.Option(None, help="Checkpoint of embedder policy, which it adds; of a run, else its newest."),
    text_column: str = typer.Option("text", help="Of a file."),
    label_column: str = typer.Option("label", help="Of a file."),
    group_column: str = typer.Option(None, help="Of a file; left out, group or prompt, else all texts are one group."),
    groups: int = typer.Option(100, min=1, help="Groups embedded, chosen at random."),
    seed: int = typer.Option(0, help="Of that choice and of the bootstrap."),
    as_json: bool = JSON,
) -> None:
    """Say how well embedders separate what completions do from how they say it, before GPU hours are spent."""
    from dra_toolkit.cli.bars import counting
    from dra_toolkit.inspection.audit import as_plain, audit_view, from_file, from_run
    from dra_toolkit.inspection.audit import audit as measure
    from dra_toolkit.runs import Run, latest_run

    run = None
    if source is not None and source.is_file():
        columns = {"text": text_column, "label": label_column, "group": group_column}
        found = from_file(source, **columns, groups=groups, seed=seed)
    else:
        run = Run(latest_run()) if source is None else Run.open(source)
        found = from_run(run, labels=labels, groups=groups, seed=seed)
    names = dict.fromkeys([*(embedder or _offline()), *(["policy"] if policy else [])])
    total = len(names) * sum(len(group.texts) for group in found)
    with counting(f"embedding with {', '.join(names)}", total) as embedded:
        loaded = [_load(name, policy, run) for name in names]
        audited = [measure(found, each, tokens_of=ids, embedded=embedded, seed=seed) for each, ids in loaded]
    answer(as_json, as_plain(audited), lambda out: [audit_view(audited)])


def _offline() -> list[str]:
    from dra_toolkit.embedding import EMBEDDERS

    usable = ((name, known) for name, known in EMBEDDERS.items() if known.reads_texts and not known.source)
    return [name for name, known in usable if not known.missing_packages()]


def _load(
    name: str, policy: Path | None, run: Run | None
) -> tuple[Embedder, Callable[[Sequence[str]], list[list[int]]] | None]:
    """Return an embedder, and for the policy what turns texts into its tokens."""
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.embedding.policy import load_checkpoint_embedder

    if name != "policy":
        return load_embedder(EmbedderSettings(name=name)), None
    return load_checkpoint_embedder(policy or _newest_checkpoint(run))


def _newest_checkpoint(run: Run | None) -> Path:
    from dra_toolkit.runs.checkpoints import complete_checkpoints

    if run is None:
        raise EmbedderError("--embedder policy: name the checkpoint whose states are meant with --policy FOLDER")
    if not (there := complete_checkpoints(run.directory.checkpoints)):
        raise EmbedderError(f"--embedder policy: {run.name} has no complete checkpoint; name one with --policy FOLDER")
    return there[-1]
