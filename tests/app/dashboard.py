"""The whole dashboard served as `dra app` serves it, in a process of its own, and a browser that notices what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHROMIUM = Path("/usr/bin/chromium")
# Counts the questions that the page has open, until what they answered is drawn.
COUNT_QUESTIONS = """
window.openQuestions = 0;
const ask = window.fetch;
window.fetch = async (...about) => {
  if (!String(about[0]).includes("dra/ask/")) return ask(...about);
  window.openQuestions += 1;
  const drawn = async () => {
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    setTimeout(() => (window.openQuestions -= 1)); // after those of the page, which asks its next question in one
  };
  try {
    const answer = await ask(...about);
    answer.clone().text().then(drawn, drawn);
    return answer;
  } catch (error) {
    drawn();
    throw error;
  }
};
"""

PATIENCE = 300_000
"""Milliseconds for what the browser is waited for: the page, the server and the machine may stand still for a while."""
FRAMES = "async () => { for (let i = 0; i < 20; i++) await new Promise(requestAnimationFrame); }"
"""Waits for twenty frames in the browser."""


@contextmanager
def dra_app(*arguments: object, **environment: str) -> Iterator[str]:
    """Run `dra app` on a free port; yield its address; stop it by its process id."""
    command = [
        sys.executable,
        "-c",
        "from dra_toolkit.cli import main; main()",
        "app",
        "--no-open",
        *map(str, arguments),
    ]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        found = re.search(r"is at (http://\S+?)/ ", line)
        if found:
            return found[1]
    raise AssertionError(f"dra app ended: {said}")


class Browser:
    """One page of the dashboard in Chromium, where nothing is left of the pages before it but what Chromium compiled."""

    def __init__(
        self,
        chromium: Any,
        address: str,
        *,
        size: tuple[int, int] = (1280, 800),
        dark: bool = False,
        is_first: bool = True,
    ) -> None:
        self.context, self.page = chromium, chromium.new_page()
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.address = address
        if is_first:
            self._forget()
        self.page.set_default_timeout(PATIENCE)
        self.page.add_init_script(COUNT_QUESTIONS)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda r: None if self._is_ours(r.url) else self.foreign.append(r.url))

    def open(self, name: str, query: str = "") -> None:
        """Open a page by its address and wait until it is drawn."""
        self.page.goto(f"{self.address}/?page={name}&{query}")
        self.drawn(name)

    def drawn(self, name: str) -> None:
        """Wait until a page has drawn an answer, and what it asked for after it: nothing moves any more."""
        self.page.wait_for_selector(f"#dra-{name} .dra[data-drawn]:not([aria-busy])")
        self.page.wait_for_function("() => !window.openQuestions")

    def plots(self, name: str, figure: str) -> None:
        """Wait until a figure is drawn."""
        self.page.wait_for_selector(f'#dra-{name} [data-figure="{figure}"] svg.curves path')

    def go(self, name: str) -> None:
        """Go to a page by its link in the bar."""
        self.page.click(f'#dra-shell a[data-page="{name}"]')
        self.drawn(name)

    def text(self, selector: str) -> str:
        """Return the text that is shown at a place."""
        return str(self.page.inner_text(selector))

    def state(self) -> dict[str, str]:
        """Return what is in the address."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    def close(self) -> None:
        """Close it; nothing must have gone wrong."""
        self.page.close()
        self.context.clear_permissions()
        assert not self.foreign, f"asked elsewhere: {self.foreign}"
        assert not self.complaints, f"complained: {self.complaints}"

    def _forget(self) -> None:
        self.context.clear_cookies()  # those of one port are another's too
        session = self.context.new_cdp_session(self.page)
        scheme, host, *_ = urlsplit(self.address)
        session.send("Storage.clearDataForOrigin", {"origin": f"{scheme}://{host}", "storageTypes": "local_storage"})
        session.detach()

    def _is_ours(self, url: str) -> bool:
        return url.startswith((f"{self.address}/", "data:", "blob:"))


@contextmanager
def another(browser: Browser) -> Iterator[Browser]:
    """Open a second page beside one: what it has followed, the first one could have followed."""
    opened = Browser(browser.context, browser.address, is_first=False)
    yield opened
    opened.close()


def ask(address: str, path: str, *, data: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    """Ask as a program would, following nothing; return status, content and headers."""
    opener = urllib.request.build_opener(_NoRedirect)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{address}{path}", data=data, headers=names)
    try:
        with opener.open(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
