"""What the adapter adds to a step of verl on its driver: verl's own `_compute_advantage` with it and without, in one run.

`.venv-engines/bin/python benchmarks/verl_step.py` puts one batch of ragged groups into a local TransferQueue, and lets
verl's own trainer class and the adapter's take turns on it. Sampling, log-probabilities and the update, which are
most of a step, need GPUs: the ratio is of the part of the step in which the adapter works.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transfer_queue as tq
import verl
from common import write
from hydra import compose, initialize_config_dir
from verl.trainer.ppo.v1 import get_trainer_cls
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from dra_toolkit.adapters import verl as adapter
from dra_toolkit.quickstart.tokenizer import build_tokenizer

GROUP, LONGEST = 8, 1024


def config_of(*more: str) -> Any:
    """Return verl's own configuration with few changes."""
    known = [f"data.max_response_length={LONGEST}", "algorithm.adv_estimator=grpo"]
    with initialize_config_dir(os.path.join(os.path.dirname(verl.__file__), "trainer", "config"), version_base=None):
        config = compose("ppo_trainer", overrides=[*known, *more])
    config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
    return config


def trainer_of(mode: str, *more: str) -> Any:
    """Return a trainer without workers."""
    config = config_of(f"trainer.v1.trainer_mode={mode}", *more)
    trainer = get_trainer_cls(mode)(config)
    trainer.tokenizer, trainer.global_steps = build_tokenizer(), 1
    return trainer


def rows_of(completions: int, words: int) -> list[tuple[str, dict[str, Any]]]:
    """Return completions of random words in groups, shuffled, of 256 to 1,024 tokens."""
    rng = np.random.default_rng(0)
    rows = []
    for number in rng.permutation(completions).tolist():
        length = int(rng.integers(LONGEST // 4, LONGEST))
        scores = torch.zeros(length)
        scores[-1] = float(rng.choice([0.0, 1.0]))
        fields = {
            "uid": f"u{number // GROUP}",
            "raw_prompt": [{"role": "user", "content": f"prompt {number // GROUP}"}],
            "reward_model": {"ground_truth": "1"},
            "responses": torch.tensor(rng.integers(5, words, length)),
            "response_mask": torch.ones(length, dtype=torch.int64),
            "rm_scores": scores,
            "rollout_log_probs": torch.full((length,), -0.5),
            "old_log_probs": torch.full((length,), -0.5),
        }
        rows.append((f"u{number // GROUP}_{number % GROUP}_0", fields))
    return rows


def seconds(call: Callable[[], Any]) -> float:
    """Return the time that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Measure both in turn, and write the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--completions", type=int, default=1_024)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False)
    tq.init(config_of().transfer_queue)
    adapter.register()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dra.yaml"
        file.write_text(f"output_dir: {folder}/run\nembedder: hash\n")
        ours, plain = trainer_of("dra_sync", f"+dra.settings={file}"), trainer_of("sync")
        rows = rows_of(asked.completions, len(ours.tokenizer))
        fields = list_of_dict_to_tensordict([each for _, each in rows])
        keys, tags = [key for key, _ in rows], [{} for _ in rows]
        batch = tq.kv_batch_put(keys=keys, partition_id="measured", fields=fields, tags=tags)
        taken: dict[str, list[float]] = {"without": [], "with": []}
        for turn in range(asked.turns + 1):  # the first warms both up
            ours.global_steps = turn + 1
            ours.dra._seen.clear()  # the same batch again is no group that was split
            for name, trainer in (("without", plain), ("with", ours)):
                taken[name].append(seconds(lambda trainer=trainer: trainer._compute_advantage(batch, {})))
        ours.dra.recorded.close()
    tq.close()
    ray.shutdown()
    found = {name: statistics.median(each[1:]) for name, each in taken.items()}
    about = {
        "verl": verl.__version__,
        "completions": asked.completions,
        "tokens": int(sum(map(len, fields["responses"]))),
    }
    ratio = {"ratio": found["with"] / found["without"], "ms_per_completion": 1e3 * found["with"] / asked.completions}
    write("verl_step", {**about, "seconds": found, "turns": taken, **ratio})


if __name__ == "__main__":
    main()
