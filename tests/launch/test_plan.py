"""The commands that a recipe starts: every shipped recipe under every shipped launch configuration, some to the letter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from shaped import held

from dra_toolkit.launch import Gpu, Plan, plan
from dra_toolkit.launch.command import Command
from dra_toolkit.launch.plan import uses_accelerate
from dra_toolkit.recipe import load_recipe
from dra_toolkit.recipe.shipped import shipped_launch_configs, shipped_recipes
from dra_toolkit.runs.layout import RunDirectory

RUN = Path("/runs/some run")
TRAINING = ("dra_toolkit.training", str(RUN), "--attempt", "1")
LAUNCH = (sys.executable, "-m", "accelerate.commands.launch")
LAYOUTS = {
    "single_gpu": ("num_processes=1",),
    "ddp": ("num_processes=2",),
    "fsdp2": ("num_processes=2",),
    "zero2": ("num_processes=2",),
    "zero3": ("num_processes=2",),
    "two_nodes": ("num_processes=6", "main_process_ip=10.0.0.7"),
}
"""Processes that fit every shipped recipe, for every shipped launch configuration."""
TWO_NODES = ("accelerate_config=two_nodes", "num_processes=6", "main_process_ip=10.0.0.7")


@pytest.fixture(autouse=True)
def quiet_environment(tmp_path, monkeypatch):
    """Nothing that the user has set, and a cache without the quickstart's files."""
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRA_CACHE", str(tmp_path / "cache"))


def gpus(*indices: str) -> list[Gpu]:
    return [Gpu(index=index, name="NVIDIA A100-SXM4-40GB", memory_mib=40960) for index in indices]


FOUR = gpus("0", "1", "2", "3")


def planned(name: str, *overrides: str, gpus: Sequence[Gpu] = (), **options) -> Plan:
    return plan(load_recipe(name, overrides), RunDirectory(RUN), gpus=gpus, **options)


