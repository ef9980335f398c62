"""What all tests share: helpers by name from this folder, no network, and three tiers set by what a test file needs.

unit: neither a process, nor torch, nor a browser (enforced); process: starts processes; slow: trains, embeds or evaluates
with real models, drives a browser, or tries a great many inputs. A single test in an otherwise lighter file carries its own
marker.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import typer.testing

sys.path.insert(0, str(Path(__file__).parent))
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches out
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):  # the Hub's stand-in may stand still for a while
    os.environ.setdefault(name, "300")
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
IS_PARTIAL = any(importlib.util.find_spec(name) is None for name in HEAVY)
"""Whether this environment lacks an extra: then what needs a package that is not there is skipped, saying so."""
_running: list[str] = []


@cache
def tier_of(path: Path) -> str:
    """Return the tier of a test file: the first need that its text shows."""
    text = path.read_text()
    return next((tier for tier, needed in NEEDS if re.search(needed, text, re.MULTILINE)), "unit")


def pytest_configure(config: pytest.Config) -> None:
    """Compile our sources once for the hundreds of processes that tests start, where Python is told not to do it itself."""
    if sys.dont_write_bytecode and config.option.markexpr != "unit" and not hasattr(config, "workerinput"):
        for package in ("dra_toolkit", "app/dra_app"):
            compileall.compile_dir(Path(__file__).parents[1] / package, quiet=2)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the files that need more, where unit tests alone are asked for."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_test and config.option.markexpr == "unit" and tier_of(collection_path) != "unit" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its tier, unless it has one of its own; the slow ones begin, so that no worker ends alone."""
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(tier_of(item.path))
    items.sort(key=lambda item: next(-place for place, tier in enumerate(TIERS) if item.get_closest_marker(tier)))


def _lacks(text: str) -> str | None:
    """Return the package that a failure names and that is not installed, if there is one."""
    named = re.findall(r"No module named '(\w+)|needs (?:the package )?([\w-]+)[^\n]*(?:pip install|; instal)", text)
    names = (first or second.replace("-", "_") for first, second in named)
    return next((name for name in names if importlib.util.find_spec(name) is None), None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a unit test file that brings in what unit tests do without: each of the workers would wait for it."""
    if session.config.option.markexpr == "unit" and (heavy := HEAVY & sys.modules.keys()):
        raise pytest.UsageError(f"a unit test file imports {', '.join(sorted(heavy))}; mark it process or slow")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Skip a file that imports what an extra would bring, where the extra is not installed."""
    report = yield
    if IS_PARTIAL and report.failed and (lacking := _lacks(str(report.longrepr))):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: needs {lacking}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Skip a test that fails for want of such a package alone."""
    report = yield
    if IS_PARTIAL and report.failed and (lacking := _lacks(str(report.longrepr) + report.capstderr)):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"Skipped: needs {lacking}")
    return report


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


@pytest.fixture(autouse=True, scope="session")
def _commands_made_once() -> None:
    """Build the tree of commands once, and not for each of the hundreds of commands that tests ask."""
    typer.testing._get_command = cache(typer.testing._get_command)


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """Forget the module `mine` that a test wrote and loaded: another test's is another one."""
    yield
    sys.modules.pop("mine", None)
