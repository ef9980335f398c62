"""Keys of how a recipe is run: processes, machines, and vLLM."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.recipe.sections.declaring import Section, ours, trls


@dataclass(frozen=True, kw_only=True)
class Launch(Section):
    """The training processes and the machines that they run on."""

    num_processes: int = ours(
        1, "Training processes in all, over all machines; one for each training GPU.", low=1, on_card=True
    )
    accelerate_config: str | None = ours(
        None,
        "How the processes work together: single_gpu, ddp, fsdp2, zero2, zero3, two_nodes, or a file of accelerate's.",
    )
    num_machines: int = ours(1, "Machines that train together; each runs `dra train` with its own machine_rank.", low=1)
    machine_rank: int = ours(0, "Which of the machines this is, from 0; 0 holds the vLLM server.")
    main_process_ip: str | None = ours(None, "Address of machine 0, reachable from the others.")
    main_process_port: int = ours(29500, "Port on machine 0 where the machines meet.")
    deepspeed: dict[str, object] | str | None = trls()
    fsdp: str | None = trls()
    use_cpu: bool = trls()

    @property
    def is_first_machine(self) -> bool:
        """Whether this is machine 0, which holds the server and reports."""
        return self.machine_rank == 0

    @property
    def local_processes(self) -> int:
        """The training processes of this machine."""
        return self.num_processes // self.num_machines


@dataclass(frozen=True, kw_only=True)
class Vllm(Section):
    """Whether and how vLLM samples the completions."""

    vllm_gpus: int = ours(
        0,
        "GPUs, the last of machine 0, for a vLLM server that is started, watched and stopped with the run; "
        "0 with use_vllm: colocated, or your own server (vllm_mode: server).",
        low=0,
    )
    vllm_enforce_eager: bool = ours(False, "Start that server without CUDA graphs: slower, and ready sooner.")
    use_vllm: bool = trls()
    vllm_mode: str = trls()
    vllm_model_impl: str = trls()
    vllm_max_model_length: int | None = trls()
    vllm_gpu_memory_utilization: float = trls()
    vllm_importance_sampling_correction: bool = trls()
    vllm_server_base_url: str | None = trls()
    vllm_server_host: str = trls()
    vllm_server_port: int = trls()
    vllm_group_port: int = trls()
    vllm_server_timeout: float = trls()
