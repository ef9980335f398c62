"""Groups, Prompt and What if as `dra app` serves them: on runs that are empty, grow, are damaged, compacted, and vanish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import CHROMIUM, Browser, dra_app, wait_until
from recorded import make_run, record, record_all

from dra_toolkit.runs import RunDirectory
from dra_toolkit.runs.compaction import compact

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium")
PAGES = ("groups", "prompt", "what-if")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as library:
        found = library.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


def step(directory: RunDirectory, number: int) -> None:
    """Record one more step of three groups."""
    record_all(directory, [record(number, i, G=4, prompt=f"prompt {i}") for i in range(3)])


def last_step(browser: Browser, name: str) -> str:
    """Return the step that the slider can go to."""
    return browser.text(f"#dra-{name} [data-step]").rpartition(" ")[2]


def test_a_run_without_groups_says_so_and_shows_them_when_they_come(chromium: Any, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "young")
    with dra_app(tmp_path) as address:
        browsers = {name: Browser(chromium, address) for name in PAGES}
        for name, browser in browsers.items():
            browser.open(name, "run=young")
            browser.page.wait_for_selector(f"#dra-{name} .dra-empty:visible")
            assert "yet" in browser.text(f"#dra-{name} .dra-empty:visible")
            assert "Loading" not in browser.text(f"#dra-{name}")
        step(directory, 1)
        browsers["groups"].page.wait_for_selector("#dra-groups table.dra-groups tbody tr")
        browsers["what-if"].page.wait_for_selector("#dra-what-if table.dra-what-if tbody tr")
        browsers["prompt"].page.wait_for_selector("#dra-prompt tr[data-prompt]")
        for browser in browsers.values():
            browser.close()


def test_a_growing_run_is_followed_and_the_reader_stays_where_he_is(chromium: Any, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "grows")
    for number in (1, 2, 3):
        step(directory, number)
    with dra_app(tmp_path / "grows") as address:
        reading = Browser(chromium, address, size=(1280, 600))
        asking = Browser(chromium, address, size=(1280, 600))
        reading.open("groups", "step=2&group=1")
        asking.open("what-if", "step=2&group=1&set=negative_totals=multiply")
        reading.page.click("#dra-groups .dra-card [data-raw]")
        reading.page.evaluate("scrollTo(0, 250)")
        asking.page.evaluate("document.querySelector('#dra-what-if [data-key=negative_totals]').mark = 1")
        step(directory, 4)
        wait_until(lambda: last_step(reading, "groups") == last_step(asking, "what-if") == "4")
        assert reading.state()["step"] == asking.state()["step"] == "2"
        assert reading.text("#dra-groups [data-part=page] h3, #dra-groups h3").startswith("Step 2, group 1")
        assert reading.page.evaluate("scrollY") == 250
        assert reading.page.locator("#dra-groups .dra-card .raw:visible").count() == 1
        assert asking.page.evaluate("document.querySelector('#dra-what-if [data-key=negative_totals]').mark") == 1
        reading.page.evaluate("scrollTo(0, 0)")
        reading.page.click("#dra-shell [data-live]")
        step(directory, 5)
        wait_until(lambda: last_step(asking, "what-if") == "5")
        assert last_step(reading, "groups") == "4"
        compact(directory.groups, everything=True)
        reading.page.keyboard.press("k")
        reading.page.wait_for_function("location.search.includes('group=0')")
        reading.drawn("groups")
        assert reading.text("#dra-groups h3").startswith("Step 2, group 0")
        shutil.rmtree(directory.path)
        asking.page.wait_for_selector("#dra-shell [data-part=message]:visible, #dra-shell .dra-welcome:visible")
        reading.page.keyboard.press("j")
        reading.page.wait_for_selector("#dra-groups [data-part=message]:visible")
        assert len(reading.text("#dra-groups [data-part=message]").splitlines()) == 1
        for browser in (reading, asking):
            browser.close()


def test_what_is_damaged_is_named_and_the_rest_is_shown(chromium: Any, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "torn")
    for number in (1, 2, 3, 4):
        step(directory, number)
    files = sorted(directory.groups.glob("*.parquet"))
    files[1].write_bytes(files[1].read_bytes()[:300])
    rubbish = bytearray(files[2].read_bytes())
    rubbish[40 : len(rubbish) // 2] = b"\xff" * (len(rubbish) // 2 - 40)
    files[2].write_bytes(bytes(rubbish))
    with dra_app(tmp_path / "torn") as address:
        browser = Browser(chromium, address)
        for name in PAGES:
            browser.open(name, "step=2&run=torn")
            assert "Loading" not in browser.text(f"#dra-{name}")
        browser.open("groups", "step=1&run=torn")
        assert browser.text("#dra-groups h3").startswith("Step 1, group 0")
        browser.open("groups", "step=3&run=torn")
        said = browser.text("#dra-groups [data-part=message]")
        assert said == "" or len(said.splitlines()) == 1
        browser.open("what-if", "step=4&run=torn")
        browser.page.wait_for_selector("#dra-what-if table.dra-what-if tbody tr")
        browser.close()


def test_settings_that_cannot_be_are_told_and_the_recorded_ones_are_shown(chromium: Any, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "r")
    step(directory, 1)
    with dra_app(tmp_path) as address:
        browser = Browser(chromium, address)
        browser.open("what-if", "run=r&set=diversity=grph_cut")
        assert "'grph_cut'" in browser.text("#dra-what-if [data-part=message]")
        assert browser.page.locator("#dra-what-if [data-key=diversity]").input_value() == "graph_cut"
        assert browser.page.locator("#dra-what-if table.dra-what-if tbody tr").count() == 4
        assert "set" not in browser.state()
        browser.close()
