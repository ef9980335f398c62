"""How many guesses at the dashboard's password are looked at in a minute, over HTTP and in parallel, by every way in.

`python benchmarks/guessing.py` starts `dra app` once for each way and asks it from many threads: by form, header and cookie;
from one address, from many addresses of this machine, and from one that says in X-Forwarded-For that it is many. A guess is
looked at where it is answered with 401, and kept waiting where with 429. Who came in before goes on reading meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from common import write, write_markdown

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
PASSWORD = "correct horse battery"
THREADS = 16
PAUSE = 0.05
"""Seconds that a thread waits after an answer: a hundred times as many guesses as are looked at are sent all the same."""
WAYS: dict[str, Callable[[str], tuple[str, str, str, dict[str, str]]]] = {
    "form": lambda given: ("POST", "/login", urlencode({"password": given}), {}),
    "header": lambda given: ("GET", "/", "", {"authorization": f"Bearer {given}"}),
    "cookie": lambda given: ("GET", "/", "", {"cookie": f"dra_app={given}"}),
}
SOURCES = {
    "one address": lambda number: ("127.0.0.1", {}),
    "many addresses": lambda number: (f"127.0.{number // 250 % 250}.{number % 250 + 1}", {}),
    "one, X-Forwarded-For": lambda number: ("127.0.0.1", {"x-forwarded-for": f"10.0.{number // 250}.{number % 250}"}),
}


def main() -> None:
    """Guess each way for as long as asked, and write what was looked at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        from recorded import make_run, record, record_all

        record_all(make_run(Path(folder) / "run"), [record(1)])
        for way, (name, source) in itertools.product([*WAYS, "all three"], SOURCES.items()):
            with served(Path(folder)) as address:
                rows[f"{way}, {name}"] = guessed(address, way, source, given.seconds)
            print(f"{way}, {name}", rows[f"{way}, {name}"], flush=True)
    write("guessing", {"commit": commit, "seconds": given.seconds, "ways": rows})
    heads = (
        "guesses sent",
        "looked at",
        "kept waiting",
        "other answers",
        "questions of who is in",
        "of these answered",
    )
    lines = [f"At commit {commit}; {given.seconds:g} s each, {THREADS} threads.", ""]
    lines += [f"| way, from | {' | '.join(heads)} |", f"| --- {'| ---: ' * len(heads)}|"]
    lines += [f"| {way} | {' | '.join(str(row[head]) for head in heads)} |" for way, row in rows.items()]
    write_markdown("guessing", "Guesses at the password of the dashboard", lines)


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """Start `dra app` with a password, for all addresses of this machine; yield where it answers."""
    code = "from dra_toolkit.cli import main; main()"
    command = [sys.executable, "-c", code, "app", str(runs), "--host", "0.0.0.0", "--no-open"]
    process = subprocess.Popen(
        command, env={**os.environ, "DRA_APP_PASSWORD": PASSWORD}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().partition(" is at ")[2].split()[0]
    finally:
        process.terminate()
        process.wait()


def guessed(
    address: str, way: str, source: Callable[[int], tuple[str, dict[str, str]]], seconds: float
) -> dict[str, int]:
    """Guess from many threads until the time is up, while somebody who is in reads; return what was answered."""
    netloc = urlsplit(address).netloc
    status, headers = asked(netloc, "127.9.9.9", *WAYS["form"](PASSWORD))
    assert status == 303
    session = headers["set-cookie"].partition(";")[0]
    end, numbers, found, read = time.monotonic() + seconds, itertools.count(), Counter[int](), Counter[int]()

    def guess() -> None:
        while time.monotonic() < end:
            number = next(numbers)
            by = [*WAYS.values()][number % 3] if way == "all three" else WAYS[way]
            method, path, body, more = by(f"guess {number}")
            place, forwarded = source(number)
            found[asked(netloc, place, method, path, body, more | forwarded)[0]] += 1
            time.sleep(PAUSE)

    def be_in() -> None:
        while time.monotonic() < end:
            read[asked(netloc, "127.9.9.9", "GET", "/", "", {"cookie": session})[0]] += 1
            time.sleep(0.2)

    threads = [threading.Thread(target=each) for each in (*[guess] * THREADS, be_in)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = sum(found.values())
    return {
        "guesses sent": sent,
        "looked at": found[401],
        "kept waiting": found[429],
        "other answers": sent - found[401] - found[429],
        "questions of who is in": sum(read.values()),
        "of these answered": read[200],
    }


def asked(
    netloc: str, source: str, method: str, path: str, body: str, headers: dict[str, str]
) -> tuple[int, dict[str, str]]:
    """Ask once from an address of this machine; return status and headers, 0 where the connection was refused."""
    host, _, port = netloc.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60, source_address=(source, 0))
    kind = {"content-type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request(method, path, body or None, headers | kind)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


if __name__ == "__main__":
    main()
