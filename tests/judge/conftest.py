"""A judge for the whole session."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from dra_toolkit.judge.service import JudgeService


@pytest.fixture(scope="session")
def judge() -> Iterator[JudgeService]:
    with contextlib.closing(JudgeService(workers=2)) as running:
        yield running
