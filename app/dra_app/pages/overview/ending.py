"""How a run stands: when it last wrote, why it ended or fell silent, and the settings of each of its attempts."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dra_app.templates import part
from dra_toolkit.errors import RunError
from dra_toolkit.recipe import Recipe
from dra_toolkit.runs import Run
from dra_toolkit.safe_text import visible

LOG_LINES = 30
SILENT, TIMES = 600.0, 5.0
"""Seconds without a word after which a run that goes on is silent, and times what its last steps took each."""
GOES_ON = ("running", "starting")
_ENDED_BADLY = ("failed", "killed", "unreadable")
_ERROR = re.compile(r"(\[rank\d+\]: ?)?(error: |[\w.]*(Error|Exception|Interrupt)\b)")


Attempt = tuple[int, str, dict[str, str], list[tuple[str, str, str]]]
"""Number, when it began, its settings (none where they were not kept), and those that are new: key, before, now."""


def end_part(run: Run, status: Mapping[str, Any]) -> str:
    """Return of a run that failed, was killed or fell silent what is known of the reason, its log, and its attempts."""
    since, pace, _ = _last_word(run, status)
    is_silent = status["state"] in GOES_ON and since is not None and since > max(SILENT, TIMES * pace)
    if not is_silent and status["state"] not in _ENDED_BADLY:
        return ""
    attempt = run.directory.last_attempt()
    logs = sorted(run.directory.attempt_logs(attempt).glob("output*.log"))
    lines = [line for log in logs for line in _last_lines(log)]
    reason = str(status.get("error") or status.get("reason") or _reason(lines))
    state = f"{status['state']}, silent for {_ago(since or 0)}" if is_silent else status["state"]
    return part("overview", "end", run.name, state, attempt, reason, visible("\n".join(lines)), attempts_of(run))


def attempts_of(run: Run) -> list[Attempt]:
    """Return the starts of a run, the newest first; runs of earlier versions kept the settings of the last one only."""
    found: list[Attempt] = []
    last, before = run.directory.last_attempt(), dict[str, str]()
    for number in range(1, last + 1):
        file = run.directory.attempt_logs(number) / run.directory.resolved.name
        settings = _settings(file) or (_settings(run.directory.resolved) if number == last else {})
        keys = sorted(before | settings) if before and settings else []
        pairs = [(key, before.get(key, "not set"), settings.get(key, "not set")) for key in keys]
        began = f", begun {_ago(time.time() - file.stat().st_mtime)} ago" if file.is_file() else ""
        found.insert(0, (number, began, settings, [pair for pair in pairs if pair[1] != pair[2]]))
        before = settings
    return found


def clock_of(run: Run, status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return when the run last wrote and, while it goes on, how long it still takes at the pace of its last steps."""
    since, pace, left = _last_word(run, status)
    said = [] if since is None else [(f"{_ago(since)} ago", "last written")]
    return said + ([(_ago(pace * left), f"left, {left:,} steps")] if pace and left > 0 else [])


def written(value: object) -> str:
    """Return a setting as it is shown."""
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return visible(shown, one_line=True)[:60]


def _last_word(run: Run, status: Mapping[str, Any]) -> tuple[float | None, float, int]:
    """Return the seconds since the run wrote, those that its last steps took each, and its steps that are left."""
    rows = [row for row in run.metrics()[-50:] if isinstance(row.get("time"), int | float)]
    last = max([float(row["time"]) for row in rows[-1:]] + [float(status.get("time") or 0)])
    since = time.time() - last if last else None
    end = run.recipe.training.max_steps
    if status["state"] not in GOES_ON or len(rows) < 2:
        return since, 0.0, 0
    done = rows[-1]["step"] - rows[0]["step"]
    pace = (rows[-1]["time"] - rows[0]["time"]) / done if done > 0 else 0.0
    return since, pace, max(0, end - rows[-1]["step"])


def _settings(file: Path) -> dict[str, str]:
    try:
        recipe = Recipe.from_json(file.read_text(encoding="utf-8"), file)
    except (OSError, ValueError, RunError):
        return {}
    return {key: written(value) for key, value in recipe.items() if value not in (None, "", -1)}


def _last_lines(log: Path) -> list[str]:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 65_536))
            return file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []


def _reason(lines: Sequence[str]) -> str:
    """Return the last line of a log that begins as an error does, as the last line of a traceback."""
    return next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else "")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
