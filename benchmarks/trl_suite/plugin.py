"""Pytest plugin for TRL's GRPO tests: the trainer of `$SUITE_TRAINER`, small local data, and a line for each outcome."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import vision  # noqa: F401 - before anything imports torchvision
from PIL import Image

ROWS = int(os.environ.get("SUITE_ROWS", "2"))
ASKED = ("What is better than ugly?", "Say it simply.", "Is flat better than nested?", "Now or never?", "Why not?")


def _rows(config: str, images: int) -> datasets.Dataset:
    texts = [ASKED[number % len(ASKED)] for number in range(ROWS)]
    conversations = [[{"role": "user", "content": text}] for text in texts]
    found: dict[str, Any] = {"prompt": texts if config.startswith("standard") else conversations}
    made = [[Image.fromarray(np.full((28, 28, 3), 40 * n + 9 * i, np.uint8)) for i in range(2)] for n in range(ROWS)]
    if images:
        found |= {"image": [pair[0] for pair in made]} if images == 1 else {"images": made}
    return datasets.Dataset.from_dict(found)


def load_dataset(name: str, config: str = "", split: str | None = None, streaming: bool = False, **_: Any) -> Any:
    """Return what the tests know as zen, zen-image and zen-multi-image."""
    images = {"zen": 0, "zen-image": 1, "zen-multi-image": 2}[name.rpartition("/")[2]]
    rows = _rows(config, images)
    if streaming:
        rows = rows.to_iterable_dataset()
    kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
    return kind({"train": rows, "test": rows}) if split is None else rows


def _not_there(name: str) -> Any:
    """Return for a package that the tests' version of TRL knows, and the installed one does not, that it is missing."""
    if name.startswith("is_"):
        return lambda: False
    raise AttributeError(name)


datasets.load_dataset = load_dataset
import_module("trl.import_utils").__getattr__ = _not_there  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Put the trainer under test where the tests' module names TRL's, and leave out what was run before."""
    if os.environ["SUITE_TRAINER"] == "DRATrainer":
        from dra_toolkit import DRATrainer

        for module in {item.module for item in items}:
            module.GRPOTrainer = DRATrainer
    known = {line["test"] for line in _lines(os.environ["SUITE_OUTCOMES"])}
    failed = {line["test"] for line in _lines(os.environ["SUITE_FAILED"]) if line["outcome"] == "failed"}
    wanted = failed if os.environ["SUITE_FAILED"] else {_name(item.nodeid) for item in items}
    items[:] = [item for item in items if _name(item.nodeid) in wanted - known]


def pytest_runtest_logreport(report: Any) -> None:
    """Write down how a test ended."""
    if report.when == "call" or report.outcome != "passed":
        said = str(report.longrepr).strip().splitlines() if report.longrepr else []
        why = next((line[4:] for line in reversed(said) if line.startswith("E  ")), said[-1] if said else "")
        line = {"test": _name(report.nodeid), "outcome": report.outcome, "why": why.strip()[:300]}
        if report.when != "teardown":
            with open(os.environ["SUITE_OUTCOMES"], "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _lines(path: str) -> list[dict[str, str]]:
    found = Path(path).read_text(encoding="utf-8").splitlines() if path and Path(path).exists() else []
    return list(map(json.loads, found))


def _name(nodeid: str) -> str:
    return nodeid.partition("::")[2]
