"""From a click to the drawn page: the dashboard in a real browser, on a run of 1 million completions and on one of 10,000.

`python benchmarks/dashboard.py --work FOLDER` generates the runs there unless they are (about 2 GB). Each run gets a fresh
server and a fresh browser. A click is timed in the page, from the time stamp of the event to the frame after the answer
was drawn; keys are pressed one after the other, each when the one before has been drawn. The processor time of server and
page is measured too, as it means something on a busy machine. Then: where the first completion stands, the way to three
answers, what is sent, what an idle tab costs. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import write, write_markdown
from generate_run import STEP, generate

from dra_toolkit.runs import RunDirectory

APP = Path(__file__).parents[1] / "app"
RUNS = {"1m": 1_000_000, "10k": 10_000}
SIZES = ((1280, 800), (1920, 1080))
IDLE_SECONDS = 30
LIMITS = {
    "first useful paint": 2_000,
    "group change": 200,
    "step change": 200,
    "step jump": 200,
    "what if, group": 200,
    "what if, step of 1,000": 500,
}
"""Milliseconds at the 95th percentile that are allowed."""
CLICKS = 60
SERVER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from dra_app.context import Context
from dra_app.guard import Rules
from dra_app.server import serve
serve(Context(Path(sys.argv[2]), only=sys.argv[3]), Rules(), host="127.0.0.1", port=int(sys.argv[4]))
"""
MEASURES = ("log_det", "facility_location", "mmr", "set_utility", "dqo", "none", "graph_cut")


@contextmanager
def server(run: Path) -> Iterator[tuple[str, int]]:
    """Serve a run on this machine; yield the address and the process id once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(APP), str(run.parent), run.name, str(port)])
    try:
        while process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.terminate()
        process.wait()


def memory(pid: int) -> tuple[float, float]:
    """Return the resident memory of a process and its peak, in MiB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    resident, peak = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return resident, peak


def server_cpu(pid: int) -> float:
    """Return the milliseconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Clicks:
    """One page of the dashboard in a browser, and how long its answers take to draw."""

    def __init__(self, page: Any, name: str) -> None:
        self.page = page
        self.root = f"#dra-{name} .dra"
        page.locator(f"#dra-shell a[data-page='{name}']").click()
        page.wait_for_selector(f"{self.root}[data-drawn]:not([aria-busy])")
        page.wait_for_timeout(500)

    def timed(self, action: Any) -> float:
        """Return the milliseconds from an action's event to the drawn answer."""
        before = self._said("drawn")
        action()
        self.page.wait_for_function(
            "([root, n]) => { const r = document.querySelector(root);"
            " return r.dataset.drawn !== n && !r.hasAttribute('aria-busy'); }",
            arg=[self.root, before],
        )
        return float(self._said("milliseconds"))

    def _said(self, name: str) -> str:
        return str(
            self.page.evaluate("([root, name]) => document.querySelector(root).dataset[name]", [self.root, name])
        )

    def key(self, key: str) -> float:
        """Return the milliseconds that a key takes."""
        found = self.timed(lambda: self.page.keyboard.press(key))
        self.page.wait_for_timeout(60)
        return found

    def jump(self, place: float) -> float:
        """Return the milliseconds that a jump of the slider to a place from 0 to 1 takes."""
        script = """([root, place]) => {
            const slider = document.querySelector(root).querySelector('[data-slider]');
            const there = Math.round(place * Number(slider.max));
            slider.value = there === Number(slider.value) ? (there + 1) % (Number(slider.max) + 1) : there;
            slider.dispatchEvent(new Event('input', {bubbles: true})); }"""
        found = self.timed(lambda: self.page.evaluate(script, [self.root, place]))
        self.page.wait_for_timeout(60)
        return found

    def choose(self, measure: str) -> tuple[float, float]:
        """Return the milliseconds that a group and its step take with another measure."""
        stepped = "root => { delete document.querySelector(root).dataset.stepMilliseconds; }"
        self.page.evaluate(stepped, self.root)
        field = self.page.locator(f"{self.root} [data-key=diversity]")
        group = self.timed(lambda: field.select_option(measure))
        self.page.wait_for_selector(f"{self.root}[data-step-milliseconds]")
        return group, group + float(self._said("stepMilliseconds"))


