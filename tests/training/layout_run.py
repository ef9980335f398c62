"""Train a few steps on fixed completions under whatever process layout this is started with; write the record.

torchrun --nproc_per_node 2 layout_run.py POLICY OUT COMPLETIONS_PER_PROCESS EMBEDDER-MEASURE ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import tiny

from dra_toolkit.diversity import DiversitySettings
from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.runs import FileFacts, Recorder
from dra_toolkit.training.trainer import DRATrainer


def main(policy: str, out: Path, embedder: str, per_process: int, measure: str) -> None:
    """Train three steps of 12 completions in groups of 4."""
    recorder: Recorder | None = None
    trainer = DRATrainer(
        model=policy,
        reward_funcs=[tiny.letters, tiny.picky],
        args=tiny.grpo_config(out, per_device_train_batch_size=per_process, learning_rate=0.0),
        train_dataset=tiny.prompts(),
        rollout_func=tiny.fixed_rollouts(),
        diversity=DiversitySettings(measure=measure),
        embedder=EmbedderSettings(name=embedder),
        on_groups=lambda records: recorder.submit(records) if recorder else None,
    )
    if trainer.accelerator.is_main_process:
        facts = FileFacts(
            run="layout",
            reward_weights=trainer.reward_columns(),
            scale_rewards="group",
            diversity=trainer.diversity,
            embedder=embedder,
        )
        recorder = Recorder(out / "groups", facts, tell=print)
    trainer.train()
    if recorder:
        recorder.close()


if __name__ == "__main__":
    for case in sys.argv[4:]:
        main(sys.argv[1], Path(sys.argv[2]) / case, case.split("-")[0], int(sys.argv[3]), case.split("-")[1])
