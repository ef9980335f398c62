"""What a diversity measure is given: all that is known of a group, and how to have what is not."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dra_toolkit.diversity.similarity import cosine_similarity
from dra_toolkit.groups import Array, GroupRecord

Need = str
"""A field of `Signals` that is not always there: one of `NEEDS`."""


def _with_remedy(remedy: str) -> Any:
    """Return a field that is None where it is not known, and how to have it."""
    return field(default=None, metadata={"remedy": remedy})


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Signals:
    """What is known of one group, or of many of the same G stacked on leading axes (...): all that a measure may read.

    Of what is left out, the similarity follows from the embeddings, or is NaN; correct are positive totals; all else is
    None. Raises ValueError for embeddings that are not finite.
    """

    totals: Array
    """(..., G) total rewards; NaN where every reward function abstained."""
    similarity: Array | Any = None
    """(..., G, G) cosine similarity, diagonal 1: as it was measured, NaN where it was not; for a measure centred and
    floored as the settings say."""
    kernel: Array | Any = None
    """(..., G, G) the same without the floor, which would cost the matrix its positive semi-definiteness."""
    correct: NDArray[np.bool_] | Any = None
    """(..., G) which completions count as correct."""
    labels: NDArray[np.integer[Any]] | Any = _with_remedy(
        "they are recorded by runs with a measure that reads them, and labels: similarity needs none"
    )
    """(..., G) which cluster of its group a completion belongs to."""
    log_probs: Array | Any = _with_remedy("they are recorded by runs with a measure that reads them")
    """(..., G) mean log-probability of a completion's tokens when it was sampled; not finite: not known."""
    embeddings: Array | Any = _with_remedy("they are recorded with record_embeddings: true")
    """(..., G, d) unit vectors; not there when recorded groups are replayed without them."""
    lengths: Array | Any = _with_remedy("give them by keyword")
    """(..., G) tokens of each completion."""
    history: Array | Any = _with_remedy("dra train keeps it, and the replay of a run reads it from the earlier groups")
    """(..., G, 2) discounted numbers of right and of wrong completions of the prompt in earlier groups (`PromptHistory`)."""

    def __post_init__(self) -> None:
        put = functools.partial(object.__setattr__, self)
        if self.similarity is None:
            G = self.totals.shape[-1]
            unknown = np.full((*self.totals.shape, G), np.nan)
            put("similarity", unknown if self.embeddings is None else cosine_similarity(self.embeddings))
        if self.kernel is None:
            put("kernel", self.similarity)
        put("correct", self.totals > 0 if self.correct is None else np.asarray(self.correct, dtype=bool))


_REMEDIES = {each.name: each.metadata["remedy"] for each in fields(Signals) if "remedy" in each.metadata}
NEEDS: tuple[Need, ...] = ("similarity", *_REMEDIES)
OF_POLICY = frozenset({"log_probs"})
"""What only the policy can tell, or the sampler in its place."""
RECORDED = tuple(each.name for each in fields(GroupRecord) if each.name in NEEDS)
"""What a record holds besides the similarity."""


def missing(signals: Signals, needs: Iterable[Need]) -> tuple[list[Need], str]:
    """Return which needs are not there, and how to have the first of them."""
    absent = [need for need in needs if getattr(signals, need) is None]
    return absent, _REMEDIES[absent[0]] if absent else ""
