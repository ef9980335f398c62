"""Where prime-rl keeps its traces, and which of them reached the trainer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.runs.importers.lines import jsonl_files, natural, objects
from dra_toolkit.runs.importers.rollout import Problems

_STEP = re.compile(r"step_(\d+)")


@dataclass(frozen=True, kw_only=True)
class PrimeFile:
    """One file of traces, and what its place says."""

    path: Path
    kind: str | None = None
    """`train` or `eval`, where the folder or the name says so."""
    step: int | None = None
    effective: Path | None = None
    """The file with those of the traces that reached the trainer."""
    annotations: tuple[Path, ...] = ()
    """Files that say afterwards what became of the traces."""


def trace_files(source: Path) -> list[PrimeFile]:
    """Return the files of traces in a folder of prime-rl, by step; or the file itself."""
    if source.is_file():
        return [_by_place(source)]
    for root in (source, source / "rollouts"):
        folders = sorted((p for p in root.glob("step_*") if _STEP.fullmatch(p.name)), key=natural)
        found = [file for folder in folders for file in _of_step(folder)]
        if found:
            return found
    for root in (source, source / "traces", source / "monitors" / "file" / "traces"):
        chunks = jsonl_files(root / "stream") if (root / "stream").is_dir() else jsonl_files(root, "stream.jsonl")
        if chunks:
            updates = sorted(root.glob("annotations/**/*.jsonl"), key=natural)
            notes = tuple(path for path in updates if not path.name.endswith(".index.jsonl"))
            return [PrimeFile(path=path, annotations=notes) for path in chunks]
    single = jsonl_files(source, "traces.jsonl")
    return [PrimeFile(path=path) for path in single]


def effective_traces(file: PrimeFile, problems: Problems) -> dict[str, dict[str, Any]] | None:
    """Return what is known of the traces that reached the trainer, by their id; None if all of the file did."""
    if file.kind == "eval" or (file.effective is None and not file.annotations):
        return None
    found: dict[str, dict[str, Any]] = {}
    for path in (file.effective,) if file.effective else file.annotations:
        for _, line in objects(path, problems):
            traces = line["traces"] if isinstance(line.get("traces"), list) else [line]
            for trace in traces:
                if isinstance(trace, Mapping):
                    _note(found, trace, is_annotation=file.effective is None)
    return found


def _note(found: dict[str, dict[str, Any]], trace: Mapping[str, Any], *, is_annotation: bool) -> None:
    name = trace.get("trace_id") if trace.get("trace_id") is not None else trace.get("id")
    info = trace.get("info") if isinstance(trace.get("info"), Mapping) else trace
    assert isinstance(info, Mapping)
    if is_annotation and not (info.get("effective") or info.get("subset") == "effective"):
        return
    advantage = info.get("advantage", trace.get("advantage"))
    found[str(name)] = {"advantage": advantage, "ship": info.get("ship")}


def _of_step(folder: Path) -> list[PrimeFile]:
    step = int(folder.name.removeprefix("step_"))
    files = []
    for kind in ("train", "eval"):
        every = jsonl_files(folder / kind / "all", "traces.jsonl")
        effective = jsonl_files(folder / kind / "effective", "traces.jsonl")
        if every:
            files += [
                PrimeFile(path=path, kind=kind, step=step, effective=effective[0] if effective else None)
                for path in every
            ]
        else:
            files += [PrimeFile(path=path, kind=kind, step=step) for path in effective]
        files += [PrimeFile(path=path, kind=kind, step=step) for path in jsonl_files(folder, f"{kind}_rollouts*.jsonl")]
    return files


def _by_place(path: Path) -> PrimeFile:
    """Return a single file with what the folders above it say."""
    parts = path.resolve().parts
    steps = [found[1] for part in parts if (found := _STEP.fullmatch(part))]
    kinds = [part for part in parts[-4:] if part in ("train", "eval")]
    return PrimeFile(path=path, kind=kinds[-1] if kinds else None, step=int(steps[-1]) if steps else None)
