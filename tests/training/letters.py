"""Rewards that recipes of tests name: without the libraries, which the launcher would load only to look at them."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

if os.environ.get("ACCELERATE_USE_DEEPSPEED"):
    import deepspeed.ops

    # DeepSpeed's own collectives between processes of a CPU are C++ that it compiles for minutes on each new machine, and
    # that spins while it waits, which two cores full of tests do not stand. Without them it takes gloo's.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def letters(completions: list[Any], **_: Any) -> list[float]:
    """Reward that differs inside a group and may be negative: share of `e`, less a third."""
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("e") / max(1, len(text)) - 1 / 3 for text in texts]


def slow_letters(**columns: Any) -> list[float]:
    """Return `letters`; once `slow` is in DRA_TEST_FOLDER, tell by `reached`, and a long time after `asked` is there."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    if (folder / "slow").exists():
        (folder / "reached").touch()
        while not (folder / "asked").exists():
            threading.Event().wait(0.2)
        threading.Event().wait(35)  # longer than torch's agent leaves its ranks; nothing waits for it to be over
    return letters(**columns)


def endless_letters(completions: list[Any], trainer_state: Any, **_: Any) -> list[float]:
    """The same reward; the fourth step never comes to an end, which `endless` says, unless `ends` is there."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    if trainer_state.global_step >= 3 and not (folder / "ends").exists():
        (folder / "endless").touch()
        signal.pause()
    return letters(completions)


HELD_OUT_BATCHES = itertools.count()


def letters_that_wait_in_evaluation(completions: list[Any], prompts: list[Any], **_: Any) -> list[float]:
    """The same reward; of the second held-out batch it comes only once somebody `asked`, and says so by `reached`."""
    folder = Path(os.environ["DRA_TEST_FOLDER"])
    is_held_out = "Held out" in str(prompts[0])
    if is_held_out and next(HELD_OUT_BATCHES) == 1:
        (folder / "reached").touch()
        while not (folder / "asked").exists():
            threading.Event().wait(0.2)
    return letters(completions)


def letters_on_a_full_disk(completions: list[Any], **_: Any) -> list[float]:
    """The same reward; from its first call on the kernel lets this process write no file beyond 1 kB."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    return letters(completions)


def picky(completions: list[Any], **_: Any) -> list[float | None]:
    """Reward that abstains on texts of even length."""
    texts = [completion[0]["content"] for completion in completions]
    return [None if len(text) % 2 == 0 else 1.0 for text in texts]
