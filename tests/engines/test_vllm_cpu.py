"""Real vLLM on a CPU, colocated and as a server, through `dra train`. `make vllm-check` runs this with vLLM's CPU build."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from waiting import wait_until

pytest.importorskip("vllm", reason="vLLM is not installed here; `make vllm-check` installs its CPU build and runs this")

from dra_toolkit.diversity import adjust
from dra_toolkit.embedding import EmbedderSettings, load_embedder
from dra_toolkit.runs import Run

TRAINING_TESTS = Path(__file__).parents[1] / "training"
sys.path.insert(0, str(TRAINING_TESTS))

RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [letters.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
learning_rate: 2.0e-2
max_steps: 4
save_steps: 2
seed: 3
use_vllm: true
vllm_max_model_length: 128
vllm_enforce_eager: true
"""
DRIFT = 0.05
"""Largest difference of a log-probability between vLLM and the trainer: vLLM computes in bfloat16. Weights one step old
give 0.4 and more at this learning rate."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    import tiny

    folder = tmp_path_factory.mktemp("vllm")
    data = folder / "data.jsonl"
    rows = ({"question": f"What is {i} + 2?", "solution": str(i + 2)} for i in range(64))
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(policy=tiny.save_policy(folder / "policy"), data=data))
    return path


def dra(recipe: Path, run: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    return subprocess.Popen(
        [*command, f"output_dir={run}", *arguments],
        env={**os.environ, "PYTHONPATH": str(TRAINING_TESTS), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_sound(run: Path) -> None:
    """Rewards follow from the texts, and vLLM sampled each step from the weights that the trainer had."""
    embedder = load_embedder(EmbedderSettings(name="hash"), device="cpu")
    records = list(Run.open(run).groups())
    assert {record.step for record in records} == {1, 2, 3, 4}
    for record in records:
        vectors = embedder.embed(list(record.group.completions), None).vectors
        again = adjust(embeddings=vectors, totals=record.adjustment.totals)
        np.testing.assert_allclose(again.adjusted, record.adjustment.adjusted, atol=1e-6)
    rows = [row for row in Run.open(run).metrics() if "sampling/sampling_logp_difference/max" in row]
    assert len(rows) == 4
    assert max(row["sampling/sampling_logp_difference/max"] for row in rows) < DRIFT
    assert any(abs(record.advantages).sum() > 0 for record in records), "something was learnt from"


def test_colocated(recipe):
    run = recipe.parent / "colocate"
    process = dra(recipe, run, "vllm_mode=colocate")
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert_sound(run)


def test_server_is_started_fed_and_ended(recipe):
    run = recipe.parent / "server"
    process = dra(recipe, run, "vllm_gpus=1")
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert_sound(run)
    assert _servers() == []


def test_a_dead_server_ends_the_run(recipe):
    run = recipe.parent / "dead"
    process = dra(recipe, run, "vllm_gpus=1", "max_steps=4000")
    wait_until(lambda: list((run / "groups").glob("train-00000002-*")), process)
    for server in _servers():
        server.kill()
    said, _ = process.communicate()
    assert process.returncode == 1, said
    assert re.search(r"vLLM server.*(SIGKILL|signal 9|killed)", said, re.DOTALL), said
    assert "--resume" in said
    assert _servers() == []


def _servers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if "vllm.entrypoints.openai.api_server" in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
