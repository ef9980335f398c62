"""How processes, machines and the vLLM server are described, and what every contradiction is answered with."""

from __future__ import annotations

import re
import runpy
from importlib import resources
from pathlib import Path

import pytest

from dra_toolkit.errors import RecipeError
from dra_toolkit.recipe import Recipe, load_recipe
from dra_toolkit.recipe.accelerate_config import read_accelerate_config

REPOSITORY = Path(__file__).parents[2]
GOOD = """
model_name_or_path: builtin:ways
dataset_name: builtin:ways
reward_funcs: [format]
embedder: hash
num_generations: 8
per_device_train_batch_size: 8
"""
COMMON = """\
compute_environment: LOCAL_MACHINE
debug: false
{strategy}
downcast_bf16: 'no'
enable_cpu_affinity: false
machine_rank: 0
main_training_function: main
mixed_precision: bf16
num_machines: 1
num_processes: 8
rdzv_backend: static
same_network: true
tpu_env: []
tpu_use_cluster: false
tpu_use_sudo: false
use_cpu: false
"""
DEEPSPEED = """\
deepspeed_config:
  deepspeed_multinode_launcher: standard
  gradient_accumulation_steps: 4
  gradient_clipping: 1.0
  offload_optimizer_device: {offload}
  offload_param_device: none
  zero3_init_flag: {init}
  {more}zero_stage: {stage}
distributed_type: DEEPSPEED"""
STRATEGIES = {
    "ddp": ("MULTI_GPU", "distributed_type: MULTI_GPU\ngpu_ids: all"),
    "fsdp1": (
        "FSDP",
        """\
distributed_type: FSDP
fsdp_config:
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_backward_prefetch: BACKWARD_PRE
  fsdp_cpu_ram_efficient_loading: true
  fsdp_forward_prefetch: true
  fsdp_offload_params: false
  fsdp_sharding_strategy: FULL_SHARD
  fsdp_state_dict_type: FULL_STATE_DICT
  fsdp_sync_module_states: true
  fsdp_use_orig_params: true
  fsdp_version: 1""",
    ),
    "fsdp2": (
        "FSDP",
        """\
distributed_type: FSDP
fsdp_config:
  fsdp_activation_checkpointing: false
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_offload_params: false
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: SHARDED_STATE_DICT
  fsdp_version: 2""",
    ),
    "zero2": ("DEEPSPEED", DEEPSPEED.format(offload="none", init="false", more="", stage=2)),
    "zero3": (
        "DEEPSPEED",
        DEEPSPEED.format(offload="cpu", init="true", more="zero3_save_16bit_model: true\n  ", stage=3),
    ),
}
"""What `accelerate config` writes for eight GPUs of one machine."""


@pytest.fixture
def load(tmp_path):
    def loader(*overrides: str, more: str = "") -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_text(GOOD + more)
        return load_recipe(path, overrides)

    return loader


