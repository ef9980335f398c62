"""What all tests share: helpers by name from this folder, no network, and three tiers set by what a test file needs.

unit: neither a process, nor torch, nor a browser (enforced while it runs); process: starts processes; slow: trains, embeds
or evaluates with real models, or drives a browser. A single test in an otherwise lighter file carries its own marker.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches out
os.environ.setdefault("OMP_NUM_THREADS", "1")
hypothesis.settings.register_profile(
    "no clock", deadline=None
)  # how long an example takes says how busy the machine is
hypothesis.settings.load_profile("no clock")

TIERS = ("unit", "process", "slow")
HEAVY = {"torch", "transformers", "trl", "lighteval", "gradio"}
NEEDS = (
    *((tier, rf"^pytestmark = pytest\.mark\.{tier}$") for tier in TIERS),
    (
        "slow",
        rf"^\s*(?:import|from) (?:{'|'.join(HEAVY)}|deepspeed|peft|tiny|dashboard|group_app|eval_runs|evaluated)\b",
    ),
    ("slow", r"playwright|\b(?:policy|policies|checkpoint|minilm|chromium|lab|hub)\b[,)].*:$"),
    ("process", r"\b(?:subprocess|multiprocessing|psutil|os\.fork)\b|build_rewards|\bverifier\b"),
)
_running: list[str] = []


@cache
def tier_of(path: Path) -> str:
    """Return the tier of a test file: the first need that its text shows."""
    text = path.read_text()
    return next((tier for tier, needed in NEEDS if re.search(needed, text, re.MULTILINE)), "unit")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files that need more, where unit tests alone are asked for."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_test and config.option.markexpr == "unit" and tier_of(collection_path) != "unit" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its tier, unless it has one of its own."""
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(tier_of(item.path))


@pytest.fixture(autouse=True)
def _tier(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remember that a unit test runs, so that the audit below refuses what it may not do."""
    if request.node.get_closest_marker("unit"):
        _running.append(request.node.nodeid)
    yield
    _running.clear()


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    starts = event in ("subprocess.Popen", "os.fork", "os.posix_spawn")
    if _running and (starts or (event == "import" and arguments[:1] and arguments[0] in HEAVY)):
        raise RuntimeError(
            f"a unit test may not do this: {event} {arguments[:1]}; mark it process or slow (conftest.py)"
        )


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """Forget the module `mine` that a test wrote and loaded: another test's is another one."""
    yield
    sys.modules.pop("mine", None)
