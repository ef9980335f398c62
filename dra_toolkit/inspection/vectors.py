"""Unit vectors of recorded completions: those that were recorded, or embedded anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dra_toolkit.embedding import EMBEDDERS, Embedder, EmbedderSettings
from dra_toolkit.groups import Array
from dra_toolkit.runs import Run

if TYPE_CHECKING:
    import pyarrow as pa

VectorsOf = Callable[["pa.Table"], Array | None]
"""From the rows of a generation batch to their unit vectors, (N, d), or None where there are none."""


def embedder_of(run: Run) -> EmbedderSettings | None:
    """Return the embedder that the run was recorded with.

    None if it cannot embed recorded texts, as the policy, or is not one of ours: a run folder may come from anywhere, and
    what it names is not fetched or run unasked.
    """
    settings = run.recipe.embedder
    return settings if settings.name in EMBEDDERS and EMBEDDERS[settings.name].reads_texts else None


def recorded_vectors(table: pa.Table) -> Array | None:
    """Return the embeddings that were recorded with a batch, or None."""
    if "embedding" not in table.column_names or table["embedding"].null_count:
        return None
    values = table["embedding"].combine_chunks()
    return values.flatten().to_numpy().astype(np.float32).reshape(len(values), -1)


def vectors_by(embedder: Embedder) -> VectorsOf:
    """Return what embeds the texts of a batch anew."""
    return lambda table: embedder.embed(table["completion"].to_pylist()).vectors
