"""From a click to the drawn page: the dashboard in a real browser, on a run of 1 million completions and on one of 10,000.

`python benchmarks/dashboard.py --work FOLDER` generates the runs there unless they are (about 2 GB). Each run gets a fresh
server and a fresh browser. A click is timed in the page, from the time stamp of the event to the frame after the answer
was drawn; keys are pressed one after the other, each when the one before has been drawn. Needs playwright and Chromium.
"""

from __future__ import annotations

import argparse
import json
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

APP = Path(__file__).parents[1] / "app"
RUNS = {"1m": 1_000_000, "10k": 10_000}
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

    found: dict[str, Any] = {}
    source = random.Random(0)
    with server(run) as (address, pid), sync_playwright() as library:
        browser = library.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        started = time.perf_counter()
        page.goto(f"{address}?run={run.name}")
        page.wait_for_selector("#dra-overview svg.curves path")
        found["first useful paint"] = [1000 * (time.perf_counter() - started)]
        groups = Clicks(page, "groups")
        groups.jump(0.5)
        found["group change"] = [groups.key("j") for _ in range(CLICKS)]
        found["step change"] = [groups.key("l") for _ in range(min(CLICKS, len_steps(run) // 2 - 1))]
        places = [source.random() for _ in range(CLICKS)]
        found["step jump"] = [groups.jump(place) for place in places]
        what_if = Clicks(page, "what-if")
        pairs = [what_if.choose(name) for _ in range(4) for name in MEASURES]
        found["what if, group"] = [group for group, _ in pairs]
        found["what if, step of 1,000"] = [step for _, step in pairs]
        found["resident"], found["peak"] = memory(pid)
        browser.close()
    return found


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
    arguments = parser.parse_args()
    found = {}
    for name, completions in RUNS.items():
        if not (arguments.work / name).is_dir():
            generate(arguments.work / name, completions, 3_800)
        found[name] = measure(arguments.work / name, arguments.chromium)
        print(name, json.dumps(found[name]), file=sys.stderr)
    write("dashboard", {"completions in a step": STEP, "milliseconds": found})
    write_table(found)


def write_table(found: dict[str, dict[str, Any]]) -> None:
    """Write medians, 95th percentiles and memory side by side."""
    lines = [
        f"Generated runs in groups of 8, {STEP:,} completions in a step, 3,800 characters each; a fresh server and a fresh "
        "browser (Chromium, headless, 1280 x 800) for each run, both on this machine. Milliseconds from the event to the "
        f"frame after the answer was drawn; {CLICKS} clicks of each kind, fewer where a run has fewer steps. A jump is to "
        "a random step. The first paint is that of the overview's curves, in a browser without a cache.",
        "",
        "| | allowed | 1 million, median | p95 | 10,000, median | p95 |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, allowed in LIMITS.items():
        cells = []
        for run in RUNS:
            values = found[run][name]
            cells += [f"{statistics.median(values):.0f}", f"{percentile(values, 0.95):.0f}" if len(values) > 1 else ""]
        lines.append(f"| {name}, ms | {allowed:,} | {' | '.join(cells)} |")
    resident = [f"{found[run]['resident']:.0f} | {found[run]['peak']:.0f}" for run in RUNS]
    lines.append(f"| server's resident memory, now and at its peak, MiB | 600 | {' | '.join(resident)} |")
    write_markdown("dashboard", "Clicks on the dashboard", lines)


if __name__ == "__main__":
    main()
