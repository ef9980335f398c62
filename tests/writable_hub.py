"""A small server on 127.0.0.1 that takes what the Hub's own client pushes: repositories, branches and commits."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

OWNER = "ada"
COMMIT = "0" * 40
RESOLVED = re.compile(r"/[^/]+/[^/]+/resolve/(?P<revision>[^/]+)/(?P<path>[^?]+)")
PLACE = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/(?P<what>\w+)/(?P<revision>[^/?]+)")


@dataclass
class HubState:
    """What the server holds and was asked; `branches[branch][path]` is a file's content."""

    address: str = ""
    role: str = "write"
    token: str | None = None
    """The only token that it takes; None takes any."""
    repositories: set[str] = field(default_factory=set)
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[tuple[str, str]] = field(default_factory=list)
    """(branch, message) of each."""
    requests: list[str] = field(default_factory=list)
    refuse: Callable[[str, str], int | None] = lambda method, path: None
    """Called with method and path of each request; a status refuses it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubState

    def do_GET(self) -> None:
        if self._is_refused():
            return
        found = PLACE.match(self.path)
        if self.path.startswith("/api/whoami-v2"):
            auth = {"accessToken": {"displayName": "laptop", "role": self.state.role}}
            self._send({"type": "user", "name": OWNER, "auth": auth})
        elif found and found["what"] == "tree":
            files = self.state.branches.get(unquote(found["revision"]), {})
            self._send([{"type": "file", "path": p, "size": len(c), "oid": COMMIT} for p, c in sorted(files.items())])
        elif resolved := RESOLVED.match(self.path):
            self._resolve(self.state.branches.get(unquote(resolved["revision"]), {}).get(unquote(resolved["path"])))
        elif self.path.startswith("/api/models/"):
            self._send({"id": f"{OWNER}/x", "sha": COMMIT, "siblings": [], "tags": [], "private": False})
        else:
            self._send({}, status=404)

    def _resolve(self, content: bytes | None) -> None:
        self.send_response(404 if content is None else 200)
        self.send_header("ETag", '"one"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content or b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_refused():
            return
        found = PLACE.match(self.path)
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or OWNER}/{asked['name']}"
            self.state.repositories.add(name)
            self._send({"url": f"{self.state.address}/{name}", "id": name, "name": name})
        elif self.path == "/api/validate-yaml":
            self._send({"errors": [], "warnings": []})
        elif found and found["what"] == "branch":
            branch = unquote(found["revision"])
            if branch in self.state.branches:
                self._send({"error": "Reference already exists"}, status=409)
            else:
                self.state.branches[branch] = dict(self.state.branches["main"])
                self._send({})
        elif found and found["what"] == "preupload":
            files = json.loads(body)["files"]
            self._send({"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]})
        elif found and found["what"] == "commit":
            self._commit(unquote(found["revision"]), body)
        else:
            self._send({"error": f"not served: {self.path}"}, status=404)

    def _commit(self, branch: str, body: bytes) -> None:
        files = self.state.branches[branch]
        for line in body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.state.commits.append((branch, value["summary"]))
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        self._send({"commitUrl": f"{self.state.address}/{OWNER}/x/commit/{COMMIT}", "commitOid": COMMIT})

    def _is_refused(self) -> bool:
        self.state.requests.append(f"{self.command} {self.path}")
        status = self.state.refuse(self.command, self.path)
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if status is None and self.state.token is not None and given != self.state.token:
            status = 401
        if status is not None:
            self._send({"error": f"refused with {status}"}, status=status)
        return status is not None

    def _send(self, answer: object, *, status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def writable_hub(**settings: object) -> Iterator[HubState]:
    """Run the server while the context lasts; yield what it holds."""
    state = HubState(**settings)  # type: ignore[arg-type]
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
