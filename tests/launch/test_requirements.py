"""What a machine lacks for a recipe: packages that are not there, too few GPUs. One line each, with what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dra_toolkit.launch import Gpu, missing
from dra_toolkit.recipe import load_recipe

GOOD = """
model_name_or_path: some/model
dataset_name: some/data
reward_funcs: [accuracy]
embedder: hash
per_device_train_batch_size: 8
"""
PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "deepspeed", "vllm", "flash_attn", "kernels")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make these packages, and no others of `PACKAGES`, look installed to whoever searches for them."""

    def install(*present: str) -> None:
        for name in PACKAGES:
            if name in present:
                (tmp_path / "site" / name).mkdir(parents=True, exist_ok=True)
                (tmp_path / "site" / name / "__init__.py").touch()
                monkeypatch.delitem(sys.modules, name, raising=False)
            else:
                monkeypatch.setitem(sys.modules, name, None)  # Python's own word for: not to be found

    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    install(*PACKAGES)
    return install


@pytest.fixture
def lacks(tmp_path):
    """The lines for the recipe with some overrides on a machine with so many GPUs."""

    def find(*overrides: str, gpus: int = 0) -> list[str]:
        path = tmp_path / "r.yaml"
        path.write_text(GOOD)
        found = [Gpu(index=str(i), name="NVIDIA A100-SXM4-40GB", memory_mib=40960) for i in range(gpus)]
        lines = list(missing(load_recipe(path, overrides), found))
        assert all("\n" not in line for line in lines)
        return lines

    return find


class TestPackages:
    def test_all_there(self, installed, lacks):
        everything = ("use_vllm=true", "attn_implementation=flash_attention_2", "accelerate_config=zero2")
        assert lacks(*everything) == []

    def test_only_what_the_recipe_uses_is_asked_for(self, installed, lacks):
        installed("torch", "transformers", "trl", "datasets")
        assert lacks() == []

    def test_training_packages_are_told_in_one_line(self, installed, lacks):
        installed("torch", "datasets")
        assert lacks() == ['transformers, trl not installed; training needs `pip install "dra-toolkit[train]"`']

    def test_accelerate_for_several_processes(self, installed, lacks):
        installed("torch", "transformers", "trl", "datasets")
        (line,) = lacks("num_processes=2")
        assert line == 'accelerate not installed; training needs `pip install "dra-toolkit[train]"`'

    @pytest.mark.parametrize("override", ["accelerate_config=zero2", "accelerate_config=zero3", "deepspeed=ds.json"])
    def test_deepspeed(self, installed, lacks, override):
        installed("torch", "transformers", "trl", "datasets", "accelerate")
        (line,) = lacks(override)
        assert line.startswith("deepspeed not installed; ")
        assert 'pip install "dra-toolkit[deepspeed]"' in line

    @pytest.mark.parametrize("override", ["use_vllm=true", "vllm_gpus=1"])
    def test_vllm(self, installed, lacks, override):
        installed("torch", "transformers", "trl", "datasets", "accelerate")
        (line,) = lacks(override)
        assert line.startswith(f"use_vllm: vllm not installed in {sys.prefix}; ")
        assert ".venv-vllm/bin/dra" in line, "vLLM for a CPU lies in an environment of its own"
        (line,) = lacks(override, gpus=2)
        assert 'pip install "dra-toolkit[vllm]"' in line
        assert "use_vllm=false vllm_gpus=0" in line

    @pytest.mark.parametrize("either", ["flash_attn", "kernels"])
    def test_flash_attention(self, installed, lacks, either):
        training = ("torch", "transformers", "trl", "datasets")
        installed(*training)
        (line,) = lacks("attn_implementation=flash_attention_2")
        assert line.startswith("attn_implementation: flash_attention_2 needs the package flash-attn ")
        assert "attn_implementation=sdpa" in line
        installed(*training, either)
        assert lacks("attn_implementation=flash_attention_2") == []

    def test_everything_that_lacks_at_once(self, installed, lacks):
        installed()
        lines = lacks("accelerate_config=zero2", "use_vllm=true", "attn_implementation=flash_attention_2")
        assert [line.split()[0] for line in lines] == [
            "torch,",
            "deepspeed",
            "use_vllm:",
            "attn_implementation:",
        ]


@pytest.mark.usefixtures("installed")
class TestGpus:
    def test_more_processes_than_gpus(self, lacks):
        assert lacks("num_processes=3", gpus=2) == [
            "num_processes: 3 for training here and 0 for vLLM need 3 GPUs, and this machine shows 2 (0, 1); "
            "lower num_processes or vllm_gpus"
        ]

    def test_a_process_for_each_gpu(self, lacks):
        assert lacks("num_processes=3", gpus=3) == []

    def test_the_servers_gpus_are_counted(self, lacks):
        (line,) = lacks("num_processes=3", "vllm_gpus=2", gpus=4)
        assert line.startswith("num_processes: 3 for training here and 2 for vLLM need 5 GPUs")
        assert lacks("num_processes=3", "vllm_gpus=1", gpus=4) == []

    def test_a_single_process_beside_its_server_needs_two(self, lacks):
        (line,) = lacks("vllm_gpus=1", gpus=1)
        assert "need 2 GPUs, and this machine shows 1 (0)" in line

    @pytest.mark.parametrize(("rank", "enough"), [(0, 4), (1, 3)])
    def test_each_machine_needs_its_share_and_the_first_one_the_server(self, lacks, rank, enough):
        two = ("num_machines=2", "num_processes=6", "main_process_ip=10.0.0.1", f"machine_rank={rank}", "vllm_gpus=1")
        assert lacks(*two, gpus=enough) == []
        (line,) = lacks(*two, gpus=enough - 1)
        assert f"need {enough} GPUs" in line

    def test_asked_for_the_cpu_none_is_needed(self, lacks):
        assert lacks("num_processes=3", "use_cpu=true", gpus=1) == []

    def test_without_gpus_the_cpu_takes_any_number_of_processes(self, lacks):
        assert lacks("num_processes=3") == []

    def test_fsdp_on_a_cpu_would_not_shard(self, lacks):
        (line,) = lacks("accelerate_config=fsdp2", "num_processes=2")
        assert line.startswith("accelerate_config: FSDP needs GPUs")
        assert lacks("accelerate_config=fsdp2", "num_processes=2", gpus=2) == []


def test_dra_train_says_so_in_one_line_and_makes_nothing(tmp_path):
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho '0, GPU-1a, NVIDIA T4, 15360'\necho '1, GPU-2b, NVIDIA T4, 15360'\n")
    smi.chmod(0o755)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(GOOD + f"output_dir: {tmp_path / 'run'}\n")
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [*command, "num_processes=3", "accelerate_config=ddp"],
        env={**environment, "PATH": str(smi.parent), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "3 for training here" in line
    assert "this machine shows 2 (0, 1)" in line
    assert not (tmp_path / "run").exists()
