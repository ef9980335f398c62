"""The README as the wheel's long description, in which nothing needs the repository beside it; called by hatchling.

With an address, `Repository` in `[project.urls]` of pyproject.toml, pictures and pages are links to the version's tag there.
Without one no link can be right: a page is named by the command that shows it, a picture by what it shows.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ModuleNotFoundError:  # only a build has it
    MetadataHookInterface = object

LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def away_from_the_repository(text: str, address: str | None, version: str) -> str:
    """Return Markdown with its relative links and pictures made absolute, or words where there is no address."""

    def absolute(found: re.Match[str]) -> str:
        picture, words, path, place = found.groups()
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({str(address).rstrip('/')}/{kind}/v{version}/{path}{place or ''})"

    def said(found: re.Match[str]) -> str:
        picture, words, path, _ = found.groups()
        page = re.fullmatch(r"docs/([\w/-]+)\.md", path)
        return f"*({words})*" if picture else f"{words} (`dra docs {page[1]}`)" if page else words

    return LINK.sub(absolute if address else said, text)


class LongDescription(MetadataHookInterface):
    """Sets `readme` of the built package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set it, as hatchling asks."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        address = metadata.get("urls", {}).get("Repository")
        shown = away_from_the_repository(text, address, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}
