"""New weights for vLLM on a CPU, loaded inside its worker; also the worker extension of a server that trains on a CPU.

Used inside vLLM's worker processes, so nothing of the toolkit is imported here.
"""

from collections.abc import Iterable
from typing import Any

import torch
from safetensors.torch import load_file


class PolicyFiles:
    """Worker extension: load the policy from a file that the trainer wrote (`--worker-extension-cls`)."""

    def load_policy_file(self, path: str) -> None:
        """Replace the weights by those of a safetensors file."""
        load_policy(self, load_file(path).items())


def load_policy(worker: Any, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Replace a vLLM worker's weights, packed copies included; they have the names that the checkpoint has for them."""
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead  # type: ignore[import-not-found]

    # On a CPU, vLLM packs every linear layer after loading and empties the original; only its own reload undoes that.
    worker.reload_weights(weights_iterator=weights)
    for layer in worker.get_model().modules():
        if isinstance(layer, ParallelLMHead):
            # A head tied to the embeddings shares their weight and is never loaded by its name: without this it would
            # keep the packed copy of the old weight, and sample from a mixture of old and new.
            layer.quant_method.process_weights_after_loading(layer)
