"""Keys of the optimisation, of what a run leaves behind, and of the Hub."""

from __future__ import annotations

from dataclasses import dataclass

from dra_toolkit.recipe.sections.declaring import Section, ours, trls


@dataclass(frozen=True, kw_only=True)
class Training(Section):
    """Batches, steps and the optimizer."""

    completions_per_step: int | None = ours(
        None,
        "Completions in one optimizer step, whatever the number of processes; gradient_accumulation_steps follows from it.",
        low=1,
        on_card=True,
    )
    per_device_train_batch_size: int = trls(on_card=True)
    gradient_accumulation_steps: int = trls(on_card=True)
    max_steps: int = trls(in_summary=True)
    num_train_epochs: float = trls()
    learning_rate: float = trls(on_card=True)
    lr_scheduler_type: str = trls(on_card=True)
    optim: str = trls()
    gradient_checkpointing: bool = trls()
    bf16: bool | None = trls()
    fp16: bool = trls()
    tf32: bool | None = trls()
    seed: int = trls(on_card=True)


@dataclass(frozen=True, kw_only=True)
class Output(Section):
    """What a run leaves behind, and where."""

    output_dir: str = ours(None, "Run directory; by default runs/ and the recipe's file name.")
    run_name: str | None = trls()
    sweep: str | None = ours(
        None, "What runs share that `dra train` started together for several values of a key; it says so itself."
    )
    record_groups: bool = ours(True, "Keep every sampled group in the run directory.")
    record_texts: float = ours(
        1.0, "Share of the groups that keep their texts; numbers are kept of all.", low=0, high=1
    )
    record_embeddings: bool = ours(False, "Keep the embeddings too (2 bytes for each dimension).")
    save_strategy: str = trls()
    save_steps: float = trls()
    save_total_limit: int | None = trls()
    save_only_model: bool = trls()
    logging_steps: float = trls()
    report_to: str | list[str] | None = trls()
    project: str = trls()
    trackio_space_id: str | None = trls()


@dataclass(frozen=True, kw_only=True)
class Hub(Section):
    """What is pushed to the Hub."""

    push_to_hub: bool = trls()
    hub_model_id: str | None = trls()
    hub_strategy: str = trls()
    hub_private_repo: bool | None = trls()
    hub_always_push: bool = trls()
    hub_revisions: bool = ours(
        False, "With push_to_hub: push every checkpoint to the Hub as a revision of its own, step-00050 and so on."
    )
