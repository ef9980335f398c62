"""Where the dashboard listens, and whom it lets in from there: a free port, held; a password where others reach it."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from dra_toolkit.errors import RunError

if TYPE_CHECKING:
    from dra_app.guard import Rules

PORT = 7860
PORTS_TRIED = 20
PASSWORD = "DRA_APP_PASSWORD"


def rules_for(host: str, password: str | None, names: list[str]) -> Rules:
    """Return what the server lets through; raises RunError where it would be open to others."""
    from dra_app.door import check_password
    from dra_app.guard import LOOPBACK, Rules

    check_password(password, "--password")
    named = frozenset(name.lower() for name in names)
    if is_loopback(host):
        return Rules(hosts=frozenset({*LOOPBACK, *named, host.lower()}), named=named, password=password)
    if password is None:
        raise RunError(
            f"--host: {host} lets other machines in, so a password is needed: set {PASSWORD}, or reach this machine with "
            f"`ssh -L {PORT}:localhost:{PORT}` and leave --host out"
        )
    hosts = frozenset({*LOOPBACK, *named, socket.gethostname().lower(), host.lower()})
    return Rules(hosts=hosts, named=named, any_address=True, password=password)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def take_port(host: str, port: int | None = None) -> socket.socket:
    """Return a socket that listens on a port, or on the first free one from the usual one on; raises RunError.

    It is held from then on, so that nothing else can take the port before the server is up.
    """
    for each in range(PORT, PORT + PORTS_TRIED) if port is None else (port,):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, each, type=socket.SOCK_STREAM)[0]
        except OSError:
            raise RunError(f"--host: {host!r} is not an address of this machine") from None
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
        else:
            return listener
    if port is not None:
        raise RunError(f"--port: {port} is in use on {host}; expected a free port, or none given, so that one is found")
    raise RunError(f"--port: {PORT} to {PORT + PORTS_TRIED - 1} are in use on {host}; name a free one")
