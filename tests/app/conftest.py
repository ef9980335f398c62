"""What the tests of the dashboard share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import CHROMIUM, Browser, dra_app


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium that Playwright drives; the test is skipped where either is missing.

    It has a folder, in which it keeps what it compiled: half of the processor time of opening a page.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as library:
        found = library.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(root: Path) -> Iterator[str]:
    """Where `dra app` serves the runs of the module that asks, its `root`."""
    with dra_app(root) as found:
        yield found


@pytest.fixture
def browser(chromium: Any, address: str) -> Iterator[Browser]:
    """A page of that dashboard; nothing must have gone wrong in it when it is closed."""
    opened = Browser(chromium, address)
    yield opened
    opened.close()
