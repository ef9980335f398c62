"""Nothing but the dashboard's own page gets an answer, and nothing outside the chosen root is read: asked over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import ask, dra_app
from recorded import make_run, record, record_all

from dra_app.context import Context
from dra_app.guard import OPEN_PATHS, Rules, host_name, is_own_page
from dra_app.pages.overview.ending import end_part, last_word
from dra_toolkit.errors import RunError

pytest.importorskip("gradio")
SECRET = "this is outside of the root"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("places")
    (folder / "secret.txt").write_text(SECRET)
    run = make_run(folder / "root" / "r") if (folder / "root").mkdir() is None else None
    assert run is not None
    record_all(run, [record(1, 0)])
    return folder


@pytest.fixture(scope="module")
def address(places: Path) -> Iterator[str]:
    with dra_app(places / "root") as found:
        yield found


def test_the_page_comes_with_a_policy_that_names_its_scripts(address: str) -> None:
    status, page, headers = ask(address, "/?run=r")
    policy = headers["content-security-policy"]
    assert status == 200
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.split("script-src")[1].split(";")[0].strip() == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert not any(elsewhere in page.decode() for elsewhere in ("googleapis", "cdnjs", "cdn.", "unpkg", "jsdelivr"))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "192.168.0.7"])
def test_a_name_of_another_server_is_refused(address: str, host: str) -> None:
    assert ask(address, "/?run=r", Host=host)[0] in (400, 403)


@pytest.mark.parametrize("host", ["localhost:9999", "127.0.0.1:1234", "LOCALHOST"])
def test_a_forwarded_port_of_this_machine_is_let_in(address: str, host: str) -> None:
    assert ask(address, "/?run=r", Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_another_site_cannot_ask(address: str, headers: dict[str, str]) -> None:
    body = b'{"run": "r"}'
    question = {"data": body, "Content_Type": "application/json", **headers}
    assert ask(address, "/dra/ask/overview/show", **question)[0] == 403  # type: ignore[arg-type]
    assert ask(address, "/?run=r", **{k: v for k, v in headers.items() if "Site" not in k} | headers)[0] == 403


def test_nothing_of_gradio_reads_or_takes_files(address: str, places: Path) -> None:
    secret = places / "secret.txt"
    inside = places / "root" / "r" / "resolved.json"
    paths = [f"/gradio_api/file={file}" for file in (secret, inside, "/etc/passwd", "https://example.org/")]
    paths += [f"/file={secret}", f"/gradio_api/file/{secret}", f"/gradio_api/proxy={secret}"]
    paths += ["/gradio_api/openapi.json", "/docs", "/monitoring", "/gradio_api/runs"]
    paths += [
        "/gradio_api/deep_link",
        f"/assets/../../..{secret}",
        f"/assets/%2e%2e/%2e%2e{secret}",
        f"/static/..{secret}",
    ]
    paths += [f"/svelte/..{secret}", f"/gradio_api/custom_component/1/server/component/..{secret}", f"/dra/..{secret}"]
    paths += ["/gradio_api/stream/a/b/1/playlist-file", "/pwa_icon", "/gradio_api/vibe-code/"]
    for path in paths:
        status, body, _ = ask(address, path)
        assert status in (400, 403, 404), (path, status)
        assert SECRET.encode() not in body
        assert b"root:" not in body
    for path in (
        "/gradio_api/upload",
        "/upload",
    ):
        assert ask(address, path, data=b"{}", Content_Type="application/json")[0] == 405, path


@pytest.mark.parametrize(
    "name", ["queue/join", "call/steps", "call/nothing", "run/steps", "run/0", "reset", "component_server"]
)
def test_no_body_of_gradios_addresses_ends_in_an_error_of_the_server(address: str, name: str) -> None:
    bodies: list[object] = [
        None,
        1,
        [],
        {},
        {"data": []},
        {"data": [1] * 9},
        {"fn_index": 999, "data": [], "session_hash": "x"},
    ]
    bodies += [
        {"component_id": each, "fn_name": fn, "session_hash": "y", "data": None}
        for each in (0, 999, -1, "x")
        for fn in ("change", "__class__")
    ]
    for body in bodies:
        status, said, _ = ask(
            address, f"/gradio_api/{name}", data=json.dumps(body).encode(), Content_Type="application/json"
        )
        assert status < 500, (body, said[:200])


def test_a_question_of_endless_length_is_refused(address: str) -> None:
    path = "/dra/ask/overview/show"
    announced = {"Content_Length": str((1 << 20) + 1), "Content_Type": "application/json"}
    assert ask(address, path, data=b"x", **announced)[0] == 413  # type: ignore[arg-type]


def call(address: str, name: str, params: object) -> tuple[int, dict[str, Any]]:
    """Ask a question as the page does."""
    status, answer, _ = ask(
        address, f"/dra/ask/{name}", data=json.dumps(params).encode(), Content_Type="application/json"
    )
    return status, json.loads(answer) if status == 200 else {}


HOSTILE_RUNS = ["../secret.txt", "..", "/etc", "r/../..", "r/groups", "\x00", "r\x00", "x" * 10_000, "%2e%2e", ".", "*"]


@pytest.mark.parametrize("name", ["overview/show", "groups/show", "compare/show", "search/show", "evaluate/show"])
def test_functions_of_the_page_open_only_runs_of_the_root(address: str, name: str) -> None:
    status, answer = call(address, name, {"run": "r"})
    assert status == 200
    assert not answer.get("error")
    for run in HOSTILE_RUNS:
        status, answer = call(address, name, {"run": run})
        assert status == 200
        assert "is no run under" in str(answer["error"]), (run, answer)
        assert len(str(answer["error"])) < 1_000


@pytest.mark.parametrize("params", [None, 7, "run", [], {"run": {"a": 1}}, {"run": "r", "step": "1; DROP"}])
def test_questions_of_any_shape_are_answered_in_one_line(address: str, params: object) -> None:
    for name in ("overview/show", "groups/show", "compare/show", "search/show", "app/look"):
        assert call(address, name, params)[0] == 200
    for name in ("overview/csv", "evaluate/csv", "compare/csv", "overview/runs"):
        status, answer = call(address, name, {"run": "r", "figure": "x", "smooth": "-1"})
        assert status == 200
        assert answer


def test_a_password_is_asked_for_and_opens(places: Path) -> None:
    with dra_app(places / "root", DRA_APP_PASSWORD="correct horse battery") as address:
        for path in ("/?run=r", "/dra/0/app.js", "/config", "/gradio_api/info", "/dra/ask/app/look"):
            status, body, _ = ask(address, path)
            assert status == 401, path
            assert b"dra-told" not in body
        wrong = ask(address, "/login", data=b"password=wrong", Content_Type="application/x-www-form-urlencoded")
        assert wrong[0] == 401
        form = b"password=correct+horse+battery&to=?page=groups"
        status, _, headers = ask(address, "/login", data=form, Content_Type="application/x-www-form-urlencoded")
        assert status == 303
        assert headers["location"] == "./?page=groups"
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert ask(address, "/?run=r", Cookie=cookie.split(";")[0])[0] == 200
        assert ask(address, "/?run=r", Cookie="dra_app=0" + "f" * 63)[0] == 401
        assert ask(address, "/?run=r", Authorization="Bearer correct horse battery")[0] == 200
        away = b"password=correct+horse+battery&to=//evil.example/"
        assert ask(address, "/login", data=away, Content_Type="x")[2]["location"] == "./"


@pytest.mark.parametrize(
    "arguments", [("--host", "0.0.0.0"), ("--host", "::"), ("--password", "elevenchars"), ("no-such-run",)]
)
def test_what_would_be_open_to_others_or_is_not_there_is_refused(arguments: tuple[str, ...]) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "DRA_APP_PASSWORD"}
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "app", "--no-open", *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_run_that_is_a_link_to_elsewhere_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    make_run(tmp_path / "elsewhere" / "run")
    make_run(tmp_path / "root" / "own")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere" / "run")
    context = Context(tmp_path / "root")
    assert context.run_ids() == ["own"]
    with pytest.raises(RunError, match="no run under"):
        context.run("link")
    groups = tmp_path / "root" / "own" / "groups"
    groups.rmdir()
    groups.symlink_to(tmp_path / "elsewhere" / "run" / "groups")
    with pytest.raises(RunError, match="link to a place outside"):
        Context(tmp_path / "root").run("own")


@pytest.mark.parametrize("name", ["metrics.jsonl", "status.json", "evals", "logs"])
def test_a_link_to_elsewhere_that_appears_after_a_run_was_opened_is_told(tmp_path: Path, name: str) -> None:
    for folder in ("root", "elsewhere"):
        (tmp_path / folder).mkdir()
    make_run(tmp_path / "elsewhere" / "run")
    make_run(tmp_path / "root" / "own")
    context = Context(tmp_path / "root")
    assert context.run("own").name == "own"
    place, target = tmp_path / "root" / "own" / name, tmp_path / "elsewhere" / "run" / name
    if place.exists():
        place.rename(tmp_path / "aside")
    place.symlink_to(target)
    with pytest.raises(RunError, match=f"{name} is a link to a place outside"):
        context.run("own")


@pytest.mark.parametrize("part", ["output.log", "resolved.json", "a whole attempt"])
@pytest.mark.parametrize("what", ["link", "pipe"])
def test_what_a_failed_run_printed_is_its_own_and_no_link_or_pipe(tmp_path: Path, part: str, what: str) -> None:
    run = make_run(tmp_path / "root" / "own") if (tmp_path / "root").mkdir() is None else None
    other = make_run(tmp_path / "other", "max_steps: 4711\n")
    assert run is not None
    for made in (run, other):
        made.attempt_logs(made.start_attempt()).joinpath("output.log").write_text(SECRET if made is other else "ours")
    run.write_status("failed", attempt=1)
    place = run.attempt_logs(1) if part == "a whole attempt" else run.attempt_logs(1) / part
    place.rename(tmp_path / "aside")
    if what == "link":
        place.symlink_to(other.path / place.relative_to(run.path))
    else:
        os.mkfifo(place)
    opened = Context(tmp_path / "root").run("own")
    shown = end_part(opened, opened.directory.status())
    assert SECRET not in shown
    assert "4711" not in shown
    assert ("ours" in shown) == (part == "resolved.json")


@pytest.mark.parametrize("deep", [b"[" * 500_000, b'{"a":' * 200_000])
def test_a_question_that_nests_without_end_is_a_mistake_and_no_error(address: str, deep: bytes) -> None:
    status, said, _ = ask(address, "/dra/ask/app/look", data=deep)
    assert status == 200
    assert b"expected the values of a question by their names" in said


def test_odd_rows_of_metrics_and_folders_of_attempts_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    run = make_run(tmp_path / "root" / "own")
    (run.logs / "attempt-\u00b2").mkdir()
    run.metrics.write_text('{"step": 1e400, "time": 1e400}\n{"step": 1, "time": 5}\n{"step": NaN, "time": "x"}\n')
    run.write_status("running", attempt=0)
    opened = Context(tmp_path / "root").run("own")
    assert run.last_attempt() == 0
    assert last_word(opened, run.status()).since is not None
    run.metrics.unlink()
    os.mkfifo(run.metrics)
    assert last_word(opened, run.status()).since is not None


@pytest.mark.parametrize("name", ["..", ".", "", "own/groups", "../top/own", "own\0", "x" * 5_000, "/etc"])
def test_only_the_name_of_a_folder_is_an_id(tmp_path: Path, name: str) -> None:
    (tmp_path / "top").mkdir()
    make_run(tmp_path / "top" / "own")
    context = Context(tmp_path / "top")
    assert context.stamp("own")
    with pytest.raises(RunError):
        context.stamp(name)


def test_one_named_run_is_the_only_one_that_is_opened(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b")
    context = Context(tmp_path, only="a")
    assert context.run_ids() == ["a"]
    with pytest.raises(RunError):
        context.run("b")


def test_hosts_and_origins_are_read_exactly() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("LocalHost:7860") == "localhost"
    assert host_name("a b:80") != "localhost"
    rules = Rules(any_address=True, password="x" * 12)
    assert rules.knows_host("10.0.0.3:7860")
    assert not rules.knows_host("intranet:7860")
    assert is_own_page({"origin": "http://localhost:7860"}, "localhost:7860")
    assert not is_own_page({"origin": "http://localhost:7861"}, "localhost:7860")
    assert is_own_page({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, "localhost")
    assert not OPEN_PATHS.fullmatch("/gradio_api/file=/etc/passwd")
