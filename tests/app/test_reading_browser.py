"""What a reader does with a run: filters, means, modes, long texts, the newest step, tables, the keyboard, a slow server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dashboard import Browser
from recorded import make_run, record, record_all
from waiting import wait_until

LONG = "a long text of thirty thousand characters, "


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    directory = make_run(folder / "read")
    long = [f"{LONG * 700}{i}" for i in range(2)]
    steps = [[record(step, i, texts=long, G=2) if i == 2 else record(step, i) for i in range(3)] for step in (1, 2, 3)]
    record_all(directory, *steps, [record(2, 0, mode="eval", seed=5)])
    record_all(make_run(folder / "twin"), *steps)
    with open(directory.metrics, "a") as file:
        for step in range(1, 4):
            row = {"step": step, "attempt": 1, "time": 1.0, "learning_rate": 1e-6 / step, "kl/mean": 0.1 * step}
            file.write(json.dumps(row) + "\n")
    return folder


def shown_figures(browser: Browser) -> list[str]:
    """Return the titles of the figures of the Overview that can be seen."""
    return [
        title.strip() for title in browser.page.locator("#dra-overview figure:visible figcaption b").all_inner_texts()
    ]


def test_figures_are_found_by_a_part_of_their_name_and_a_logged_point_opens_its_step(browser: Browser) -> None:
    browser.open("overview", "run=read")
    assert {"learning_rate", "kl/mean", "Reward"} <= set(shown_figures(browser))
    browser.page.fill("#dra-overview [data-filter]", "LEARN")
    wait_until(lambda: shown_figures(browser) == ["learning_rate"])
    assert not browser.page.locator("#dra-overview details.dra-section:has-text('kl'):visible").count()
    curve = browser.page.locator("#dra-overview figure:visible svg.curves")
    curve.click(position={"x": curve.bounding_box()["width"] * 0.98, "y": 40})
    browser.drawn("groups")
    assert browser.state()["step"] == "3"


def test_a_mean_and_evaluation_groups_are_drawn_and_stand_in_the_address(browser: Browser) -> None:
    browser.open("overview", "run=read")
    browser.page.select_option("#dra-overview [data-mode]", "eval")
    steps = "JSON.parse(document.querySelector('#dra-overview [data-figure=reward] > svg').dataset.curves).lines[0].x"
    wait_until(lambda: browser.page.evaluate(steps) == [2])
    browser.page.select_option("#dra-overview [data-smooth]", "5")
    wait_until(lambda: browser.state() | {"mode": "eval", "smooth": "5"} == browser.state())
    browser.page.reload()
    browser.drawn("overview")
    assert browser.page.input_value("#dra-overview [data-smooth]") == "5"
    assert browser.page.evaluate(steps) == [2]


def test_numbers_of_a_figure_are_a_table(browser: Browser) -> None:
    browser.open("overview", "run=read")
    browser.page.click("#dra-overview [data-figure='logged:kl/mean'] [data-save=table]")
    browser.page.wait_for_selector("#dra-table[open] tbody tr")
    cells = browser.page.locator("#dra-table :is(th, td)").all_inner_texts()
    assert cells[:2] == ["step", "kl/mean"]
    assert [float(cell) for cell in cells[2:]] == pytest.approx([1, 0.1, 2, 0.2, 3, 0.3])
    browser.page.keyboard.press("Escape")
    browser.page.wait_for_selector("#dra-table[open]", state="detached")
    said = browser.page.get_attribute("#dra-overview [data-figure='logged:kl/mean'] svg", "aria-label")
    assert said == "mean: kl/mean from 0.1 to 0.3, lowest 0.1, highest 0.3"


def test_a_text_of_thirty_thousand_characters_is_shown_whole_and_two_cards_are_compared(browser: Browser) -> None:
    browser.open("groups", "run=read&step=2&group=2")
    text = browser.page.locator("#dra-groups .dra-card .dra-text").first
    assert len(text.inner_text()) < 29_000
    browser.page.click("#dra-groups .dra-card [data-whole] >> nth=0")
    wait_until(lambda: len(text.inner_text()) > 30_000)
    for card in (0, 1):
        browser.page.click(f"#dra-groups .dra-card [data-compare] >> nth={card}")
    browser.page.wait_for_selector("#dra-groups .dra-pair")
    assert sorted(browser.state()["pair"].split(",")) == ["0", "1"]
    browser.page.click("#dra-groups [data-close]")
    browser.page.wait_for_selector("#dra-groups .dra-pair", state="detached")
    browser.page.click("#dra-groups .dra-card [data-read] >> nth=0")
    browser.page.click("#dra-groups .dra-alone [data-all]")
    browser.page.wait_for_selector("#dra-groups .dra-alone", state="detached")
    assert browser.page.locator("#dra-groups .dra-card:visible").count() == 2


def test_a_prompt_of_two_runs_opens_its_group(browser: Browser) -> None:
    browser.open("compare", "run=read&other=twin")
    browser.page.click("#dra-compare tr[data-prompt] >> nth=0")
    browser.page.click("#dra-compare [data-open=twin]")
    browser.drawn("groups")
    assert browser.state()["run"] == "twin"


def test_a_row_is_reached_and_chosen_with_the_keyboard_alone(browser: Browser) -> None:
    browser.open("groups", "run=read&step=2")
    focused = "document.activeElement.closest('table.dra-groups tbody tr')?.dataset.group"
    for _ in range(80):
        browser.page.keyboard.press("Tab")
        if browser.page.evaluate(focused) == "1":
            break
    browser.page.keyboard.press("Enter")
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 1')")
    assert browser.state()["group"] == "1"


def test_a_group_is_gone_to_before_a_slow_server_answers_and_back_comes_back(browser: Browser) -> None:
    browser.open("groups", "run=read&step=2&group=0")
    held: list[Any] = []
    browser.page.route("**/dra/ask/groups/show", lambda route: held.append(route))
    browser.page.click("#dra-groups table.dra-groups tbody tr >> nth=1")
    wait_until(lambda: bool(browser.page.evaluate("1")) and len(held) == 1)
    assert browser.state()["group"] == "1"
    held[0].continue_()
    browser.page.unroute("**/dra/ask/groups/show")
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 1')")
    browser.page.go_back()
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 0')")
    assert browser.state()["group"] == "0"
    browser.page.go_forward()
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2, group 1')")


def test_the_newest_step_is_gone_to_while_the_run_is_written(browser: Browser, root: Path) -> None:
    browser.open("groups", "run=read&step=2")
    browser.page.click("#dra-groups [data-newest]")
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 3,')")
    directory = make_run(root / "goes-on")
    record_all(directory, [record(1, 0)])
    browser.open("groups", "run=goes-on&newest=1")
    record_all(directory, [record(2, 0)])
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 2,')")
    assert browser.page.get_attribute("#dra-groups [data-newest]", "aria-pressed") == "true"
