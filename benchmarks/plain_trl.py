"""A run of TRL's own GRPOTrainer as one would write it by hand, without the toolkit: `python plain_trl.py SETTINGS.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasets import Dataset
from small_run import letters
from trl import GRPOConfig, GRPOTrainer


def main() -> None:
    """Train."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in Path(settings["data"]).read_text(encoding="utf-8").splitlines()]
    prompts = [[{"role": "user", "content": row["problem"]}] for row in rows]
    GRPOTrainer(
        model=settings["model"],
        reward_funcs=letters,
        args=GRPOConfig(**settings["arguments"], model_init_kwargs={"dtype": settings["dtype"]}),
        train_dataset=Dataset.from_dict({"prompt": prompts, "solution": [row["solution"] for row in rows]}),
    ).train()


if __name__ == "__main__":
    main()
