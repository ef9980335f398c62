"""The vLLM server that a run brings along: its command, whether it answers, and how it is ended with the run."""

import http.client
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from dra_toolkit.errors import LaunchError
from dra_toolkit.launch.command import Command, how_it_ended, kill, run_command
from dra_toolkit.quickstart import cached_ways
from dra_toolkit.recipe import BUILTIN_PREFIX, Recipe
from dra_toolkit.recipe.checks import SERVER_PORTS
from dra_toolkit.recipe.inferred import vllm_memory

END_SECONDS = 20.0

WORKER_EXTENSION = "dra_toolkit.training.vllm_worker.PolicyFiles"
"""What a server on a CPU takes new weights with; TRL's own way there needs NCCL."""


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


def check_ports(recipe: Recipe) -> list[str]:
    """Return a line for each port of the server that another process uses."""
    host = recipe.vllm.vllm_server_host
    return [
        f"{key}: port {recipe[key]} on {host} is in use; choose another with {key}={recipe[key] + 1}"
        for key in SERVER_PORTS
        if not _is_free(host, recipe[key])
    ]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port still winding down counts as free
        try:
            server.bind((host, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Return whether a vLLM server is ready for requests."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2.0) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, http.client.HTTPException):  # URLError is an OSError
        return False


class VLLMServer:
    """A started server; `answers` once it is ready, `problem` when it is not what it should be."""

    def __init__(self, recipe: Recipe, command: Command, *, logs: Path, run: Path) -> None:
        """Start it under a guard that ends it when the launcher and the run are gone; raises LaunchError if it cannot be."""
        if problems := check_ports(recipe):
            raise LaunchError(*problems)
        guard = (sys.executable, "-m", "dra_toolkit.launch.guard", str(run), "--")
        self._url = f"http://{recipe.vllm.vllm_server_host}:{recipe.vllm.vllm_server_port}"
        self._log, self._seconds = logs / "vllm.log", recipe.vllm.vllm_server_timeout
        self._process: subprocess.Popen[bytes] = run_command(command, self._log, before=guard)

    def answers(self) -> bool:
        """Return whether it is ready for requests."""
        return answers(self._url)

    def problem(self) -> str | None:
        """Return in one line that it has ended, or None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        return f"the vLLM server {how_it_ended(status)}; its output is in {self._log}"

    def too_late(self, waited: float) -> str | None:
        """Return in one line that it took too long to answer, or None."""
        if waited < self._seconds:
            return None
        return (
            f"the vLLM server did not answer at {self._url} within {self._seconds:g} s; its output is in {self._log}, "
            "and vllm_server_timeout allows it more"
        )

    def end(self) -> None:
        """End it and everything that it started."""
        kill(self._process, patience=END_SECONDS)
