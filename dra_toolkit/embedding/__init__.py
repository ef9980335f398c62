"""From completions to unit vectors, by name: `load_embedder(EmbedderSettings(name="hash")).embed(texts)`.

`protocol` says what an embedder is; `common` is what all of them do alike; the other modules are the embedders. Nothing
but numpy is imported before an embedder is loaded.

No code from the Hub runs, nor any that lies beside weights: a model that needs it is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dra_toolkit.dotted import check_dotted, is_dotted
from dra_toolkit.embedding.composed import PARTS, PartsEmbedder
from dra_toolkit.embedding.hashed import HASH
from dra_toolkit.embedding.own_function import FUNCTION
from dra_toolkit.embedding.policy import POLICY
from dra_toolkit.embedding.protocol import Embedder, EmbedderSettings, Embeddings, KnownEmbedder
from dra_toolkit.embedding.sentence import JINA, MINILM, NOMIC, sentence_model
from dra_toolkit.errors import EmbedderError, did_you_mean

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "EMBEDDERS",
    "PARTS",
    "Embedder",
    "EmbedderSettings",
    "Embeddings",
    "KnownEmbedder",
    "check_embedder_name",
    "check_text_embedder",
    "known_embedder",
    "load_embedder",
    "offline_embedder",
]

EMBEDDERS: dict[str, KnownEmbedder] = {"hash": HASH, "minilm": MINILM, "jina": JINA, "nomic": NOMIC, "policy": POLICY}
"""The toolkit's own embedders by their name in a recipe."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_WHOLE = ("completion",)


def check_embedder_name(settings: EmbedderSettings, beside: Path | None = None) -> str | None:
    """Return in one line why the settings name no usable embedder, or None; nothing is imported or loaded.

    beside: the recipe's folder, where a function of the user's is looked for
    """
    name = settings.name
    is_folder = os.path.isdir(os.path.expanduser(name))
    if name not in EMBEDDERS and not (_is_function(name) or is_folder or _HUB_ID.fullmatch(name)):
        return _unknown(name)
    known = known_embedder(name)
    if not known.reads_texts and settings.parts != _WHOLE:
        return (
            f"{name!r} reads the tokens of whole completions; set embed_part: completion, or embed with another model"
        )
    if settings.max_length is not None and settings.max_length < 1:
        return f"found embedder_max_length {settings.max_length}, expected at least 1, or none for the embedder's own"
    if settings.revision is not None and (known.source is None or (is_folder and name not in EMBEDDERS)):
        return f"embedder_revision has no effect: {name!r} fetches nothing; leave it out"
    if _is_function(name):
        return check_dotted(name, beside)
    if missing := known.missing_packages():
        return f'{name!r} needs the package {missing[0]}; install it with `pip install "dra-toolkit[embed]"`'
    return None


def check_text_embedder(settings: EmbedderSettings) -> str | None:
    """Return in one line why the settings name no embedder that can embed recorded texts, or None."""
    if settings.name == "none" or not known_embedder(settings.name).reads_texts:
        can = [name for name, known in EMBEDDERS.items() if known.reads_texts and not known.source]
        return f"{settings.name!r} cannot embed recorded texts; {' or '.join(can)}, among others, can"
    return check_embedder_name(settings)


def known_embedder(name: str) -> KnownEmbedder:
    """Return what holds of the embedder of a name: its entry, or what holds of any function, model id or folder."""
    if name in EMBEDDERS:
        return EMBEDDERS[name]
    if _is_function(name):
        return FUNCTION
    return sentence_model("a sentence-transformers id or folder", EmbedderSettings(name=name))


def offline_embedder() -> EmbedderSettings:
    """Return the default embedder, which fetches nothing, if it is installed, else one that needs nothing at all."""
    return EmbedderSettings() if not MINILM.missing_packages() else EmbedderSettings(name="hash")


def load_embedder(
    settings: EmbedderSettings,
    *,
    device: str = "cpu",
    policy: Callable[[], nn.Module] | None = None,
    passes: Callable[[int], int] | None = None,
) -> Embedder:
    """Load the embedder that the settings name.

    device      where a model runs: half precision on CUDA, elsewhere float32, with `minilm`'s products as its CPU has them
    policy      for the embedder `policy`: returns the unwrapped causal language model, called at every batch
    passes      for the same: from the number of forward passes of this process, returns that of all processes

    Raises EmbedderError, one line, for an embedder that does not exist, is not installed or may not be loaded.
    """
    if problem := check_embedder_name(settings):
        raise EmbedderError(f"embedder: {problem}")
    if settings.batch_tokens < 1:
        raise EmbedderError(f"embedder_batch_tokens: found {settings.batch_tokens}, expected at least 1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin make a busy machine's CPU many times slower
    if settings.parts != _WHOLE:
        return PartsEmbedder(load_embedder(replace(settings, parts=_WHOLE), device=device), settings.parts)
    return known_embedder(settings.name).load(settings, device=device, policy=policy, passes=passes)


def _is_function(name: str) -> bool:
    return is_dotted(name) and not os.path.isdir(name)


def _unknown(name: str) -> str:
    if "/" in name:
        return f"found {name!r}, expected an existing folder, or an id as owner/model"
    names, nearest = ", ".join(EMBEDDERS), did_you_mean(name, EMBEDDERS)
    return f"found {name!r}, expected {names}, an id as owner/model, a folder, or package.module.function{nearest}"
