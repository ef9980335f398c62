"""A small server on 127.0.0.1 that answers as the Hub does: what it has not, what is gated, and files of a folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0" * 40
REFUSALS = {
    "gated": (401, "GatedRepo", "Access to this repository is restricted. Please log in."),
    "not-granted": (403, "GatedRepo", "You are not in the authorized list."),
    "missing": (404, "RepoNotFound", "Repository not found"),
    "other-revision": (404, "RevisionNotFound", "Invalid rev id"),
    "bad-login": (401, None, "Invalid credentials in Authorization header"),
}
"""Status, X-Error-Code and X-Error-Message, by the name of the repository (organisation: org)."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Path
    """Folder whose files are those of org/half, but for the weights."""

    def do_HEAD(self) -> None:
        repository, _, rest = self.path.partition("org/")[2].partition("/")
        file = self.served / Path(rest).name
        if repository == "half" and "/resolve/" in self.path and file.is_file() and file.suffix != ".safetensors":
            self._send(200, file.read_bytes())
        elif repository == "half":
            self._send(404, headers={"X-Error-Code": "EntryNotFound"})
        else:
            self._refuse(repository if repository in REFUSALS else "missing")

    def do_GET(self) -> None:
        self.do_HEAD()

    def _refuse(self, kind: str) -> None:
        status, code, message = REFUSALS[kind]
        self._send(status, headers={"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}))

    def _send(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status == 200:
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def fake_hub(served: Path) -> Iterator[str]:
    """Run the server while the context lasts; yield its address."""
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
