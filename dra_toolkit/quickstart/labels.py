"""Which way each completion of a group takes: labels for `dra audit --labels dra_toolkit.quickstart.labels.styles_of`."""

from __future__ import annotations

from collections.abc import Sequence

from dra_toolkit.quickstart.checker import style_of


def styles_of(completions: Sequence[str]) -> list[str | None]:
    """Return the way that each completion takes, None where none is recognised."""
    return [style_of(completion) for completion in completions]
