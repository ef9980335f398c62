"""prime-rl: the traces that its orchestrator writes, in each of the places where its versions keep them.

    rollouts/step_N/{train,eval}/{all,effective}/traces.jsonl     a trace, or an episode with its traces, in each line
    traces/stream.jsonl, traces/stream/00000.jsonl[.zst]          episodes as they arrive; annotations/ tells their fate
    rollouts/step_N/{train,eval}_rollouts.jsonl                   one flat rollout in each line, before traces
    traces.jsonl                                                  a single file

A trace is a graph of messages (`nodes`) with named `rewards`; described by verifiers/v1/trace.py and graph.py of
PrimeIntellect-ai/verifiers, and src/prime_rl/orchestrator/{types,utils,annotations}.py of PrimeIntellect-ai/prime-rl. The
last branch of the graph is taken. Rewards enter as score times weight. What did not reach the trainer, because of an error
or a filter, is of the mode `discarded`, with the reason.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode, Prompt
from dra_toolkit.runs.importers.lines import first_object, jsonl_files, natural, objects
from dra_toolkit.runs.importers.rollout import (
    BadRowError,
    Options,
    Problems,
    Rollout,
    as_number,
    as_step,
    shared_prompts,
    spoken,
)

Parts = Sequence[Mapping[str, Any]]
_STEP_FOLDER = re.compile(r"step_(\d+)")
_KIND, _ADVANTAGE, _GROUP, _STEP = (
    tuple(tuple(place.split(".")) for place in places.split())
    for places in (
        "file.kind trace.kind trace.info.kind trace.run.type",
        "shipped.advantage trace.advantage trace.info.advantage",
        "trace.group_id trace.info.group_id line.group.id trace.example_id",
        "file.step shipped.ship.step trace.eval_step trace.info.ship.step trace.info.arrival.step "
        "trace.run.step trace.run.work.step line.run.step line.run.work.step trace.step",
    )
)
"""Where versions of prime-rl say it, the surest place first."""


class PrimeRL:
    """prime-rl's traces."""

    name = "prime-rl"
    meaning = "prime-rl's traces.jsonl, trace streams and rollout files"
    consecutive = False

    def recognise(self, source: Path) -> str | None:
        """Return what shows that these are traces."""
        for file in _trace_files(source)[:1]:
            first = first_object(file.path) or {}
            if "nodes" in first or "traces" in first:
                return f"{file.path} holds traces of prime-rl"
            if {"prompt", "completion", "reward"} <= set(first) and file.path.name.endswith("_rollouts.jsonl"):
                return f"{file.path} holds rollouts of prime-rl"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the names of all rewards, which may differ from one environment to another: every trace is looked at."""
        files = _trace_files(source)
        if not files:
            raise RunError(f"{source}: no traces.jsonl, expected the output folder of prime-rl, or a file of traces")
        lines = (line for file in files for _, line in objects(file.path, Problems()))
        given = (trace.get("rewards") for line in lines for trace in _traces_of(line))
        several = (found if isinstance(found, Mapping) and found else ("reward",) for found in given)
        names = dict.fromkeys(str(name) for found in several for name in found)
        missing = [name for name in options.reward_columns if name not in names]
        if missing:
            raise RunError(f"{source}: no trace has the reward {missing[0]!r}; there are {', '.join(names)}")
        return list(options.reward_columns or names)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file."""
        prompts = shared_prompts()
        for file in _trace_files(source):
            shipped, of_file = _effective_traces(file, problems), vars(file)
            for where, line in objects(file.path, problems):
                for trace in _traces_of(line):
                    known = {} if shipped is None else shipped.get(str(trace.get("id")))
                    said = {"trace": trace, "line": line, "shipped": known, "file": of_file, "options": options}
                    try:
                        yield _rollout(trace, said, prompts, is_trained=known is not None)
                    except (ValueError, TypeError, AttributeError) as error:
                        problems.add(where, f"no trace ({error})" if not isinstance(error, BadRowError) else str(error))


