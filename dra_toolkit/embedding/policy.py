"""The embedder `policy`: the policy's own last hidden states, averaged over a completion; no second model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dra_toolkit.embedding.common import batches, distinct, embed_batches, finish
from dra_toolkit.embedding.protocol import EmbedderSettings, Embeddings, KnownEmbedder
from dra_toolkit.errors import EmbedderError
from dra_toolkit.groups import Array
from dra_toolkit.safe_text import first_line

if TYPE_CHECKING:
    import torch
    from torch import nn

TokensOf = Callable[[Sequence[str]], list[list[int]]]


class PolicyEmbedder:
    """Reads each completion on its own, without its prompt, with the weights that the policy has at that moment.

    A completion without tokens is read as one padding token, so two of them are duplicates.

    policy      returns the unwrapped causal language model
    passes      from this process's number of forward passes, returns how many all processes make together: with
                partitioned weights (ZeRO-3, FSDP) each pass needs every process. The missing ones read one token.
    """

    name = "policy"

    def __init__(
        self,
        *,
        settings: EmbedderSettings,
        policy: Callable[[], nn.Module],
        device: str,
        passes: Callable[[int], int] | None = None,
    ) -> None:
        self.max_length = settings.max_length
        self._policy, self._device, self._budget = policy, device, settings.batch_tokens
        self._passes = passes if passes is not None else lambda local: local

    def embed(self, texts: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None) -> Embeddings:
        """Embed N completions from their `token_ids`, which the policy itself sampled."""
        if token_ids is None:
            raise EmbedderError("embedder: 'policy' needs the token ids of the completions, found only their texts")
        model = self._policy()
        filler = _filler(model)
        unique, inverse = distinct(tuple(ids) or (filler,) for ids in token_ids)
        lengths = np.array([len(ids) for ids in unique], dtype=np.int64)
        cap = self.max_length or int(lengths.max(initial=0))
        parts = batches(np.minimum(lengths, cap), budget=self._budget)
        missing = self._passes(len(parts)) - len(parts)  # asked before the first pass: it may be a collective itself
        with _reading(model) as read:
            rows = embed_batches(
                parts, count=len(unique), embed=lambda part: self._mean([unique[i][:cap] for i in part], read)
            )
            for _ in range(missing):
                self._mean([(filler,)], read)
        return finish(rows, inverse=inverse, cut=lengths > cap)

    def _mean(self, batch: list[tuple[int, ...]], read: Callable[..., torch.Tensor]) -> Array:
        """Return the mean hidden state of each sequence, (B, d), float32."""
        import torch

        longest = max(len(ids) for ids in batch)
        mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in batch], device=self._device)
        padded = torch.tensor([[*ids, *[ids[-1]] * (longest - len(ids))] for ids in batch], device=self._device)
        shares = mask / mask.sum(dim=1, keepdim=True)
        hidden = read(padded, mask)[:, -longest:]  # prompt tuning puts its own tokens in front
        return (hidden.float() * shares.unsqueeze(-1)).sum(dim=1).cpu().numpy()


@contextmanager
def _reading(model: nn.Module) -> Iterator[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]:
    """Yield a function from (token ids, mask), both (B, T), to the last hidden states; the model is left as it was.

    The whole model is called, and what its decoder returns is read on the way: FSDP gathers the weights that belong to
    the outermost module only when that module is called. The head is limited to one position.
    """
    import torch

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    one = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(base.forward).parameters else {}
    states: list[Any] = []
    handle = base.get_decoder().register_forward_hook(lambda module, inputs, output: states.append(output[0]))
    modes = [(module, module.training) for module in model.modules()]

    def read(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        model(input_ids=ids, attention_mask=mask, use_cache=False, **one)
        hidden = states[-1]
        states.clear()
        return hidden

    try:
        model.eval()
        with torch.no_grad():
            yield read
    finally:
        handle.remove()
        for module, training in modes:
            module.training = training


def _filler(model: nn.Module) -> int:
    config: Any = getattr(model, "config", None)
    for name in ("pad_token_id", "eos_token_id"):
        token = getattr(config, name, None)
        if isinstance(token, int) and token >= 0:
            return token
    return 0


def _load(settings: EmbedderSettings, *, policy: Callable[[], nn.Module] | None, **given: Any) -> PolicyEmbedder:
    if policy is None:
        raise EmbedderError("embedder: 'policy' embeds with the model in training, and there is none here")
    return PolicyEmbedder(settings=settings, policy=policy, **given)


POLICY = KnownEmbedder(
    meaning="the policy's own last hidden states, averaged over the completion; no second model",
    load=_load,
    reads_texts=False,
)


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
