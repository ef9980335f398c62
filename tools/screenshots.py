"""Make the pictures of the dashboard for the README and the docs: `python tools/screenshots.py [FOLDER]`.

Needs Playwright and Chromium. The pictures show the demonstration, so they need no run and come out the same again.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "app")]
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 800}
PICTURES = {
    "dashboard-overview": ("overview", "run=smollm2-dra-grpo", "light"),
    "dashboard-groups": ("groups", "run=smollm2-dra-grpo&step=60&group=1", "light"),
    "dashboard-what-if": ("what-if", "run=smollm2-dra-grpo&step=60&group=1&set=diversity%3Dnone", "light"),
    "dashboard-compare-dark": ("compare", "run=smollm2-dra-grpo&other=smollm2-grpo", "dark"),
}
"""Name of a picture -> page, what is in the address, light or dark."""


def main() -> None:
    """Serve the demonstration, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    from playwright.sync_api import sync_playwright

    from dra_app.context import Context
    from dra_app.demo import make_demo

    with tempfile.TemporaryDirectory() as runs, sync_playwright() as library:
        make_demo(Path(runs))
        address, server = serve_aside(Context(Path(runs)))
        chromium = library.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, (page, query, scheme) in PICTURES.items():
            take(chromium, f"{address}/?page={page}&{query}", page, scheme, folder / f"{name}.png")
        chromium.close()
        server.should_exit = True


def serve_aside(context: Any) -> tuple[str, Any]:
    """Serve in a thread that ends with this program; return the address, once it answers, and the server."""
    from uvicorn import Config, Server

    from dra_app.guard import Rules
    from dra_app.listening import take_port
    from dra_app.server import build_app

    with take_port("127.0.0.1") as taken:
        port = taken.getsockname()[1]
    server = Server(Config(build_app(context, Rules()), host="127.0.0.1", port=port, log_level="warning", ws="none"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.1)
    return f"http://127.0.0.1:{port}", server


def take(chromium: Any, address: str, name: str, scheme: str, file: Path) -> None:
    """Take one picture when the page and its figures are drawn."""
    page = chromium.new_page(viewport=SIZE, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector(f"#dra-{name} .dra[data-drawn]:not([aria-busy])")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1_500)
    page.screenshot(path=str(file))
    page.close()
    print(file)


if __name__ == "__main__":
    main()