def measure(run: Path, chromium: str) -> dict[str, Any]:
    """Return what each click takes on a run, in milliseconds, and the memory of the server."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {"load": os.getloadavg()[1], "cpu": {}}
    source = random.Random(0)
    with server(run) as (address, pid), sync_playwright() as library:
        browser = library.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        started = time.perf_counter()
        sent: dict[str, list[int]] = {"files": [], "answers": []}
        page.on("requestfinished", lambda r: sent[_kind_of(r.url)].append(max(0, r.sizes()["responseBodySize"])))
        page.goto(f"{address}?run={run.name}")
        page.wait_for_selector("#dra-overview svg.curves path")
        found["first useful paint"] = [1000 * (time.perf_counter() - started)]
        page.wait_for_load_state("networkidle")
        found["sent"] = {kind: sum(sizes) for kind, sizes in sent.items()}
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def timed(name: str, calls: list[Any]) -> list[Any]:
            """Return what each call returns, and note the processor time of server and page that one takes."""
            before = server_cpu(pid), page_cpu(session)
            values = [call() for call in calls]
            after = server_cpu(pid), page_cpu(session)
            found["cpu"][name] = [(b - a) / max(1, len(calls)) for a, b in zip(before, after, strict=True)]
            return values

        groups = Clicks(page, "groups")
        groups.jump(0.5)
        found["group change"] = timed("group change", [lambda: groups.key("j")] * CLICKS)
        steps = min(CLICKS, len_steps(run) // 2 - 1)
        found["step change"] = timed("step change", [lambda: groups.key("l")] * steps)
        places = [source.random() for _ in range(CLICKS)]
        found["step jump"] = timed("step jump", [lambda place=place: groups.jump(place) for place in places])
        what_if = Clicks(page, "what-if")
        chosen = [lambda name=name: what_if.choose(name) for name in MEASURES * 4]
        pairs = timed("what if, step of 1,000", chosen)
        found["what if, group"] = [group for group, _ in pairs]
        found["what if, step of 1,000"] = [step for _, step in pairs]
        found["resident"], found["peak"] = memory(pid)
        found["answers"] = answers(page, address, run.name)
        found["first completion"] = [first_completion(browser, address, run.name, size) for size in SIZES]
        found["idle"] = idle(page, address, run.name, pid)
        browser.close()
    return found


def _kind_of(url: str) -> str:
    return "answers" if "/dra/ask/" in url else "files"


def page_cpu(session: Any) -> float:
    """Return the milliseconds of processor time that the page's main thread has used."""
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return 1000 * float(metrics["TaskDuration"])


def answers(page: Any, address: str, run: str) -> dict[str, tuple[int, float]]:
    """Return of each question how many clicks lead to its answer from the landing page, and the seconds they take."""
    ways: dict[str, tuple[tuple[str, ...], str]] = {
        "is it healthy": ((), "#dra-overview [data-part=notes] *"),
        "why was the lowest completion of a group pushed down": (
            ("#dra-shell a[data-page=groups]", "#dra-groups .dra-card:last-child [data-read]"),
            "#dra-groups .dra-alone .dra-why",
        ),
        "which of several settings turns fewest right answers below wrong ones": (
            ("#dra-shell a[data-page=what-if]", "#dra-what-if [data-rank='']"),
            "#dra-what-if .dra-ranking tbody tr",
        ),
    }
    found = {}
    for question, (clicks, answer) in ways.items():
        page.goto(f"{address}?run={run}")
        started = time.perf_counter()
        for click in clicks:
            page.locator(click).first.click()
        page.wait_for_selector(answer)
        found[question] = len(clicks), time.perf_counter() - started
    return found


def first_completion(browser: Any, address: str, run: str, size: tuple[int, int]) -> float:
    """Return how many pixels from the top the first completion of a group begins."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(f"{address}?page=groups&run={run}")
    page.wait_for_selector("#dra-groups .dra[data-drawn]:not([aria-busy]) .dra-card")
    page.wait_for_timeout(500)
    top = float(page.locator("#dra-groups .dra-card").first.bounding_box()["y"])
    page.close()
    return top


def idle(page: Any, address: str, run: str, pid: int) -> dict[str, float]:
    """Return what a tab that shows a finished run asks for and costs the server while nobody touches it."""
    asked: list[str] = []
    page.goto(f"{address}?run={run}")
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5_000)
    asked.clear()
    before = server_cpu(pid)
    page.wait_for_timeout(1000 * IDLE_SECONDS)
    return {"requests": len(asked), "cpu": server_cpu(pid) - before}


def len_steps(run: Path) -> int:
    """Return how many steps a generated run has."""
    from dra_toolkit.runs import Run

    return len(Run.open(run).steps())


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, -(-int(share * 100) * len(ranked) // 100) - 1))]


def main() -> None:
    """Generate the runs, click, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="where the generated runs lie, or are made")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--said", default="", help="how the machine was shared, for the results")
    arguments = parser.parse_args()
    found = {}
    for name, completions in RUNS.items():
        if not (arguments.work / name).is_dir():
            generate(arguments.work / name, completions, 3_800)
        RunDirectory(arguments.work / name).write_status("finished")
        found[name] = measure(arguments.work / name, arguments.chromium)
        print(name, json.dumps(found[name]), file=sys.stderr)
    write("dashboard", {"completions in a step": STEP, "milliseconds": found})
    write_table(found, arguments.said)


