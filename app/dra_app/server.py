"""The dashboard's server: one page with its modules, the questions it asks, and Gradio with the functions that read.

Gradio answers programs: its API, its clients and its tools of the Model Context Protocol (`dra_app.read_functions`), and
the pages of one's own (`dra_app.own_pages`). The dashboard's page is static and asks `dra/ask/PAGE/QUESTION`; all its
addresses are relative, so that it works below any path.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from dra_app.context import Context
from dra_app.guard import Guard, Rules, content_policy
from dra_app.own_pages import OwnPage, mount_own
from dra_app.pages import ALWAYS, PLACE, pages
from dra_app.questions import add_questions
from dra_app.read_functions import mount_read_functions
from dra_app.run_curves import measure_curves
from dra_app.templates import page_template, template
from dra_toolkit.errors import DRAError

if TYPE_CHECKING:
    import fastapi

MOST_CONNECTIONS = 500
"""Connections at once; one more is told that the server is busy."""
_HERE = Path(__file__).parent
_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def build_app(
    context: Context, rules: Rules, *, own: Sequence[OwnPage] = (), mcp: bool = False, theme: str | None = None
) -> Guard:
    """Return the dashboard as an ASGI application.

    own: pages of the user's. mcp: whether Gradio's MCP server answers too. theme: of Gradio, for the user's pages.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    import fastapi

    app: Any = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_page(app, rules, own)
    add_questions(app, context)
    for page in own:
        app = mount_own(app, page, context, theme)
    whole: Any = mount_read_functions(app, context, mcp=mcp)
    return Guard(whole, rules)


def serve(
    context: Context,
    rules: Rules,
    *,
    host: str,
    port: int,
    listener: socket.socket | None = None,
    when_up: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """Serve the dashboard until it is interrupted.

    listener: a socket that listens there already. when_up: called once, when the dashboard answers. options: of `build_app`.
    """
    import uvicorn

    class Server(uvicorn.Server):
        """Sleeps until it is asked something or told to end, where uvicorn looks ten times a second whether it was."""

        wake: Callable[[], Any] = staticmethod(lambda: None)

        async def startup(self, sockets: list[Any] | None = None) -> None:
            await super().startup(sockets)
            when_up()

        def handle_exit(self, sig: int, frame: Any) -> None:
            super().handle_exit(sig, frame)
            self.wake()

        async def main_loop(self) -> None:
            told = asyncio.Event()
            self.wake = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, told.set)
            if not self.should_exit:
                await told.wait()

    threading.Thread(target=_warm, args=(context,)).start()
    config = uvicorn.Config(
        build_app(context, rules, **options),
        host=host,
        port=port,
        log_level="warning",
        ws="none",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=MOST_CONNECTIONS,
    )
    Server(config).run(sockets=None if listener is None else [listener])


def _warm(context: Context) -> None:
    """Read the curves of the newest run before the reader asks for them."""
    with contextlib.suppress(DRAError):
        measure_curves(context.run())


def static_files() -> dict[str, bytes]:
    """Return the files of the client by their paths: its modules, those of the pages, the style sheet, the icon."""
    found = {path.name: path for path in (_HERE / "client").glob("*") if path.suffix in _KINDS}
    for name in pages():
        found[f"{name}.js"] = _HERE / "pages" / name.replace("-", "_") / "page.js"
    return {name: path.read_bytes() for name, path in found.items()}


def _add_page(app: fastapi.FastAPI, rules: Rules, own: Sequence[OwnPage]) -> None:
    files = static_files()
    version = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:12]
    packed = {name: gzip.compress(content, 9) for name, content in files.items()}
    page = index(version, own).encode()
    policy = content_policy(rules.framed_by)

    @app.get("/")
    async def whole() -> Response:
        headers = {"cache-control": "no-store", "content-security-policy": policy}
        return Response(page, media_type="text/html", headers=headers)

    @app.get("/dra/{_version}/{name}")
    async def file(_version: str, name: str, request: Request) -> Response:
        if name not in files:
            return Response("There is nothing here.", 404)
        headers, body = {"cache-control": "public, max-age=31536000, immutable"}, files[name]
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["content-encoding"] = packed[name], "gzip"
        return Response(body, media_type=_KINDS[Path(name).suffix], headers=headers)


def index(version: str, own: Sequence[OwnPage] = ()) -> str:
    """Return the page: the bar, and every page of the dashboard, of which one is shown."""
    found = pages()
    told = {name: {"title": page.title, "keys": page.keys, "place": PLACE} for name, page in found.items()}
    shells = {name: (page.title, Markup(page_template(name).render())) for name, page in found.items()}
    values = {"version": version, "pages": shells, "own": own, "told": {"always": ALWAYS, "pages": told}}
    return template("client/index.html").render(values)
