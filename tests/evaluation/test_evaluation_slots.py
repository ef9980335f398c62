"""Where checkpoints are evaluated: GPUs in groups, as an executable named nvidia-smi says, or the cores of a CPU."""

from __future__ import annotations

import os

import pytest

from dra_toolkit.errors import EvaluationError
from dra_toolkit.evaluation.running.gpu_slots import make_slots
from dra_toolkit.launch import devices

pytestmark = pytest.mark.process


@pytest.fixture
def four_gpus(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    rows = "\n".join(f"{i}, GPU-{i}, NVIDIA H100 80GB HBM3, 81559" for i in range(4))
    program.write_text(f"#!/bin/sh\necho '{rows}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices._rows.cache_clear()
    yield monkeypatch
    devices._rows.cache_clear()


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def given(slots) -> list[str]:
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots]


def test_one_slot_for_each_gpu_and_each_job_a_process_from_the_start(four_gpus):
    slots = make_slots(None, tensor_parallel=1)
    assert given(slots) == ["0", "1", "2", "3"]
    assert {slot.device for slot in slots} == {"cuda"}


def test_groups_of_gpus_share_an_engine(four_gpus):
    assert given(make_slots(None, tensor_parallel=2)) == ["0,1", "2,3"]
    assert given(make_slots(None, tensor_parallel=3)) == ["0,1,2"]
    assert given(make_slots(1, tensor_parallel=2)) == ["0,1"]


def test_only_visible_gpus_count(four_gpus):
    four_gpus.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert given(make_slots(None, tensor_parallel=1)) == ["3", "1"]


def test_more_than_there_are_is_refused(four_gpus):
    with pytest.raises(EvaluationError, match="3 x 2 GPUs asked for, 4 visible"):
        make_slots(3, tensor_parallel=2)
    with pytest.raises(EvaluationError, match="1 x 8 GPUs asked for"):
        make_slots(None, tensor_parallel=8)


def test_a_cpu_is_one_slot_and_several_share_its_cores(no_gpu, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (alone,) = make_slots(None, tensor_parallel=1)
    cores = len(os.sched_getaffinity(0))
    assert alone.environment == {"OMP_NUM_THREADS": str(cores)}
    assert alone.device == "cpu"
    three = make_slots(3, tensor_parallel=1)
    assert {slot.environment["OMP_NUM_THREADS"] for slot in three} == {str(max(1, cores // 3))}
    assert len({slot.name for slot in three}) == 3


def test_what_a_cpu_cannot_do(no_gpu):
    with pytest.raises(EvaluationError, match="no GPU is visible"):
        make_slots(None, tensor_parallel=2)
    with pytest.raises(EvaluationError, match="expected 1 or more"):
        make_slots(0, tensor_parallel=1)
