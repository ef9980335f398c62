"""The wheel holds what a user needs, nothing else, and its commands run away from the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import release

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release.build(tmp_path_factory.mktemp("dist"))


def test_it_holds_what_a_user_needs_and_no_tests(wheel: Path) -> None:
    assert release.contents(wheel) == []


@pytest.mark.long
def test_its_commands_run_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bin_folder = release.install(wheel, "", tmp_path)
    for words in release.COMMANDS:
        release.run(bin_folder, words, tmp_path / "empty")