@pytest.fixture
def problems(load, tmp_path):
    """The problems of the recipe with some overrides, without the name of the file."""

    def find(*overrides: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            load(*overrides)
        assert all("\n" not in problem for problem in caught.value.problems)
        found = (problem.removeprefix(f"{tmp_path / 'r.yaml'}: ") for problem in caught.value.problems)
        return [re.sub(r"^override '[^']*': ", "", problem) for problem in found]

    return find


@pytest.fixture
def config(tmp_path):
    """Write a file of accelerate's and return the override that names it."""

    def writer(text: str) -> str:
        (tmp_path / "accelerate.yaml").write_text(text)
        return f"accelerate_config={tmp_path / 'accelerate.yaml'}"

    return writer


def shown(recipe: Recipe, *keys: str) -> dict[str, tuple[object, str]]:
    return {key: (recipe.settings[key].value, recipe.settings[key].origin) for key in keys}


class TestMachines:
    two = ("num_machines=2", "num_processes=2", "main_process_ip=10.0.0.1")

    @pytest.mark.parametrize("rank", [0, 1])
    def test_either_machine(self, load, rank):
        assert load(*self.two, f"machine_rank={rank}")["machine_rank"] == rank

    @pytest.mark.parametrize("rank", [-1, 2])
    def test_rank_out_of_range(self, problems, rank):
        (line,) = problems(*self.two, f"machine_rank={rank}")
        assert line == f"machine_rank: found {rank}, expected 0 to 1 for num_machines: 2"

    def test_rank_of_a_single_machine(self, problems):
        (line,) = problems("machine_rank=1")
        assert line == "machine_rank: found 1, expected 0 to 0 for num_machines: 1"

    @pytest.mark.parametrize("machines", [0, -3])
    def test_no_machine(self, problems, machines):
        assert problems(f"num_machines={machines}") == [f"num_machines: found {machines}, expected at least 1"]

    def test_no_address(self, problems):
        (line,) = problems("num_machines=2", "num_processes=2")
        assert line.startswith("main_process_ip: missing")

    def test_processes_are_shared_out_evenly(self, problems):
        (line,) = problems("num_machines=2", "main_process_ip=10.0.0.1", "num_processes=3")
        assert line == "num_processes: 3 (in all) is not a multiple of num_machines: 2"

    def test_fewer_processes_than_machines(self, problems):
        (line,) = problems("num_machines=2", "main_process_ip=10.0.0.1", "num_processes=1")
        assert line.startswith("num_processes: 1 (in all)")

    def test_no_process(self, problems):
        assert problems("num_processes=0") == ["num_processes: found 0, expected at least 1"]

    def test_all_problems_at_once(self, problems):
        found = problems("num_machines=2", "machine_rank=5", "num_processes=3", "vllm_server_port=0", "vllm_gpus=-1")
        assert [line.partition(":")[0] for line in found] == [
            "vllm_gpus",
            "machine_rank",
            "main_process_ip",
            "num_processes",
            "vllm_server_port",
        ]


@pytest.mark.parametrize("key", ["main_process_port", "vllm_server_port", "vllm_group_port"])
class TestPorts:
    @pytest.mark.parametrize("port", [0, -1, 65536])
    def test_impossible(self, problems, key, port):
        assert problems(f"{key}={port}") == [f"{key}: found {port}, expected a port from 1 to 65535"]

    @pytest.mark.parametrize("port", [1, 65535])
    def test_possible(self, load, key, port):
        assert load(f"{key}={port}")[key] == port


class TestCompletionsPerStep:
    def test_accumulation_follows(self, load):
        recipe = load("completions_per_step=48", "num_processes=3")
        assert shown(recipe, "gradient_accumulation_steps") == {"gradient_accumulation_steps": (2, "derived")}

    def test_from_an_override_of_the_processes(self, load):
        more = "completions_per_step: 48\nnum_processes: 3\n"
        assert load(more=more)["gradient_accumulation_steps"] == 2
        assert load("num_processes=1", more=more)["gradient_accumulation_steps"] == 6

    def test_left_out(self, load):
        assert shown(load(), "gradient_accumulation_steps") == {"gradient_accumulation_steps": (1, "TRL default")}

    def test_accumulation_that_agrees(self, load):
        assert load("completions_per_step=48", "gradient_accumulation_steps=6")["gradient_accumulation_steps"] == 6

    def test_accumulation_that_contradicts(self, problems):
        (line,) = problems("completions_per_step=48", "gradient_accumulation_steps=4")
        assert line == (
            "gradient_accumulation_steps: 4 contradicts completions_per_step, from which 6 follows; leave one of them out"
        )

    @pytest.mark.parametrize("wanted", [20, 8])
    def test_not_a_multiple(self, problems, wanted):
        found = problems(f"completions_per_step={wanted}", "num_processes=3")
        assert found[0] == f"completions_per_step: {wanted} is not a multiple of 24 (8 per device x 3 processes)"
        assert len(found) == 1

    def test_impossible_processes_are_told_once(self, problems):
        assert problems("completions_per_step=48", "num_processes=0") == ["num_processes: found 0, expected at least 1"]


class TestServer:
    def test_everything_follows_from_its_gpus(self, load):
        recipe = load("vllm_gpus=1")
        assert shown(recipe, "use_vllm", "vllm_mode", "vllm_server_host") == {
            "use_vllm": (True, "derived"),
            "vllm_mode": ("server", "derived"),
            "vllm_server_host": ("127.0.0.1", "derived"),
        }

    def test_without_gpus_nothing_follows(self, load):
        recipe = load("use_vllm=true")
        assert shown(recipe, "use_vllm", "vllm_mode") == {
            "use_vllm": (True, "override"),
            "vllm_mode": ("colocate", "TRL default"),
        }
        assert load()["use_vllm"] is False

    def test_what_agrees_may_be_said_too(self, load):
        assert load("vllm_gpus=1", "use_vllm=true", "vllm_mode=server", "vllm_server_host=127.0.0.1")["vllm_gpus"] == 1

    @pytest.mark.parametrize(
        ("override", "value", "follows"),
        [
            ("use_vllm=false", "False", "True"),
            ("vllm_mode=colocate", "colocate", "server"),
            ("vllm_server_host=0.0.0.0", "0.0.0.0", "127.0.0.1"),
        ],
    )
    def test_contradictions(self, problems, override, value, follows):
        key = override.partition("=")[0]
        assert problems("vllm_gpus=1", override) == [
            f"{key}: {value} contradicts vllm_gpus, from which {follows} follows; leave one of them out"
        ]

    def test_a_server_of_ones_own(self, problems):
        (line,) = problems("vllm_gpus=1", "vllm_server_base_url=http://10.0.0.9:8000")
        assert line.startswith("vllm_server_base_url: ")
        assert "vllm_gpus: 0" in line

    def test_negative_number_of_gpus(self, problems):
        assert problems("vllm_gpus=-1") == ["vllm_gpus: found -1, expected at least 0"]

    def test_tensor_parallelism_other_than_its_gpus(self, problems):
        (line,) = problems("vllm_gpus=2", "vllm_tensor_parallel_size=4")
        assert line == "vllm_tensor_parallel_size: 4 does not fit vllm_gpus: 2; leave it out"

    def test_tensor_parallelism_over_its_gpus(self, load):
        assert load("vllm_gpus=2", "vllm_tensor_parallel_size=2")["vllm_gpus"] == 2

    def test_tensor_parallelism_of_a_colocated_one_is_its_own(self, load):
        assert load("use_vllm=true", "num_processes=2", "vllm_tensor_parallel_size=2")["vllm_gpus"] == 0


class TestNamedConfig:
    @pytest.mark.parametrize("name", ["single_gpu", "ddp", "fsdp2", "zero2", "zero3"])
    def test_shipped_ones(self, load, name):
        recipe = load(f"accelerate_config={name}")
        assert recipe["accelerate_config"] == name
        assert recipe.settings["num_processes"].origin == "dra default"  # the shipped ones say nothing of processes

    def test_two_nodes_says_how_many(self, load):
        recipe = load("accelerate_config=two_nodes", "num_processes=2", "main_process_ip=10.0.0.1")
        assert shown(recipe, "num_machines") == {"num_machines": (2, "derived")}

    @pytest.mark.parametrize(("wrong", "right"), [("zero_2", "zero2"), ("fsdp", "fsdp2"), ("DPP", "ddp")])
    def test_nearly_right_name(self, problems, wrong, right):
        (line,) = problems(f"accelerate_config={wrong}")
        assert line.startswith(f"accelerate_config: found '{wrong}', expected one of ddp, fsdp2, single_gpu,")
        assert line.endswith(f"; did you mean '{right}'?")

    def test_no_such_file(self, problems):
        (line,) = problems("accelerate_config=./nowhere/x9.yaml")
        assert "or an existing file" in line
        assert "did you mean" not in line

    def test_single_gpu_with_several_processes(self, problems):
        (line,) = problems("accelerate_config=single_gpu", "num_processes=2")
        assert line == (
            "accelerate_config: single_gpu starts one process, but num_processes is 2; "
            "choose ddp, fsdp2, zero2 or zero3"
        )

    @pytest.mark.parametrize("name", ["ddp", "fsdp2", "single_gpu"])
    def test_deepspeed_of_the_recipe_beside_another_strategy(self, problems, name):
        (line,) = problems(f"accelerate_config={name}", "deepspeed=ds.json")
        assert line == f"deepspeed: contradicts accelerate_config: {name}; leave one of them out"


class TestOwnConfig:
    @pytest.mark.parametrize("name", STRATEGIES)
    def test_output_of_accelerate_config_is_taken_with_its_layout(self, load, config, name, tmp_path):
        kind, strategy = STRATEGIES[name]
        recipe = load(config(COMMON.format(strategy=strategy)))
        assert shown(recipe, "num_processes", "num_machines", "machine_rank") == {
            "num_processes": (8, "derived"),
            "num_machines": (1, "derived"),
            "machine_rank": (0, "derived"),
        }
        found = read_accelerate_config(recipe["accelerate_config"])
        assert (found.distributed_type, found.path) == (kind, tmp_path / "accelerate.yaml")

    @pytest.mark.parametrize("name", STRATEGIES)
    def test_what_the_recipe_says_counts(self, load, config, name):
        recipe = load(config(COMMON.format(strategy=STRATEGIES[name][1])), "num_processes=3")
        assert shown(recipe, "num_processes", "num_machines") == {
            "num_processes": (3, "override"),
            "num_machines": (1, "derived"),
        }

    def test_what_the_recipe_file_says_counts(self, load, config):
        recipe = load(config(COMMON.format(strategy=STRATEGIES["zero2"][1])), more="num_processes: 3\n")
        assert shown(recipe, "num_processes") == {"num_processes": (3, "recipe")}

    def test_what_the_recipe_says_counts_where_it_is_the_default(self, load, config):
        recipe = load(config(COMMON.format(strategy=STRATEGIES["zero2"][1])), "num_processes=1")
        assert shown(recipe, "num_processes") == {"num_processes": (1, "override")}

    def test_accumulation_follows_from_the_processes_of_the_file(self, load, config):
        recipe = load(config(COMMON.format(strategy=STRATEGIES["zero2"][1])), "completions_per_step=128")
        assert recipe["gradient_accumulation_steps"] == 2

    def test_meeting_point_of_several_machines(self, load, config):
        text = COMMON.format(strategy=STRATEGIES["zero3"][1]).replace("num_machines: 1", "num_machines: 2")
        text = text.replace("machine_rank: 0", "machine_rank: 1\nmain_process_ip: 10.0.0.7\nmain_process_port: 29511")
        assert shown(load(config(text)), "machine_rank", "main_process_ip", "main_process_port") == {
            "machine_rank": (1, "derived"),
            "main_process_ip": ("10.0.0.7", "derived"),
            "main_process_port": (29511, "derived"),
        }

    @pytest.mark.parametrize("written", ["'NO'", "NO", "no"])
    def test_yaml_reads_no_as_false(self, load, config, written):
        """Quoted or not, in capitals or not, it is the type of one process."""
        recipe = load(config(f"distributed_type: {written}\n"))
        assert recipe["num_processes"] == 1
        assert read_accelerate_config(recipe["accelerate_config"]).distributed_type == "NO"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("num_proceses: 8\n", "unknown key num_proceses; did you mean 'num_processes'?"),
            ("zzz: 8\n", "unknown key zzz"),
            (
                "distributed_type: DEEPSPEED\ndeepspeed_config:\n  zero_stge: 2\n",
                "deepspeed_config: unknown key zero_stge; did you mean 'zero_stage'?",
            ),
            (
                "distributed_type: FSDP\nfsdp_config:\n  fsdp_versoin: 2\n",
                "fsdp_config: unknown key fsdp_versoin; did you mean 'fsdp_version'?",
            ),
            ("fsdp_config: [1]\n", "fsdp_config: found a list, expected a mapping"),
            (
                "distributed_type: MEGATRON_LM\n",
                "distributed_type: found 'MEGATRON_LM', expected one of NO, MULTI_GPU, MULTI_CPU, DEEPSPEED, FSDP",
            ),
            (
                "distributed_type: true\n",
                "distributed_type: found True, expected one of NO, MULTI_GPU, MULTI_CPU, DEEPSPEED, FSDP",
            ),
            (
                "compute_environment: AMAZON_SAGEMAKER\n",
                "compute_environment: found 'AMAZON_SAGEMAKER', expected LOCAL_MACHINE",
            ),
        ],
    )
    def test_mistake_in_the_file(self, problems, config, tmp_path, text, expected):
        assert problems(config(text)) == [f"accelerate_config: {tmp_path / 'accelerate.yaml'}: {expected}"]

    def test_all_mistakes_at_once(self, problems, config):
        assert len(problems(config("num_proceses: 8\ndistributed_type: X\ndeepspeed_config:\n  zero: 1\n"))) == 3

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a: [1, 2\nb: 3\n", "not YAML ("),
            ("", "empty, expected"),
            ("- 1\n", "found a list, expected a mapping"),
        ],
    )
    def test_no_mapping_at_all(self, problems, config, tmp_path, text, expected):
        (line,) = problems(config(text))
        assert line.startswith(f"accelerate_config: {tmp_path / 'accelerate.yaml'}")
        assert f" {expected}" in line

    def test_binary(self, problems, tmp_path):
        (tmp_path / "accelerate.yaml").write_bytes(b"\xff\xfe\x00")
        (line,) = problems(f"accelerate_config={tmp_path / 'accelerate.yaml'}")
        assert "not a text file" in line

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("num_processes: eight\n", "num_processes"),
            ("num_processes: 1.5\n", "num_processes"),
            ("num_machines: two\n", "num_machines"),
            ("main_process_port: [1]\n", "main_process_port"),
            ("num_machines: 2\nnum_processes: 2\nmain_process_ip: 7\n", "main_process_ip"),
        ],
        ids=["processes", "half a process", "machines", "port", "address"],
    )
    def test_layout_of_the_wrong_type(self, problems, config, text, key):
        (line,) = problems(config(f"distributed_type: MULTI_GPU\n{text}"))
        assert "accelerate.yaml" in line
        assert f"{key}: found" in line


@pytest.mark.slow
def test_stored_table_is_that_of_the_installed_accelerate():
    made = runpy.run_path(str(REPOSITORY / "tools" / "accelerate_keys.py"))["document"]()
    assert resources.files("dra_toolkit.recipe").joinpath("accelerate_keys.json").read_text() == made


def test_a_name_is_no_path_whatever_lies_beside_the_recipe(load, tmp_path):
    for name in ("ddp", "hash"):
        (tmp_path / name).mkdir()
    recipe = load("accelerate_config=ddp", "embedder=hash", "num_processes=2")
    assert (recipe["accelerate_config"], recipe["embedder"]) == ("ddp", "hash")
