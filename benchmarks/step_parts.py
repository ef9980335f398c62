"""What the parts of a training step cost: processor and wall seconds of each, or instructions where callgrind counts them.

`attribute` wraps the toolkit's functions, and the collectives that TRL calls too, in the process that trains. What happens
inside a part counts as that part's alone; what is in none of them is `rest`: sampling, loss, optimizer, TRL's own work.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

REST = "rest"
PARTS = ("embedding", "maths", "metrics", "record", "waiting", REST)
"""waiting: in collectives; of one process they are none, or copies."""
MARKS = "DRA_BENCHMARK_MARKS"
"""Environment variable with a library whose functions ask callgrind to begin, and to write down what it counted."""
_SOURCE = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void counted(const char *what) { CALLGRIND_DUMP_STATS_AT(what); }
void end(void) { CALLGRIND_STOP_INSTRUMENTATION; }
"""


def compile_marks(folder: Path) -> Path:
    """Compile the library of marks; needs a C compiler and valgrind's headers."""
    source, library = folder / "marks.c", folder / "marks.so"
    source.write_text(_SOURCE)
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


class Meter:
    """Adds up what each part took: processor seconds of its thread, and wall seconds."""

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._main = threading.main_thread()
        self.seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        library = os.environ.get(MARKS) if os.environ.get("RANK", "0") == "0" else None
        self.marks = ctypes.CDLL(library) if library else None
        self.is_counting = False
        self.kind = ""

    def begin_instructions(self, kind: str) -> None:
        """Let callgrind count from here on, for a kind of step."""
        if self.marks:
            self.is_counting, self.kind = True, kind
            self.marks.begin()

    def end_instructions(self) -> None:
        """Write down what was counted, and count no more."""
        if self.marks and self.is_counting:
            self.marks.counted(f"{self.kind}, {REST}".encode())
            self.is_counting = False
            self.marks.end()

    def charge(self) -> None:
        """Add what passed since the last charge of this thread to the part that it is in."""
        now, held = (time.thread_time(), time.perf_counter()), self._of_thread
        part = held.parts[-1] if getattr(held, "parts", None) else REST
        if getattr(held, "parts", None) is None:
            held.parts, held.before = [], now
        for place in (0, 1):
            self.seconds[part][place] += now[place] - held.before[place]
        held.before = now
        if self.is_counting and threading.current_thread() is self._main:
            self.marks.counted(f"{self.kind}, {part}".encode())

    def inside(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, all that happens in it charged to a part."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.charge()
            self._of_thread.parts.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.charge()
                self._of_thread.parts.pop()

        return wrapped


def attribute(meter: Meter, *, toolkit: bool) -> None:
    """Wrap what belongs to a part."""
    from accelerate import Accelerator
    from trl.trainer import grpo_trainer

    places: list[tuple[Any, str, str]] = [(Accelerator, "gather", "waiting")]
    places += [(grpo_trainer, name, "waiting") for name in ("gather", "gather_object")]
    if toolkit:
        from dra_toolkit.runs.recorder import Recorder
        from dra_toolkit.training import adjusted, batch

        trainer = adjusted.GroupAdjustment
        places += [(trainer, "_gather_embeddings", "embedding"), (trainer, "_publish", "record")]
        places += [(Recorder, "_write", "record"), (adjusted, "gather_object", "waiting")]
        places += [(trainer, "_gather_samples", "metrics"), (adjusted, "measure", "metrics")]
        places += [(adjusted, "mean_of_known", "metrics")]
        maths = ("total_rewards", "adjust_signals", "group_advantages", "adjusted_advantages")
        places += [(batch, name, "maths") for name in maths]
    for holder, name, part in places:
        setattr(holder, name, meter.inside(part, getattr(holder, name)))


def read_instructions(folder: Path, kind: str) -> dict[str, int]:
    """Return the instructions of each part of a kind of step; those of other threads are the recorder's."""
    found: dict[str, int] = dict.fromkeys(PARTS, 0)
    for path in folder.glob("callgrind.out.*"):
        lines = path.read_text(errors="replace").splitlines()
        trigger = next((line for line in lines if line.startswith("desc: Trigger: ")), "")
        total = next((line for line in lines if line.startswith(("summary: ", "totals: "))), "totals: 0")
        (of, _, part), thread = trigger.rpartition(": ")[2].strip().partition(", "), path.name.rpartition("-")[2]
        if of == kind and part in PARTS:
            found[part if int(thread) == 1 else "record"] += int(total.split()[1])
    return found


def valgrind(folder: Path) -> list[str]:
    """Return the command that a counted process is put behind."""
    counts = ["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
    return ["valgrind", "-q", *counts, f"--callgrind-out-file={folder}/callgrind.out.%p"]
