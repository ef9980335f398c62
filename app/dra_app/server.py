"""The dashboard's server: Gradio behind the guard, the page cleaned of what it does not need, Plotly from this machine."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import hashlib
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from dra_app.build import build_blocks
from dra_app.context import Context
from dra_app.data.curves import measure_curves
from dra_app.guard import Guard, Rules, content_policy
from dra_app.pages.first_paint import first_paint, style
from dra_app.pages.plot_frames import plotly_address
from dra_toolkit.errors import DRAError

if TYPE_CHECKING:
    import fastapi

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"]
MONO_FONTS = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
_HEAD = (
    '<script>document.documentElement.dataset.page=new URLSearchParams(location.search).get("page")||"overview"</script>'
    '<link rel="icon" href="/dra/icon.svg"><link rel="preload" as="script" href="{plotly}"><style>{style}</style>'
)
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="11" cy="12" r="7" fill="#0072b2"/>'
    '<circle cx="21" cy="12" r="7" fill="#e69f00" fill-opacity=".85"/><circle cx="16" cy="21" r="7" fill="#009e73" '
    'fill-opacity=".85"/></svg>'
)
_LEFT_OUT = (
    re.compile(r'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>', re.DOTALL),
    re.compile(r'<link rel="manifest"[^>]*>'),
    re.compile(r"<script>\s*\(\(\) => \{(?:(?!</script>).)*iframeResizer(?:(?!</script>).)*</script>", re.DOTALL),
)
"""What of Gradio's page is for link previews, installing as an app, and frames."""
_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def build_app(context: Context, rules: Rules) -> Guard:
    """Return the dashboard as an ASGI application."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    import fastapi
    import gradio as gr

    theme = gr.themes.Base(font=FONTS, font_mono=MONO_FONTS, primary_hue="blue", neutral_hue="slate")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_files(app)
    inner = gr.mount_gradio_app(
        app,
        build_blocks(context),
        path="/",
        theme=theme,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        enable_monitoring=False,
        mcp_server=False,
        allowed_paths=[],
        blocked_paths=["/"],
        max_file_size=0,
    )
    return Guard(_Page(inner, context, rules), rules)


def serve(
    context: Context,
    rules: Rules,
    *,
    host: str,
    port: int,
    listener: socket.socket | None = None,
    when_up: Callable[[], None] = lambda: None,
) -> None:
    """Serve the dashboard until it is interrupted.

    listener: a socket that listens there already. when_up: called once, when the dashboard answers.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[Any] | None = None) -> None:
            await super().startup(sockets)
            when_up()

    threading.Thread(target=_warm, args=(context,), daemon=True).start()
    config = uvicorn.Config(
        build_app(context, rules),
        host=host,
        port=port,
        log_level="warning",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    Server(config).run(sockets=None if listener is None else [listener])


def _warm(context: Context) -> None:
    """Read the curves of the newest run before the reader asks for them."""
    with contextlib.suppress(DRAError):
        measure_curves(context.run())


class _Page:
    """Answers the page itself: with a run in its address, cleaned, and with a policy that knows its scripts."""

    def __init__(self, app: Any, context: Context, rules: Rules) -> None:
        self.app = app
        self.context = context
        self.rules = rules

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            return await self.app(scope, receive, send)
        from anyio import to_thread

        query = scope.get("query_string", b"").decode("latin-1")
        place = await to_thread.run_sync(with_run, query, self.context)
        if place:
            await send({"type": "http.response.start", "status": 302, "headers": [(b"location", place.encode())]})
            return await send({"type": "http.response.body", "body": b""})
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def collected(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        plain = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
        # Gradio would read `page` and others of the names in the address as its own
        await self.app({**scope, "headers": plain, "query_string": b""}, receive, collected)
        shown = await to_thread.run_sync(first_paint, self.context, dict(parse_qsl(query)))
        page = cleaned(b"".join(parts).decode("utf-8")).replace("<gradio-app", f"{shown}<gradio-app", 1)
        body = page.encode()
        policy = content_policy(inline_scripts(page), self.rules.framed_by)
        kept = [(n, v) for n, v in start["headers"] if n.lower() not in (b"content-length", b"content-encoding")]
        own = [(b"content-length", str(len(body)).encode()), (b"content-security-policy", policy.encode())]
        await send({**start, "headers": [*kept, *own, (b"cache-control", b"no-store")]})
        return await send({"type": "http.response.body", "body": body})


def with_run(query: str, context: Context) -> str | None:
    """Return the address with the newest run in it, if it names none and there is one."""
    named = dict(parse_qsl(query))
    if named.get("run"):
        return None
    ids = context.run_ids()
    return f"/?{urlencode({**named, 'run': ids[0]})}" if ids else None


def cleaned(page: str) -> str:
    """Return Gradio's page without what the dashboard does not use, and with what it needs before anything is drawn."""
    for pattern in _LEFT_OUT:
        page = pattern.sub("", page)
    return page.replace("</head>", f"{_head()}</head>", 1)


@functools.cache
def _head() -> str:
    return _HEAD.replace("{plotly}", plotly_address()).replace("{style}", style())


def inline_scripts(page: str) -> list[str]:
    """Return the hashes of the scripts in the page, as a Content-Security-Policy names them."""
    return [
        base64.b64encode(hashlib.sha256(script.replace("\r\n", "\n").encode()).digest()).decode()
        for script in _INLINE.findall(page)
    ]


def _add_files(app: fastapi.FastAPI) -> None:
    from fastapi import Response

    @app.get("/dra/plotly.min.js")
    def plotly() -> Response:
        headers = {"content-encoding": "gzip", "cache-control": "public, max-age=31536000, immutable"}
        return Response(_plotly(), media_type="text/javascript", headers=headers)

    @app.get("/dra/icon.svg")
    def icon() -> Response:
        return Response(_ICON, media_type="image/svg+xml", headers={"cache-control": "max-age=86400"})


@functools.cache
def _plotly() -> bytes:
    import plotly

    return gzip.compress((Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes(), 6)
