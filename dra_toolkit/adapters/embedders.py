"""Where an adapter embeds: in the process that adjusts, or on actors of the engine's own Ray cluster."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dra_toolkit.adapters.settings import EngineSettings
from dra_toolkit.embedding import EmbedderSettings, Embeddings, load_embedder


def engine_embedder(settings: EngineSettings) -> Any:
    """Return the embedder that the settings ask for, or None; raises EmbedderError for one that cannot be loaded."""
    if settings.embedder is None:
        return None
    if settings.embedder_actors:
        return RayEmbedder(settings.embedder, int(settings.embedder_actors), settings.embedder_gpus)
    return load_embedder(settings.embedder)


class _Worker:
    def __init__(self, settings: EmbedderSettings, device: str) -> None:
        self._embedder = load_embedder(settings, device=device)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        return self._embedder.embed(texts)


class RayEmbedder:
    """Several actors that embed; each takes texts of about as many characters.

    actors  how many
    gpus    share of a GPU that each takes; 0 embeds on a CPU
    """

    def __init__(self, settings: EmbedderSettings, actors: int, gpus: float) -> None:
        import ray

        remote: Any = ray.remote(num_cpus=1, num_gpus=gpus)(_Worker)
        self.name, self.max_length = settings.name, settings.max_length
        self._workers = [remote.remote(settings, "cuda" if gpus else "cpu") for _ in range(actors)]

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed N texts; raises EmbedderError as loading the embedder in this process would."""
        import ray

        order = np.argsort([-len(text) for text in texts], kind="stable")
        count = min(len(self._workers), len(texts))
        shares = [order[first::count] for first in range(count)]
        taken = zip(self._workers, shares, strict=False)
        asked = [worker.embed.remote([texts[row] for row in share]) for worker, share in taken]
        found: list[Embeddings] = ray.get(asked)
        vectors = np.concatenate([each.vectors for each in found])
        return Embeddings(
            vectors=vectors[np.argsort(np.concatenate(shares))],
            truncated=sum(each.truncated for each in found),
            invalid=sum(each.invalid for each in found),
        )
