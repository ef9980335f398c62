"""Train three epochs straight, then resume after some steps of them; print the prompts and learning rates of each run.

torchrun --nproc_per_node 2 resume_run.py POLICY OUT COMPLETIONS_PER_PROCESS STEP ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tiny

from dra_toolkit.embedding import EmbedderSettings
from dra_toolkit.training.trainer import DRATrainer

STEPS = 9
"""Three epochs of seven prompts, two at a step."""


def train(policy: str, out: Path, per_process: int, checkpoint: Path | None = None, **changes: Any) -> dict[str, Any]:
    """Return by step what was asked, and at which rate it was learnt."""
    asked: dict[int, list[str]] = {}

    def note(records: list[Any]) -> None:
        asked[records[0].step] = [record.group.prompt[-1].content for record in records]

    settings: dict[str, Any] = {
        "per_device_train_batch_size": per_process,
        "max_steps": STEPS,
        "save_strategy": "steps",
        "save_steps": 1,
        "lr_scheduler_type": "linear",
    }
    trainer = DRATrainer(
        model=policy,
        reward_funcs=tiny.letters,
        args=tiny.grpo_config(out, **(settings | changes)),
        train_dataset=tiny.prompts(7),
        rollout_func=tiny.fixed_rollouts(),
        embedder=EmbedderSettings(name="hash"),
        on_groups=note,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    rates = {log["step"]: log["learning_rate"] for log in trainer.state.log_history if "learning_rate" in log}
    return {"asked": asked, "rates": rates, "main": trainer.accelerator.is_main_process}


def main(policy: str, out: Path, per_process: int, steps: list[int]) -> None:
    """Print one JSON line: the straight run, and those resumed after each of some steps."""
    straight = train(policy, out, per_process)
    resumed = {
        step: train(policy, out / "again", per_process, out / f"checkpoint-{step}", save_strategy="no")
        for step in steps
    }
    if straight["main"]:
        (out / "seen.json").write_text(json.dumps({"straight": straight, "resumed": resumed}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), [int(step) for step in sys.argv[4:]])
