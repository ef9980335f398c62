"""The group pages in a real browser: keys, clicks, the address, hostile texts, formulas, what if."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from dashboard import FRAMES, Browser
from group_app import HOSTILE, make_groups_run
from waiting import wait_until

from dra_app.pages.what_if.settings import changes_from, facts_of
from dra_toolkit.inspection.replay.run import replay_groups
from dra_toolkit.runs import Run


class Pages(Browser):
    """The group pages in a browser."""

    def show(self, query: str, name: str = "groups") -> None:
        """Open a page and wait until it is drawn."""
        self.open(name, query)
        self.root = self.page.locator(f"#dra-{name} > .dra")

    def do(self, action: Any) -> None:
        """Do something that asks the server, and wait until the answer is drawn."""
        before = int(self.root.get_attribute("data-drawn"))
        action()
        self.page.wait_for_function(
            "([r, n]) => Number(r.dataset.drawn) > n && !r.hasAttribute('aria-busy')",
            arg=[self.root.element_handle(), before],
        )

    def press(self, key: str) -> None:
        """Press a key and wait for the answer."""
        self.do(lambda: self.page.keyboard.press(key))

    def head(self) -> str:
        """Return the title of the group that is shown."""
        return str(self.root.locator("[data-part=group] h3").inner_text())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    make_groups_run(folder / "r")
    return folder


@pytest.fixture
def pages(chromium: Any, address: str) -> Iterator[Pages]:
    found = Pages(chromium, address)
    yield found
    found.close()


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return Run.open(root / "r")


def test_keys_go_from_group_to_group_and_from_step_to_step(pages: Pages) -> None:
    pages.show("run=r&step=2")
    assert pages.head().startswith("Step 2, group 0")
    pages.press("j")
    pages.press("ArrowDown")
    assert pages.head().startswith("Step 2, group 2")
    pages.press("k")
    assert pages.root.locator("tr.chosen").get_attribute("data-group") == "1"
    pages.press("ArrowRight")
    assert pages.head().startswith("Step 3, group 1")
    pages.press("h")
    assert pages.state()["step"] == "2"


def test_keys_do_nothing_while_a_field_is_filled_in(pages: Pages) -> None:
    pages.show("run=r&step=2")
    pages.root.locator("[data-step-field]").focus()
    pages.page.keyboard.press("j")
    pages.page.evaluate("document.activeElement.blur()")
    pages.press("ArrowRight")
    assert pages.head().startswith("Step 3, group 0")


def test_a_click_on_a_cell_puts_its_two_completions_side_by_side(pages: Pages) -> None:
    pages.show("run=r&step=1")
    svg = pages.root.locator("svg[data-heat]")
    shape = json.loads(svg.get_attribute("data-heat"))
    box, width = svg.bounding_box(), svg.evaluate("e => e.viewBox.baseVal.width")
    scale = box["width"] / width
    at = {axis: (shape[side] + shape["cell"] * n) * scale for axis, side, n in (("x", "left", 2.5), ("y", "top", 0.5))}
    pages.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    i, j = shape["order"][0], shape["order"][2]
    assert pages.text("#dra-tip").startswith(f"completions {i} and {j}:")
    pages.do(lambda: svg.click(position=at))
    assert pages.state()["pair"] == f"{i},{j}"
    heads = pages.root.locator(".dra-pair h5").all_inner_texts()
    assert [head.split(" · ")[0] for head in heads] == [f"completion {i}", f"completion {j}"]
    pages.page.keyboard.press("Escape")
    assert pages.root.locator(".dra-pair").count() == 0


def test_the_address_brings_back_what_was_shown(pages: Pages) -> None:
    pages.show("run=r&step=2")
    pages.do(lambda: pages.root.locator("[data-sort=reward]").click())
    pages.do(lambda: pages.root.locator("[data-mark=copies]").click())
    pages.press("l")
    url, shown = pages.page.url, pages.root.locator(".dra-side").inner_text()
    assert "sort=reward" in url
    assert "marks=copies" in url
    again = urlsplit(url).query
    pages.show(again)
    assert pages.state() == {name: values[0] for name, values in parse_qs(again).items()}
    assert pages.root.locator(".dra-side").inner_text() == shown


def test_a_mark_keeps_its_groups_until_the_filters_are_cleared(pages: Pages) -> None:
    pages.show("run=r&step=2")
    assert pages.root.locator("table.dra-groups tbody tr").count() == 3
    pages.do(lambda: pages.root.locator("[data-mark=zero]").click())
    assert pages.root.locator("table.dra-groups tbody tr").count() == 1
    pages.do(lambda: pages.root.locator("[data-clear]").click())
    assert pages.root.locator("table.dra-groups tbody tr").count() == 3


def test_hostile_texts_are_shown_and_do_nothing(pages: Pages) -> None:
    pages.show("run=r&step=2&group=1&pair=0,2")
    pages.root.locator(".dra-card .dra-drawn").first.wait_for()  # formulas are drawn after the page
    for button in pages.root.locator("[data-raw]").all():
        button.click()
    wait_until(lambda: HOSTILE[0] in pages.root.locator(".raw").all_inner_texts())  # each is asked for by its click
    assert pages.page.evaluate("window.hacked") is None
    assert pages.root.locator(".dra-card img, .dra-card iframe, .dra-card script, .dra-text a").count() == 0
    assert pages.root.locator(".dra-card b:has-text('bold')").count() == 0
    assert pages.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "\u202e" not in pages.page.content()


def test_formulas_are_drawn_and_their_source_is_one_click_away(pages: Pages) -> None:
    pages.show("run=r&step=1")
    card = pages.root.locator("[data-i='0'].dra-card")
    card.locator("> .dra-drawn math mfrac").first.wait_for()
    assert "\\frac" not in card.locator("> .dra-text").inner_text()
    pages.root.locator("[data-draw]").click()
    assert "\\frac{4}{2}" in card.locator("> .dra-text").inner_text()
    assert card.locator("math").count() == 0


def test_formulas_that_come_after_their_source_was_asked_for_are_not_drawn(pages: Pages) -> None:
    held: list[Any] = []
    pages.page.route("**/dra/ask/groups/drawn", lambda route: held.append(route))
    pages.page.goto(f"{pages.address}/?page=groups&run=r&step=1")
    wait_until(lambda: bool(pages.page.evaluate("1")) and held)  # routes are asked while something else is
    pages.page.click("#dra-groups [data-draw]")
    with pages.page.expect_response("**/dra/ask/groups/drawn") as answered:
        held[0].continue_()
    answered.value.finished()
    pages.page.evaluate(FRAMES)
    assert pages.page.locator("#dra-groups .dra-card math").count() == 0
    assert pages.text("#dra-groups [data-draw]") == "as written"


def test_figures_are_saved_as_pictures_and_their_numbers_as_csv(pages: Pages, run: Run, tmp_path: Path) -> None:
    pages.show("run=r&step=1")
    figure = pages.root.locator("figure", has_text="Advantage")
    starts = {"png": b"\x89PNG", "svg": b"<svg", "csv": b"completion,"}
    for kind, start in starts.items():
        figure.hover()
        with pages.page.expect_download() as waited:
            figure.locator(f"[data-save={kind}]").click()
        saved = tmp_path / waited.value.suggested_filename
        waited.value.save_as(saved)
        assert saved.suffix == f".{kind}"
        assert saved.read_bytes().startswith(start)
    lines = (tmp_path / "r-step-1-train-0-0-advantages.csv").read_text().splitlines()
    assert [float(line.split(",")[2]) for line in lines[1:]] == pytest.approx(run.group(1, 0).advantages.tolist())


def test_what_if_shows_the_advantages_of_the_replay(pages: Pages, run: Run) -> None:
    pages.show("run=r&step=2&group=1", "what-if")
    pages.do(lambda: pages.root.locator("[data-key=diversity]").select_option("facility_location"))
    pages.do(lambda: pages.root.locator("[data-key=scale_rewards]").select_option("none"))
    assert pages.state()["set"] == "diversity=facility_location,scale_rewards=none"
    cells = pages.root.locator("table.dra-what-if tbody tr").evaluate_all(
        "rows => rows.map(row => [row.dataset.i, row.cells[2].innerText])"
    )
    shown = {int(i): float(text.replace("\u2212", "-")) for i, text in cells}
    changes, facts = changes_from({"set": pages.state()["set"]}), facts_of(run, 2, "train")
    settings, estimator = changes.settings(facts, "train"), changes.estimator(facts)
    expected = replay_groups([run.group(2, 1)], settings, estimator)[0].advantages
    np.testing.assert_allclose([shown[i] for i in range(4)], expected, atol=0.0051)
    lines = pages.root.locator("[data-copy]").inner_text()
    assert lines == "diversity: facility_location\nscale_rewards: none"
    pages.root.locator("[data-run-all]").click()
    pages.root.locator("[data-part=all-run]", has_text="48 completions").wait_for()


def test_settings_in_the_address_are_those_of_the_form(pages: Pages) -> None:
    pages.show("run=r&step=2&set=negative_totals=shift,diversity_start_step=3", "what-if")
    assert pages.root.locator("[data-key=negative_totals]").input_value() == "shift"
    assert pages.root.locator("[data-key=diversity_start_step]").input_value() == "3"
    pages.do(lambda: pages.root.locator("[data-reset]").click())
    assert "set" not in pages.state()


def click_curve(pages: Pages, share: float) -> None:
    """Click the first curve of the page at a share of its steps."""
    svg = pages.root.locator("svg.curves").first
    low, high = svg.evaluate("e => JSON.parse(e.dataset.curves).x.slice(2)")
    box = svg.bounding_box()
    scale = box["width"] / svg.evaluate("e => e.viewBox.baseVal.width")
    svg.click(position={"x": (low + (high - low) * share) * scale, "y": box["height"] / 2})


def test_a_prompt_is_followed_from_its_list_to_its_differences(pages: Pages) -> None:
    pages.show("run=r", "prompt")
    row = pages.root.locator("tr[data-prompt]", has_text="Solve")
    pages.do(lambda: row.click())
    pages.root.locator(".dra-pair").first.wait_for()
    pages.root.locator(".dra-thumb-box").nth(3).wait_for()
    pages.do(lambda: click_curve(pages, 1 / 3))
    assert pages.state()["between"] == "1,3"


@pytest.mark.parametrize("name", ["groups", "prompt", "what-if"])
def test_pages_fit_a_phone(pages: Pages, name: str) -> None:
    pages.page.set_viewport_size({"width": 390, "height": 844})
    pages.show("run=r&step=1", name)
    assert pages.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", ["groups", "what-if"])
def test_a_wrong_address_is_told_in_one_line(pages: Pages, name: str) -> None:
    wrong = "group=99" if name == "groups" else "set=diversity=os.system"
    pages.show(f"run=r&step=1&{wrong}", name)
    if name == "groups":
        assert pages.head().startswith("Step 1, group 0")
        assert "step 1 has no group 99" in pages.text("#dra-groups [data-part=message]")
    else:
        assert "os.system" in pages.root.locator("[data-part=message]").inner_text()
