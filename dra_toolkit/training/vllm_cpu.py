"""TRL's generation through vLLM where there is no GPU: the same calls, the weights sent in the way that a CPU allows.

TRL writes weights into a colocated engine by parameter, which one on a CPU does not survive, and sends them to a server over
NCCL. Here the engine reloads them by vLLM's own reload, the server from a safetensors file of the run (`vllm_worker`).
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from trl.generation import vllm_generation
from trl.generation.vllm_client import VLLMClient
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import grpo_trainer

from dra_toolkit.errors import RecipeError
from dra_toolkit.training import vllm_worker

WORKER_EXTENSION = f"{vllm_worker.__name__}.{vllm_worker.PolicyFiles.__name__}"
"""What the server is started with (`--worker-extension-cls`) to take weights from a training process on a CPU."""


def vllm_without_gpu(folder: Path) -> AbstractContextManager[None]:
    """While a trainer is constructed, give it generation through vLLM that works on a CPU.

    folder: where the weights for a server are handed over; both must see it under this path.
    """
    made: Any = partial(CPUGeneration, folder=folder)
    return patch.object(grpo_trainer, "VLLMGeneration", made)


class CPUGeneration(VLLMGeneration):
    """TRL's generation through vLLM, with weights sent as a CPU allows."""

    def __init__(self, *args: Any, folder: Path, **kwargs: Any) -> None:
        self._folder = folder
        super().__init__(*args, **kwargs)

    def _init_vllm(self) -> None:
        # TRL has no place where another client could be handed in.
        with patch.object(vllm_generation, "VLLMClient", partial(FileClient, folder=self._folder)):
            super()._init_vllm()

    def sync_weights(self) -> None:
        """Give the policy's weights to vLLM."""
        if self.mode == "server":
            super().sync_weights()  # through FileClient
            return
        self.llm.collective_rpc(vllm_worker.load_policy, args=(_copies(self._iter_named_params()),))
        self.llm.reset_prefix_cache()


class FileClient(VLLMClient):
    """TRL's client of a vLLM server, handing weights over in a safetensors file instead of through NCCL."""

    def __init__(self, *args: Any, folder: Path, **kwargs: Any) -> None:
        self._file = folder.absolute() / "policy.safetensors"
        super().__init__(*args, **kwargs)

    def init_communicator(self, device: torch.device | str | int = 0) -> None:
        """Check that the server takes weights from files; there is no connection to open."""
        found = self.get_server_info()["parallel_config"]["worker_extension_cls"]
        if found != WORKER_EXTENSION:
            raise RecipeError(
                f"vllm_server: the server at {self.base_url} was started with --worker-extension-cls {found or 'unset'}; "
                f"training on a CPU needs --worker-extension-cls {WORKER_EXTENSION}"
            )

    def update_named_params(self, metadata: Any, named_params: Iterator[tuple[str, torch.Tensor]]) -> None:
        """Write the parameters to the file, and return when the server has loaded them."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".tmp")
        save_file(dict(_copies(named_params)), unfinished)
        os.replace(unfinished, self._file)  # never written in place: the server may still map the file before it
        try:
            self._post(
                f"{self.base_url}/collective_rpc", json={"method": "load_policy_file", "args": [str(self._file)]}
            )
        finally:
            self._file.unlink()


def _copies(named_params: Iterator[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the parameters as they are at this moment.

    vLLM loads some only when it has seen them all, and by then TRL has split adapters or shards off the originals again.
    """
    for name, tensor in named_params:
        yield name, tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
