"""Embedding spread over Ray actors gives what embedding in one process gives."""

from __future__ import annotations

import numpy as np
import pytest

ray = pytest.importorskip("ray")

from dra_toolkit.adapters.embedders import RayEmbedder, engine_embedder  # noqa: E402
from dra_toolkit.adapters.settings import read_settings  # noqa: E402
from dra_toolkit.embedding import EmbedderSettings, load_embedder  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_texts_come_back_in_order_whatever_their_lengths(cluster, count):
    rng = np.random.default_rng(count)
    texts = [" ".join(rng.choice(["one", "two", "three", "four"], rng.integers(0, 40))) for _ in range(count)]
    settings = EmbedderSettings(name="hash")
    spread = RayEmbedder(settings, actors=3, gpus=0.0).embed(texts)
    alone = load_embedder(settings).embed(texts)
    np.testing.assert_array_equal(spread.vectors, alone.vectors)
    assert (spread.truncated, spread.invalid) == (alone.truncated, alone.invalid)


def test_the_settings_file_asks_for_it(cluster, tmp_path):
    file = tmp_path / "dra.yaml"
    file.write_text("embedder: hash\nembedder_actors: 2\n")
    assert isinstance(engine_embedder(read_settings(file)), RayEmbedder)
