"""Groups of texts with labels: which of them say the same thing in other words."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dra_toolkit.dotted import call_users, is_dotted, load_dotted
from dra_toolkit.errors import RunError, did_you_mean
from dra_toolkit.groups import GroupRecord, Mode
from dra_toolkit.judge.joining import joined
from dra_toolkit.rewards.answers import final_answer
from dra_toolkit.runs import Run

LABELS = ("recorded", "answer")
"""Where the labels of a run come from, besides a dotted path to a function of texts."""


@dataclass(frozen=True, kw_only=True)
class LabelledGroup:
    """Texts that answer one prompt."""

    texts: tuple[str, ...]
    labels: tuple[Hashable, ...]
    """What each text does, whatever its words; None where that is not known."""
    lengths: tuple[int, ...]
    """How long each is, in `unit`."""
    unit: Literal["tokens", "words"] = "tokens"


def from_run(
    run: Run, *, labels: str = "answer", groups: int = 200, mode: Mode = "train", seed: int = 0
) -> list[LabelledGroup]:
    """Return up to `groups` recorded groups, chosen at random, with labels.

    labels: `recorded`, `answer` (equal final answers), or a dotted path to a function from the texts of a group to as many
    labels, None where there is none. Raises RunError if nothing is recorded, or labels are not.
    """
    require_labels(labels)
    keys = run.query("SELECT step, batch, group_index FROM groups WHERE mode = $1 ORDER BY ALL", [mode]).to_pylist()
    if not keys:
        raise RunError(f"{run.name}: no {mode} groups are recorded")
    label = (
        load_dotted("--labels", labels, expected="a function of texts", error=RunError) if is_dotted(labels) else None
    )
    found = []
    for i in chosen(len(keys), groups, seed):
        record = run.group(keys[i]["step"], keys[i]["group_index"], mode=mode, batch=keys[i]["batch"])
        found.append(
            LabelledGroup(
                texts=record.group.completions,
                labels=tuple(map(known, _labels(record, labels, label, run.name))),
                lengths=tuple(record.group.token_counts.tolist()),
            )
        )
    return found


def chosen(there: int, wanted: int, seed: int) -> list[int]:
    """Return the positions of up to `wanted` of `there` groups, drawn at random, in order."""
    drawn: list[int] = np.random.default_rng(seed).choice(there, size=min(wanted, there), replace=False).tolist()
    return sorted(drawn)


def known(label: Any) -> Hashable:
    """Return a label that can be compared; None, which says that it is not known, also for NaN."""
    try:
        hash(label)
        return label if label == label else None
    except (TypeError, ValueError):
        return json.dumps(label, sort_keys=True, default=str)


def require_labels(labels: str) -> None:
    """Raise RunError for a source of labels that does not exist."""
    if labels not in LABELS and not is_dotted(labels):
        raise RunError(
            f"--labels: found {labels!r}, expected one of {', '.join(LABELS)} or a dotted path package.module.function"
            f"{did_you_mean(labels, LABELS)}"
        )


def _labels(
    record: GroupRecord, labels: str, label: Callable[[list[str]], Iterable[Any]] | None, name: str
) -> Sequence[Any]:
    texts = list(record.group.completions)
    if label is not None:
        returned = call_users("--labels", labels, lambda: list(label(texts)), error=RunError)
        if len(returned) != len(texts):
            raise RunError(f"--labels: {labels!r} returned {len(returned)} labels for {len(texts)} texts")
        return returned
    if labels == "answer":
        return joined(map(final_answer, texts))
    if record.labels is None:
        raise RunError(f"{name}: labels were not recorded, as no measure read them; use --labels answer or a function")
    return [int(each) for each in record.labels]
