"""What a live dashboard costs the trainer: the same training run, followed in a browser and left alone in turn.

`python benchmarks/following.py --work FOLDER` trains the quickstart with a policy that stands still, so that every step is
as long as any other, and lets Chromium follow the run for some seconds, then leave it, in the order A B B A. Trainer,
server and browser share this machine. Needs playwright and Chromium; training uses one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import in_words, paired, write, write_markdown
from dashboard import server

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "quickstart.yaml"
PAGES = ("overview", "groups")
SETTLE = 3.0
"""Seconds after a change in which steps are not counted: a page that opens is not one that follows."""
TICKS = os.sysconf("SC_CLK_TCK")


def train(run: Path) -> subprocess.Popen[bytes]:
    """Start the training, in the background."""
    changes = ["learning_rate=1.0e-9", "max_steps=100000", "save_strategy=no", f"output_dir={json.dumps(str(run))}"]
    dra = Path(sys.executable).with_name("dra")
    with open(run.with_suffix(".log"), "wb") as log:
        return subprocess.Popen(
            [dra, "train", RECIPE, *changes, "--overwrite"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def steps(run: Path) -> list[dict[str, Any]]:
    """Return the logged steps so far."""
    if not (run / "metrics.jsonl").is_file():
        return []
    rows = (run / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(row) for row in rows if row.endswith("}")]
    return [row for row in found if "step_time" in row]


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def windows(page: Any, address: str, name: str, pid: int, *, rounds: int, seconds: float) -> list[dict[str, float]]:
    """Follow and leave in turn; return when each counted window was, whether it was followed, and the server's work."""
    found = []
    for number in range(2 * rounds):
        is_followed = number % 4 in (1, 2)
        page.goto(f"{address}?run={name}&page={PAGES[number // 2 % 2]}" if is_followed else "about:blank")
        page.wait_for_timeout(1_000 * SETTLE)
        started, worked = time.time(), processor_seconds(pid)
        page.wait_for_timeout(1_000 * seconds)
        found.append(
            {
                "followed": is_followed,
                "from": started,
                "to": time.time(),
                "server": (processor_seconds(pid) - worked) / (time.time() - started),
            }
        )
        print(found[-1], file=sys.stderr)
    return found


def measure(run: Path, chromium: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Return the median step of each window, and the server's use of a core."""
    from playwright.sync_api import sync_playwright

    trainer = train(run)
    try:
        while len(steps(run)) < 10:
            if trainer.poll() is not None:
                raise SystemExit(run.with_suffix(".log").read_text())
            time.sleep(1)
        with server(run) as (address, pid), sync_playwright() as library:
            browser = library.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            found = windows(page, address, run.name, pid, rounds=rounds, seconds=seconds)
            browser.close()
    finally:
        trainer.terminate()
        trainer.wait()
    rows = steps(run)
    medians: dict[bool, list[float]] = {True: [], False: []}
    for window in found:
        inside = [row["step_time"] for row in rows if window["from"] + row["step_time"] <= row["time"] <= window["to"]]
        medians[bool(window["followed"])].append(statistics.median(inside))
    return {
        "followed": medians[True],
        "alone": medians[False],
        "server": [window["server"] for window in found if window["followed"]],
        "steps": len(rows),
    }


def main() -> None:
    """Train, follow, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="where the run is made")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--rounds", type=int, default=24, help="pairs of a followed window and one alone; even")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a window")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    found = measure(arguments.work / "following", arguments.chromium, arguments.rounds, arguments.seconds)
    ratio = paired(found["followed"], found["alone"])
    share = statistics.mean(found["server"])
    write("following", {**found, "ratio": ratio, "server's share of a core": share})
    step = statistics.median(found["alone"])
    write_markdown(
        "following",
        "What a live dashboard costs the trainer",
        [
            f"The quickstart with a policy that stands still, {found['steps']} steps of {step:.2f} s, which the page "
            f"follows or not in turn (A B B A), {arguments.rounds} pairs of windows of {arguments.seconds:g} s; overview "
            "and groups in turn. Trainer, server and Chromium share the machine, so that what the browser draws counts too.",
            "",
            "| | median (least to most; 95 % interval of the median) |",
            "| --- | --- |",
            f"| median step followed / alone, pair by pair | {in_words(ratio)} |",
            f"| server's share of one core while followed | {100 * share:.1f} % |",
        ],
    )


if __name__ == "__main__":
    main()