def _rollout(
    trace: Mapping[str, Any], said: Mapping[str, Any], prompts: Callable[[Any], Prompt], *, is_trained: bool
) -> Rollout:
    reason = _reason(trace, is_trained)
    mode: Mode = "eval" if _first(said, _KIND) == "eval" else "discarded" if reason else said["options"].mode
    prompt, completion = _texts(trace)
    text, turns = spoken(completion)
    advantage, group = _first(said, _ADVANTAGE), _first(said, _GROUP)
    nodes, calls = ([p for p in trace.get(name) or () if isinstance(p, dict)] for name in ("nodes", "calls"))
    return Rollout(
        mode,
        as_step(_first(said, _STEP)),
        None if group is None else str(group),
        prompts(prompt),
        text,
        _rewards(trace),
        None if advantage is None else as_number(advantage, "advantage"),
        _tokens(nodes, calls),
        _finish(trace, nodes, calls),
        reason if mode == "discarded" else None,
        turns,
    )


def _first(said: Any, places: tuple[tuple[str, ...], ...]) -> Any:
    """Return what stands in the first of some places that holds anything."""
    for place in places:
        found = said
        for name in place:
            found = found.get(name) if type(found) is dict else None
        if found is not None:
            return found
    return None


def _reason(trace: Mapping[str, Any], is_trained: bool) -> str | None:
    """Return why a trace did not reach the trainer, or None if it did."""
    filters = [name for name, hit in (trace.get("filters") or {}).items() if hit]
    if filters:
        return f"filter: {', '.join(filters)}"
    if is_trained:
        return None
    errors = trace.get("errors") or ([trace["error"]] if trace.get("error") else [])
    if errors:
        return f"error: {errors[-1].get('type') if isinstance(errors[-1], Mapping) else errors[-1]}"
    return "not in a training batch"


