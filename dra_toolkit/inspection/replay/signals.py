"""What measures read of a completion besides its similarity: correctness, clusters, log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity import DiversitySettings, equal_labels, is_dotted
from dra_toolkit.groups import Array
from dra_toolkit.runs.group_measures import CORRECT_ABOVE
from dra_toolkit.runs.numbers import KEYS, starts_of
from dra_toolkit.runs.schema import COLUMNS, FileFacts

if TYPE_CHECKING:
    import pyarrow as pa

Labels = NDArray[np.integer[Any]]
Labeller = Callable[[Sequence[str]], Labels]
"""From the texts of a group to their clusters."""
_RECORDED = {column.field: column.name for column in COLUMNS if column.field in ("labels", "log_probs")}
"""Field of GroupRecord -> the column that holds it, where the schema has one."""


def columns_for(settings: DiversitySettings) -> list[str]:
    """Return the columns, beside those of every replay, that settings need of the recorded numbers."""
    wanted = ["rewards"] if reads_correct(settings) else []
    if "labels" in settings.needs:
        wanted += ["answer", *([_RECORDED["labels"]] if "labels" in _RECORDED else [])]
    if "log_probs" in settings.needs and "log_probs" in _RECORDED:
        wanted.append(_RECORDED["log_probs"])
    return wanted


def reads_correct(settings: DiversitySettings) -> bool:
    """Return whether settings may ask which completions are correct; graph cut, the usual measure, does not."""
    return settings.adjusts and (settings.measure != "graph_cut" or settings.negative_totals == "correct_only")


def correct_of(table: pa.Table, facts: FileFacts) -> NDArray[np.bool_] | None:
    """Return which completions count as correct, (N,); None where no reward function tells right from wrong."""
    if facts.correct_by is None or "rewards" not in table.column_names:
        return None
    values = table["rewards"].combine_chunks().field(facts.correct_by)
    return np.nan_to_num(values.to_numpy(zero_copy_only=False).astype(np.float64)) > CORRECT_ABOVE


def labels_of(
    table: pa.Table, settings: DiversitySettings, recorded: DiversitySettings, labeller: Labeller | None = None
) -> Labels | None:
    """Return the cluster of each completion, (N,): the labeller's, as recorded with these settings, or by equal answers."""
    if "labels" not in settings.needs:
        return None
    if labeller is not None:
        texts = table["completion"].to_pylist()
        return np.concatenate([labeller(texts[a:b]) for a, b in pairwise(starts_of(table, KEYS))])
    column = _column(table, "labels")
    if column is not None and settings.labels == recorded.labels:
        return column.astype(np.int32)
    if is_dotted(settings.labels) or "answer" not in table.column_names:
        return None
    answers, starts = table["answer"].to_pylist(), starts_of(table, KEYS)
    return np.concatenate([equal_labels(answers[a:b]) for a, b in pairwise(starts)])


def log_probs_of(table: pa.Table) -> Array | None:
    """Return the mean log-probabilities of the completions, (N,), where they were recorded."""
    return _column(table, "log_probs")


def _column(table: pa.Table, field: str) -> Array | None:
    name = _RECORDED.get(field)
    if name is None or name not in table.column_names or table[name].null_count == len(table):
        return None
    return table[name].to_numpy(zero_copy_only=False)
