"""Model text never reaches the terminal as anything but visible characters."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import record
from rich.console import Console

from dra_toolkit.inspection.views import group_view
from dra_toolkit.safe_text import visible

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m",
    "a\rb",
    "a\bb",
    "\x00",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\ud800",
    "[red]markup[/red] [link=http://evil]x[/link] :smile:",
    "\u2028line",
    "\u200bzero width",
    "\U000e0041tag",
]
SGR = re.compile(r"\x1b\[[0-9;]*m")


def rendered(texts: list[str], *, colour: bool, width: int = 80, full: bool = True) -> str:
    console = Console(
        file=io.StringIO(),
        force_terminal=colour,
        no_color=not colour,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
    )
    group = record(1, G=len(texts), texts=texts, prompt=texts[0])
    console.print(group_view(group, width=width, lines=None if full else 12))
    return console.file.getvalue()


def assert_harmless(text: str) -> None:
    bare = SGR.sub("", text)
    assert all(c == "\n" or c.isprintable() for c in bare), [c for c in bare if c != "\n" and not c.isprintable()]


@pytest.mark.parametrize("text", HOSTILE)
def test_known_tricks_are_spelt_out(text):
    shown = visible(text)
    assert shown.isprintable()
    assert_harmless(rendered([text, "other"], colour=True))


def test_escapes_can_be_read():
    assert visible("\x1b[31m\u202e") == "\\x1b[31m\\u202e"
    assert visible("a\tb\r\nc") == "a    b\nc"
    assert visible("a\nb", one_line=True) == "a b"
    assert visible("1\u00a0000") == "1 000"
    assert visible("naïve 中文 😀") == "naïve 中文 😀"


def test_markup_is_text():
    assert "[red]markup[/red]" in rendered(["[red]markup[/red]", "x"], colour=False)


@given(st.lists(st.text(st.characters(), max_size=40), min_size=1, max_size=3))
def test_nothing_but_printable_text_comes_out(texts):
    assert_harmless(rendered(texts, colour=True))
    assert "\x1b" not in rendered(texts, colour=False)


def test_ten_megabytes_in_one_line():
    shown = rendered(["x" * 10_000_000, "y"], colour=False, full=False)
    assert len(shown) < 20_000
    assert "more characters; --full shows them" in shown


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("G", [1, 8, 40])
def test_lines_keep_to_the_terminal(width, G):
    texts = [f"completion {i} " + "word " * 60 for i in range(G)]
    for line in rendered(texts, colour=False, width=width).splitlines():
        assert len(line) <= width
