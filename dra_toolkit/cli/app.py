"""`dra app`: the dashboard of the recorded runs, in the browser."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dra_app.listening import PASSWORD, PORT, rules_for, take_port
from dra_toolkit.cli.common import user_errors
from dra_toolkit.cli.printing import print_json
from dra_toolkit.errors import RunError

if TYPE_CHECKING:
    from dra_app.context import Context
    from dra_app.guard import Rules


@user_errors
def dashboard(
    where: str = typer.Argument(
        None, metavar="[RUNS_ROOT | RUN]", help="A folder with runs, or one run; else $DRA_RUNS or runs/ here."
    ),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; elsewhere than here needs a password."),
    port: int = typer.Option(None, min=1, max=65535, help=f"Port. [default: {PORT}, or the next free one]"),
    password: str = typer.Option(
        None, envvar=PASSWORD, help="Ask for it. Better given in the environment variable, unseen by others."
    ),
    allow_host: list[str] = typer.Option(
        None, metavar="NAME", help="Another name under which browsers reach this server."
    ),
    page: list[Path] = typer.Option(
        None, metavar="FILE.py", help="Show a page of your own beside ours: plain Gradio in build(context)."
    ),
    mcp: bool = typer.Option(False, "--mcp", help="Answer as an MCP server too, at /gradio_api/mcp/."),
    theme: str = typer.Option(None, metavar="NAME", help="Gradio's theme of the pages of your own."),
    demo: bool = typer.Option(
        False, "--demo", help="Show two small recorded runs of a language model that come with the toolkit."
    ),
    train: bool = typer.Option(
        False, "--train", help="Add a page that starts, stops and resumes training, as the user who started this."
    ),
    recipes: Path = typer.Option(
        Path(), metavar="FOLDER", help="Where --train finds your recipes beside the shipped ones."
    ),
    open_browser: bool = typer.Option(True, "--open/--no-open", help="Open it in the browser."),
    as_json: bool = typer.Option(False, "--json", help="Print where it is as one JSON document, once it answers."),
) -> None:
    """Open the dashboard: curves, groups, what if, comparisons, search. It only reads, except with --train."""
    needed = ("gradio", "latex2mathml", "mcp") if mcp else ("gradio", "latex2mathml")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise RunError(f"dra app needs {', '.join(missing)}: pip install 'dra-toolkit[{'app,mcp' if mcp else 'app'}]'")
    if demo and where:
        raise RunError(f"--demo shows runs of its own; expected no {where!r} beside it")
    rules = rules_for(host, password, allow_host or [])
    from dra_app.own_pages import own_page

    options: dict[str, Any] = {"own": [own_page(path) for path in page or []], "mcp": mcp, "theme": theme}
    with take_port(host, port) as listener, _context(where, demo) as context:
        if train:
            from dra_app.train_page import train_page

            options["own"].append(train_page(context, recipes))
        _serve(context, rules, listener, open_browser, as_json, options)


def _serve(
    context: Context, rules: Rules, listener: socket.socket, opens: bool, as_json: bool, options: dict[str, Any]
) -> None:
    from dra_app.server import serve

    host, port = listener.getsockname()[:2]
    name = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{port}/"

    def tell() -> None:
        shown = context.only or context.root
        if as_json:
            print_json({"shown": shown, "address": address, "api": f"{address}gradio_api/"})
        else:
            print(f"The dashboard of {shown} is at {address} (Ctrl-C ends it).", flush=True)
        if opens and has_screen():
            webbrowser.open(address)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, with nothing left behind
    with suppress(KeyboardInterrupt):
        serve(context, rules, host=host, port=port, listener=listener, when_up=tell, **options)


@contextmanager
def _context(where: str | None, demo: bool) -> Iterator[Context]:
    """Yield the runs of a folder, the one run of a name or folder, or a demonstration; raises RunError."""
    if not demo:
        yield _chosen(where)
        return
    from dra_app.context import Context
    from dra_app.demo import make_demo

    with tempfile.TemporaryDirectory(prefix="dra-demo-") as folder:
        make_demo(Path(folder))
        yield Context(Path(folder))


def _chosen(where: str | None) -> Context:
    from dra_app.context import Context
    from dra_toolkit.runs.layout import named_run, runs_root

    path = Path(where) if where else runs_root()
    if not where or (path.is_dir() and not (path / "resolved.json").is_file()):
        return Context(path)
    run = named_run(where).path.resolve()
    return Context(run.parent, only=run.name)


def has_screen() -> bool:
    """Return whether there is a desktop on which a browser can open."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
