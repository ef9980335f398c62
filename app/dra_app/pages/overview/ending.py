"""How a run stands: when it last wrote, why it ended or fell silent, and the settings of each of its attempts."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dra_app.templates import part
from dra_toolkit.errors import RunError
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs import Run
from dra_toolkit.runs.files import parse_json, read_text
from dra_toolkit.safe_text import visible

LOG_LINES, ROWS = 30, 50
SILENT, TIMES = 600.0, 5.0
"""Seconds without a word after which a run that goes on is silent, and times what passed between its last ones."""
GOES_ON = ("running", "starting")
_ENDED_BADLY = ("failed", "killed", "unreadable")
_ERROR = re.compile(r"(\[rank\d+\]: ?)?(error: |[\w.]*(Error|Exception|Interrupt)\b)")
Attempt = tuple[int, str, dict[str, str], list[tuple[str, str, str]]]
"""Number, when it began, its settings (none where they were not kept), and those that are new: key, before, now."""


@dataclass(frozen=True, kw_only=True)
class LastWord:
    """When a run last wrote, and how long it still takes."""

    since: float | None
    """Seconds; None where it never wrote."""
    is_silent: bool
    """Whether it goes on, and has not written for longer than its pace explains."""
    rest: str = ""
    """How long it still takes at the pace of its last steps."""

    @property
    def said(self) -> str:
        """When it last wrote."""
        return "" if self.since is None else f"{_ago(self.since)} ago"


def last_word(run: Run, status: Mapping[str, Any]) -> LastWord:
    """Return when a run last wrote, by its clock and, while it goes on, by its files."""
    rows, goes_on = _last_rows(run.directory.metrics), status["state"] in GOES_ON
    times = [float(status.get("time") or 0), *(at for _, at in rows[-1:])]
    for file in (run.directory.metrics, run.directory.groups) if goes_on else ():
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    since = time.time() - max(times) if max(times) else None
    if not goes_on or len(rows) < 2:
        return LastWord(since=since, is_silent=goes_on and since is not None and since > SILENT)
    steps, seconds = rows[-1][0] - rows[0][0], rows[-1][1] - rows[0][1]
    is_silent = since is not None and since > max(SILENT, TIMES * seconds / (len(rows) - 1))
    left = run.recipe.training.max_steps - rows[-1][0]
    rest = f"{_ago(left * seconds / steps)} for {left:,} steps" if steps > 0 and left > 0 else ""
    return LastWord(since=since, is_silent=is_silent, rest=rest)


def logs_of(run: Run) -> list[Path]:
    """Return the logs of a run's last attempt."""
    found = run.directory.attempt_logs(run.directory.last_attempt()).glob("output*.log")
    return sorted(log for log in found if _is_own(run, log))


def _is_own(run: Run, file: Path) -> bool:
    """Return whether a file lies in the run: no pipe, and not led to elsewhere by a link on the way to it."""
    return file.is_file() and file.resolve().is_relative_to(run.directory.path.resolve())


def end_part(run: Run, status: Mapping[str, Any]) -> str:
    """Return of a run that failed, was killed or fell silent what is known of the reason, its log, and its attempts."""
    word = last_word(run, status)
    if not word.is_silent and status["state"] not in _ENDED_BADLY:
        return ""
    lines = [line for log in logs_of(run) for line in _last_lines(log, LOG_LINES)]
    reason = str(status.get("error") or status.get("reason") or _reason(lines))
    told = (run.name, status["state"], word, run.directory.last_attempt(), reason, visible("\n".join(lines)))
    return part("overview", "end", *told, attempts_of(run))


def attempts_of(run: Run) -> list[Attempt]:
    """Return the starts of a run, the newest first; runs of earlier versions kept the settings of the last one only."""
    found: list[Attempt] = []
    last, before = run.directory.last_attempt(), dict[str, str]()
    for number in range(1, last + 1):
        file = run.directory.attempt_logs(number) / run.directory.resolved.name
        settings = _settings(run, file) or (_settings(run, run.directory.resolved) if number == last else {})
        keys = sorted(before | settings) if before and settings else []
        pairs = [(key, before.get(key, "not set"), settings.get(key, "not set")) for key in keys]
        began = f", begun {_ago(time.time() - file.stat().st_mtime)} ago" if file.is_file() else ""
        found.insert(0, (number, began, settings, [pair for pair in pairs if pair[1] != pair[2]]))
        before = settings
    return found


def written(value: object) -> str:
    """Return a setting as it is shown."""
    shown = ", ".join(map(str, value)) if isinstance(value, list) else "not set" if value is None else str(value)
    return visible(shown, one_line=True)[:60]


def _settings(run: Run, file: Path) -> dict[str, str]:
    try:
        recipe = Recipe.from_json(read_text(file) if _is_own(run, file) else "", file)
    except (OSError, ValueError, RunError):
        return {}
    return {key: written(value) for key, value in recipe.items() if value not in (None, "", -1)}


def _last_lines(log: Path, most: int) -> list[str]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 65_536))
            return file.read().decode("utf-8", "replace").splitlines()[-most:]
    except OSError:
        return []


def _last_rows(metrics: Path) -> list[tuple[int, float]]:
    """Return step and time of the last rows that the trainer logged; the end of the file alone is read."""
    found = []
    for line in _last_lines(metrics, ROWS) if metrics.is_file() else []:
        with suppress(ValueError, KeyError, TypeError, OverflowError):  # torn, or not a logged row
            row = parse_json(line)
            found.append((int(row["step"]), float(row["time"])))
    return found


def _reason(lines: Sequence[str]) -> str:
    """Return the last line of a log that begins as an error does, as the last line of a traceback."""
    return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else "")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
