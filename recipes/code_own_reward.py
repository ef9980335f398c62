"""A reward of one's own: the share of a task's asserts that hold of the code that a model wrote. Copy it and change it.

The code runs in a process of its own with a few seconds and little memory, and without the environment's variables. That
stops accidents, not attacks: train in a container that holds nothing of worth.
"""

from __future__ import annotations

import re
import resource
import secrets
import subprocess
import sys
import tempfile

SECONDS = 5
MEMORY = 512 * 1024**2
BLOCK = re.compile(r"```(?:python)?\s*\n(.*?)```", re.DOTALL)


def passes(completions, test_list, **columns):
    """Return a number from 0 to 1 for each of N completions; `test_list` is the data's column of that name."""
    return [share(text_of(completion), tests) for completion, tests in zip(completions, test_list, strict=True)]


def text_of(completion) -> str:
    """Return what the model wrote: its text, or the last of its messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def share(text: str, tests: list[str]) -> float:
    """Return the share of the asserts that hold, each tried alone; 0 where there is no code block."""
    found = BLOCK.search(text)
    if not found or not tests:
        return 0.0
    return sum(holds(f"{found[1]}\n\n{test}\n") for test in tests) / len(tests)


def holds(program: str) -> bool:
    """Return whether a program gets to its end without an error, in time: an early `exit(0)` does not say the last word."""
    last_word = secrets.token_hex(8)
    with tempfile.TemporaryDirectory() as folder:
        try:
            ran = subprocess.run(
                [sys.executable, "-I", "-c", f"{program}\nprint({last_word!r})"],
                cwd=folder,
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                preexec_fn=limits,
            )
        except subprocess.TimeoutExpired:
            return False
    return ran.returncode == 0 and ran.stdout.decode(errors="replace").strip().endswith(last_word)


def limits() -> None:
    """Bound what the process may take."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
