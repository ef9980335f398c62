"""What an embedder is asked for, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from dra_toolkit.groups import Array


@dataclass(frozen=True, kw_only=True)
class EmbedderSettings:
    """Which embedder, which weights, and how much it reads at once."""

    name: str = "minilm"
    """A name of `EMBEDDERS`, a sentence-transformers id or folder, or a dotted path to a function."""
    revision: str | None = None
    """Commit of the weights; None is the pinned commit of a built-in name, or the newest of an id."""
    max_length: int | None = None
    """Longest text in tokens that is read whole; None is the embedder's own limit."""
    batch_tokens: int = 16384
    """Tokens in one batch, padding included; a longer text is a batch of its own."""
    parts: tuple[str, ...] = ("completion",)
    """What of a completion is embedded: of `PARTS`; of several the vectors stand side by side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """The vectors of N completions, in the caller's order."""

    vectors: Array
    """(N, d) float32 unit rows; a row of zeros where the embedder gave no finite direction."""
    truncated: int
    """Completions longer than the cap, of which only the beginning was read."""
    invalid: int
    """Rows that were not finite, or had no direction, and are zero."""


class Embedder(Protocol):
    """Turns completions into unit vectors whose inner products are their similarities."""

    name: str
    """As the settings named it."""
    max_length: int | None
    """Longest text in tokens that is read whole; None where there is no limit."""

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions: from `texts`, or, by the embedder `policy`, from the policy's own `token_ids`."""
        ...


@dataclass(frozen=True, kw_only=True)
class KnownEmbedder:
    """What holds of an embedder before it is loaded: all that choosing, checking and fetching it needs to know."""

    meaning: str
    """What it is, for tables."""
    load: Callable[..., Embedder]
    """Called with the settings, and by name `device`, `policy` and `passes` of `load_embedder`."""
    source: EmbedderSettings | None = None
    """Where its weights are fetched from, with commit and longest text where they are pinned; None fetches nothing."""
    packages: tuple[str, ...] = ()
    """Distributions that it needs beyond numpy."""
    weights: float = 0.0
    """Bytes of its own weights on a GPU, in half precision; 0 where it runs no model of its own."""
    reads_texts: bool = True
    """Whether texts are enough for it: it can embed what was recorded."""

    def missing_packages(self) -> list[str]:
        """Return the packages that are not installed."""
        return [name for name in self.packages if find_spec(name.replace("-", "_")) is None]
