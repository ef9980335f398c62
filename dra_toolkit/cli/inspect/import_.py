"""`dra inspect import`: rollouts of other trainers as a run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dra_toolkit.cli.errors import user_errors
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from dra_toolkit.runs.importers.importing import Imported

SHOWN = 20
"""Rows that could not be read, of which a line is printed each."""


class FormatName(Enum):
    """Whose rollouts."""

    trl = "trl"
    verl = "verl"
    ms_swift = "ms-swift"
    prime_rl = "prime-rl"
    jsonl = "jsonl"


class ImportMode(Enum):
    """What the rollouts were sampled for, where the format does not say."""

    train = "train"
    eval = "eval"


class ScalingName(Enum):
    """How advantages are computed where the source has none."""

    group = "group"
    batch = "batch"
    none = "none"


def register(app: typer.Typer) -> None:
    """Add the command to `dra inspect`."""
    app.command("import")(import_)


@user_errors
def import_(
    source: Path = typer.Argument(..., help="A file or folder with rollouts."),
    output: Path = typer.Option(..., "--output", "-o", metavar="RUN", help="The run to make, such as runs/theirs."),
    format: FormatName = typer.Option(None, "--format", help="Left out, it is recognised."),
    embedder: str = typer.Option("hash", "--embedder", help="What the similarity is measured with, or none."),
    prompt_column: str = typer.Option("prompt", "--prompt-column", help="jsonl: the column of the prompts."),
    completion_column: str = typer.Option("completion", "--completion-column", help="jsonl: that of the completions."),
    reward_columns: list[str] = typer.Option(None, "--reward-column", help="A column with a reward; may be repeated."),
    step_column: str = typer.Option(None, "--step-column", help="jsonl: the column of the step."),
    group_column: str = typer.Option(None, "--group-column", help="The column that tells which group a row is of."),
    advantage_column: str = typer.Option(None, "--advantage-column", help="jsonl: that of the advantages."),
    reward_weights: list[str] = typer.Option(
        None, "--reward-weight", metavar="NAME=NUMBER", help="Factor of a reward in the total, 1 if left out."
    ),
    scale_rewards: ScalingName = typer.Option(
        None, "--scale-rewards", help="How advantages are computed where the source has none."
    ),
    mode: ImportMode = typer.Option(ImportMode.train, "--mode", help="What they were sampled for, if it is not told."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Delete the run that lies in --output."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Make a run of the rollouts of TRL, verl, ms-swift, prime-rl, or of any JSON lines, measuring their similarity."""
    from dra_toolkit.embedding import EmbedderSettings
    from dra_toolkit.runs.importers.importing import import_run
    from dra_toolkit.runs.importers.rollout import Options

    done = import_run(
        source,
        output,
        format=None if format is None else format.value,
        options=Options(
            prompt_column=prompt_column,
            completion_column=completion_column,
            reward_columns=tuple(reward_columns or ()),
            step_column=step_column,
            group_column=group_column,
            advantage_column=advantage_column,
            mode=mode.value,
        ),
        reward_weights=_weights(reward_weights or []),
        scale_rewards=None if scale_rewards is None else scale_rewards.value,
        embedder=None if embedder == "none" else EmbedderSettings(name=embedder),
        overwrite=overwrite,
    )
    if as_json:
        print(json.dumps(asdict(done)))
    else:
        _show(done)


def _weights(items: list[str]) -> dict[str, float]:
    from dra_toolkit.errors import RunError

    weights, problems = {}, []
    for item in items:
        name, _, number = item.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            problems.append(f"--reward-weight: found {item!r}, expected NAME=NUMBER")
    if problems:
        raise RunError(*problems)
    return weights


def _show(done: Imported) -> None:
    for problem in done.problems[:SHOWN]:
        print(f"warning: {visible(problem, one_line=True)}", file=sys.stderr)
    if done.skipped > SHOWN:
        print(f"warning: {done.skipped - min(SHOWN, len(done.problems))} more could not be read", file=sys.stderr)
    modes = ", ".join(f"{count:,} {mode}" for mode, count in done.by_mode.items())
    lines = [
        f"{done.run}: {done.completions:,} completions in {done.groups:,} groups of {done.steps:,} steps ({modes}); "
        f"{done.skipped:,} rows skipped",
        f"format {done.format}: {done.seen}",
        *done.notes,
        "",
        "Next:",
        f"  dra inspect summary {done.run}",
        f"  dra inspect replay {done.run} diversity=graph_cut",
    ]
    for line in lines:
        print(visible(line, one_line=True))
