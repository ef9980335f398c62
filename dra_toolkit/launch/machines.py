"""The other machines that train with this one."""

import contextlib
import json
import time
from pathlib import Path

from dra_toolkit.launch.start import JOIN_SECONDS
from dra_toolkit.runs.files import publish_text

BEAT_SECONDS = 5.0
SILENT_SECONDS = 120.0


class Machines:
    """This machine's word to the others, through the run directory that they share; nothing at all on a single machine.

    Each launcher keeps `logs/attempt-N/machine-K.json` alive: a beat that counts up, and how its share ended. A machine
    that ends early, or falls silent, ends the others in bounded time; a collective that waits for it hangs for much longer.
    """

    def __init__(self, logs: Path, *, rank: int, count: int) -> None:
        self._logs, self._rank = logs, rank
        self._others = [other for other in range(count) if other != rank]
        self._beat, self._next_beat = 0, 0.0
        now = time.monotonic()
        self._heard: dict[int, tuple[str | None, float]] = dict.fromkeys(self._others, (None, now))

    def check(self) -> str | None:
        """Say that this machine lives, and return in one line why it should not go on alone, or None."""
        if not self._others or time.monotonic() < self._next_beat:
            return None
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self._say("running")
        return next((problem for other in self._others if (problem := self._problem(other))), None)

    def end(self, *, failed: bool, reason: str = "") -> None:
        """Say how this machine's share ended."""
        if self._others:
            self._say("failed" if failed else "ended", reason)

    def _say(self, state: str, reason: str = "") -> None:
        self._beat += 1
        word = {"state": state, "beat": self._beat, "reason": reason}
        publish_text(self._logs / f"machine-{self._rank}.json", json.dumps(word) + "\n")

    def _problem(self, other: int) -> str | None:
        word, since = self._heard[other]
        found: str | None = None
        with contextlib.suppress(OSError):
            found = (self._logs / f"machine-{other}.json").read_text(encoding="utf-8")
        if found != word:
            word, since = found, time.monotonic()
            self._heard[other] = (word, since)
        said = {"state": "absent"} if word is None else json.loads(word)
        if said["state"] == "failed":
            return f"machine {other} failed: {said['reason']}"
        silences = {
            "absent": (JOIN_SECONDS, f"has not joined; start `dra train` with machine_rank={other}"),
            "running": (SILENT_SECONDS, "has fallen silent"),
        }
        limit, problem = silences.get(said["state"], (float("inf"), ""))
        return f"machine {other} {problem} (waited {limit:g} s)" if time.monotonic() - since > limit else None
