"""Who may ask the dashboard for what: checked in front of everything, so that nothing of Gradio's can be reached around it.

- Host: only the names under which this server is known, so that no other name can be bound to it (DNS rebinding).
- Origin: a request that another site's page makes is refused.
- Path: the dashboard's page and its questions, Gradio's API of the functions that read, and the user's own pages.
  Gradio's endpoints for files, uploads and proxies do not exist.
- Password, where there is one: for everything but the form that asks for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import html
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CALLS = r"queue/join/?|call/[\w-]+/?|run/[\w-]+/?|reset/?|cancel/?|mcp/?[\w/-]*"
_READS = r"info/?|startup-events|app_id|queue/data|heartbeat/[\w-]+|call/[\w-]+/[\w-]+|theme\.css"
_PAGE = r"|/own/[\w-]+(/(config|theme\.css|(assets|static|svelte)/[\w.@/-]+)?)?"
OPEN_PATHS = re.compile(
    rf"/|/config/?|/dra/[\w-]+/[\w.-]+|(/own/[\w-]+)?/gradio_api/({_READS}|{_CALLS}|component_server/?){_PAGE}"
)
POST_PATHS = re.compile(rf"/login|/dra/ask/[\w-]+/[\w-]+|(/own/[\w-]+)?/gradio_api/({_CALLS}|component_server/?)")
LARGEST_QUESTION = 1 << 20
OWN_SCRIPTS = " 'unsafe-inline' 'unsafe-eval'"
COOKIE = "dra_app"
WRONG_PASSWORD_SECONDS = 1.0


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
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

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

    def session(self) -> str:
        """Return the value of the cookie that stands for the password."""
        return hmac.new(self.secret, (self.password or "").encode(), hashlib.sha256).hexdigest()


def host_name(host: str) -> str:
    """Return the name of a Host header, without its port, in lower case; empty if it is none.

    >>> host_name("LocalHost:7860"), host_name("[::1]:7860")
    ('localhost', '::1')
    """
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def host_name_of(origin: str) -> str:
    """Return the name of the host of an origin; empty if it has none."""
    return host_name(origin.partition("://")[2])


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

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], rules: Rules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal:
            return await _answer(send, refusal[0], refusal[1])
        if self.rules.password is not None and not self._is_in(headers):
            return await self._log_in(scope, receive, send)
        is_own = scope["path"].startswith("/own/")
        return await self.app(scope, receive, self._with_headers(send, is_own))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host, path, method = headers.get("host", ""), scope["path"], scope["method"]
        if not self.rules.knows_host(host):
            return 403, f"Host {host[:80]!r} is not a name of this server; see dra app --help for --allow-host."
        if not is_own_page(headers, host, self.rules.named):
            return 403, "Another site's page asked for this; it is refused."
        if method not in ("GET", "HEAD") and not (method == "POST" and POST_PATHS.fullmatch(path)):
            return 405, "Nothing can be changed here."
        if not (OPEN_PATHS.fullmatch(path) or POST_PATHS.fullmatch(path)) or ".." in path:
            return 404, "There is nothing here."
        if method == "POST":
            length = headers.get("content-length", "")
            if not length.isdigit():
                return 411, "A question says its length."
            if int(length) > LARGEST_QUESTION:
                return 413, "The question is too long."
        return None

    def _is_in(self, headers: dict[str, str]) -> bool:
        assert self.rules.password is not None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if bearer and hmac.compare_digest(bearer.encode(), self.rules.password.encode()):
            return True
        found = SimpleCookie(_cookies(headers.get("cookie", ""))).get(COOKIE)
        return found is not None and hmac.compare_digest(found.value.encode(), self.rules.session().encode())

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and scope["path"] == "/login":
            form = parse_qs((await _body(receive)).decode("utf-8", "replace"))
            given, wanted = form.get("password", [""])[0], self.rules.password or ""
            if hmac.compare_digest(given.encode(), wanted.encode()):
                # relative, so that both hold below any path; what begins with a question mark stays on this server
                there = form.get("to", [""])[0]
                cookie = f"{COOKIE}={self.rules.session()}; HttpOnly; SameSite=Strict"
                headers = [("location", f"./{there if there.startswith('?') else ''}"), ("set-cookie", cookie)]
                return await _answer(send, 303, "", headers=headers)
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
            return await _answer(send, 401, _form("", "That is not the password."), kind="text/html")
        if scope["path"] != "/":
            return await _answer(send, 401, "A password is needed.")
        query = scope.get("query_string", b"").decode("latin-1")
        return await _answer(send, 401, _form(f"?{query}" if query else ""), kind="text/html")

    def _with_headers(self, send: Send, is_own: bool) -> Send:
        async def sent(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [(n, v) for n, v in message["headers"] if not n.lower().startswith(b"access-control-")]
                has_policy = any(n.lower() == b"content-security-policy" for n, _ in kept)
                policy = [] if has_policy else [("content-security-policy", content_policy(is_own=is_own))]
                message = {**message, "headers": [*kept, *_raw([*_SAFE, *policy])]}
            await send(message)

        return sent


def is_own_page(headers: dict[str, str], host: str, named: frozenset[str] = frozenset()) -> bool:
    """Return whether a request comes from the dashboard's own page, from the address bar, or from no browser.

    named: hosts of which a page counts as the dashboard's own, whatever the Host is: a proxy in front may rewrite that.
    """
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower() and host_name_of(origin) not in named:
        return False
    site = headers.get("sec-fetch-site", "none")
    opens_a_page = headers.get("sec-fetch-mode") == "navigate"
    return site in ("none", "same-origin") or opens_a_page


_SAFE = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
]


def _raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _cookies(header: str) -> str:
    """Return the one cookie that matters: others on the same host may be written in ways that do not parse."""
    return ";".join(part for part in header.split(";") if part.strip().startswith(f"{COOKIE}="))


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while size <= LARGEST_QUESTION:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body"):
            break
    return b"".join(parts)


async def _answer(
    send: Send, status: int, text: str, *, kind: str = "text/plain", headers: Iterable[tuple[str, str]] = ()
) -> None:
    body = text.encode()
    policy = ("content-security-policy", content_policy())
    own = [
        ("content-type", f"{kind}; charset=utf-8"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": _raw([*own, *_SAFE, policy, *headers])})
    await send({"type": "http.response.body", "body": body})


def _form(to: str, said: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>DRA Toolkit</title><style>body{font:16px system-ui,sans-serif;display:grid;place-items:center;"
        "min-height:90vh;color-scheme:light dark}form{display:grid;gap:12px;width:280px}input,button{font:inherit;"
        f"padding:8px}}</style><form method=post action=login><h1>DRA Toolkit</h1><p role=alert>{html.escape(said)}</p>"
        '<label>Password <input type=password name=password autofocus autocomplete="current-password" required></label>'
        f'<input type=hidden name=to value="{html.escape(to)}"><button>Open</button></form></html>'
    )
