"""axe finds nothing serious on any page, in light and in dark; it comes from npm, and without that the test is skipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from dashboard import Browser, dra_app
from npm import unpacked
from toy_runs import make_toys

from dra_app.pages import pages

AXE = "axe-core@4.10.3"
SHOWN = "run=toy-dra-grpo&other=toy-grpo&q=ones&step=6&group=0"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (unpacked(AXE, tmp_path_factory.mktemp("axe")) / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("runs")
    make_toys(root, steps=6)
    with dra_app(root, "--train", "--recipes", root) as found:
        yield found


def test_axe_finds_nothing_serious(chromium: Any, address: str, axe: str) -> None:
    browser = Browser(chromium, address)
    found = []
    for name in (*pages(), "groups&completion=0&pair=0,1"):
        browser.page.emulate_media(color_scheme="light")
        browser.page.goto(f"{address}/?page={name}&{SHOWN}")
        browser.drawn(name.partition("&")[0])
        browser.page.wait_for_load_state("networkidle")
        light = ink(browser)
        found += [(name, *each) for each in serious(browser, axe)]
        browser.page.emulate_media(color_scheme="dark")
        assert ink(browser) != light
        found += [(f"{name}, dark", *each) for each in serious(browser, axe)]
    browser.close()
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_where_one_trains(chromium: Any, address: str, axe: str, dark: bool) -> None:
    browser = Browser(chromium, address, dark=dark)
    page = browser.page
    page.goto(f"{address}/own/train/{'?__theme=dark' if dark else ''}")
    page.get_by_label("recipe", exact=True).click()
    page.get_by_role("option", name="quickstart", exact=True).click()
    page.get_by_label("settings that replace").fill("max_stps=2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some((t) => t.value.includes('max_steps'))"
    )
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("() => [...document.querySelectorAll('textarea')].some((t) => t.value.includes('trained'))")
    found = serious(browser, axe)
    browser.complaints.clear()  # of Gradio's own page: fonts and manifests that are not served
    browser.foreign.clear()
    browser.close()
    assert not found, json.dumps(found, indent=1)


def ink(browser: Browser) -> str:
    """Return the colour of the text, which another scheme changes."""
    return str(browser.page.evaluate("() => getComputedStyle(document.querySelector('.dra')).color"))


def serious(browser: Browser, axe: str) -> list[tuple[str, list[str]]]:
    """Return what axe finds serious on the page that is shown, each with where."""
    browser.page.evaluate(f"() => {{ {axe} }}")
    answer = browser.page.evaluate("() => axe.run().then((found) => found.violations)")
    return [
        (each["id"], [node["html"][:160] for node in each["nodes"]][:5])
        for each in answer
        if each["impact"] in ("serious", "critical")
    ]
