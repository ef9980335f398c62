"""Figures as files: pages that need no network, and pictures drawn by a browser that is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.report.figures import HEIGHT, WIDTH

if TYPE_CHECKING:
    import plotly.graph_objects as go

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 120


def write_html(figure: go.Figure, path: Path) -> None:
    """Write a page that opens without a network."""
    path.write_text(figure.to_html(include_plotlyjs=True, full_html=True), encoding="utf-8")


def write_png(figure: go.Figure, path: Path) -> None:
    """Write a picture with a browser that is installed; raises EvaluationError where there is none or it fails."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise EvaluationError(f"{path}: no picture without a browser; install chromium, or use the HTML page beside it")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        page, picture = Path(folder) / "figure.html", Path(folder) / "figure.png"
        inside = figure.to_html(include_plotlyjs=True, full_html=False, config={"displayModeBar": False})
        page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{inside}</body>', "utf-8")
        command = [
            browser,
            "--headless=new",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to start as root otherwise
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-device-scale-factor=2",
            f"--user-data-dir={folder}/profile",
            f"--window-size={WIDTH},{HEIGHT}",
            "--virtual-time-budget=5000",
            f"--screenshot={picture}",
            page.as_uri(),
        ]
        problem = _run(command)
        if problem or not picture.is_file():
            raise EvaluationError(f"{path}: {browser} did not draw the picture ({problem or 'it wrote none'})")
        shutil.copyfile(picture, path)


def _run(command: list[str]) -> str:
    """Run a browser to its end, in a group of its own so that none of its processes outlives it; return what went wrong."""
    try:
        browser = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return str(error)
    try:
        status = browser.wait(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"not done after {SECONDS} seconds"
    finally:
        _end(browser)
    return f"status {status}" if status else ""


def _end(browser: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(browser.pid, signal.SIGKILL)
    browser.wait()
