"""Import rollouts of another trainer into a run that every command can open."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from dra_toolkit.diversity import ESTIMATORS, Estimator, Scaling, estimator_of
from dra_toolkit.embedding import Embedder, EmbedderSettings, check_text_embedder, load_embedder
from dra_toolkit.errors import RecipeError, RunError, did_you_mean
from dra_toolkit.recipe import Recipe, recipe_of
from dra_toolkit.rewards.correctness import gives_part_credit, tells_right_from_wrong
from dra_toolkit.runs.compaction import compact
from dra_toolkit.runs.files import publish_text, read_json, remove_folder
from dra_toolkit.runs.importers.fitting import Fitted, Fitting, varied
from dra_toolkit.runs.importers.formats import find_format
from dra_toolkit.runs.importers.records import PLAIN, Estimates, ImportedBatch, as_records, batches
from dra_toolkit.runs.importers.rollout import Options, Problems
from dra_toolkit.runs.layout import RunDirectory
from dra_toolkit.runs.recorder import Recorder
from dra_toolkit.runs.schema import FileFacts

LOOKED_AT = 8  # batches of which is learnt, before any is written, what makes the advantages
PROVENANCE = "imported.json"
"""Where an imported run comes from, beside it."""


@dataclass(kw_only=True)
class Imported:
    """What an import did; skipped: rows and lines that could not be read, and the first of them as `problems`."""

    run: str
    format: str
    seen: str
    """What showed the format."""
    completions: int = 0
    groups: int = 0
    steps: int = 0
    by_mode: dict[str, int] = field(default_factory=dict)
    """Mode -> completions."""
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the source did not say, and what stands in its place."""


def import_run(
    source: Path,
    output: Path,
    *,
    format: str | None = None,
    options: Options | None = None,
    reward_weights: dict[str, float] | None = None,
    scale_rewards: Scaling | None = None,
    embedder: EmbedderSettings | None = None,
    overwrite: bool = False,
    imported: Callable[[int], None] = lambda completions: None,
) -> Imported:
    """Read rollouts and make a run of them in `output`; `imported` is told how many completions came since the last call.

    reward_weights: factors in the total, 1 where left out. scale_rewards: how advantages are computed where the source has
    none; group if None. embedder: what the similarity is measured with; None measures none.
    Raises RunError for a source that cannot be read or an output that is in the way; then nothing is left behind.
    """
    options = options or Options()
    found, seen = find_format(format, source, options)
    weights = _weights(found.reward_names(source, options), reward_weights or {})
    if embedder is not None and (problem := check_text_embedder(embedder)):
        raise RecipeError(f"embedder: {problem}")
    is_free = not output.exists() or (output.is_dir() and not any(output.iterdir()))
    if not is_free and not (overwrite and RunDirectory(output).exists()):
        raise RunError(f"{output}: is there already; choose another --output, or replace a run with --overwrite")
    directory = RunDirectory(output.parent / f".{output.name}.importing")
    remove_folder(directory.path)
    problems, report = Problems(), Imported(run=str(output), format=found.name, seen=seen)
    rows = batches(found.read(source, options, problems), consecutive=found.consecutive)
    try:
        fitting = Fitting(found.name, weights, may_search=not reward_weights)
        head = list(islice(rows, LOOKED_AT))
        if not head:
            raise RunError(f"{source}: no rollout could be read", *problems.lines[:5])
        fits = [fitting(groups) for groups in sorted((batch.groups for batch in head), key=varied) if varied(groups)]
        fitted = fits[-1] if fits and None not in fits else None
        by = embedder.name if embedder else "none"
        facts = _facts(output.name, fitting.weights, scale_rewards, fitted, found.name, by)
        directory.create(_recipe(source, output, found.name, facts, max(map(len, head[0].groups))))
        directory.write_status("importing")
        loaded = None if embedder is None else load_embedder(embedder)
        estimates = _record(directory, chain(head, rows), facts, loaded, report, imported)
        report.notes += _notes(estimates, facts.made, fitted, found.consecutive, scale_rewards, fitting)
        report.skipped, report.problems = problems.count, problems.lines
        facts_of_source = _provenance(source, report, estimates, fitted)
        publish_text(directory.path / PROVENANCE, json.dumps(facts_of_source, indent=1, ensure_ascii=False) + "\n")
        directory.write_status("imported")
        remove_folder(output)  # only what --overwrite allows, and only once the new run is whole
        directory.path.rename(output)
    except OSError as error:
        raise RunError(f"{output}: cannot be written ({error.strerror or error})") from None
    finally:
        remove_folder(directory.path)  # what failed, whatever the reason
    return report


