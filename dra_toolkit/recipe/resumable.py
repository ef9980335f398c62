"""Keys that a run which goes on may have different from what it was started with."""

from __future__ import annotations

MAY_CHANGE = {
    *("max_steps", "num_train_epochs", "save_steps", "save_total_limit", "output_dir"),
    *("logging_steps", "logging_first_step", "report_to", "disable_tqdm", "log_level", "log_level_replica"),
    *("log_completions", "num_completions_to_print", "skip_memory_metrics"),
    *("dataloader_num_workers", "dataloader_pin_memory", "dataloader_prefetch_factor"),
    *("dataloader_persistent_workers", "gradient_checkpointing", "gradient_checkpointing_kwargs"),
    *("torch_empty_cache_steps", "ds3_gather_for_generation"),
    *("main_process_ip", "main_process_port", "machine_rank"),
    *("vllm_server_port", "vllm_group_port", "vllm_server_timeout", "vllm_enforce_eager"),
    "vllm_gpu_memory_utilization",
    *("push_to_hub", "hub_model_id", "hub_revisions", "hub_strategy", "hub_private_repo", "hub_always_push"),
}
"""Settings that a resumed run may have different: how long it goes on, where, how fast, and what it leaves behind."""
LAYOUT = {
    *("num_processes", "num_machines", "accelerate_config", "completions_per_step", "per_device_train_batch_size"),
    *("gradient_accumulation_steps", "steps_per_generation", "generation_batch_size"),
}
"""Settings that say how processes share a step; they may differ where every step has the same completions."""
PROCESSES = "num_processes"
HOW_LONG = ("max_steps", "num_train_epochs")
"""The keys that say when a run is finished."""
OWN_OF_A_MACHINE = ("machine_rank", "output_dir")
"""The keys that machines of one run may have different."""
