"""The dashboard under load: many questions at once, slow clients, open tabs, a huge completion, a run of many files.

`python benchmarks/app_load.py --work FOLDER` makes the runs there and serves them. For each load: what was
answered, how long that took, how much memory the server has, and whether another client is served meanwhile.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
from common import write, write_markdown
from dashboard import memory, server
from pyarrow import parquet

sys.path[:0] = [str(Path(__file__).parents[1] / "app"), str(Path(__file__).parents[1] / "tests")]

FILES, HUGE, CLIENTS, SLOW, TABS = 20_000, 20_000_000, 200, 50, 20
PASSED_ON = ("overview/show", "overview/functions", "overview/health", "groups/show", "compare/show", "app/look")


def main() -> None:
    """Make the runs, put each load on a fresh server, write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="", help="only the loads with this in their name; nothing is written")
    work, only = (given := parser.parse_args()).work, given.only
    small = make_runs(work)
    rows: dict[str, dict[str, object]] = {}
    for name, run, load in (
        (f"{CLIENTS} questions at once", small, questions(small, CLIENTS)),
        (f"{TABS} tabs, following", small, questions(small, TABS * len(PASSED_ON))),
        (f"{SLOW} slow clients", small, slow),
        ("a completion of 20 MB", work / "huge", huge(work / "huge")),
        (f"a completion of 20 MB, {TABS} tabs", work / "huge", huge(work / "huge", TABS)),
        (f"a run of {FILES:,} files", work / "many", questions(work / "many", len(PASSED_ON))),
    ):
        if only not in name:
            continue
        with server(run) as (address, pid):
            ask(address, "app/look", {})
            rows[name] = measured(address, pid, load)
            print(name, rows[name], flush=True)
    if only:
        return
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    write("app_load", {"commit": commit, "loads": rows})
    heads = ("answers", "median s", "longest s", "another client, longest s", "memory MiB", "peak MiB")
    lines = [f"At commit {commit}.", "", f"| load | {' | '.join(heads)} |", f"| --- {'| ---: ' * len(heads)}|"]
    lines += [f"| {name} | {' | '.join(str(row[head]) for head in heads)} |" for name, row in rows.items()]
    write_markdown("app_load", "The dashboard under load", lines)


def make_runs(work: Path) -> Path:
    """Make a small run, one with a huge completion, one of many files, each unless it is there; return the first."""
    from recorded import make_run, record, record_all

    from dra_toolkit.runs.parquet import seal, write_options

    work.mkdir(parents=True, exist_ok=True)
    if not (work / "small").exists():
        record_all(make_run(work / "small"), *([record(step, i) for i in range(8)] for step in range(1, 101)))
    if not (work / "huge").exists():
        found = record(1, 0)
        texts = ("x = 1 + 1. " * (HUGE // 11), *found.group.completions[1:])
        record_all(make_run(work / "huge"), [replace(found, group=replace(found.group, completions=texts))])
    if not (work / "many").exists():
        run = make_run(work / "many")
        record_all(run, [record(1, 0)])
        (first,) = run.groups.glob("*.parquet")
        table = parquet.read_table(first)
        place = table.schema.get_field_index("step")
        for step in range(2, FILES + 1):
            steps = pa.array([step] * len(table), table.schema.field(place).type)
            written = table.set_column(place, table.schema.field(place), steps)
            with open(first.with_name(f"train-{step:08d}-000.parquet"), "w+b") as file:  # as a recorder does
                parquet.write_table(written, file, **write_options(written.schema))
                seal(file)
    return work / "small"


def ask(address: str, question: str, params: dict[str, Any]) -> tuple[str, float]:
    """Ask a question; return what came of it, and after how many seconds."""
    body = json.dumps(params).encode()
    request = urllib.request.Request(f"{address}dra/ask/{question}", body, {"content-type": "application/json"})
    start = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            said = json.loads(answer.read())
            found = "error" if said.get("error") else str(answer.status)
    except urllib.error.HTTPError as error:
        found = str(error.code)
    except OSError as error:
        found = type(error).__name__
    return found, time.perf_counter() - start


def questions(run: Path, count: int) -> Callable[[str], Iterator[tuple[str, float]]]:
    """Return a load of so many questions at once."""

    def load(address: str) -> Iterator[tuple[str, float]]:
        with ThreadPoolExecutor(count) as pool:
            asked = (PASSED_ON[i % len(PASSED_ON)] for i in range(count))
            yield from pool.map(lambda question: ask(address, question, {"run": run.name}), asked)

    return load


def slow(address: str) -> Iterator[tuple[str, float]]:
    """Be slow clients; yield what a whole question is answered meanwhile.

    A third of them send one byte of their question in a while, a third one byte of its body, a third never read the answer.
    """
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    heads = f"POST /dra/ask/overview/show HTTP/1.1\r\nhost: {host}\r\ncontent-length: ".encode()
    with _open(host, int(port), SLOW) as sockets:
        for each in sockets[1::3]:
            each.sendall(heads + b"1000000\r\n\r\n")
        for each in sockets[2::3]:
            each.sendall(heads + b"16\r\n\r\n" + b'{"run": "small"}')
        for byte in heads:
            for each in sockets[0::3]:
                each.sendall(bytes([byte]))
            for each in sockets[1::3]:
                each.sendall(b" ")
            yield ask(address, "app/look", {})


@contextmanager
def _open(host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    sockets = [socket.create_connection((host, port)) for _ in range(count)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def huge(run: Path, tabs: int = 1) -> Callable[[str], Iterator[tuple[str, float]]]:
    """Return a load that reads a group with a huge completion, from so many tabs: cards, alone, its text, a search."""
    place = {"run": run.name, "step": 1, "group": 0}
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("groups/show", {}),
        ("groups/drawn", {}),
        ("groups/completion", {"completion": 0}),
        ("groups/compare", {"pair": "0,1"}),
        ("groups/text", {"of": 0, "part": "raw"}),
        ("groups/text", {"of": 0, "part": "raw", "start": HUGE - 200_000}),
        ("search/show", {"q": "no such text"}),
        ("what-if/show_group", {}),
    )

    def load(address: str) -> Iterator[tuple[str, float]]:
        with ThreadPoolExecutor(tabs) as pool:
            yield from pool.map(lambda each: ask(address, each[0], place | each[1]), asked * tabs)

    return load


def measured(address: str, pid: int, load: Callable[[str], Iterator[tuple[str, float]]]) -> dict[str, object]:
    """Put a load on a server, and ask as another client meanwhile."""
    others: list[float] = []
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(lambda: list(load(address)))
        while not work.done():
            start = time.perf_counter()
            with urllib.request.urlopen(address, timeout=120) as page:
                page.read()
            others.append(time.perf_counter() - start)
            time.sleep(0.05)
        found = work.result()
    seconds = [taken for _, taken in found]
    resident, peak = memory(pid)
    counts = Counter(what for what, _ in found)
    return {
        "answers": ", ".join(f"{count} x {what}" for what, count in sorted(counts.items())),
        "median s": round(median(seconds), 2),
        "longest s": round(max(seconds), 2),
        "another client, longest s": round(max(others, default=0.0), 2),
        "memory MiB": round(resident),
        "peak MiB": round(peak),
    }


if __name__ == "__main__":
    main()
