"""The vLLM server that a run brings along: whether its ports are free, whether it answers, how it is ended with the run."""

import http.client
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

from dra_toolkit.errors import LaunchError
from dra_toolkit.launch.command import Command, how_it_ended, kill, run_command
from dra_toolkit.recipe import Recipe
from dra_toolkit.recipe.checks import SERVER_PORTS

END_SECONDS = 20.0

WORKER_EXTENSION = "dra_toolkit.training.vllm_worker.PolicyFiles"
"""What a server on a CPU takes new weights with; TRL's own way there needs NCCL."""


def check_ports(recipe: Recipe) -> list[str]:
    """Return a line for each port of the server that another process uses."""
    host = recipe.vllm.vllm_server_host
    return [
        f"{key}: port {recipe[key]} on {host} is in use; choose another with {key}={recipe[key] + 1}"
        for key in SERVER_PORTS
        if not _is_free(host, recipe[key])
    ]


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as server, suppress(OSError):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port still winding down counts as free
        server.bind((host, port))
        return True
    return False


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
