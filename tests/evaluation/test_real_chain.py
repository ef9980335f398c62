"""The chain of training and evaluation with its real parts on a CPU, each to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from eval_runs import dra_eval, finish, samples, wait_for_line
from evaluated import eval_

from dra_toolkit.evaluation.results.stored import find_evaluations

pytestmark = [pytest.mark.process, pytest.mark.slow]
TRAINING = str(Path(__file__).parents[1] / "training")
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
learning_rate: 1.0e-2
max_steps: 6
save_steps: 2
output_dir: {run}
"""


def asked(benchmark: Path, *more: object) -> list[object]:
    return ["--benchmark", benchmark, "--max-new-tokens", 8, "--temperature", 1, *more]


@pytest.fixture(scope="module")
def watched(policies, benchmarks, tmp_path_factory) -> Path:
    """A run that was trained while a watch that had been started before it evaluated its checkpoints."""
    folder = tmp_path_factory.mktemp("chain")
    rows = [{"question": f"What is {i} + 2?", "solution": str(i + 2)} for i in range(64)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe, run = folder / "recipe.yaml", folder / "run"
    recipe.write_text(RECIPE.format(policy=policies[0], data=folder / "data.jsonl", run=run))
    watch = dra_eval(run, "--watch", *asked(benchmarks[0], "--n", 2))
    wait_for_line(watch, "there is no such run; waiting for it")
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(recipe)]
    path = os.pathsep.join(filter(None, (TRAINING, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    trained = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    finish(watch)
    return run


def test_a_watch_started_before_the_run_evaluates_every_checkpoint_of_a_real_training(watched):
    found = find_evaluations(watched / "evals")
    assert [(e.label, e.problems) for e in found] == [(f"step-{step}", ()) for step in (0, 2, 4, 6)]
    assert all(e.facts["generated"] == 24 for e in found)


@pytest.fixture(scope="module")
def refined(watched, benchmarks) -> str:
    """What was said while some of its steps were given more samples."""
    return finish(dra_eval(watched, "--coarse-to-fine", 2, *asked(benchmarks[0], "--n", 3)))


def test_coarse_to_fine_over_what_was_trained(watched, refined):
    assert "is the best of 2; evaluating those around it" in refined
    assert {e.facts["n"] for e in find_evaluations(watched / "evals") if e.step == 2} >= {2, 3}


def test_the_report_of_it_with_diversity_power_and_the_step_by_training_reward(watched):
    told = json.loads(eval_("report", watched, "--diversity", "--json").stdout)
    assert [row["label"] for row in told["rows"]] == ["step-0", "step-2", "step-4", "step-6"]
    assert all(1 <= scores["vendi_score"] <= 3 for scores in told["diversity"].values())
    assert any("training reward" in choice["rule"] for choice in told["choices"])
    assert sum("against step-0" in line for line in told["findings"]) == 3
    assert any("told apart four times in five" in line for line in told["findings"])


@pytest.mark.usefixtures("refined")
def test_more_samples_take_over_those_that_are_there(watched):
    two, three = (
        {key[2:]: row for key, row in samples(watched / "evals").items() if key[0] == "step-2" and key[3] < n}
        for n in (2, 3)
    )
    assert {key: three[key] for key in two} == two
    (grown,) = [e for e in find_evaluations(watched / "evals") if e.step == 2 and e.facts["n"] == 3]
    assert grown.facts["generated"] == 12, "one more of each problem"


@pytest.fixture(scope="module")
def adapter(policies, tmp_path_factory) -> Path:
    """A LoRA adapter over the first policy, without a tokenizer of its own, and beside it the two merged."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(policies[0], dtype=torch.float32)
    settings = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = get_peft_model(base, settings)
    adapted.save_pretrained(folder / "adapter")
    adapted.merge_and_unload().save_pretrained(folder / "merged")
    AutoTokenizer.from_pretrained(policies[0]).save_pretrained(folder / "merged")
    return folder


@pytest.mark.long
def test_an_adapter_greedy_on_answers_given_as_numbers_is_what_it_is_merged(adapter, benchmarks, tmp_path):
    for name in ("adapter", "merged"):
        command = ("--model", adapter / name, "--benchmark", benchmarks[1], "--max-new-tokens", 8)
        finish(dra_eval(*command, "--temperature", 0, "--output", tmp_path / name))
    (found,) = find_evaluations(tmp_path / "adapter")
    assert found.facts["n"] == 1, "greedy means one sample"
    texts = [{key[2]: row[0] for key, row in samples(tmp_path / name).items()} for name in ("adapter", "merged")]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 8
