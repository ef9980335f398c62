"""A completion's text as it is read: thinking, turns, tool calls and answer apart; Markdown and LaTeX drawn, harmlessly.

Nothing of a text becomes markup: Markdown is read without HTML, links and pictures, and of a formula only the elements
and attributes of MathML that draw are kept.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from html import escape, unescape
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from dra_toolkit.groups import CompletionGroup
from dra_toolkit.judge.completions import CLOSING, OPENING
from dra_toolkit.safe_text import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

SHOWN = 48_000
"""Characters of all the texts of a group that are shown before any is asked for."""
LEAST = 400
"""Characters of one text that are shown at least."""
PAGE = 100_000
"""Characters of a text that are sent at once when the whole is asked for."""
DRAWN = 60_000
"""Characters of a text that are drawn; what follows is shown as it was written."""
MOST_FORMULAS = 600
KINDS = {"think": "thinking", "tool_call": "tool call", "tool_response": "tool result", "answer": "answer"}
"""Tag -> what the part in it is called."""
_PARTS = re.compile(
    r"<(?P<tag>think|tool_call|tool_response|answer)>(?P<inner>.*?)(?:</(?P=tag)>|\Z)"
    r"|<\|(?:im_start|start_header_id)\|>(?P<role>\w{1,20})(?:<\|end_header_id\|>)?\n?",
    re.DOTALL,
)
_TURN_ENDS = re.compile(r"<\|(?:im_end|eot_id|endoftext)\|>")
_FORMULA = re.compile(
    r"\$\$([^$]{1,2000}?)\$\$|\\\[([\s\S]{1,2000}?)\\\]|\\\(([\s\S]{1,1000}?)\\\)|\$(?!\s)([^$\n]{1,500}?)(?<!\s)\$(?!\d)"
    r"|(\\boxed\{(?:[^{}\n]|\{[^{}\n]{0,200}\}){1,300}\})"
)
_ENVIRONMENTS = re.compile(r"\\(begin|end)\{(?:aligned|align|gathered|split|equation)\*?\}")
UNITS = re.compile(rf"(?:{_FORMULA.pattern})|\s{{1,400}}|\w{{1,400}}|[^\w\s]")
"""What two texts are compared by: words, and whole formulas."""
_PLACE = re.compile("\ue000(\\d+)\ue001")
"""Stands for a formula while Markdown is read; a text has no such characters, as `visible` spells them out."""
_MATHML = re.compile(
    "math|mrow|m[ino]|mtext|mspace|mfrac|msqrt|mroot|msub|msup|msubsup|munder|mover|munderover|mtable|mtr|mtd|mpadded|"
    "menclose|mstyle|mphantom"
)
_ATTRIBUTES = re.compile(
    "display|stretchy|fence|form|mathvariant|linethickness|columnalign|rowspacing|accent|width|height|depth|notation|"
    "movablelimits|largeop|separator|lspace|rspace"
)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A text, or the beginning of it."""

    text: str
    """With what is not printable spelt out."""
    shown: int
    """Characters of it, before anything is spelt out."""
    whole: int
    """Characters of the whole text."""

    @property
    def is_cut(self) -> bool:
        """Whether more of it was recorded than is here."""
        return self.whole > self.shown


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a completion: what it is called, nothing for plain text, and its text."""

    kind: str
    text: str


def parts_of(completion: str) -> list[Part]:
    """Return a completion's parts in order: thinking, text, tool calls and their results, turns of others, answers.

    >>> [(part.kind, part.text) for part in parts_of("hm</think>So <answer>2</answer>")]
    [('thinking', 'hm'), ('', 'So'), ('answer', '2')]
    """
    text = completion
    if CLOSING in text and OPENING not in text.partition(CLOSING)[0]:
        text = f"{OPENING}{text}"  # the prompt opened it
    found: list[Part] = []
    end, role = 0, ""
    for match in _PARTS.finditer(text):
        found.append(Part(kind=role, text=text[end : match.start()]))
        if match["role"] is not None:
            role = "" if match["role"] == "assistant" else match["role"]
        else:
            found.append(Part(kind=KINDS[match["tag"]], text=match["inner"]))
        end = match.end()
    found.append(Part(kind=role, text=text[end:]))
    cleaned = (Part(kind=part.kind, text=_TURN_ENDS.sub("", part.text).strip()) for part in found)
    return [part for part in cleaned if part.text]


def parts_in(group: CompletionGroup, i: int) -> list[Part]:
    """Return the parts of completion i of a group: of its turns, where they were recorded, each with the tools it calls."""
    turns = group.turns[i] if group.turns else None
    if turns is None:
        return parts_of(group.completions[i])
    found: list[Part] = []
    for turn in turns:
        role = {"assistant": "", "tool": KINDS["tool_response"]}.get(turn.role, turn.role)
        found += parts_of(turn.content) if not role else [Part(kind=role, text=turn.content)]
        found += [Part(kind=KINDS["tool_call"], text=turn.calls)] if turn.calls else []
        found += [Part(kind="image", text=image) for image in turn.images]
    return [part for part in found if part.text]


def drawn(text: str) -> str:
    """Return a text as HTML: Markdown read, formulas as MathML; what comes after `DRAWN` characters as it was written."""
    rest = escape(visible(text[DRAWN:]))
    formulas: list[tuple[str, str]] = []

    def placed(match: re.Match[str]) -> str:
        if len(formulas) >= MOST_FORMULAS:
            return match[0]
        source = next(filter(None, match.groups()))
        formulas.append((match[0], formula(source, is_block=bool(match[1] or match[2]))))
        return f"\ue000{len(formulas) - 1}\ue001"

    marked = _FORMULA.sub(placed, visible(text[:DRAWN]))
    tokens = _markdown().parse(marked)
    for token in [*tokens, *(child for block in tokens for child in block.children or [])]:
        if token.type in ("code_inline", "fence", "code_block"):
            token.content = _PLACE.sub(lambda m: formulas[int(m[1])][0], token.content)
    html = _markdown().renderer.render(tokens, _markdown().options, {})
    return _PLACE.sub(lambda m: formulas[int(m[1])][1], html) + (f"<p>{rest}</p>" if rest else "")


def with_formulas(text: str) -> str:
    """Return a text as it was written, escaped, with its formulas drawn."""
    parts, end = [], 0
    for match in _FORMULA.finditer(text):
        source = next(filter(None, match.groups()))
        parts += [escape(visible(text[end : match.start()])), formula(source, is_block=bool(match[1] or match[2]))]
        end = match.end()
    return "".join([*parts, escape(visible(text[end:]))])


@functools.lru_cache(maxsize=4096)
def formula(source: str, *, is_block: bool = False) -> str:
    """Return a formula as MathML; as it was written where it cannot be read."""
    from latex2mathml.converter import convert_to_element

    try:
        table = _ENVIRONMENTS.sub(lambda m: f"\\{m[1]}{{matrix}}", source)
        found = _element(convert_to_element(table, display="block" if is_block else "inline"))
    except Exception:  # whatever a text holds, it is shown
        return f"<code>{escape(source)}</code>"
    return f'<span class="formula" title="{escape(source)}">{found}</span>'


def _element(element: Element) -> str:
    if not _MATHML.fullmatch(element.tag):
        return ""
    kept = "".join(
        f' {name}="{escape(value)}"' for name, value in element.attrib.items() if _ATTRIBUTES.fullmatch(name)
    )
    inside = escape(unescape(element.text or "")) + "".join(map(_element, element))
    return f"<{element.tag}{kept}>{inside}</{element.tag}>"


@functools.cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    found = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20}).enable("table")
    return found.disable(["link", "image", "autolink", "html_inline", "html_block", "reference", "entity", "lheading"])


def share_of(completions: int) -> int:
    """Return how many characters of each text of a group are shown at once."""
    return max(LEAST, SHOWN // max(1, completions))


def beginning(text: str, characters: int) -> Shown:
    """Return the beginning of a text with what is not printable spelt out."""
    return Shown(text=visible(text[:characters]), shown=min(characters, len(text)), whole=len(text))


def page_of(text: str, start: int) -> tuple[str, int | None]:
    """Return a piece of a text from a character on, made visible, and where the next one starts; None at the end."""
    start = max(0, start)
    end = start + PAGE
    return visible(text[start:end]), end if end < len(text) else None


def copies_of(completions: tuple[str, ...]) -> dict[int, int]:
    """Return for each completion that occurs more than once which set of equal texts it belongs to, from 0."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(completions):
        places.setdefault(text, []).append(i)
    sets = [found for found in places.values() if len(found) > 1]
    return {i: number for number, found in enumerate(sets) for i in found}