def _facts(
    name: str, weights: dict[str, float], asked: Scaling | None, fitted: Fitted, format: str, embedder: str
) -> FileFacts:
    """Return what holds for all groups; advantages are made as asked, as those that were written, or as the engine does."""
    made = fitted[1] if fitted else ESTIMATORS.get(format.replace("-", "_"), ESTIMATORS["trl"])
    made = made if asked is None else estimator_of(asked)
    return FileFacts(
        run=name,
        reward_weights=weights,
        scale_rewards=made.scaling,
        diversity=PLAIN,
        embedder=embedder,
        correct_by=tells_right_from_wrong(list(weights), {}),  # another's function, whatever it is called
        estimator=None if made == estimator_of(made.scaling) else made,
    )


def _record(
    directory: RunDirectory,
    rows: Iterator[ImportedBatch],
    facts: FileFacts,
    embedder: Embedder | None,
    report: Imported,
    imported: Callable[[int], None],
) -> Estimates:
    """Write the batches in the folder of the run, and join their files."""
    estimates, steps, told, by = Estimates(), set(), list[str](), facts.correct_by
    recorder = Recorder(directory.groups, facts, tell=told.append)
    try:
        for batch in rows:
            records = as_records(batch, facts.reward_weights, facts.made, embedder, estimates)
            by = None if by and any(gives_part_credit(None, each.group.rewards[by]) for each in records) else by
            recorder.submit(records, correct_by=by)
            count = sum(len(record.group) for record in records)
            report.completions, report.groups = report.completions + count, report.groups + len(records)
            report.by_mode[batch.mode] = report.by_mode.get(batch.mode, 0) + count
            steps.add(batch.step)
            imported(count)
    finally:
        recorder.close()
    if lost := [line for line in told if "record" in line]:
        raise RunError(*lost)
    compact(directory.groups, everything=True, grace=0)
    report.steps = len(steps)
    return estimates


def _weights(names: list[str], given: dict[str, float]) -> dict[str, float]:
    unknown = [f"no reward {n!r}{did_you_mean(n, names)}; has {', '.join(names)}" for n in given if n not in names]
    if unknown:
        raise RunError(*(f"--reward-weight: {line}" for line in unknown))
    if not names:
        raise RunError("the source has no reward; name one with --reward-column")
    return {name: given.get(name, 1.0) for name in names}


def _recipe(source: Path, output: Path, format: str, facts: FileFacts, size: int) -> Recipe:
    """Return a recipe of what is known of the run alone, which says that it was imported; nobody can train it."""
    known = {
        "model_name_or_path": f"imported:{format}",
        "dataset_name": str(source),
        "reward_funcs": list(facts.reward_weights),
        "reward_weights": list(facts.reward_weights.values()),
        "diversity": "none",
        "scale_rewards": facts.scale_rewards,
        "embedder": facts.embedder,
        "num_generations": size,
        "output_dir": str(output),
    }
    whole = recipe_of(output.name, known, f"# Imported from {source} ({format}); nobody can resume it here.\n")
    return replace(whole, settings={key: whole.settings[key] for key in known})


def _notes(
    estimates: Estimates, made: Estimator, fitted: Fitted, consecutive: bool, asked: Scaling | None, fitting: Fitting
) -> Iterator[str]:
    if fitting.found:
        yield f"reward weights: {fitting}"
    if estimates["advantages"]:
        yield f"advantages: {estimates['advantages']} are not in the source and were computed as {made}"
    if estimates["advantages_known"] and fitted is None and asked is None:
        yield (
            "advantages: kept as written; no known estimator gives those of the first steps from the rewards, "
            "whatever their weights, so flips against the plain advantages say little"
        )
    elif estimates["advantages_known"] and fitted is not None:
        yield f"advantages: kept as written; they are those of {fitted[1]}"
    if estimates["tokens"]:
        yield f"tokens: {estimates['tokens']} completions come without a count; their words were counted instead"
    if estimates["finish_reasons"]:
        yield f"finish_reason: unknown for {estimates['finish_reasons']} completions, and recorded as unknown"
    by_identity = "by the identity that the source gives; without one, completions of the same prompt in a step"
    yield f"groups: {'completions of the same prompt that follow each other' if consecutive else by_identity}"


def _provenance(source: Path, report: Imported, estimates: Estimates, fitted: Fitted) -> dict[str, Any]:
    recorded = bool(estimates["advantages_known"]) and (fitted is None or bool(estimates["advantages"]))
    return {
        "source": str(source.resolve()),
        "time": time.time(),
        "advantages": "recorded" if recorded else "reproduced" if estimates["advantages_known"] else "computed",
        "estimates": dict(estimates),
        **{name: getattr(report, name) for name in ("format", "seen", "skipped", "notes")},
    }


def read_provenance(run: Path) -> dict[str, Any] | None:
    """Return where an imported run comes from; None for a run that was trained here."""
    try:
        found = read_json(run / PROVENANCE)
        if not isinstance(found, dict):
            raise ValueError(f"expected an object, found {type(found).__name__}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{run / PROVENANCE}: cannot be read ({error})") from None
    return found
