"""The states of a saved policy as an embedder of texts, outside any training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dra_toolkit.embedding.policy import PolicyEmbedder
from dra_toolkit.embedding.protocol import EmbedderSettings
from dra_toolkit.errors import EmbedderError
from dra_toolkit.safe_text import first_line

TokensOf = Callable[[Sequence[str]], list[list[int]]]


def load_checkpoint_embedder(folder: Path) -> tuple[PolicyEmbedder, TokensOf]:
    """Return an embedder by a checkpoint's last hidden states, on the CPU, and what turns texts into its tokens.

    Raises EmbedderError for a folder that is no checkpoint, or that transformers cannot load.
    """
    if not (folder / "config.json").is_file():
        raise EmbedderError(f"{folder}: is no checkpoint (no config.json)")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise EmbedderError(f"{folder}: cannot be loaded ({first_line(error)})") from None

    def tokens_of(texts: Sequence[str]) -> list[list[int]]:
        return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]

    return PolicyEmbedder(settings=EmbedderSettings(name="policy"), policy=lambda: model, device="cpu"), tokens_of
