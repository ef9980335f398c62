"""Models and a Hugging Face cache that the tests make themselves; nothing is downloaded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dra_toolkit.embedding import Embedder, EmbedderSettings, load_embedder


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    """The packaged model, loaded once, with products in float32 on every CPU."""
    embedder = load_embedder(EmbedderSettings(name="minilm", batch_tokens=256))
    embedder.in_bfloat16 = False  # type: ignore[attr-defined]
    return embedder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache of its own, offline."""
    import transformers.dynamic_module_utils
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    modules = tmp_path / "modules"
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        monkeypatch.delitem(sys.modules, name)  # it remembers where an earlier test kept its code
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(modules))
    monkeypatch.syspath_prepend(str(modules))
    return cache


@pytest.fixture
def snapshot(hub: Path) -> Callable[..., Path]:
    """A function that makes the folder of one commit of a repository in that cache."""

    def make(repository: str, commit: str, *, main: bool = False) -> Path:
        root = hub / f"models--{repository.replace('/', '--')}"
        folder = root / "snapshots" / commit
        folder.mkdir(parents=True)
        if main:
            (root / "refs").mkdir()
            (root / "refs" / "main").write_text(commit)
        return folder

    return make
