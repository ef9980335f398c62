"""Show hostile text harmlessly: nothing that a model wrote may colour, move or break the terminal."""

import unicodedata


def visible(text: str, *, one_line: bool = False) -> str:
    r"""Return `text` with every character that a terminal may act on, or that shows nothing, spelt out: `\x1b`, `\u202e`.

    Spelt out is what Python does not call printable: controls, bidirectional and other formats, surrogates, private and
    unassigned characters, separators of lines and paragraphs. Line breaks stay, unless `one_line`: then they become a
    space. A tab becomes four spaces, any other kind of space one.
    """
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if one_line:
        text = text.replace("\n", " ")
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    is_space = unicodedata.category(character) == "Zs"
    return " " if is_space else character.encode("unicode_escape", "backslashreplace").decode("ascii")


def first_line(error: BaseException, characters: int = 160) -> str:
    """Return the first line with words of what an error says, made visible and shortened; its kind where it says nothing.

    >>> first_line(ValueError("no such file\\nmore")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:characters]
    return visible(said, one_line=True) or type(error).__name__


def kind_and_line(error: BaseException) -> str:
    """Return `ValueError: no such file`: the kind of an error and the first line of what it says, if it says anything."""
    kind, said = type(error).__name__, first_line(error, 200).rstrip(". ")
    return kind if said == kind else f"{kind}: {said}"
