"""The command of a vLLM server, and what it serves."""

import os
import sys
from pathlib import Path

from dra_toolkit.launch.command import Command
from dra_toolkit.launch.vllm_server import WORKER_EXTENSION
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.inferred import vllm_memory


def server_command(recipe: Recipe, environment: dict[str, str], *, on_cpu: bool = False) -> Command:
    """Return the command of vLLM's own server with the settings that TRL's client relies on (trl/scripts/vllm_serve.py).

    The development mode opens the end points through which the client sends new weights; the server listens on loopback.
    on_cpu: the machine has no GPU, and vLLM is its CPU build.
    """
    argv = [
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model_path(recipe)),
        *("--host", recipe.vllm.vllm_server_host, "--port", str(recipe.vllm.vllm_server_port)),
        *("--tensor-parallel-size", str(recipe.vllm.vllm_gpus)),
        *("--gpu-memory-utilization", str(vllm_memory(recipe))),
        *("--dtype", "auto", "--model-impl", recipe.vllm.vllm_model_impl),
        *("--logprobs-mode", "processed_logprobs", "--max-logprobs", "-1", "--enable-scale-out"),
        *("--weight-transfer-config", '{"backend": "nccl"}'),
    ]
    if recipe.vllm.vllm_max_model_length is not None:
        argv += ["--max-model-len", str(recipe.vllm.vllm_max_model_length)]
    if recipe.vllm.vllm_enforce_eager:
        argv.append("--enforce-eager")
    if not recipe.model.model_name_or_path.startswith(BUILTIN_PREFIX) and not Path(model_path(recipe)).is_dir():
        argv += ["--revision", recipe.model.model_revision]
    if recipe.model.trust_remote_code:
        argv.append("--trust-remote-code")
    if on_cpu:
        argv += ["--worker-extension-cls", WORKER_EXTENSION]
    return Command(
        purpose="vLLM server",
        argv=tuple(argv),
        environment={"VLLM_SERVER_DEV_MODE": "1", **environment},
        stops_in_order=False,
    )


def model_path(recipe: Recipe) -> str:
    """Return the model as vLLM is to load it: a Hub id or a folder."""
    name: str = recipe.model.model_name_or_path
    if name.startswith(BUILTIN_PREFIX):
        made = cached_ways()
        return str(made.model) if made else name
    return str(Path(os.path.expanduser(name))) if name.startswith("~") else name
