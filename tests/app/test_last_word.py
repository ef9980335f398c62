"""When a run last wrote: a run that falls silent says so, on a page that is open too, with the end of its log."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from dashboard import Browser
from recorded import make_run, record, record_all
from waiting import wait_until

from dra_app.context import Context
from dra_app.guard import Rules
from dra_app.pages.overview import ending
from dra_app.pages.overview.ending import end_part, last_word
from dra_app.questions import look
from dra_app.server import build_app
from dra_toolkit.runs import Run, RunDirectory


class Clock:
    """The time as the dashboard is told it."""

    def __init__(self, now: float) -> None:
        self.now, self.ahead = now, 0.0

    def time(self) -> float:
        return self.now + self.ahead


@pytest.fixture
def clock(running: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """It stands at the moment at which the run was started."""
    found = Clock(running.status_file.stat().st_mtime)
    monkeypatch.setattr(ending, "time", found)
    return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunDirectory]:
    """A run that goes on, and that a process holds: this one."""
    directory = make_run(tmp_path / "goes-on", "max_steps: 1000\n")
    record_all(directory, [record(1, 0)], [record(2, 0)])
    attempt = directory.start_attempt()
    (directory.attempt_logs(attempt) / "output.log").write_text("step 2\nwaiting for the others\n")
    with ExitStack() as stack:
        stack.enter_context(directory.held())
        directory.write_status("running", attempt=attempt)
        yield directory


def log(directory: RunDirectory, *rows: tuple[int, float]) -> None:
    """Log steps at times, and let the files be as old as the last of them."""
    lines = [json.dumps({"step": step, "attempt": 1, "time": at, "loss": 0.1}) for step, at in rows]
    directory.metrics.write_text("".join(line + "\n" for line in lines))
    for file in (directory.metrics, directory.groups):
        os.utime(file, (rows[-1][1], rows[-1][1]))


def word_of(directory: RunDirectory, wrote: float) -> ending.LastWord:
    return last_word(Run.open(directory.path), {"state": "running", "time": wrote})


def test_a_run_is_silent_once_its_own_pace_does_not_explain_it(running: RunDirectory, clock: Clock) -> None:
    now = clock.time()
    log(running, *((step, now - 700 - 10 * (5 - step)) for step in range(6)))
    assert word_of(running, now - 800).is_silent
    log(running, *((step, now - 700 - 200 * (5 - step)) for step in range(6)))
    assert not word_of(running, now - 3_000).is_silent  # its steps take 200 s each
    log(running, *((10 * step, now - 1_900 - 500 * (5 - step)) for step in range(6)))
    found = word_of(running, now - 6_000)
    assert not found.is_silent  # every tenth step is logged, each 500 s after the one before
    assert found.rest == "13 h for 950 steps"


def test_what_was_written_beside_the_log_of_metrics_counts(running: RunDirectory, clock: Clock) -> None:
    now = clock.time()
    log(running, (1, now - 5_000), (2, now - 4_990))
    assert word_of(running, now - 6_000).is_silent
    os.utime(running.groups, (now - 30, now - 30))
    found = word_of(running, now - 6_000)
    assert not found.is_silent
    assert found.since == pytest.approx(30, abs=5)


@pytest.mark.parametrize(
    "last", ['{"step": 3, "time": nu', '{"step": 3}', '{"step": "x", "time": 1}', "[]", "9" * 5_000]
)
def test_a_torn_or_odd_last_line_hides_no_other(running: RunDirectory, clock: Clock, last: str) -> None:
    now = clock.time()
    log(running, (1, now - 20), (2, now - 10))
    with open(running.metrics, "a") as file:
        file.write(last)
    assert word_of(running, 0).rest == "3 h for 998 steps"


def test_silence_alone_changes_what_the_page_follows(running: RunDirectory, clock: Clock) -> None:
    context = Context(running.path.parent)
    before = look(context, {"run": "goes-on"})
    assert before["state"] == "running"
    clock.ahead = 300
    assert look(context, {"run": "goes-on"})["stamp"] == before["stamp"]
    clock.ahead = 7_200
    after = look(context, {"run": "goes-on"})
    assert (after["state"], after["wrote"], after["ended"]) == ("silent", "2 h ago", False)
    assert after["stamp"] != before["stamp"]
    assert "waiting for the others" in end_part(context.run("goes-on"), running.status())
    with open(next(running.path.glob("logs/*/output.log")), "a") as file:
        file.write("timed out\n")
    assert look(context, {"run": "goes-on"})["stamp"] != after["stamp"]  # what it says of its end is shown


@pytest.mark.parametrize("state", ["finished", "stopped", "imported"])
def test_a_run_that_has_ended_is_not_silent(running: RunDirectory, clock: Clock, state: str) -> None:
    clock.ahead = 1e6
    running.write_status(state)
    found = last_word(Run.open(running.path), running.status())
    assert not found.is_silent
    assert found.said == "12 days ago"
    assert end_part(Run.open(running.path), running.status()) == ""


@pytest.fixture
def address(running: RunDirectory, clock: Clock) -> Iterator[str]:
    """The dashboard in this process, where its clock can be moved."""
    app: Any = build_app(Context(running.path.parent), Rules())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def test_an_open_page_notices_that_its_run_falls_silent_and_that_it_goes_on(
    chromium: Any, address: str, running: RunDirectory, clock: Clock
) -> None:
    browser = Browser(chromium, address)
    browser.open("overview", "run=goes-on")
    browser.plots("overview", "reward")
    assert browser.text("#dra-shell [data-state]") == "running"
    assert not browser.text("#dra-overview [data-part=end]")
    clock.ahead = 120
    wait_until(lambda: browser.text("#dra-overview [data-part=facts] [data-wrote]") == "2 min ago")
    clock.ahead = 7_200
    browser.page.wait_for_selector("#dra-overview [data-part=end]:has-text('running, silent')")
    assert browser.text("#dra-shell [data-state]") == "silent"
    assert "running, silent in attempt 1: waiting for the others" in browser.text("#dra-overview [data-part=end]")
    assert "Last written 2 h ago. Stop it first" in browser.text("#dra-overview [data-part=end]")
    browser.page.click("#dra-overview [data-part=end] summary >> nth=0")
    assert browser.text("#dra-overview [data-part=end] pre >> nth=0") == "step 2\nwaiting for the others"
    clock.ahead = 10_800
    wait_until(lambda: "Last written 3 h ago" in browser.text("#dra-overview [data-part=end]"))
    clock.ahead = 0
    record_all(running, [record(3, 0)])
    wait_until(lambda: not browser.text("#dra-overview [data-part=end]"))
    assert browser.text("#dra-shell [data-state]") == "running"
    browser.close()
