"""Every kind of interactive element of every page is used in Chromium, on runs of each kind that is trained for real.

One element of each kind, what its use brings to light included: of sixty-four cards one, of the heads of a table each.
What was used on one run of a page and brought nothing to light is left out on the others; each page begins with another run.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from dashboard import Browser
from real_runs import make_real_runs, record_more

from dra_app.pages import pages
from dra_app.server import static_files
from dra_toolkit.runs import Run, RunDirectory

RUNS = ("maths", "wide", "many-rewards", "verl", "failed", "grows")
QUERY = "run={run}&step=2&q=Let&other={other}&from=1&x=tokens"
USED = (
    "a[href], button, summary, select, input, tr[tabindex], [role=button], [data-dot], svg[data-curves], svg[data-heat]"
)
NAMED = ("key", "sort", "mark", "mode", "save", "axis", "preset", "pick", "rank", "asks", "by", "group-by", "metric")
"""Of `data-`, those whose value says what an element is; of others their being there says it."""
LEAVES = re.compile(r"data-(read|all|close|mode|list|leave|run|page|open|hit|dot|goto|step|curves)\b|data-offset")
"""What hides something or goes elsewhere: it is used when everything else was."""
ELSEWHERE = {"[data-all]", "[data-close]", "[data-whole]", "[data-open]"}
"""What something else of its page may have closed before: tests of their own use it (`test_reading_browser`)."""
TYPED = {"steps": "1..", "where": "flips >= 0", "find": "Find", "q": "Let", "data-step-field": "1", "data-filter": "re"}
LATER = ("compare", "search", "prompt")
"""Pages that `make long-check` goes through."""
PLACES = ", ".join(f"{place} :is({USED})" for place in ("#dra-shell", "main:not([hidden])"))
LOOK = f"""() => [...document.querySelectorAll("{PLACES}")]
  .filter((e) => e.checkVisibility({{ visibilityProperty: true }}) && !e.disabled && e.getBoundingClientRect().width > 0)"""
KIND = f"""(e) => [e.tagName, e.type, e.name,
  e.tagName === "SUMMARY" && (e.parentElement.dataset.asks ?? e.parentElement.className),
  ...Object.entries(e.dataset).map(([name, value]) => {{
    const said = name.replace(/[A-Z]/g, (sign) => "-" + sign.toLowerCase());
    return {list(NAMED)}.includes(said) ? `data-${{said}}=${{value}}` : `data-${{said}}`;
  }})].filter(Boolean).join(" ")"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    make_real_runs(folder)
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in LATER else ()) for name in pages()]
)
def test_whatever_can_be_used_is_used_on_every_kind_of_run(chromium: Any, address: str, root: Path, name: str) -> None:
    script = static_files()[f"{name}.js"].decode()
    handled = re.findall(
        r'^    "([^"]+)": ', script.partition("page.onClick({")[2].partition("\n  });")[0], re.MULTILINE
    )
    reached: set[str] = set()
    so_far = SoFar()
    steps = itertools.count(1 + Run.open(root / "grows").steps()[-1])
    first = list(pages()).index(name)
    for run in (*RUNS[first % len(RUNS) :], *RUNS[: first % len(RUNS)]):
        browser = Browser(chromium, address)
        browser.context.grant_permissions(["clipboard-read", "clipboard-write"])
        used = Used(browser, name, QUERY.format(run=run, other="maths" if run == "wide" else "wide"), handled, so_far)
        while used.next():
            if run == "grows":
                record_more(RunDirectory(root / run), next(steps))
        assert used.shown >= {"BUTTON button data-theme", "BUTTON button data-live"}
        so_far.kinds.update(used.kinds)
        reached |= used.reached
        browser.close()
    assert reached >= set(handled) - ELSEWHERE, "what a page answers to and no run shows"


class SoFar:
    """What was used of a page on earlier runs."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.revealing: set[str] = set()
        """Kinds of which one has brought others to light."""

    def suffices(self, kind: str) -> bool:
        """Tell whether a kind need not be used once more."""
        return kind in self.kinds and kind not in self.revealing and not kind.startswith("SUMMARY")


class Used:
    """What of a page was used, and what comes next."""

    def __init__(self, browser: Browser, name: str, query: str, handled: list[str], so_far: SoFar) -> None:
        self.browser, self.name, self.query, self.handled, self.so_far = browser, name, query, handled, so_far
        self.kinds: set[str] = set()
        self.shown: set[str] = set()
        self.last = ""
        self.reached: set[str] = set()
        self.tried: dict[str, int] = {}
        self.is_fresh = False
        self._open()

    def next(self) -> bool:
        """Use an element of a kind that was not used; return whether there was one."""
        shown = self.browser.page.evaluate_handle(LOOK)
        kinds = shown.evaluate(f"(found) => found.map({KIND})")
        if not self.shown.issuperset(kinds):
            self.so_far.revealing.add(self.last)
            self.shown.update(kinds)
        left = {kind: place for place, kind in reversed(list(enumerate(kinds))) if kind not in self.kinds}
        new = {kind: place for kind, place in left.items() if not self.so_far.suffices(kind)}
        if not new:
            if self.is_fresh:
                return False
            self._open()
            return True
        kind = min(new, key=lambda kind: bool(LEAVES.search(kind)))
        self.tried[kind] = self.tried.get(kind, 0) + 1
        self.last = kind
        assert self.tried[kind] < 8, f"{kind} is drawn anew whenever it is used"
        element = shown.evaluate_handle("(found, place) => found[place]", new[kind]).as_element()
        reached = element.evaluate("(e, handled) => handled.filter((s) => e.closest(s))", self.handled)
        if self._use(element, kind):
            self.kinds.add(kind)
            self.reached |= set(reached)
            self.is_fresh = False
        self._settled()
        return True

    def _use(self, element: Any, kind: str) -> bool:
        """Click, choose or type; return whether the element was still there."""
        page, tag = self.browser.page, kind.split()[0]
        try:
            if tag == "SELECT":
                values = element.evaluate("e => [...e.options].filter((o) => !o.disabled).map((o) => o.value)")
                element.select_option(values[-1])
            elif tag == "INPUT" and " range" in kind:
                element.press("ArrowLeft")
            elif tag == "INPUT" and " number" in kind:
                element.press("ArrowUp")
            elif tag == "INPUT" and " checkbox" not in kind:
                element.fill(next(text for name, text in TYPED.items() if name in kind.split()))
                element.press("Enter")
            elif "data-dot" in kind:
                element.dispatch_event("click")  # others may lie over it
            else:
                element.click()
        except Exception as error:
            if "not attached" in str(error) or "detached" in str(error):
                return False
            raise AssertionError(f"{self.name}, {self.query}: {kind}: {error}") from None
        if "dra-help" in kind:
            element.click()  # what it unfolds lies over the page
        if "data-save=table" in kind:
            page.click("dialog[open] button")
            page.wait_for_selector("dialog[open]", state="detached")
        return True

    def _settled(self) -> None:
        page = self.browser.page
        page.wait_for_function(
            "() => !window.openQuestions && !document.querySelector('main:not([hidden]) [aria-busy]')"
        )
        if self.browser.state().get("page", self.name) != self.name or "run=" not in page.url:
            page.go_back()
            self.browser.drawn(self.name)
        if self.browser.state()["run"] not in self.query:
            self._open()

    def _open(self) -> None:
        self.browser.open(self.name, self.query)
        self.is_fresh = True
