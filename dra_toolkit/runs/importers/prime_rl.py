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

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dra_toolkit.errors import RunError
from dra_toolkit.groups import Mode
from dra_toolkit.runs.importers.lines import first_object, objects
from dra_toolkit.runs.importers.prime_rl_files import PrimeFile, effective_traces, trace_files
from dra_toolkit.runs.importers.rollout import (
    BadRowError,
    Options,
    Problems,
    Rollout,
    as_number,
    as_prompt,
    as_step,
    spoken,
)


class PrimeRL:
    """prime-rl's traces."""

    name = "prime-rl"
    meaning = "prime-rl's traces.jsonl, trace streams and rollout files"
    consecutive = False

    def recognise(self, source: Path) -> str | None:
        """Return what shows that these are traces."""
        for file in trace_files(source)[:1]:
            first = first_object(file.path)
            if first is None:
                continue
            if "nodes" in first or "traces" in first:
                return f"{file.path} holds traces of prime-rl"
            if {"prompt", "completion", "reward"} <= set(first) and file.path.name.endswith("_rollouts.jsonl"):
                return f"{file.path} holds rollouts of prime-rl"
        return None

    def reward_names(self, source: Path, options: Options) -> list[str]:
        """Return the names of all rewards, which may differ from one environment to another: every trace is looked at."""
        if not trace_files(source):
            raise RunError(f"{source}: no traces.jsonl, expected the output folder of prime-rl, or a file of traces")
        names: dict[str, None] = {}
        for file in trace_files(source):
            for _, line in objects(file.path, Problems()):
                for trace in _traces(line):
                    names |= dict.fromkeys(_rewards(trace))
        if options.reward_columns:
            missing = [name for name in options.reward_columns if name not in names]
            if missing:
                raise RunError(f"{source}: no trace has the reward {missing[0]!r}; there are {', '.join(names)}")
            return list(options.reward_columns)
        return list(names)

    def read(self, source: Path, options: Options, problems: Problems) -> Iterator[Rollout]:
        """Yield the rollouts, file by file."""
        for file in trace_files(source):
            shipped = effective_traces(file, problems)
            for where, line in objects(file.path, problems):
                for trace in _traces(line):
                    try:
                        yield _rollout(trace, line, file, shipped, options)
                    except BadRowError as error:
                        problems.add(where, str(error))


def _traces(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the traces of a line: those of an episode that train the policy, or the one that the line is."""
    if not isinstance(line.get("traces"), list):
        return [line]
    return [
        trace
        for trace in line["traces"]
        if isinstance(trace, Mapping) and _of(trace, "agent", "trainable") is not False
    ]


def _rollout(
    trace: Mapping[str, Any],
    line: Mapping[str, Any],
    file: PrimeFile,
    shipped: Mapping[str, Any] | None,
    options: Options,
) -> Rollout:
    kind = file.kind or trace.get("kind") or _of(trace, "info", "kind") or _of(trace, "run", "type")
    known = shipped.get(str(trace.get("id"))) if shipped is not None else {}
    is_trained = shipped is None or known is not None
    reason = _reason(trace, is_trained)
    mode: Mode = "eval" if kind == "eval" else "discarded" if reason else options.mode
    prompt, completion = _texts(trace)
    advantages = ((known or {}).get("advantage"), trace.get("advantage"), _of(trace, "info", "advantage"))
    advantage = next((value for value in advantages if value is not None), None)
    groups = (trace.get("group_id"), _of(trace, "info", "group_id"), _of(line, "group", "id"), trace.get("example_id"))
    group = next((value for value in groups if value is not None), None)
    return Rollout(
        mode=mode,
        step=as_step(_step(trace, line, file, known or {})),
        group=None if group is None else str(group),
        prompt=as_prompt(prompt),
        **spoken(completion),
        rewards=_rewards(trace),
        advantage=None if advantage is None else as_number(advantage, "advantage"),
        tokens=_tokens(trace),
        finish_reason=_finish(trace),
        discard_reason=reason if mode == "discarded" else None,
    )


def _reason(trace: Mapping[str, Any], is_trained: bool) -> str | None:
    """Return why a trace did not reach the trainer, or None if it did."""
    filters = [name for name, hit in (trace.get("filters") or {}).items() if hit]
    if filters:
        return f"filter: {', '.join(filters)}"
    if is_trained:
        return None
    errors = trace.get("errors") or ([trace["error"]] if trace.get("error") else [])
    if errors:
        last = errors[-1]
        return f"error: {last.get('type') if isinstance(last, Mapping) else last}"
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
    return bool(sampled) if sampled is not None else _of(node, "message", "role") == "assistant"


def _rewards(trace: Mapping[str, Any]) -> dict[str, float]:
    found = trace.get("rewards")
    if not isinstance(found, Mapping) or not found:
        return {"reward": as_number(trace.get("reward"), "reward")}
    rewards = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            score, weight = as_number(value.get("score"), name), as_number(value.get("weight", 1.0), name)
            rewards[str(name)] = score * weight
        else:
            rewards[str(name)] = as_number(value, str(name))
    return rewards


def _tokens(trace: Mapping[str, Any]) -> int | None:
    sampled = [node for node in trace.get("nodes") or [] if isinstance(node, Mapping) and _is_sampled(node)]
    masks = [sum(map(bool, node.get("mask") or [])) or len(node.get("token_ids") or []) for node in sampled]
    if any(masks):
        return sum(masks)
    usage = [_of(call, "usage", "completion_tokens") for call in trace.get("calls") or []]
    known = [count for count in usage if isinstance(count, int)]
    return sum(known) if known else None


def _finish(trace: Mapping[str, Any]) -> str | None:
    ends = [node.get("finish_reason") for node in trace.get("nodes") or [] if isinstance(node, Mapping)]
    ends += [call.get("finish_reason") for call in trace.get("calls") or [] if isinstance(call, Mapping)]
    known = [end for end in ends if end]
    if str(trace.get("stop_condition", "")).startswith("max_") or (known and known[-1] == "length"):
        return "length"
    return "stop" if known else None


def _step(trace: Mapping[str, Any], line: Mapping[str, Any], file: PrimeFile, known: Mapping[str, Any]) -> Any:
    candidates = (
        file.step,
        _of(known, "ship", "step"),
        trace.get("eval_step"),
        _of(trace, "info", "ship", "step"),
        _of(trace, "info", "arrival", "step"),
        _of(trace, "run", "step"),
        _of(trace, "run", "work", "step"),
        _of(line, "run", "step"),
        _of(line, "run", "work", "step"),
        trace.get("step"),
    )
    return next((step for step in candidates if step is not None), None)


def _of(found: Any, *names: str) -> Any:
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
