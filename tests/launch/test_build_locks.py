"""Locks of torch's builds: one that a stopped build left goes, one that is held stays."""

from __future__ import annotations

import pytest
from torch.utils.file_baton import FileBaton

from dra_toolkit.launch.build_locks import KERNEL, build_notes
from dra_toolkit.recipe import load_recipe

RECIPE = """
model_name_or_path: some/model
dataset_name: some/data
reward_funcs: [accuracy]
embedder: hash
num_generations: 4
per_device_train_batch_size: 4
num_processes: 2
"""


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "cache"))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)

    def notes(strategy="zero2", **where):
        return list(build_notes(load_recipe(path, [f"accelerate_config={strategy}"]), **({"on_cpu": True} | where)))

    return notes


@pytest.fixture
def kernel(tmp_path):
    folder = tmp_path / "cache/py311_cpu" / KERNEL
    folder.mkdir(parents=True)
    return folder


def test_a_lock_that_nobody_holds_is_named_and_removed(notes, kernel):
    (kernel / "lock").touch()
    assert notes()[0].startswith(f"a build of {KERNEL} was stopped and left {kernel / 'lock'}; removed")
    assert not (kernel / "lock").exists()


def test_a_lock_that_torch_holds_stays(notes, kernel):
    baton = FileBaton(str(kernel / "lock"))
    assert baton.try_acquire()
    assert notes()[0].startswith(f"another process compiles {KERNEL}")
    assert (kernel / "lock").exists()
    baton.release()


def test_the_first_start_says_that_it_compiles(notes, kernel):
    assert any("compiles its kernel at this first start" in note for note in notes())
    assert notes(on_cpu=False) == []
    (kernel / f"{KERNEL}.so").touch()
    assert notes() == []


def test_without_deepspeed_nothing_is_looked_at(notes, kernel):
    (kernel / "lock").touch()
    assert notes("ddp") == []
    assert (kernel / "lock").exists()
