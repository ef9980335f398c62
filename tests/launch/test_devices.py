"""Which GPUs processes will see: an executable named nvidia-smi says which there are, CUDA_VISIBLE_DEVICES which count."""

from __future__ import annotations

from pathlib import Path

import pytest

from dra_toolkit.launch import Gpu, devices, visible_gpus

pytestmark = pytest.mark.process

FOUR = """\
0, GPU-1a2b3c4d-0000-0000-0000-000000000000, NVIDIA A100-SXM4-40GB, 40960
1, GPU-5e6f7a8b-1111-1111-1111-111111111111, NVIDIA A100-SXM4-40GB, 40960
2, GPU-5e6f0000-2222-2222-2222-222222222222, NVIDIA A100-SXM4-80GB, 81920
3, GPU-9c9c9c9c-3333-3333-3333-333333333333, NVIDIA H100 80GB HBM3, 81559
"""


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put an executable of that name, and nothing else, on the PATH; return the file that takes down its arguments."""
    asked = tmp_path / "asked"

    def install(rows: str, *, more: str = "") -> Path:
        (tmp_path / "rows").write_text(rows)
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!/bin/sh\necho \"$@\" >> '{asked}'\n"
            f"while IFS= read -r row; do echo \"$row\"; done < '{tmp_path / 'rows'}'\n{more}\n"
        )
        program.chmod(0o755)
        return asked

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices._rows.cache_clear()
    yield install
    devices._rows.cache_clear()


def indices(visible: str | None) -> list[str]:
    return [gpu.index for gpu in visible_gpus({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})]


def test_no_driver_is_no_gpu(nvidia_smi):
    assert visible_gpus() == []


def test_all_gpus_with_name_and_memory(nvidia_smi):
    nvidia_smi(FOUR)
    assert visible_gpus() == [
        Gpu(index="0", name="NVIDIA A100-SXM4-40GB", memory_mib=40960),
        Gpu(index="1", name="NVIDIA A100-SXM4-40GB", memory_mib=40960),
        Gpu(index="2", name="NVIDIA A100-SXM4-80GB", memory_mib=81920),
        Gpu(index="3", name="NVIDIA H100 80GB HBM3", memory_mib=81559),
    ]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["0", "1", "2", "3"]),
        ("2", ["2"]),
        ("3,1", ["3", "1"]),
        (" 3 , 1 ", ["3", "1"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("0,9,1", ["0"]),
        ("-1,0", []),
        ("1,-1,2", ["1"]),
        ("MIG-0b0b0b0b-0000-0000-0000-000000000000", []),
    ],
)
def test_cuda_visible_devices_chooses_and_orders(nvidia_smi, visible, expected):
    nvidia_smi(FOUR)
    assert indices(visible) == expected


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("GPU-9c9c9c9c-3333-3333-3333-333333333333", "NVIDIA H100 80GB HBM3"),
        ("GPU-9c9c", "NVIDIA H100 80GB HBM3"),
        ("GPU-5e6f0", "NVIDIA A100-SXM4-80GB"),
    ],
)
def test_a_uuid_keeps_the_users_own_name_for_the_gpu(nvidia_smi, entry, name):
    """Processes started here are given the same entry again, which may be the start of a UUID."""
    nvidia_smi(FOUR)
    (gpu,) = visible_gpus({"CUDA_VISIBLE_DEVICES": entry})
    assert (gpu.index, gpu.name) == (entry, name)


def test_uuids_beside_numbers(nvidia_smi):
    nvidia_smi(FOUR)
    assert indices("GPU-9c9c,0") == ["GPU-9c9c", "0"]


def test_the_setting_of_this_process_counts(nvidia_smi, monkeypatch):
    nvidia_smi(FOUR)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.index for gpu in visible_gpus()] == ["1"]


@pytest.mark.parametrize("memory", ["[N/A]", "[Not Supported]", ""])
def test_a_gpu_that_does_not_say_its_memory_is_left_out(nvidia_smi, memory):
    nvidia_smi(f"0, GPU-1a2b, NVIDIA A100-SXM4-40GB, 40960\n1, GPU-5e6f, NVIDIA GB10, {memory}\n")
    assert [gpu.index for gpu in visible_gpus()] == ["0"]


def test_what_is_no_row_is_passed_over(nvidia_smi):
    nvidia_smi("Warning: persistence mode is off\n\n" + FOUR)
    assert indices(None) == ["0", "1", "2", "3"]


def test_no_devices_were_found(nvidia_smi):
    nvidia_smi("No devices were found\n")
    assert visible_gpus() == []


def test_a_driver_that_fails_is_no_gpu(nvidia_smi):
    nvidia_smi(FOUR, more="exit 9")
    assert visible_gpus() == []


def test_a_driver_that_hangs_is_no_gpu(nvidia_smi, monkeypatch):
    monkeypatch.setattr(devices, "QUERY_SECONDS", 0.3)
    nvidia_smi(FOUR, more="exec /bin/sleep 60")
    assert visible_gpus() == []


def test_it_is_asked_once(nvidia_smi):
    asked = nvidia_smi(FOUR)
    for visible in (None, "1", "GPU-9c9c"):
        indices(visible)
    assert asked.read_text() == "--query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits\n"
