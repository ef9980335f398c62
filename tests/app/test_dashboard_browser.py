"""The whole dashboard in a real browser: every page on a real run, the address, growing and damaged runs, hostile texts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dashboard import FRAMES, Browser, another, dra_app
from group_app import HOSTILE
from recorded import make_run, record, record_all
from toy_runs import make_toys
from waiting import wait_until

from dra_app.pages import pages
from dra_toolkit.runs.compaction import compact

HOSTILE_NAME = "<img src=x onerror='window.hacked=9'>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_toys(folder, steps=12)
    hostile = make_run(folder / "hostile")
    record_all(hostile, *([record(step, 0, G=4, texts=HOSTILE, prompt=HOSTILE[0])] for step in range(1, 4)))
    record_all(make_run(folder / HOSTILE_NAME), [record(1, 0)])
    return folder


@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), ((390, 844), True)])
def test_every_page_shows_a_recorded_run(chromium: Any, address: str, size: tuple[int, int], dark: bool) -> None:
    browser = Browser(chromium, address, size=size, dark=dark)
    for name in pages():
        browser.open(name, "run=toy-dra-grpo&q=ones&other=toy-grpo")
        assert browser.page.locator(".dra-page:visible").count() == 1
        assert not browser.page.locator(f"#dra-{name} [data-part=message]:visible").count()
        width = browser.page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], f"{name} is wider than the screen"
    scheme = browser.page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert scheme == ("dark" if dark else "light")
    browser.close()


WATCHED = """
window.moved = [];
const told = new PerformanceObserver((list) => window.moved.push(...list.getEntries().map(({ value }) => value)));
told.observe({ type: 'layout-shift' });
"""


def test_the_number_of_hits_is_told_without_moving_them(browser: Browser) -> None:
    held: list[Any] = []
    browser.page.add_init_script(WATCHED)
    browser.page.route("**/dra/ask/search/count", lambda asked: held.append(asked))
    browser.page.goto(f"{browser.address}/?page=search&run=toy-grpo&q=think")
    browser.page.wait_for_selector("#dra-search .dra[data-drawn]:not([aria-busy]) [data-hit]")
    wait_until(lambda: bool(browser.page.evaluate("1")) and held)  # routes are asked while something else is
    browser.page.evaluate(FRAMES)  # the hits have come to rest
    browser.page.evaluate("window.moved = []")
    held[0].continue_()
    wait_until(lambda: "completions in all" in browser.text("#dra-search [data-part=count]"))
    browser.page.evaluate(FRAMES)
    assert not browser.page.evaluate("window.moved")


def test_no_answer_is_drawn_under_a_button_that_is_held_down(browser: Browser) -> None:
    browser.open("groups", "run=toy-dra-grpo&step=6&group=0")
    heading = browser.page.locator("#dra-groups [data-part=group] h3")
    shown, held = heading.inner_text(), []
    browser.page.route("**/dra/ask/groups/*", lambda asked: held.append(asked))
    browser.page.locator("#dra-groups table.dra-groups tbody tr").nth(2).click()
    browser.page.locator("#dra-groups nav a[data-page='what-if']").hover()
    wait_until(lambda: browser.page.evaluate("0") or held)  # routes are asked while something else is
    browser.page.mouse.down()
    with browser.page.expect_response("**/dra/ask/groups/*") as answered:
        held[0].continue_()
    answered.value.finished()
    browser.page.evaluate(FRAMES)
    assert heading.inner_text() == shown
    browser.page.unroute("**/dra/ask/groups/*")
    browser.page.mouse.up()
    browser.drawn("what-if")
    assert browser.state()["group"] == "2"


def test_overview_draws_the_curves_and_a_click_opens_the_step(browser: Browser) -> None:
    browser.open("overview", "run=toy-dra-grpo")
    for figure in (
        "reward",
        "functions",
        "similarity",
        "vendi_score",
        "zero_spread",
        "abs_advantage_plain",
        "evaluation",
    ):
        browser.plots("overview", figure)
    browser.page.wait_for_selector("#dra-overview .dra-runs tr.chosen")
    assert "diversity graph_cut" in browser.text("#dra-overview .dra-runs tr.chosen")
    browser.page.wait_for_selector("#dra-overview [data-part=notes]:has-text('No problem')")
    browser.page.wait_for_load_state("networkidle")  # nothing comes above the figure any more
    place = browser.page.locator('#dra-overview [data-figure="similarity"] svg.curves')
    box = place.bounding_box()
    browser.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    assert "similarity" in browser.text("#dra-tip")
    browser.page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    browser.drawn("groups")
    assert browser.state()["page"] == "groups"
    assert 5 <= int(browser.state()["step"]) <= 8
    browser.page.go_back()
    browser.page.wait_for_selector("#dra-overview .dra-plots:visible")


def test_back_returns_from_a_click_and_not_through_every_key(browser: Browser) -> None:
    browser.open("groups", "run=toy-dra-grpo&step=6&group=0")
    rows = browser.page.locator("#dra-groups table.dra-groups tbody tr")
    rows.nth(2).click()
    browser.page.wait_for_function("() => new URLSearchParams(location.search).get('group') === '2'")
    browser.drawn("groups")
    browser.page.keyboard.press("j")
    browser.page.wait_for_function("() => new URLSearchParams(location.search).get('group') === '3'")
    browser.drawn("groups")
    browser.page.go_back()
    browser.page.wait_for_function(
        "() => document.querySelector('#dra-groups h3').textContent.startsWith('Step 6, group 0')"
    )
    assert browser.state()["group"] == "0"


def test_a_search_that_fails_leaves_no_hits_of_another(browser: Browser) -> None:
    browser.open("search", "run=toy-dra-grpo&q=ones")
    assert browser.page.locator("#dra-search [data-hit]").count()
    browser.page.fill("#dra-search [name=where]", "flps > 0")
    browser.page.keyboard.press("Enter")
    browser.page.wait_for_selector("#dra-search [data-part=message]:visible")
    assert not browser.page.locator("#dra-search [data-hit]").count()
    assert "groups where: no measure 'flps'; did you mean 'flips'" in browser.text("#dra-search [data-part=message]")


def test_the_robust_preset_keeps_the_readers_settings_and_guards_something(browser: Browser) -> None:
    browser.open("what-if", "run=toy-grpo&set=scale_rewards=none")
    browser.page.click("#dra-what-if [data-preset]")
    browser.page.wait_for_function("() => location.search.includes('multiply')")
    browser.drawn("what-if")
    kept = set(browser.state()["set"].split(","))
    assert {"scale_rewards=none", "diversity=graph_cut", "negative_totals=multiply"} <= kept


def test_figures_and_their_numbers_can_be_saved(browser: Browser) -> None:
    browser.open("overview", "run=toy-dra-grpo")
    browser.plots("overview", "reward")
    saved = {}
    for kind in ("png", "svg", "csv"):
        button = browser.page.locator(f'#dra-overview [data-figure="reward"] [data-save="{kind}"]')
        with browser.page.expect_download() as download:
            button.click()
        assert download.value.suggested_filename == f"toy-dra-grpo-reward.{kind}"
        saved[kind] = Path(download.value.path()).read_bytes()
    assert saved["png"].startswith(b"\x89PNG")
    assert saved["svg"].startswith(b"<svg")
    assert b"Reward" in saved["svg"]
    assert saved["csv"].decode().splitlines()[0] == "step,reward,adjusted"
    assert len(saved["csv"].decode().splitlines()) == 13


def test_a_reload_and_a_link_show_the_same(browser: Browser) -> None:
    browser.open("search", "run=toy-grpo")
    browser.page.fill("#dra-search input[name=q]", "Ones column")
    browser.page.check("#dra-search input[name=case]")
    browser.page.fill("#dra-search input[name=steps]", "2..5")
    browser.page.press("#dra-search input[name=q]", "Enter")
    wait_until(lambda: browser.state().get("steps") == "2..5")
    browser.drawn("search")
    before = browser.state(), browser.text("#dra-search .dra-hits")
    assert before[0] == {
        "page": "search",
        "run": "toy-grpo",
        "q": "Ones column",
        "case": "1",
        "steps": "2..5",
    }
    browser.page.reload()
    browser.page.wait_for_selector("#dra-search .dra-hits li")
    assert (browser.state(), browser.text("#dra-search .dra-hits")) == before
    assert browser.page.input_value("#dra-search input[name=q]") == "Ones column"
    browser.page.click("#dra-search .dra-hits a >> nth=0")
    browser.drawn("groups")
    assert browser.state()["run"] == "toy-grpo"
    assert 2 <= int(browser.state()["step"]) <= 5
    browser.page.go_back()
    browser.page.wait_for_selector("#dra-search .dra-hits:visible")
    assert browser.state() == before[0]


def test_pages_of_hits_follow_each_other(browser: Browser) -> None:
    browser.open("search", "run=toy-grpo&q=think")
    first = browser.text("#dra-search .dra-hits")
    browser.page.click("#dra-search [data-offset='20']")
    wait_until(lambda: "completions 21 to 40" in browser.text("#dra-search [data-part=hits]"))
    assert browser.state()["offset"] == "20"
    assert browser.text("#dra-search .dra-hits") != first


def test_hits_that_are_painted_late_are_not_taken_for_hits_that_are_still_searched(browser: Browser) -> None:
    browser.page.clock.install()
    browser.open("search", "run=toy-grpo")
    browser.page.evaluate(
        "() => { window.held = []; window.requestAnimationFrame = (drawn) => window.held.push(drawn); }"
    )
    browser.page.fill("#dra-search input[name=q]", "think")
    browser.page.press("#dra-search input[name=q]", "Enter")
    browser.page.wait_for_selector("#dra-search .dra-hits li")
    browser.page.clock.run_for(1_000)
    assert "completions 1 to 20" in browser.text("#dra-search [data-part=hits]")


def test_a_search_that_the_server_never_answers_does_not_go_on_for_ever(browser: Browser) -> None:
    browser.page.clock.install()
    browser.open("search", "run=toy-grpo")
    asked: list[Any] = []
    browser.page.route("**/dra/ask/search/show", lambda route: asked.append(route))
    browser.page.fill("#dra-search input[name=q]", "think")
    browser.page.press("#dra-search input[name=q]", "Enter")
    browser.page.wait_for_function("() => window.openQuestions")
    browser.page.clock.run_for(1_000)
    browser.page.wait_for_selector("#dra-search :text('Searching')")
    asked.pop().abort()
    browser.page.wait_for_selector("#dra-search [data-part=message]:visible")
    assert "Searching" not in browser.text("#dra-search")
    browser.complaints.clear()  # of the answer that never came


@pytest.mark.parametrize(
    ("query", "said"),
    [("q=%5B&regex=1", "no regular expression"), ("q=a&steps=x", "expected a step"), ("q=a&where=nope%3E1", "nope")],
)
def test_a_search_that_cannot_be_is_answered_in_one_line(browser: Browser, query: str, said: str) -> None:
    browser.open("search", f"run=toy-grpo&{query}")
    assert said in browser.text("#dra-search [data-part=message]")


@pytest.mark.parametrize(
    "query", ["run=../etc", "run=toy-grpo&step=x&mode=%3Cscript%3E", "run=toy-grpo&smooth=-9&other=.."]
)
def test_an_address_typed_by_anybody_breaks_nothing(chromium: Any, address: str, query: str) -> None:
    browser = Browser(chromium, address)
    for name in ("overview", "groups", "compare", "evaluate", "nonsense"):
        browser.page.goto(f"{address}/?page={name}&{query}")
        shown = ".dra-page .dra[data-drawn]:not([aria-busy]):visible", "[data-part=message]:visible"
        browser.page.wait_for_selector(", ".join(shown))
    browser.close()


def test_two_runs_are_laid_over_each_other_and_a_prompt_is_shown_in_both(browser: Browser) -> None:
    browser.open("compare", "run=toy-dra-grpo&other=toy-grpo")
    browser.plots("compare", "similarity")
    assert browser.page.locator('#dra-compare [data-figure="similarity"] > svg > path').count() == 2
    browser.page.wait_for_selector("#dra-compare tr[data-prompt]")
    assert "graph_cut" in browser.text("#dra-compare [data-part=table]")
    browser.page.click("#dra-compare tr[data-prompt] >> nth=1")
    browser.page.wait_for_selector("#dra-compare .dra-two .dra-card")
    assert browser.page.locator("#dra-compare .dra-two > div").count() == 2
    assert re.fullmatch("[0-9a-f]{16}", browser.state()["prompt"])
    shown = browser.page.text_content("#dra-compare [data-part=prompt]")
    browser.page.reload()
    browser.page.wait_for_selector("#dra-compare .dra-two .dra-card")
    assert browser.page.text_content("#dra-compare [data-part=prompt]") == shown


def test_scores_are_shown_with_their_errors_and_two_steps_are_compared(browser: Browser) -> None:
    browser.open("evaluate", "run=toy-grpo")
    browser.plots("evaluate", "evaluation")
    assert "step-10" in browser.text("#dra-evaluate table")
    assert "±" in browser.text("#dra-evaluate table")
    assert browser.page.locator('#dra-evaluate [data-figure="evaluation"]  > svg > path').count() >= 2
    browser.page.wait_for_selector("#dra-evaluate [data-pick=left]")
    browser.page.select_option("#dra-evaluate [data-metric]", "pass@4")
    wait_until(lambda: browser.state().get("metric") == "pass@4")
    browser.page.reload()
    browser.page.wait_for_selector("#dra-evaluate [data-pick=left]")
    assert browser.page.input_value("#dra-evaluate [data-metric]") == "pass@4"
    compared = browser.text("#dra-evaluate [data-part=pair]")
    assert "points" in compared
    assert "told apart four times in five" in compared, "what such a comparison can see at all"
    browser.page.click("#dra-evaluate .dra-flip summary >> nth=0")
    shown = browser.text("#dra-evaluate .dra-flip[open]")
    assert "gold" in shown
    assert shown.count("tokens, ends by") == 2, "an answer of each side"


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser) -> None:
    for name, query in (("search", "q=x"), ("overview", ""), ("compare", "other=toy-grpo"), ("groups", "step=1")):
        browser.open(name, f"run=hostile&{query}")
        assert browser.page.evaluate("window.hacked") is None
        assert not browser.page.locator(f"#dra-{name} iframe, #dra-{name} img, #dra-{name} script").count()
    browser.open("overview", f"run={quote(HOSTILE_NAME)}")
    browser.page.wait_for_selector("#dra-overview .dra-runs tr.chosen")
    assert HOSTILE_NAME in browser.text("#dra-overview .dra-runs tr.chosen")
    assert not browser.page.locator(".dra img").count()
    assert browser.page.evaluate("window.hacked") is None
    browser.open("search", "run=hostile&q=onerror")
    assert "onerror='window.hacked" in browser.text("#dra-search .dra-hits")


def test_the_page_goes_dark_and_light_and_remembers(browser: Browser) -> None:
    browser.open("overview", "run=toy-grpo")
    browser.plots("overview", "similarity")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = browser.page.evaluate(ground)
    browser.page.click("#dra-shell [data-theme]")
    assert browser.page.evaluate(ground) != light
    browser.page.reload()
    browser.plots("overview", "similarity")
    assert browser.page.evaluate(ground) != light


def test_an_empty_root_says_what_to_do_and_goes_on_when_a_run_appears(chromium: Any, tmp_path: Path) -> None:
    with dra_app(tmp_path) as address:
        browser = Browser(chromium, address)
        browser.page.goto(f"{address}/")
        browser.page.wait_for_selector("#dra-shell .dra-welcome:visible")
        assert "dra train" in browser.text("#dra-shell .dra-welcome")
        directory = make_run(tmp_path / "first")
        browser.page.wait_for_selector("#dra-overview .dra-empty:visible")
        assert browser.state()["run"] == "first"
        record_all(directory, [record(1, 0)], [record(2, 0)])
        browser.plots("overview", "reward")
        browser.close()


def points(browser: Browser) -> int:
    """Return how many steps the curve of the similarity has."""
    return int(
        browser.page.evaluate(
            "JSON.parse(document.querySelector('#dra-overview [data-figure=similarity] > svg').dataset.curves)"
            ".lines[0].x.length"
        )
    )


def test_a_growing_run_is_followed_held_still_compacted_damaged_and_lost(chromium: Any, tmp_path: Path) -> None:
    directory = make_run(tmp_path / "grows")
    record_all(directory, *([record(step, 0)] for step in range(1, 6)))
    with dra_app(tmp_path / "grows") as address:
        browser = Browser(chromium, address, size=(1280, 500))
        browser.open("overview")
        browser.plots("overview", "similarity")
        assert points(browser) == 5
        browser.page.evaluate("scrollTo(0, 300)")
        top = "document.querySelector('#dra-overview [data-figure=similarity]').getBoundingClientRect().top"
        read_at = browser.page.evaluate(top)
        record_all(directory, [record(6, 0)])
        wait_until(lambda: points(browser) == 6)
        assert abs(browser.page.evaluate(top) - read_at) <= 1, "what is read stays where it is, whatever grows above it"
        browser.page.evaluate("scrollTo(0, 0)")
        browser.page.click("#dra-shell [data-live]")
        record_all(directory, [record(7, 0)])
        with another(browser) as live:
            live.open("overview")
            wait_until(lambda: points(live) == 7)
        assert points(browser) == 6
        browser.page.click("#dra-shell [data-live]")
        wait_until(lambda: points(browser) == 7)
        compact(directory.groups, everything=True)
        record_all(directory, [record(8, 0)])
        wait_until(lambda: points(browser) == 8)
        (directory.groups / "train-000009-00.parquet").write_bytes(b"PAR1 torn")
        record_all(directory, [record(10, 0)])
        wait_until(lambda: points(browser) >= 9)
        shutil.rmtree(directory.path)
        browser.page.wait_for_selector("#dra-shell [data-part=message]:visible, #dra-shell .dra-welcome:visible")
        browser.close()
