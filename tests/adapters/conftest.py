"""Runs of an engine that is none, closed after each test."""

import pytest

from dra_toolkit.adapters.core import EngineRun
from dra_toolkit.adapters.settings import read_settings
from dra_toolkit.diversity import ESTIMATORS


@pytest.fixture
def run_of(tmp_path):
    started = []

    def make(text: str = "", name: str = "run", **other) -> EngineRun:
        file = tmp_path / "dra.yaml"
        file.write_text(f"output_dir: {tmp_path / name}\n{text if 'embedder' in text else text + 'embedder: hash'}")
        how = {"engine": "tests", "reward_weights": {"right": 2.0, "format": 1.0}, "estimator": ESTIMATORS["verl"]}
        started.append(EngineRun(read_settings(file), **{**how, **other}))
        return started[-1]

    yield make
    for run in started:
        run.recorded.close()
