"""Ports for processes that the tests start."""

from __future__ import annotations

import random
import socket

OUTSIDE = range(20_000, 32_000)
"""None that the kernel gives to whoever asks for any: between choosing one and its use nobody else is given it."""


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    while True:
        port = random.SystemRandom().choice(OUTSIDE)
        with socket.socket() as server:
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
