"""The dashboard on runs of the kinds that are trained for real: reading is tried, with the mouse and the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dashboard import Browser
from real_runs import FINDABLE, LONG_NAME, make_real_runs
from waiting import wait_until

from dra_app.pages import pages
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.recipe import known_keys
from dra_toolkit.runs import Run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    make_real_runs(folder)
    return folder


@pytest.fixture
def browser(chromium: Any, address: str) -> Iterator[Browser]:
    opened = Browser(chromium, address)
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield opened
    opened.close()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("run", ["maths", "wide", "many-rewards"])
def test_the_first_completion_is_on_the_first_screen(
    chromium: Any, address: str, run: str, size: tuple[int, int]
) -> None:
    browser = Browser(chromium, address, size=size)
    browser.open("groups", f"run={run}&step=2")
    box = browser.page.locator("#dra-groups .dra-card").first.bounding_box()
    assert box["y"] < 400
    assert box["y"] + 100 < size[1]
    browser.close()


def test_a_completion_is_read_alone_with_what_pushed_it(browser: Browser, root: Path) -> None:
    record = Run.open(root / "maths").group(2, 0)
    first = max(range(16), key=lambda i: float(record.advantages[i]))
    browser.open("groups", "run=maths&step=2")
    browser.page.locator("#dra-groups .dra-card [data-read]").first.click()
    browser.page.wait_for_selector("#dra-groups .dra-alone")
    assert browser.state()["completion"] == str(first)
    shown = browser.text("#dra-groups .dra-alone")
    right = record.group.rewards["accuracy"][first] > 0
    for said in ("1 of 16", "from the raw rewards", "from the adjustment", "most like it", "accuracy", "format"):
        assert said in shown
    assert ("✓ right" if right else "✗ wrong") in shown
    assert browser.page.locator("#dra-groups .dra-alone math").count() > 10
    assert not browser.page.locator("#dra-groups .dra-cards:visible").count()
    browser.page.click("#dra-groups [data-copy-text]")
    wait_until(lambda: browser.page.evaluate("navigator.clipboard.readText()") == record.group.completions[first])
    browser.page.keyboard.press("n")
    browser.page.wait_for_selector("#dra-groups .dra-alone header:has-text('2 of 16')")
    address = browser.page.url
    browser.page.reload()
    browser.page.wait_for_selector("#dra-groups .dra-alone header:has-text('2 of 16')")
    assert browser.page.url == address
    browser.page.keyboard.press("b")
    browser.page.wait_for_selector("#dra-groups .dra-alone header:has-text('1 of 16')")
    browser.page.keyboard.press("Escape")
    browser.page.wait_for_selector("#dra-groups .dra-cards:visible")
    assert "completion" not in browser.state()


def test_two_completions_are_read_side_by_side_and_scroll_together(browser: Browser) -> None:
    browser.open("groups", "run=maths&step=2&completion=3")
    browser.page.keyboard.press("c")
    browser.page.wait_for_selector("#dra-groups .dra-pair math")
    texts = browser.page.locator("#dra-groups .dra-pair .dra-text")
    assert texts.count() == 2
    assert browser.page.locator("#dra-groups .dra-pair :is(del, ins)").count()
    texts.nth(0).evaluate("text => { text.scrollTop = 200; }")
    wait_until(lambda: texts.nth(1).evaluate("text => text.scrollTop") > 100)
    browser.page.keyboard.press("Escape")
    browser.page.wait_for_selector("#dra-groups .dra-pair", state="detached")
    assert "pair" not in browser.state()
    assert browser.state()["completion"] == "3"


def test_a_hit_opens_at_its_completion_marked(browser: Browser) -> None:
    browser.open("search", f"run=maths&q={FINDABLE.replace(' ', '+')}")
    assert re.search("(✓ right|✗ wrong) · reward .* · advantage", browser.text("#dra-search [data-hit] >> nth=0"))
    wait_until(lambda: browser.text("#dra-search [data-part=count]") == "6 completions in all")
    browser.page.click("#dra-search [data-hit] >> nth=4")
    browser.page.wait_for_selector("#dra-groups .dra-alone")
    assert browser.state()["completion"] == "2"
    wait_until(lambda: browser.page.evaluate("CSS.highlights.get('dra-find')?.size") == 1)
    place = browser.page.evaluate("[...CSS.highlights.get('dra-find')][0].getBoundingClientRect().top")
    assert 0 < place < 800


def test_small_advantages_and_large_similarities_can_be_seen(browser: Browser) -> None:
    browser.open("groups", "run=wide&step=2")
    figure = browser.page.locator("#dra-groups figure", has_text="Advantage: plain")
    assert "axis on the right" in figure.inner_text()
    tallest = figure.locator("rect.trained").evaluate_all("bars => Math.max(...bars.map(b => b.height.baseVal.value))")
    assert tallest > 20
    heads = browser.page.locator("#dra-groups .dra-card .advantage").all_text_contents()
    assert len({len(head) for head in heads}) == 1
    assert len(set(heads)) > 12
    browser.page.click("#dra-groups [data-stretch]")
    browser.page.wait_for_selector("#dra-groups [data-stretch]:has-text('scale stretched')")
    legend = browser.text("#dra-groups figure:has(svg[data-heat]) .dra-legend")
    assert float(legend.split()[0]) > 0.5


def test_what_was_recorded_can_be_seen_beside_a_what_if_that_is_much_larger(browser: Browser) -> None:
    browser.open("what-if", "run=wide&step=2&set=diversity=none")
    figure = browser.page.locator("#dra-what-if figure", has_text="Advantage: as trained and what if")
    assert "as trained (axis on the right)" in figure.inner_text()
    tallest = figure.locator("rect.trained").evaluate_all("bars => Math.max(...bars.map(b => b.height.baseVal.value))")
    assert tallest > 20


def test_a_setting_of_an_imported_run_is_changed_alone(browser: Browser) -> None:
    browser.open("what-if", "run=verl&step=2&group=1")
    assert browser.text("#dra-what-if [data-key=scale_rewards] option:checked") == "as its trainer did"
    browser.page.select_option("#dra-what-if [data-key=diversity]", "graph_cut")
    browser.page.wait_for_selector("#dra-what-if [data-part=lines] pre:has-text('diversity: graph_cut')")
    assert browser.state()["set"] == "diversity=graph_cut"
    assert not browser.page.locator("#dra-what-if [data-part=message]:visible").count()


def test_a_step_is_typed_and_one_that_is_not_there_is_told(browser: Browser) -> None:
    browser.open("groups", "run=wide&step=2")
    field = browser.page.locator("#dra-groups [data-step-field]")
    field.fill("1")
    field.press("Enter")
    browser.page.wait_for_selector("#dra-groups h3:has-text('Step 1, group 0')")
    field.fill("99")
    field.press("Enter")
    browser.page.wait_for_selector("#dra-groups [data-part=message]:has-text('step 99')")
    assert browser.state()["step"] == "2"


@pytest.mark.parametrize("size", [(1280, 800), (853, 533), (390, 844)])
def test_no_page_is_wider_than_its_window_and_the_way_to_every_page_is_seen(
    chromium: Any, address: str, size: tuple[int, int]
) -> None:
    browser = Browser(chromium, address, size=size)
    for name in pages():
        browser.open(name, f"run=many-rewards&other={LONG_NAME}&step=1&q=Let")
        browser.page.wait_for_load_state("networkidle")
        assert browser.page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        for link in browser.page.locator("#dra-shell nav a").all():
            box = link.bounding_box()
            assert box["x"] >= 0, (name, link.inner_text())
            assert box["x"] + box["width"] <= size[0], (name, link.inner_text())
    browser.close()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_what_is_wide_by_itself_is_not_wider_than_its_window(
    chromium: Any, address: str, size: tuple[int, int]
) -> None:
    """A group of 64 with its table and its ranking, twelve rewards with long names of a completion alone, a pair."""
    browser = Browser(chromium, address, size=size)
    width = "document.documentElement.scrollWidth"
    for query in ("many-rewards&step=1&completion=0", "maths&step=2&completion=3&pair=3,5", "failed&completion=1"):
        browser.open("groups", f"run={query}")
        assert browser.page.evaluate(width) <= size[0], query
    browser.open("what-if", "run=wide&step=2")
    browser.page.click("#dra-what-if [data-rank='1']")
    browser.page.wait_for_selector("#dra-what-if .dra-ranking tbody tr")
    assert browser.page.evaluate(width) <= size[0]
    browser.close()


def test_settings_of_a_what_if_are_called_as_a_recipe_calls_them(browser: Browser) -> None:
    browser.open("what-if", "run=maths&step=2&set=diversity=mmr")
    fields = browser.page.locator("#dra-what-if .dra-field")
    keys = fields.locator("[data-key]").evaluate_all("fields => fields.map(field => field.dataset.key)")
    assert fields.locator("code").all_text_contents() == keys
    assert {"diversity", "mmr_trade_off", "scale_rewards", "zero_spread_groups", "diversity_start_step"} <= set(keys)
    assert set(keys) <= set(known_keys())


def test_twelve_rewards_are_told_apart_and_abstentions_are_marked(browser: Browser) -> None:
    browser.open("groups", "run=many-rewards&step=1&completion=0")
    rows = browser.page.locator("#dra-groups .dra-why table").nth(1).locator("tr")
    assert rows.count() == 14
    values = browser.page.locator("#dra-groups .dra-why table").nth(1).locator("td").all_inner_texts()
    assert "abstained" in values
    weighted = [value.rpartition("→ ")[2] for value in values if value != "abstained"]
    assert len({len(value.partition(".")[2]) for value in weighted}) == 1, "their points stand below each other"
    tables = browser.page.locator("#dra-groups .dra-why table")
    assert tables.nth(0).bounding_box()["y"] == tables.nth(1).bounding_box()["y"], "side by side"
    figure = browser.page.locator("#dra-groups figure", has_text="Reward functions")
    kinds = figure.locator("i.dra-key:not(.flip-key)").evaluate_all("keys => keys.map(key => key.className)")
    assert len(set(kinds)) == 12
    assert "∅" in figure.inner_text()
    assert "no verdict" in browser.text("#dra-groups .dra-alone header")


def test_a_failed_run_says_why_and_a_long_name_moves_nothing_out_of_sight(browser: Browser) -> None:
    browser.open("overview", "run=failed")
    assert "RuntimeError: out of memory" in browser.text("#dra-overview [data-part=end]")
    browser.page.click("#dra-overview [data-part=end] summary")
    assert "Traceback" in browser.text("#dra-overview [data-part=end] pre")
    browser.page.wait_for_selector("#dra-overview .dra-runs")
    row = browser.page.locator("#dra-overview .dra-runs tr", has_text=LONG_NAME[:40])
    assert row.bounding_box()["height"] < 50
    state = row.locator(".dra-state").bounding_box()
    assert state["x"] + state["width"] < 1280
    assert row.locator(".dra-state").inner_text() == "stopped"
    browser.open("overview", f"run={LONG_NAME}")
    assert not browser.page.locator("#dra-overview [data-part=end] .dra-message").count()


def test_a_failed_run_shows_the_settings_of_each_attempt_and_what_changed(browser: Browser) -> None:
    browser.open("overview", "run=failed")
    attempts = browser.page.locator("#dra-overview [data-part=end] .dra-attempt")
    assert [text.split(",")[0] for text in attempts.locator("summary").all_inner_texts()] == [
        "settings of attempt 2",
        "settings of attempt 1",
    ]
    assert attempts.nth(0).locator("summary").inner_text().endswith("ago: 1 changed")
    for attempt, rate in ((0, "0.5"), (1, "1e-06")):
        attempts.nth(attempt).locator("summary").click()
        assert f"\nlearning_rate: {rate}\n" in attempts.nth(attempt).locator("pre").inner_text()
    assert attempts.nth(0).locator("li").all_inner_texts() == ["learning_rate 1e-06 → 0.5"]


def test_broken_groups_are_looked_for_and_their_step_opens(browser: Browser, root: Path) -> None:
    browser.open("overview", "run=verl")
    browser.page.click("#dra-overview [data-asks=lint] > summary")
    browser.page.wait_for_selector("#dra-overview [data-part=lint] .dra-health-note")
    shown = browser.text("#dra-overview [data-part=lint]")
    for finding in lint(root / "verl").findings:
        assert f"{finding.kind}: {finding.count} of {finding.of} {finding.unit}" in shown
        assert finding.why in shown
    step = re.findall(r"open step (\d+)", shown)[0]
    browser.page.locator("#dra-overview [data-part=lint] [data-step]").first.click()
    browser.drawn("groups")
    assert browser.state()["step"] == step
    browser.go("overview")
    browser.open("overview", f"run={LONG_NAME}")
    assert not browser.page.locator("#dra-overview [data-asks=lint][open]").count()


def test_titles_say_page_step_and_run_and_an_address_that_cannot_be_is_told(browser: Browser) -> None:
    browser.open("groups", "run=maths&step=2")
    assert browser.page.title() == "Groups · step 2 · maths · DRA Toolkit"
    browser.page.goto(f"{browser.address}/?page=grups&run=maths")
    browser.page.wait_for_selector("#dra-shell [data-part=message]:has-text(\"did you mean 'groups'?\")")
    browser.page.goto(f"{browser.address}/?run=mathz")
    browser.page.wait_for_selector("#dra-shell [data-part=message]:has-text('is no run under')")
    assert browser.page.locator("[data-part=message]:visible").count() == 1


@pytest.mark.parametrize(
    ("name", "query", "said", "left"),
    [
        ("groups", "step=2&completion=99", "completion: the group has 0 to 15, not 99", {}),
        ("groups", "step=2&completion=3&pair=1,16", "not 16", {"completion": "3"}),
        ("groups", "step=9", "no train groups of step 9 are recorded", {"step": "2"}),
        ("what-if", "step=9", "no train groups of step 9 are recorded", {"step": "2"}),
        ("overview", "x=bogus&y=advantage", "x: found 'bogus', expected one of tokens", {}),
        ("what-if", "step=2&group=77", "step 2 has no group 77", {"group": "2"}),
    ],
)
def test_what_an_address_names_and_is_not_there_is_told_and_left_out_of_it(
    browser: Browser, name: str, query: str, said: str, left: dict[str, str]
) -> None:
    browser.open(name, f"run=maths&{query}")
    assert said in browser.text(f"#dra-{name} [data-part=message]")
    state = browser.state()
    assert not {"pair", "x", "y"} & set(state)
    assert state.get("completion") == left.get("completion")
    assert {key: state[key] for key in left} == left
    if name == "what-if":
        browser.page.wait_for_selector("#dra-what-if [data-part=all-step]:has-text('all groups')")


def test_all_of_many_runs_are_compared(browser: Browser, root: Path) -> None:
    runs = sum(path.is_dir() for path in root.iterdir())
    browser.open("compare", "run=maths")
    browser.page.select_option("#dra-compare [data-add]", "*")
    rows = browser.page.locator("#dra-compare [data-part=table] tbody tr")
    wait_until(lambda: rows.count() == runs)
    assert not browser.page.locator("#dra-compare [data-part=message]:visible").count()


def test_a_run_that_has_ended_is_not_asked_about_again(chromium: Any, address: str) -> None:
    browser = Browser(chromium, address)
    asked: list[str] = []
    browser.page.on("request", lambda request: asked.append(request.url))
    browser.page.clock.install()
    for run, goes_on in (("failed", False), ("maths", True)):
        browser.page.goto(f"{address}/?page=search&run={run}")
        browser.page.wait_for_selector("#dra-shell [data-state]:visible")
        browser.page.wait_for_selector("#dra-search .dra[data-drawn]:not([aria-busy])", state="attached")
        asked.clear()
        for _ in range(5):
            browser.page.clock.run_for(12_000)
            browser.page.evaluate("fetch('dra/0/icon.svg').then((answer) => answer.text())")
        assert any("app/look" in url for url in asked) == goes_on
    browser.close()


def test_a_point_of_a_completion_opens_it(browser: Browser) -> None:
    browser.open("overview", "run=maths")
    browser.page.click("#dra-overview [data-asks=scatter] > summary")
    browser.page.wait_for_selector("#dra-overview [data-dot]")
    browser.page.select_option("#dra-overview [data-axis=x]", "redundancy")
    browser.page.wait_for_selector("#dra-overview figure:has-text('total reward against redundancy')")
    assert browser.state()["x"] == "redundancy"
    dot = browser.page.locator("#dra-overview [data-dot]").first
    step, _, group, completion = dot.get_attribute("data-dot").split(",")
    dot.dispatch_event("click")  # others may lie over it
    browser.page.wait_for_selector("#dra-groups .dra-alone")
    state = browser.state()
    assert (state["step"], state["group"], state["completion"]) == (step, group, completion)
