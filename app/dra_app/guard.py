"""Who may ask the dashboard for what: checked in front of everything, so that nothing of Gradio's can be reached around it.

- Host: only the names under which this server is known, so that no other name can be bound to it (DNS rebinding).
- Origin: a request that another site's page makes is refused.
- Path: the dashboard's page and its questions, Gradio's API of the functions that read, and the user's own pages.
  Gradio's endpoints for files, uploads and proxies do not exist.
- Password, where there is one (`dra_app.door`): for everything but the form that asks for it.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dra_app.door import Door

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CALLS = r"queue/join/?|call/[\w-]+/?|run/[\w-]+/?|reset/?|cancel/?|mcp/?[\w/-]*"
_READS = r"info/?|startup-events|app_id|queue/data|heartbeat/[\w-]+|call/[\w-]+/[\w-]+|theme\.css"
_PAGE = r"|/own/[\w-]+(/(config|theme\.css|(assets|static|svelte)/[\w.@/-]+)?)?"
OPEN_PATHS = re.compile(
    rf"/|/config/?|/dra/[\w-]+/[\w.-]+|(/own/[\w-]+)?/gradio_api/({_READS}|{_CALLS}|component_server/?){_PAGE}"
)
POST_PATHS = re.compile(rf"/dra/ask/[\w-]+/[\w-]+|(/own/[\w-]+)?/gradio_api/({_CALLS}|component_server/?)")
LARGEST_QUESTION = 1 << 20
OWN_SCRIPTS = " 'unsafe-inline' 'unsafe-eval'"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is let through."""

    hosts: frozenset[str] = frozenset(LOOPBACK)
    named: frozenset[str] = frozenset()
    """Of the hosts those that were named for it, as a proxy's: pages of theirs may ask, whatever Host the proxy writes."""
    any_address: bool = False
    """Whether a host may be any number address: a name can be bound to another machine's address, a number cannot."""
    password: str | None = None
    framed_by: tuple[str, ...] = ()
    """Sites that may show the dashboard in a frame."""

    def knows_host(self, host: str) -> bool:
        """Return whether a Host header names this server; its port does not matter, as it may be forwarded."""
        name = host_name(host)
        if name in self.hosts:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def host_name(host: str) -> str:
    """Return the name of a Host header, without its port, in lower case; empty if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def content_policy(framed_by: Iterable[str] = (), *, is_own: bool = False) -> str:
    """Return the Content-Security-Policy: nothing from elsewhere, and no script but the dashboard's own files.

    is_own: of a page of the user's, which is Gradio's with scripts in it.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self'{OWN_SCRIPTS if is_own else ''}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(framed_by) or chr(39) + 'none' + chr(39)}",
        )
    )


class Guard:
    """An ASGI application in front of another."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app = app
        self.rules = rules
        self.door = None if rules.password is None else Door(rules.password)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        request = Request(scope, receive)
        is_gradio = scope["path"].startswith(("/own/", "/gradio_api/"))
        try:
            answer = self._refusal(request)
            if answer is None and self.door is not None:
                answer = await self.door.answer(request)
            return await (answer or self.app)(scope, receive, _with_headers(send, scope["path"], is_gradio=is_gradio))
        except Exception as error:
            if not (is_gradio or isinstance(error, ClientDisconnect)):
                raise
        return None  # whoever asked has gone, or Gradio told it as a mistake in the question

    def _refusal(self, request: Request) -> Response | None:
        host, path, method = request.headers.get("host", ""), request.url.path, request.method
        if not self.rules.knows_host(host):
            return refused(
                403, f"Host {host[:80]!r} is not a name of this server; see dra app --help for --allow-host."
            )
        if not is_own_page(request.headers, host, self.rules.named):
            return refused(403, "Another site's page asked for this; it is refused.")
        if method not in ("GET", "HEAD") and not (
            method == "POST" and (POST_PATHS.fullmatch(path) or path == "/login")
        ):
            return refused(405, "Nothing can be changed here.")
        known = OPEN_PATHS.fullmatch(path) or POST_PATHS.fullmatch(path) or (path == "/login" and self.door)
        if not known or ".." in path:
            return refused(404, "There is nothing here.")
        length = request.headers.get("content-length", "")
        if method == "POST" and not re.fullmatch("[0-9]{1,15}", length):
            return refused(411, "A question says its length.")
        if method == "POST" and int(length) > LARGEST_QUESTION:
            return refused(413, "The question is too long.")
        return None


def refused(status: int, said: str) -> Response:
    """Return an answer of one line."""
    return PlainTextResponse(said, status, {"cache-control": "no-store"})


def is_own_page(headers: Mapping[str, str], host: str, named: frozenset[str] = frozenset()) -> bool:
    """Return whether a request comes from the dashboard's own page, from the address bar, or from no browser.

    named: hosts of which a page counts as the dashboard's own, whatever the Host is: a proxy in front may rewrite that.
    """
    origin = headers.get("origin")
    asking = (origin or "").partition("://")[2].lower()
    if origin is not None and asking != host.lower() and host_name(asking) not in named:
        return False
    site = headers.get("sec-fetch-site", "none")
    opens_a_page = headers.get("sec-fetch-mode") == "navigate"
    return site in ("none", "same-origin") or opens_a_page


def _with_headers(send: Send, path: str, *, is_gradio: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
            found = MutableHeaders(raw=headers)
            found.update(_SAFE)
            found.setdefault("content-security-policy", content_policy(is_own=path.startswith("/own/")))
            status = 400 if is_gradio and message["status"] >= 500 else message["status"]
            message = {**message, "status": status, "headers": found.raw}
        await send(message)

    return sent


_SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