def _texts(trace: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the prompt, and what the model and its tools said afterwards."""
    if "nodes" not in trace:
        return trace.get("prompt"), trace.get("completion")
    branch = _last_branch(trace["nodes"])
    first = next((i for i, node in enumerate(branch) if _is_sampled(node)), None)
    if first is None:
        raise BadRowError("a trace in which the model said nothing")
    messages = [node.get("message") or {} for node in branch]
    return messages[:first], messages[first:]


def _last_branch(nodes: Any) -> list[Mapping[str, Any]]:
    if not isinstance(nodes, list) or not nodes or not all(isinstance(node, Mapping) for node in nodes):
        raise BadRowError("a trace without messages")
    if not any("parent" in node for node in nodes):
        return nodes
    branch: list[Mapping[str, Any]] = []
    at: Any = len(nodes) - 1
    while isinstance(at, int) and 0 <= at < len(nodes) and len(branch) < len(nodes):
        branch.append(nodes[at])
        at = nodes[at].get("parent")
    return branch[::-1]


def _is_sampled(node: Mapping[str, Any]) -> bool:
    sampled = node.get("sampled")
    return bool(sampled) if sampled is not None else _first(node, (("message", "role"),)) == "assistant"


def _rewards(trace: Mapping[str, Any]) -> dict[str, float]:
    found = trace.get("rewards")
    if not isinstance(found, Mapping) or not found:
        return {"reward": as_number(trace.get("reward"), "reward")}
    parts = {name: value if isinstance(value, Mapping) else {"score": value} for name, value in found.items()}
    return {
        str(name): as_number(part.get("score"), name) * as_number(part.get("weight", 1.0), name)
        for name, part in parts.items()
    }


def _tokens(nodes: Parts, calls: Parts) -> int | None:
    sampled = [node for node in nodes if _is_sampled(node)]
    masks = [sum(map(bool, node.get("mask") or [])) or len(node.get("token_ids") or []) for node in sampled]
    if any(masks):
        return sum(masks)
    usage = [_first(call, (("usage", "completion_tokens"),)) for call in calls]
    known = [count for count in usage if isinstance(count, int)]
    return sum(known) if known else None


def _finish(trace: Mapping[str, Any], nodes: Parts, calls: Parts) -> str | None:
    known = [end for part in (*nodes, *calls) if (end := part.get("finish_reason"))]
    if str(trace.get("stop_condition", "")).startswith("max_") or (known and known[-1] == "length"):
        return "length"
    return "stop" if known else None


@dataclass(frozen=True, kw_only=True)
class _File:
    """One file of traces, and what its place says: its kind, `train` or `eval`, and its step."""

    path: Path
    kind: str | None = None
    step: int | None = None
    effective: Path | None = None
    """The file with those of the traces that reached the trainer."""
    annotations: tuple[Path, ...] = ()


def _trace_files(source: Path) -> list[_File]:
    """Return the files of traces in a folder of prime-rl, by step; or the file itself."""
    if source.is_file():
        return [_by_place(source)]
    for root in (source, source / "rollouts"):
        folders = sorted((p for p in root.glob("step_*") if _STEP_FOLDER.fullmatch(p.name)), key=natural)
        found = [file for folder in folders for file in _of_step(folder)]
        if found:
            return found
    for root in (source, source / "traces", source / "monitors" / "file" / "traces"):
        chunks = jsonl_files(root / "stream") if (root / "stream").is_dir() else jsonl_files(root, "stream.jsonl")
        if chunks:
            updates = sorted(root.glob("annotations/**/*.jsonl"), key=natural)
            notes = tuple(path for path in updates if not path.name.endswith(".index.jsonl"))
            return [_File(path=path, annotations=notes) for path in chunks]
    return [_File(path=path) for path in jsonl_files(source, "traces.jsonl")]


def _traces_of(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the traces of a line: those of an episode that train the policy, or the one that the line is."""
    if not isinstance(line.get("traces"), list):
        return [line]
    traces = [trace for trace in line["traces"] if isinstance(trace, Mapping)]
    return [t for t in traces if not isinstance(t.get("agent"), Mapping) or t["agent"].get("trainable") is not False]


def _effective_traces(file: _File, problems: Problems) -> dict[str, dict[str, Any]] | None:
    """Return what is known of the traces that reached the trainer, by their id; None if all of the file did."""
    if file.kind == "eval" or (file.effective is None and not file.annotations):
        return None
    found: dict[str, dict[str, Any]] = {}
    for path in (file.effective,) if file.effective else file.annotations:
        for trace in (trace for _, line in objects(path, problems) for trace in _traces_of(line)):
            info = trace["info"] if isinstance(trace.get("info"), Mapping) else trace
            if file.effective or info.get("effective") or info.get("subset") == "effective":
                name = trace.get("id") if trace.get("trace_id") is None else trace["trace_id"]
                advantage = info.get("advantage", trace.get("advantage"))
                found[str(name)] = {"advantage": advantage, "ship": info.get("ship")}
    return found


def _of_step(folder: Path) -> list[_File]:
    step = int(folder.name.removeprefix("step_"))
    files = []
    for kind in ("train", "eval"):
        every = jsonl_files(folder / kind / "all", "traces.jsonl")
        effective = jsonl_files(folder / kind / "effective", "traces.jsonl")
        told = effective[0] if every and effective else None
        files += [_File(path=path, kind=kind, step=step, effective=told) for path in every or effective]
        files += [_File(path=path, kind=kind, step=step) for path in jsonl_files(folder, f"{kind}_rollouts*.jsonl")]
    return files


def _by_place(path: Path) -> _File:
    """Return a single file with what the folders above it say."""
    parts = path.resolve().parts
    steps = [found[1] for part in parts if (found := _STEP_FOLDER.fullmatch(part))]
    kinds = [part for part in parts[-4:] if part in ("train", "eval")]
    return _File(path=path, kind=kinds[-1] if kinds else None, step=int(steps[-1]) if steps else None)
