"""Runs of very many files: how often each is opened, whoever asks, and however many ask at once."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from recorded import make_run, record, record_all

from dra_toolkit.runs import Run, RunDirectory
from dra_toolkit.runs import store as store_module
from dra_toolkit.runs.database import connect


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return make_run(tmp_path / "run")


def test_threads_that_ask_at_once_look_into_each_file_once(run, monkeypatch):
    record_all(run, *[[record(step)] for step in range(1, 31)])
    looked: Counter[Path] = Counter()
    look, store, together = store_module._contents_of, Run.open(run.path).store, threading.Barrier(6)

    def counted(path):
        looked[path] += 1
        return look(path)

    def ask():
        together.wait()
        store.snapshot()

    monkeypatch.setattr(store_module, "_contents_of", counted)
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(looked.values()) == [1] * 30


@pytest.mark.parametrize("alike", [True, False])
def test_tables_over_many_files_open_them_only_where_their_columns_differ(run, alike):
    record_all(run, *[[record(step)] for step in range(1, 4)])
    snapshot = Run.open(run.path).store.snapshot()
    if not alike:
        last = snapshot.files[-1].path
        snapshot.facts[last] = dataclasses.replace(snapshot.facts[last], reward_weights={"other": 1.0})
    for file in snapshot.files[1:]:
        file.path.write_bytes(b"")
    if alike:
        assert connect(snapshot, ["groups"])
    else:
        with pytest.raises(duckdb.Error):
            connect(snapshot, ["groups"])
