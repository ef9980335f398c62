"""What the tests of the dashboard share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dashboard import CHROMIUM


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A Chromium that Playwright drives; the test is skipped where either is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as library:
        found = library.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()
