"""Mutated inputs of every kind that is read, thousands of them, each through the real commands in bounds.

    python benchmarks/fuzzing.py --inputs 10000 [--first 0] [--workers 2] [--keep FILE.json]

Input number N of a kind is always the same. It is made in a process of its own from a sound copy: a recipe with
overrides, a file of a run directory, a file of a compacted run, rollouts of other trainers, results of evaluations. What
counts: an exception that is no told mistake, more than 10 seconds of processor time, more than 1 GiB, and a number that
is not the sound copy's where no problem was told.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from fuzz_inputs import make_bases
from fuzz_tries import TRIES

HERE = Path(__file__).resolve().parent
SECONDS, MEMORY, WALL = 10.0, 1 << 30, 60.0
"""Of processor time and bytes of an input, and seconds of doing nothing at all after which it hangs."""
BATCH = 50
BAD = ("traceback", "slow", "memory", "hung", "died", "wrong")
SHARES = {"recipe": 50, "run": 16, "segments": 10, "imports": 10, "evaluations": 14}


class SlowError(BaseException):
    """An input has used up its processor time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    numbers = range(given.first, given.first + given.inputs)
    with tempfile.TemporaryDirectory() as folder:
        told = summary(tried(numbers, Path(folder), workers=given.workers, seconds=given.seconds))
    print(json.dumps(told, indent=1))
    if given.keep:
        of = {"command": " ".join(["python", "benchmarks/fuzzing.py", *sys.argv[1:]]), "commit": commit}
        given.keep.write_text(json.dumps(of | told, indent=1) + "\n")
    sys.exit(bool(told["findings"]))


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return outcomes by kind, and what must not be."""
    kinds = {kind: Counter(row["outcome"] for row in found if row["kind"] == kind) for kind in SHARES}
    bad = [row for row in found if row["outcome"] in BAD]
    return {
        "inputs": len(found),
        "outcomes": {kind: dict(sorted(counts.items())) for kind, counts in kinds.items()},
        "largest MiB": max((row["MiB"] for row in found), default=0),
        "slowest seconds": max((row["seconds"] for row in found), default=0),
        "processor seconds in all": round(sum(row["seconds"] for row in found)),
        "findings": bad,
    }


def tried(numbers: range, folder: Path, *, workers: int, seconds: float = float("inf")) -> list[dict[str, Any]]:
    """Try inputs in processes forked from this one; a process that dies or hangs is one finding and is replaced."""
    bases = _prepared(folder)
    waiting, found, ends = iter(numbers), [], time.monotonic() + seconds
    running: dict[int, dict[str, Any]] = {}

    def again(left: list[int]) -> None:
        running.update(_start(left, bases, folder))

    while True:
        while len(running) < workers and time.monotonic() < ends:
            batch = list(itertools.islice(waiting, BATCH))
            if not batch:
                break
            running |= _start(batch, bases, folder)
        if not running:
            return found
        for read in select.select(list(running), [], [], 1.0)[0]:
            worker = running[read]
            data = os.read(read, 1 << 20)
            worker["text"] += data
            worker["used when heard"] = worker["used"]
            if not data:
                found += _finished(running.pop(read), read, again)
                bad = [row for row in found[-BATCH:] if row["outcome"] in BAD]
                print(f"{len(found)} inputs", *bad, file=sys.__stderr__, flush=True)
        for worker in running.values():
            if _is_hung(worker):
                worker["hung"] = True
                os.kill(worker["pid"], signal.SIGKILL)


def _prepared(folder: Path) -> Path:
    """Make the sound copies in a process of their own, so that no thread is there before the forks; import what it did."""
    names = folder / "modules.json"
    pid = os.fork()
    if pid == 0:
        bases = make_bases(folder)
        for kind in SHARES:
            number = next(number for number in itertools.count() if kind_of(number) == kind)
            one(number, bases, folder / "work-first")
        names.write_text(json.dumps([name for name in sys.modules if name != "__main__"]))
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("the sound copies could not be made")
    for name in json.loads(names.read_text()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    return folder / "bases"


def _is_hung(worker: dict[str, Any]) -> bool:
    """Return whether a process waits for nothing, or works on one input far too long; one that gets no turn does not."""
    process = psutil.Process(worker["pid"])
    times = process.cpu_times()
    used = times.user + times.system
    if used > worker["used"]:
        worker["used"], worker["still"] = used, time.monotonic()
    waits = process.status() == psutil.STATUS_SLEEPING and time.monotonic() - worker["still"] > WALL
    return waits or used - worker["used when heard"] > 3 * SECONDS


def _start(batch: list[int], bases: Path, folder: Path) -> dict[int, dict[str, Any]]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            _limit()
            for number in batch:
                os.write(write, (json.dumps(one(number, bases, folder / f"work-{os.getpid()}")) + "\n").encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    now: dict[str, Any] = {"hung": False, "used": 0.0, "used when heard": 0.0, "still": time.monotonic()}
    return {read: {"pid": pid, "batch": batch, "text": b"", **now}}


def _finished(worker: dict[str, Any], read: int, again: Callable[[list[int]], None]) -> list[dict[str, Any]]:
    os.close(read)
    status = os.waitpid(worker["pid"], 0)[1]
    rows = [json.loads(line) for line in worker["text"].decode().splitlines()]
    left = worker["batch"][len(rows) :]
    if left:
        rows.append(
            {
                "number": left[0],
                "kind": kind_of(left[0]),
                "outcome": "hung" if worker["hung"] else "died",
                "what": f"status {status}",
                "MiB": 0,
                "seconds": 0,
            }
        )
        if left[1:]:
            again(left[1:])
    return rows


def _limit() -> None:
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    data = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (int(data.split()[1]) * 1024 + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["PATH"] = ""  # reports draw their pictures in a browser where one is found: not what is tried here
    signal.signal(signal.SIGPROF, _too_slow)


def _too_slow(*_: object) -> None:
    raise SlowError


def kind_of(number: int) -> str:
    """Return what kind of input has this number."""
    return random.Random(number).choices(list(SHARES), list(SHARES.values()))[0]


def one(number: int, bases: Path, work: Path) -> dict[str, Any]:
    """Make an input, have it read, and return what became of it."""
    kind = kind_of(number)
    rng = random.Random(f"{number}/{kind}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    os.chdir(work)
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    what = ""
    try:
        outcome, what = TRIES[kind](rng, bases, work)
    except SlowError:
        outcome, what = "slow", _place()
    except MemoryError:
        outcome, what = "memory", _place()
    except BaseException:
        outcome, what = "traceback", _place()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = round(time.process_time() - began, 2)
    return {"number": number, "kind": kind, "outcome": outcome, "what": what, "MiB": used, "seconds": seconds}


def _place() -> str:
    _, error, trace = sys.exc_info()
    frames = [f for f in traceback.extract_tb(trace) if "dra_toolkit" in f.filename] or traceback.extract_tb(trace)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {where}: {str(error)[:120]}"


if __name__ == "__main__":
    main()
