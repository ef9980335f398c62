"""Groups, Prompt and What if as `dra app` serves them: on runs that are empty, grow, are damaged, compacted, and vanish."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import FRAMES, Browser, another
from recorded import make_run, record, record_all
from waiting import wait_until

from dra_toolkit.runs import RunDirectory
from dra_toolkit.runs.compaction import compact

PAGES = ("groups", "prompt", "what-if")
SHOWN = {"groups": "table.dra-groups tbody tr", "prompt": "tr[data-prompt]", "what-if": "table.dra-what-if tbody tr"}
"""What a page shows as soon as there are groups."""
Make = Callable[..., RunDirectory]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def browser(chromium: Any, address: str) -> Iterator[Browser]:
    opened = Browser(chromium, address, size=(1280, 600))
    yield opened
    opened.close()


@pytest.fixture
def make(root: Path) -> Iterator[Make]:
    """Make a run of some steps; the root is empty again after the test."""

    def made(name: str, steps: int) -> RunDirectory:
        directory = make_run(root / name)
        for number in range(1, steps + 1):
            step(directory, number)
        return directory

    yield made
    for left in root.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def step(directory: RunDirectory, number: int, batch: int = 0) -> None:
    """Record one more batch of three groups."""
    record_all(directory, [record(number, i, G=4, prompt=f"prompt {i}", batch=batch) for i in range(3)])


def last_step(browser: Browser, name: str) -> str:
    """Return the step that the slider can go to."""
    return browser.text(f"#dra-{name} [data-step-of]").rpartition(" ")[2]


def message(browser: Browser, name: str) -> str:
    """Return what a page tells of a mistake: one line, or nothing."""
    said = browser.text(f"#dra-{name} [data-part=message]")
    assert len(said.splitlines()) <= 1
    return said


def test_an_empty_root_and_a_run_without_groups_say_so_until_there_are_groups(browser: Browser, make: Make) -> None:
    page = browser.page
    page.goto(f"{browser.address}/?page=groups")
    page.wait_for_selector("#dra-shell .dra-welcome:visible")
    assert "dra train" in browser.text("#dra-shell .dra-welcome")
    assert not page.locator("#dra-groups:visible").count()
    directory = make("young", 0)
    for name in PAGES:
        if name != "groups":
            browser.go(name)
        page.wait_for_selector(f"#dra-{name} .dra-empty:has-text('yet'):visible")
        assert "Loading" not in browser.text(f"#dra-{name}")
        assert message(browser, name) == ""
        assert browser.state() | {"page": name, "run": "young"} == browser.state()
    step(directory, 1)
    page.wait_for_selector(f"#dra-what-if {SHOWN['what-if']}")
    for name in ("prompt", "groups"):  # out of sight while the step was recorded
        browser.go(name)
        page.wait_for_selector(f"#dra-{name} {SHOWN[name]}")


def test_groups_and_what_if_are_followed_and_hold_still_and_the_reader_stays(browser: Browser, make: Make) -> None:
    directory, page = make("grows", 3), browser.page
    browser.open("groups", "run=grows&step=2&group=1")
    page.click("#dra-groups .dra-card [data-raw]")
    page.locator("#dra-groups .dra-card .raw:visible").wait_for()
    page.evaluate("scrollTo(0, 90)")
    step(directory, 4)
    wait_until(lambda: last_step(browser, "groups") == "4")
    assert browser.state() | {"step": "2", "group": "1"} == browser.state()
    assert browser.text("#dra-groups h3").startswith("Step 2, group 1")
    assert page.evaluate("scrollY") == 90
    assert page.locator("#dra-groups .dra-card .raw:visible").count() == 1
    browser.go("what-if")
    assert last_step(browser, "what-if") == "4"
    page.select_option("#dra-what-if [data-key=negative_totals]", "multiply")
    page.wait_for_selector("#dra-what-if .dra-field.changed")
    browser.drawn("what-if")
    field = "document.querySelector('#dra-what-if [data-key=negative_totals]')"
    page.evaluate(f"{field}.mark = 1")
    step(directory, 5)
    wait_until(lambda: last_step(browser, "what-if") == "5")
    assert page.evaluate(f"[{field}.mark, {field}.value]") == [1, "multiply"]
    page.click("#dra-shell [data-live]")
    step(directory, 6)
    with another(browser) as live:
        live.open("what-if", "run=grows")
        wait_until(lambda: last_step(live, "what-if") == "6")
    assert last_step(browser, "what-if") == "5"
    page.click("#dra-shell [data-live]")
    wait_until(lambda: last_step(browser, "what-if") == "6")
    browser.go("groups")
    wait_until(lambda: last_step(browser, "groups") == "6")
    assert browser.text("#dra-groups h3").startswith("Step 2, group 1")


def test_what_was_asked_before_a_page_is_held_still_does_not_move_it(browser: Browser, make: Make) -> None:
    directory, page = make("held", 2), browser.page
    browser.open("groups", "run=held&step=1")
    asked: list[Any] = []
    page.route("**/dra/ask/app/look", lambda route: asked.append(route))
    wait_until(lambda: bool(page.evaluate("1")) and asked)  # routes are asked while something else is
    page.click("#dra-shell [data-live]")
    step(directory, 3)
    with page.expect_response("**/dra/ask/app/look") as answered:
        asked[0].continue_()
    answered.value.finished()
    page.evaluate(FRAMES)
    browser.drawn("groups")
    assert last_step(browser, "groups") == "2"
    page.unroute("**/dra/ask/app/look")
    page.click("#dra-shell [data-live]")
    wait_until(lambda: last_step(browser, "groups") == "3")


def test_what_grows_while_a_page_asks_something_else_is_not_lost(browser: Browser, make: Make) -> None:
    directory, page = make("busy", 2), browser.page
    browser.open("groups", "run=busy&step=1")
    held: list[Any] = []
    page.route("**/dra/ask/groups/show", lambda route: held.append((route, route.fetch())))
    page.keyboard.press("l")
    wait_until(lambda: bool(page.evaluate("1")) and held)
    step(directory, 3)
    for _ in range(2):  # the first may have been asked before the step was there
        with page.expect_response("**/dra/ask/app/look") as answered:
            pass
        answered.value.finished()
    held[0][0].fulfill(response=held[0][1])
    page.unroute("**/dra/ask/groups/show")
    page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 0')")
    wait_until(lambda: last_step(browser, "groups") == "3")


def test_a_prompt_is_followed_and_what_is_typed_and_compared_stays(browser: Browser, make: Make) -> None:
    directory, page = make("prompts", 1), browser.page
    browser.open("prompt", "run=prompts")
    page.fill("#dra-prompt [name=find]", "prom")
    step(directory, 2)
    page.wait_for_selector("#dra-prompt tr[data-prompt]:has-text('1 to 2')")
    assert page.input_value("#dra-prompt [name=find]") == "prom"
    assert page.evaluate("document.activeElement.name") == "find"
    page.click("#dra-prompt tr[data-prompt]")
    page.wait_for_selector("#dra-prompt .dra-pair")
    page.wait_for_selector("#dra-prompt .dra-thumb-box")
    page.evaluate("document.querySelector('#dra-prompt .dra-pair').mark = 1")
    step(directory, 3)
    wait_until(lambda: page.locator("#dra-prompt .dra-thumb-box").count() == 3)
    assert "3 groups, steps 1 to 3" in browser.text("#dra-prompt header")
    assert (
        page.locator("#dra-prompt .dra-figures").first.locator("figure").first.locator("circle").count() == 6
    )  # raw and adjusted
    assert browser.state()["between"] == "0,1"
    assert page.evaluate("document.querySelector('#dra-prompt .dra-pair').mark") == 1


def test_a_compacted_run_is_read_on_and_a_lost_one_is_told(browser: Browser, make: Make) -> None:
    directory, page = make("lost", 3), browser.page
    make("other", 1)
    browser.open("groups", "run=lost&step=2&group=1")
    compact(directory.groups, everything=True)
    page.keyboard.press("k")
    page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 0')")
    assert message(browser, "groups") == ""
    shutil.rmtree(directory.path)
    page.keyboard.press("l")
    page.wait_for_selector("#dra-groups [data-part=message]:visible")
    assert "'lost' is no run" in message(browser, "groups")
    for name in ("prompt", "what-if"):  # by now the shell may have seen it too, and shows no page of a run that is gone
        page.click(f'#dra-shell a[data-page="{name}"]')
        wait_until(lambda name=name: "'lost' is no run" in page.text_content(f"#dra-{name} [data-part=message]"))
        assert "Loading" not in page.text_content(f"#dra-{name}")
    page.select_option("#dra-shell [data-run]", "other")
    page.wait_for_selector(f"#dra-what-if {SHOWN['what-if']}")
    assert message(browser, "what-if") == ""


def test_damaged_files_are_named_and_every_other_group_is_shown(browser: Browser, make: Make) -> None:
    directory, page = make("torn", 4), browser.page
    step(directory, 4, batch=1)
    truncated, rubbish, _, second = sorted(directory.groups.glob("*.parquet"))[1:]
    truncated.write_bytes(truncated.read_bytes()[:300])
    content = rubbish.read_bytes()
    rubbish.write_bytes(content[:40] + b"\xff" * (len(content) // 2 - 40) + content[len(content) // 2 :])
    second.write_bytes(b"PAR1 torn")
    for name in ("what-if", "groups"):
        for number, file in ((2, truncated), (3, rubbish)):
            browser.open(name, f"run=torn&step={number}")
            assert f"step {number} cannot be read (groups/{file.name}" in message(browser, name)
            assert not page.locator(f"#dra-{name} {SHOWN[name]}").count()
            assert "Loading" not in browser.text(f"#dra-{name}")
    step(directory, 5)
    wait_until(lambda: last_step(browser, "groups") == "5")
    assert "step 3 cannot be read" in message(browser, "groups")  # following does not take the line away
    page.keyboard.press("l")
    page.wait_for_selector("#dra-groups h3:has-text('Step 4, group 0')")
    assert message(browser, "groups") == ""
    assert page.locator(f"#dra-groups {SHOWN['groups']}").count() == 3
    assert f"groups/{second.name}" in browser.text("#dra-groups .dra-problem")
    browser.open("what-if", "run=torn&step=1")
    assert page.locator(f"#dra-what-if {SHOWN['what-if']}").count() == 4
    browser.open("prompt", "run=torn")
    page.click("#dra-prompt tr[data-prompt]")
    page.wait_for_selector("#dra-prompt .dra-thumb-box >> nth=2")  # steps 1, 4 and 5
    assert message(browser, "prompt") == ""


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [("groups", "step=x", "step: found 'x'"), ("prompt", "prompt=zz", "16 hexadecimal"), ("what-if", "step=x", "step")],
)
def test_an_address_that_cannot_be_is_told_and_nothing_goes_on_loading(
    browser: Browser, make: Make, name: str, query: str, said: str
) -> None:
    make("r", 1)
    browser.open(name, f"run=r&{query}")
    assert said in message(browser, name)
    assert "Loading" not in browser.text(f"#dra-{name}")


def test_settings_that_cannot_be_are_told_and_the_recorded_ones_are_shown(browser: Browser, make: Make) -> None:
    make("r", 1)
    browser.open("what-if", "run=r&set=diversity=grph_cut&group=99")
    assert "'grph_cut'" in message(browser, "what-if")
    assert browser.page.locator("#dra-what-if [data-key=diversity]").input_value() == "graph_cut"
    assert browser.page.locator(f"#dra-what-if {SHOWN['what-if']}").count() == 4
    assert "set" not in browser.state()
    assert browser.state()["group"] == "2"  # the nearest one that the step has


@pytest.mark.parametrize("act", ["click", "Enter"])
def test_what_unfolds_unfolds_and_the_page_does_not_move(browser: Browser, make: Make, act: str) -> None:
    """A click that a page's handler takes for a link would throw the reader to the top."""
    directory = make("thinking", 0)
    texts = [f"<think>{'so ' * 400}{i}</think> {i}" for i in range(4)]
    record_all(directory, [record(1, 0, G=4, texts=texts, prompt="p")])
    page = browser.page
    for name, fewest in {"groups": 4, "what-if": 1}.items():
        page.goto(f"{browser.address}/?page={name}&run=thinking&step=1")
        page.wait_for_selector(f"#dra-{name} .dra[data-drawn]:not([aria-busy]) details summary:visible")
        if name == "what-if":
            page.wait_for_selector("#dra-what-if .dra[data-step-milliseconds]")  # the last of its answers
        found = page.query_selector_all(f"#dra-{name} details:not([open]) > summary")
        folded = [summary for summary in found if summary.is_visible()]
        assert len(folded) >= fewest
        for summary in folded:
            summary.evaluate("e => e.scrollIntoView({block: 'center'})")
            before = summary.bounding_box()["y"]
            if act == "click":
                summary.click()
            else:
                summary.focus()
                page.keyboard.press("Enter")
            assert summary.evaluate("e => e.parentElement.open")
            assert summary.bounding_box()["y"] == pytest.approx(before, abs=40)  # the fault threw it off the screen
            summary.evaluate("e => { e.parentElement.open = false; }")  # the help covers what is below it