def understood(command: Command):
    """Return what accelerate makes of a launch command: its own parser, and its own reading of the configuration file."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    assert command.argv[:3] == LAUNCH
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(command.argv[3:]))
    return arguments


PAIRS = [
    (name, (configs := [*shipped_launch_configs()])[(number + shift) % len(configs)])
    for number, name in enumerate(shipped_recipes())
    for shift in (0, 1)
]
"""Every recipe with two launch configurations, and so every configuration with several recipes."""


@pytest.mark.parametrize(("name", "config"), PAIRS)
def test_every_recipe_starts_under_launch_configurations(name, config):
    recipe = load_recipe(name, [f"accelerate_config={config}", *LAYOUTS[config]])
    command = plan(recipe, RunDirectory(RUN), gpus=gpus(*"01234567")).train
    assert uses_accelerate(recipe) == (config != "single_gpu")
    beside = [] if recipe.folder is None else ["--beside", str(recipe.folder)]
    if config == "single_gpu":
        assert command.argv == (sys.executable, "-m", *TRAINING, *beside)
        return
    found = understood(command)
    assert (found.training_script, found.training_script_args) == (TRAINING[0], [*TRAINING[1:], *beside])
    assert found.module
    assert (found.num_processes, found.num_machines) == (recipe["num_processes"], recipe["num_machines"])
    assert found.mixed_precision == ("bf16" if recipe["bf16"] else "no")
    assert found.dynamo_backend == "no"
    strategy = {"multi_gpu": found.multi_gpu, "deepspeed": found.use_deepspeed, "fsdp": found.use_fsdp}
    expected = {"ddp": "multi_gpu", "fsdp2": "fsdp"}.get(config, "deepspeed")
    assert [kind for kind, chosen in strategy.items() if chosen] == [expected]
    if expected == "deepspeed":
        assert found.zero_stage == (3 if config == "zero3" else 2)
        assert (found.offload_optimizer_device, found.offload_param_device) == ("none", "none")
    if expected == "fsdp":
        assert (found.fsdp_version, found.fsdp_auto_wrap_policy) == (2, "TRANSFORMER_BASED_WRAP")


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_recipe_starts_as_shipped(name):
    recipe = load_recipe(name)
    needed = recipe["num_processes"] + recipe["vllm_gpus"]
    found = plan(recipe, RunDirectory(RUN), gpus=gpus(*map(str, range(needed))))
    if uses_accelerate(recipe):
        assert understood(found.train).num_processes == recipe["num_processes"]
    assert (found.server is None) == (recipe["vllm_gpus"] == 0)
    assert bool(found.before) == (recipe["model_name_or_path"] == "builtin:ways")
    shown = [command.environment.get("CUDA_VISIBLE_DEVICES", "").split(",") for command in found.commands[-2:]]
    if found.server:
        assert sorted(shown[0] + shown[1]) == [str(i) for i in range(needed)]  # none shared, none idle


class TestToTheLetter:
    def test_single_process(self):
        found = planned("dra_grpo_one_gpu", gpus=FOUR)
        assert found.commands == (found.train,)
        assert found.train.argv == (sys.executable, "-m", *TRAINING)
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0"}

    def test_colocated_vllm_is_no_command_of_its_own(self):
        found = planned("dra_grpo", "num_processes=3", "vllm_gpus=0", "accelerate_config=ddp", gpus=FOUR)
        assert found.commands == (found.train,)
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1,2"}

    def test_a_later_attempt_from_a_checkpoint(self):
        found = planned("dra_grpo_one_gpu", attempt=3, checkpoint=RUN / "checkpoints" / "checkpoint-50")
        assert found.train.argv == (
            *(sys.executable, "-m", "dra_toolkit.training", str(RUN), "--attempt", "3"),
            *("--checkpoint", str(RUN / "checkpoints" / "checkpoint-50")),
        )

    def test_ddp_on_four_gpus(self):
        found = planned("dra_grpo", "accelerate_config=ddp", "num_processes=4", "vllm_gpus=0", gpus=FOUR)
        assert found.train.argv == (
            *LAUNCH,
            *("--multi_gpu", "--num_processes", "4", "--num_machines", "1", "--main_process_port", "0"),
            *("--mixed_precision", "bf16", "--dynamo_backend", "no", "--module"),
            *TRAINING,
        )
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}

    def test_several_processes_alone_are_ddp(self):
        alone = planned("dra_grpo_one_gpu", "num_processes=4", gpus=FOUR)
        assert alone.train == planned("dra_grpo_one_gpu", "num_processes=4", "accelerate_config=ddp", gpus=FOUR).train

    @pytest.mark.parametrize("config", ["zero3", "fsdp2"])
    def test_sharded_on_four_gpus(self, config):
        found = planned("dra_grpo", f"accelerate_config={config}", "num_processes=4", "vllm_gpus=0", gpus=FOUR)
        assert found.train.argv == (
            *(*LAUNCH, "--config_file", str(shipped_launch_configs()[config])),
            *("--num_processes", "4", "--num_machines", "1", "--main_process_port", "0"),
            *("--mixed_precision", "bf16", "--dynamo_backend", "no", "--module"),
            *TRAINING,
        )
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}

    def test_the_papers_three_training_gpus_and_one_for_vllm(self):
        """`vllm_gpus: 1` is all that the recipe says of the server."""
        recipe = load_recipe("dra_grpo")
        given = {key for key, setting in recipe.settings.items() if setting.origin == "recipe"}
        assert not given & {"vllm_mode", "vllm_server_host", "vllm_server_port", "vllm_tensor_parallel_size"}
        found = plan(recipe, RunDirectory(RUN), gpus=FOUR)
        assert found.commands == (found.server, found.train)
        assert found.server == Command(
            purpose="vLLM server",
            argv=(
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                *("--model", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"),
                *("--host", "127.0.0.1", "--port", "8000", "--tensor-parallel-size", "1"),
                *("--gpu-memory-utilization", "0.9", "--dtype", "auto", "--model-impl", "vllm"),
                *("--logprobs-mode", "processed_logprobs", "--max-logprobs", "-1", "--enable-scale-out"),
                *("--weight-transfer-config", '{"backend": "nccl"}', "--max-model-len", "4608", "--enforce-eager"),
                *("--revision", "main"),
            ),
            environment={"VLLM_SERVER_DEV_MODE": "1", "CUDA_VISIBLE_DEVICES": "3"},
            stops_in_order=False,
        )
        assert found.train.argv == (
            *(*LAUNCH, "--config_file", str(shipped_launch_configs()["zero2"])),
            *("--num_processes", "3", "--num_machines", "1", "--main_process_port", "0"),
            *("--mixed_precision", "bf16", "--dynamo_backend", "no", "--module"),
            *TRAINING,
        )
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1,2"}

    def test_two_gpus_for_vllm_share_one_model(self):
        found = planned("dra_grpo", "num_processes=2", "vllm_gpus=2", gpus=FOUR)
        assert found.server.argv[found.server.argv.index("--tensor-parallel-size") + 1] == "2"
        assert found.server.environment["CUDA_VISIBLE_DEVICES"] == "2,3"
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1"}

    def test_gpus_keep_the_names_that_the_user_gave_them(self):
        found = planned("dra_grpo", gpus=gpus("7", "5", "GPU-1a2b", "4"))
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "7,5,GPU-1a2b"}
        assert found.server.environment["CUDA_VISIBLE_DEVICES"] == "4"

    @pytest.mark.parametrize("rank", [0, 1])
    def test_two_nodes(self, rank):
        found = planned("dra_grpo", *TWO_NODES, "vllm_gpus=1", f"machine_rank={rank}", gpus=FOUR)
        assert found.train.argv == (
            *(*LAUNCH, "--config_file", str(shipped_launch_configs()["two_nodes"])),
            *("--num_processes", "6", "--num_machines", "2"),
            *("--machine_rank", str(rank), "--main_process_ip", "10.0.0.7"),
            *("--main_process_port", "29500", "--same_network", "--rdzv_backend", "static"),
            *("--mixed_precision", "bf16", "--dynamo_backend", "no", "--module"),
            *TRAINING,
        )
        assert found.train.environment == {"CUDA_VISIBLE_DEVICES": "0,1,2"}
        assert (found.server is not None) == (rank == 0)

    def test_two_nodes_of_data_parallel_processes(self):
        more = ("accelerate_config=ddp", "num_machines=2", "machine_rank=1", "main_process_port=29511")
        found = understood(planned("dra_grpo", *TWO_NODES[1:], *more, "vllm_gpus=0", gpus=FOUR).train)
        assert (found.multi_gpu, found.num_processes, found.num_machines, found.machine_rank) == (True, 6, 2, 1)
        assert (found.main_process_ip, found.main_process_port, found.rdzv_backend) == ("10.0.0.7", 29511, "static")


class TestEnvironment:
    @pytest.mark.parametrize("there", [True, False])
    def test_a_single_process_sees_one_gpu_even_where_nobody_counted_them(self, monkeypatch, there):
        monkeypatch.setattr(sys.modules["dra_toolkit.launch.plan"], "_may_have_gpus", lambda: there)
        expected = {"CUDA_VISIBLE_DEVICES": "0"} if there else {}
        assert planned("dra_grpo_one_gpu", "use_vllm=false").train.environment == expected

    def test_what_the_user_set_is_left_alone(self, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        assert planned("quickstart").train.environment == {}

    def test_the_quickstarts_small_model_computes_in_one_thread(self):
        found = planned("quickstart", "num_processes=2")
        assert [command.environment for command in found.commands] == [{"OMP_NUM_THREADS": "1"}] * 2

    @pytest.mark.parametrize(
        ("override", "precision"), [("bf16=true", "bf16"), ("bf16=false", "no"), ("fp16=true", "fp16")]
    )
    def test_precision_of_the_launcher_is_the_recipes(self, override, precision):
        more = ("bf16=false",) if precision == "fp16" else ()
        found = understood(planned("dra_grpo", *more, override, gpus=FOUR).train)
        assert found.mixed_precision == precision


class TestQuickstartIsMadeFirst:
    def test_once(self, tmp_path):
        found = planned("quickstart")
        (made,) = found.before
        assert made.argv == (sys.executable, "-m", "dra_toolkit.quickstart")
        assert found.commands == (made, found.train)

    def test_for_its_data_alone(self):
        assert len(planned("dra_grpo_one_gpu", "dataset_name=builtin:ways").before) == 1

    def test_not_for_a_model_from_elsewhere(self):
        assert planned("dra_grpo_one_gpu").before == ()


def test_a_command_reads_as_one_would_type_it():
    said = str(planned("dra_grpo", gpus=FOUR).train)
    assert said.startswith(f"CUDA_VISIBLE_DEVICES=0,1,2 {sys.executable} -m accelerate.commands.launch --config_file ")
    assert said.endswith("--module dra_toolkit.training '/runs/some run' --attempt 1")


DRY_RUN = """
import os, sys
def watch(event, arguments):
    if event in ("os.fork", "os.exec", "os.posix_spawn", "os.system") or (
        event == "subprocess.Popen" and "nvidia-smi" not in str(arguments[0])
    ):
        print("started:", event, arguments, file=sys.stderr)
        os._exit(99)
