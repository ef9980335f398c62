"""The dashboard for programs, other sites and Gradio users: its API, a page of one's own, a path below a proxy."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fastapi
import gradio
import pytest
from dashboard import Browser, ask, dra_app
from ports import free_port
from shaped import held
from starlette.testclient import TestClient
from toy_runs import make_toys
from typer.testing import CliRunner
from waiting import wait_until

from dra_app.mounting import mount
from dra_app.own_pages import own_page
from dra_app.read_functions import NAMES
from dra_toolkit.cli.main import app
from dra_toolkit.errors import RunError
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.runs import Run

OWN_PAGE = Path(__file__).parent / "own_page.py"
PREFIX = "/user/x/proxy/7860"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_toys(folder, steps=6)
    return folder


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    with dra_app(root, "--page", OWN_PAGE, "--theme", "Soft", "--allow-host", "127.0.0.1") as found:
        yield found


def test_what_is_recorded_can_be_read_by_gradios_client(address: str, root: Path) -> None:
    status, body, _ = ask(address, "/gradio_api/info")
    assert status == 200
    assert set(json.loads(body)["named_endpoints"]) == {f"/{name}" for name in NAMES}
    client = pytest.importorskip("gradio_client").Client(address, verbose=False)
    run = Run.open(root / "toy-dra-grpo")
    assert {row["run"] for row in client.predict(api_name="/runs")} == {"toy-grpo", "toy-dra-grpo"}
    assert client.predict("toy-dra-grpo", api_name="/steps") == run.steps()
    groups = client.predict("toy-dra-grpo", 3, api_name="/groups")
    assert [row["reward"] for row in groups] == pytest.approx(
        run.query("SELECT reward FROM groups WHERE step = 3 ORDER BY batch, group_index").column(0).to_pylist()
    )
    group = client.predict("toy-dra-grpo", 3, 1, api_name="/group")
    assert group["advantages"] == pytest.approx(run.group(3, 1).advantages.tolist())
    assert client.predict("toy-dra-grpo", "ones", api_name="/search")[0]["found"].lower() == "ones"
    assert client.predict("toy-dra-grpo", "diversity=none", api_name="/what_if")["moved_share"] > 0
    assert "diversity" in client.predict("toy-grpo", "toy-dra-grpo", api_name="/compare")["settings"]
    assert client.predict("toy-grpo", api_name="/health") == []
    linted = client.predict("toy-dra-grpo", api_name="/lint")
    assert linted["groups"] == len(run.query("SELECT * FROM groups"))
    assert {finding["kind"] for finding in linted["findings"]} == {f.kind for f in lint(run.directory.path).findings}
    for wrong, said in ((("../etc", "/steps"), "is no run under"), (("toy-grpo", 99, "/groups"), "99")):
        with pytest.raises(Exception, match=said):
            client.predict(*wrong[:-1], api_name=wrong[-1])


def test_where_it_is_can_be_had_as_json(root: Path) -> None:
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "app", root, "--no-open", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        held("dra app", told)
        assert ask(told["address"].rstrip("/"), "/gradio_api/info")[0] == 200
        assert told["api"] == told["address"] + "gradio_api/"
    finally:
        process.terminate()
        process.wait()
    assert process.returncode == 0


def test_gradios_queue_polls_nothing_before_it_is_asked_and_seldom_after() -> None:
    gradio = pytest.importorskip("gradio")

    def double(number: int) -> int:
        return 2 * number

    with gradio.Blocks() as blocks:
        gradio.api(double, api_name="double")
        names = ("sleep_when_free", "progress_update_sleep_when_free")
        as_they_are = [getattr(blocks._queue, name) for name in names]
    app = mount(fastapi.FastAPI(), blocks, "/x")
    for name, seconds in zip(names, as_they_are, strict=True):
        assert getattr(blocks._queue, name) > seconds > 0

    def polling() -> set[str]:
        running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
        return {name for name in running if name.startswith("Queue.")}

    with TestClient(app) as client:
        assert client.get("/x/gradio_api/info").status_code == 200
        assert client.portal
        assert client.portal.call(polling) == set()
        for number in (4, 21):
            asked = client.post("/x/gradio_api/call/double", json={"data": [number]}).json()["event_id"]
            assert f"[{2 * number}]" in client.get(f"/x/gradio_api/call/double/{asked}").text
        assert client.portal.call(polling) >= {"Queue.start_processing"}


def test_the_functions_are_tools_of_an_mcp_server_that_answers_from_them(root: Path) -> None:
    pytest.importorskip("mcp")
    with dra_app(root, "--mcp") as address:

        def asked(method: str, **params: Any) -> Any:
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
            kinds = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
            status, answer, _ = ask(address, "/gradio_api/mcp/", data=body, **kinds)
            assert status == 200, answer
            text = answer.decode()
            return json.loads(text.partition("data: ")[2].splitlines()[0] if text.startswith("event:") else text)[
                "result"
            ]

        tools = {tool["name"]: tool for tool in asked("tools/list")["tools"]}
        assert set(tools) == set(NAMES)
        assert set(tools["groups"]["inputSchema"]["properties"]) == {"run", "step", "mode"}
        answer = asked("tools/call", name="steps", arguments={"run": "toy-grpo"})
        assert json.loads(answer["content"][0]["text"]) == Run.open(root / "toy-grpo").steps()


def test_a_page_of_ones_own_in_plain_gradio_is_shown_beside_the_others(chromium: Any, address: str) -> None:
    browser = Browser(chromium, address)
    browser.page.goto(f"{address}/")
    browser.page.click("#dra-shell nav a:has-text('Share right')")
    browser.page.wait_for_url("**/own/own_page/**")
    browser.page.get_by_label("run").click()
    browser.page.get_by_role("option", name="toy-grpo", exact=True).click()
    browser.page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some((t) => t.value === '6 steps of toy-grpo')"
    )
    browser.page.close()  # what Gradio's own page complains of (fonts, manifests, what it had open) is not ours


def test_a_page_of_ones_own_has_the_theme_that_was_asked_for(address: str) -> None:
    status, styles, _ = ask(address, "/own/own_page/theme.css")
    assert status == 200
    assert gradio.themes.Soft()._get_theme_css() in styles.decode()
    assert gradio.themes.Default()._get_theme_css() not in styles.decode()


def test_a_theme_that_gradio_lacks_is_told_before_anything_starts(root: Path) -> None:
    told = CliRunner().invoke(app, ["app", str(root), "--no-open", "--page", str(OWN_PAGE), "--theme", "sfot"])
    assert told.exit_code == 2
    assert "--theme: Gradio has no 'sfot', and the Hub's are OWNER/NAME; did you mean 'soft'?" in told.stderr


def test_a_page_of_ones_own_that_is_none_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("import no_such_module_at_all\n")
    for name, said in (
        ("no.py", "no function build"),
        ("broken.py", "no_such_module"),
        ("gone.py", "expected a Python file"),
    ):
        with pytest.raises(RunError, match=said):
            own_page(tmp_path / name)


class _Proxy(BaseHTTPRequestHandler):
    """Passes on what is below a prefix, with the prefix taken away."""

    target = ""
    keeps_host = False

    def _pass(self) -> None:
        if not self.path.startswith(PREFIX):
            return self.send_error(404)
        size = int(self.headers.get("content-length") or 0)
        there = urlsplit(self.target).netloc
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection(there)
        headers["Host"] = self.headers["Host"] if self.keeps_host else there
        connection.request(self.command, self.path.removeprefix(PREFIX) or "/", self.rfile.read(size) or None, headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    do_GET = do_POST = _pass  # noqa: N815 - names that http.server calls

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def proxy(target: str, *, keeps_host: bool) -> Iterator[str]:
    handler = type("Proxy", (_Proxy,), {"target": target, "keeps_host": keeps_host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("keeps_host", [True, False])
def test_it_works_below_a_path_whatever_host_the_proxy_writes(chromium: Any, address: str, keeps_host: bool) -> None:
    with proxy(address, keeps_host=keeps_host) as below:
        browser = Browser(chromium, below)
        browser.page.goto(f"{below}/")
        browser.page.wait_for_selector("#dra-overview svg.curves path")
        browser.go("groups")
        browser.page.locator("#dra-groups table.dra-groups tbody tr").nth(1).click()
        browser.page.wait_for_selector("#dra-groups h3:has-text('group 1')")
        browser.page.reload()
        browser.page.wait_for_selector("#dra-groups h3:has-text('group 1')")
        assert browser.page.url.startswith(f"{below}/?")
        browser.close()


@pytest.mark.long
def test_a_password_is_asked_for_below_a_path_too(chromium: Any, root: Path) -> None:
    with dra_app(root, DRA_APP_PASSWORD="correct horse battery") as address, proxy(address, keeps_host=True) as below:
        browser = Browser(chromium, below)
        browser.page.goto(f"{below}/?page=groups&run=toy-grpo&step=2")
        browser.page.fill("[name=password]", "correct horse battery")
        browser.page.click("button")
        browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2')")
        browser.complaints.clear()  # of the first answer, which is 401
        browser.close()


def test_an_open_page_goes_on_when_the_server_was_started_anew(chromium: Any, root: Path) -> None:
    port = free_port()  # of the two servers: the first free one could be another's before the second is up
    with dra_app(root, "--port", port) as address:
        browser = Browser(chromium, address)
        browser.open("groups", "run=toy-grpo&step=2")
    with dra_app(root, "--port", port):
        browser.page.click("#dra-groups [data-by='1']")
        browser.page.wait_for_selector("#dra-groups h3:has-text('Step 3')")
        browser.complaints.clear()  # what was asked while there was no server
        browser.close()


def test_the_folder_runs_as_a_space_does(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "app"
    shutil.copytree(folder, tmp_path / "space", ignore=shutil.ignore_patterns("__pycache__"))
    port = free_port()
    there = {"SPACE_HOST": "me-runs.hf.space", "GRADIO_SERVER_PORT": str(port), "DRA_RUNS": str(tmp_path)}
    environment = {name: value for name, value in os.environ.items() if name != "DRA_APP_PASSWORD"} | there
    process = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path / "space", env=environment)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port))
        status, page, headers = ask(f"http://127.0.0.1:{port}", "/?page=overview", Host="me-runs.hf.space")
        assert status == 200
        assert "frame-ancestors https://huggingface.co" in headers["content-security-policy"]
        assert b"own/train" not in page
        assert ask(f"http://127.0.0.1:{port}", "/", Host="other.hf.space")[0] == 403
        question = {"Content_Type": "application/json", "Host": "me-runs.hf.space"}
        looked = ask(f"http://127.0.0.1:{port}", "/dra/ask/app/look", data=b"{}", **question)
        assert set(json.loads(looked[1])["runs"]) == {"smollm2-grpo", "smollm2-dra-grpo"}
    finally:
        process.terminate()
        process.wait()
    assert process.returncode == 0


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