def write_table(found: dict[str, dict[str, Any]], said: str = "") -> None:
    """Write medians, 95th percentiles, processor time and memory side by side, and what else was seen."""
    names = {"1m": "1 million", "10k": "10,000"}
    load = " and ".join(f"{found[run]['load']:.1f}" for run in RUNS)
    lines = [
        f"Generated runs in groups of 8, {STEP:,} completions in a step, 3,800 characters each; a fresh server and a fresh "
        "browser (Chromium, headless, 1280 x 800) for each run, both on this machine. Milliseconds from the event to the "
        f"frame after the answer was drawn; {CLICKS} clicks of each kind, fewer where a run has fewer steps. A jump is to "
        "a random step. The first paint is that of the overview's curves, in a browser without a cache. Processor time is "
        "that of the server and of the page's main thread for one click; what if means the group and then its step. "
        f"Load of the machine when each began: {load}, of {os.cpu_count()} cores. {said}".strip(),
        "",
        "| | allowed | " + " | ".join(f"{names[run]}, median | p95 | server | page" for run in RUNS) + " |",
        "| --- | ---: |" + " ---: | ---: | ---: | ---: |" * len(RUNS),
    ]
    for name, allowed in LIMITS.items():
        cells = []
        for run in RUNS:
            values, cpu = found[run][name], found[run]["cpu"].get(name, ())
            cells += [f"{statistics.median(values):.0f}", f"{percentile(values, 0.95):.0f}" if len(values) > 1 else ""]
            cells += [f"{value:.0f}" for value in cpu] or ["", ""]
        lines.append(f"| {name}, ms | {allowed:,} | {' | '.join(cells)} |")
    resident = [f"{found[run]['resident']:.0f} | {found[run]['peak']:.0f} | |" for run in RUNS]
    lines.append(f"| server's resident memory, now and at its peak, MiB | 600 | {' | '.join(resident)} |")
    large = found["1m"]
    lines += ["", "On the larger run:", "", "| | |", "| --- | ---: |"]
    for (width, height), top in zip(SIZES, large["first completion"], strict=True):
        lines.append(f"| first completion of a group at {width} x {height}, px from the top | {top:.0f} |")
    for question, (clicks, seconds) in large["answers"].items():
        lines.append(f"| {question}: clicks from the landing page; seconds | {clicks}; {seconds:.1f} |")
    lines += [
        f"| first visit, KiB sent: page, scripts and style; answers | {large['sent']['files'] / 1024:.0f}; "
        f"{large['sent']['answers'] / 1024:.0f} |",
        f"| idle tab on a finished run, {IDLE_SECONDS} s: questions; server's processor time, ms | "
        f"{large['idle']['requests']}; {large['idle']['cpu']:.0f} |",
        *(f"| {said} | {count:,} |" for said, count in lines_of_code().items()),
    ]
    write_markdown("dashboard", "Clicks on the dashboard", lines)


def lines_of_code() -> dict[str, int]:
    """Return the lines of the client, of the pages and of the rest of the server."""
    files = [path for path in (APP / "dra_app").rglob("*") if path.suffix in (".py", ".js", ".css", ".html")]
    counts = {"lines of JavaScript": 0, "lines of CSS": 0, "lines of HTML": 0, "lines of Python": 0}
    kinds = dict(zip((".js", ".css", ".html", ".py"), counts, strict=True))
    for path in files:
        counts[kinds[path.suffix]] += len(path.read_text(encoding="utf-8").splitlines())
    return counts


if __name__ == "__main__":
    main()