sys.addaudithook(watch)
from dra_toolkit.cli import main
try:
    main()
finally:
    assert "torch" not in sys.modules
"""


def dry_run(folder: Path, *arguments: str) -> str:
    """Return what `dra train ... --dry-run` prints in an interpreter that dies as soon as it starts a process."""
    environment = {**os.environ, "COLUMNS": "250", "PATH": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", DRY_RUN, "train", *arguments, "--dry-run"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout


class TestDryRun:
    def test_shows_each_setting_that_was_set_with_its_origin_and_every_command(self, tmp_path):
        said = dry_run(tmp_path, "dra_grpo", "max_steps=7")
        rows = [line.split() for line in said.splitlines()]
        recipe = load_recipe("dra_grpo", ["max_steps=7"])
        set_here = {key: s for key, s in recipe.chosen().items() if s.origin != "dra default"}
        for key, setting in set_here.items():
            (row,) = [row for row in rows if row[:1] == [key]]
            assert " ".join(row).endswith(f" {setting.origin}"), row
        shown = [row[0] for row in rows if row and row[0] in recipe.settings]
        given = [recipe.settings[key].is_given for key in shown]
        assert given == sorted(given, reverse=True)  # what the recipe says comes first
        assert set(shown) == set(set_here)  # and no default is listed: `dra recipes keys` has those
        assert ["max_steps", "7", "override"] in rows
        assert ["gradient_accumulation_steps", "4", "derived"] in rows
        assert ["num_generations", "6", "recipe"] in rows
        assert all(f"note: {note}" in said for note in recipe.notes)
        found = plan(recipe, RunDirectory(recipe.output_dir), gpus=FOUR)  # as many as it needs are assumed
        assert len(found.commands) == 2
        for command in found.commands:
            assert f"# {command.purpose}\n{command}\n" in said

    def test_shows_what_is_made_first(self, tmp_path):
        said = dry_run(tmp_path, "quickstart", "num_processes=2")
        found = planned("quickstart", "num_processes=2")
        assert f"# {found.before[0].purpose}\n{found.before[0]}\n" in said
        assert "--multi_gpu --num_processes 2 " in said

    def test_as_json(self, tmp_path):
        said = json.loads(dry_run(tmp_path, "dra_grpo", "max_steps=7", "--json"))
        recipe = load_recipe("dra_grpo", ["max_steps=7"])
        held("dra train RECIPE --dry-run", said, apart=["notes[]"])
        assert said["settings"] == json.loads(recipe.to_json())["settings"]
        assert said["settings"]["max_steps"] == {"value": 7, "origin": "override"}
        assert said["notes"] == list(recipe.notes)
        commands = plan(recipe, RunDirectory(recipe.output_dir), gpus=FOUR).commands
        assert said["commands"] == [
            {"purpose": c.purpose, "argv": list(c.argv), "environment": dict(c.environment)} for c in commands
        ]


def test_training_looks_for_code_beside_the_recipe(tmp_path, monkeypatch):
    (tmp_path / "r.yaml").write_text(
        "model_name_or_path: builtin:ways\ndataset_name: builtin:ways\nreward_funcs: [format]\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml")
    argv = plan(recipe, RunDirectory(tmp_path / "run")).train.argv
    assert argv[-2:] == ("--beside", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "--beside" not in plan(recipe, RunDirectory(tmp_path / "run")).train.argv
    assert "--beside" not in plan(load_recipe("quickstart"), RunDirectory(tmp_path / "run")).train.argv
