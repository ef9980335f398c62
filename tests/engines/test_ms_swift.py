"""The adapter for ms-swift: `swift rlhf` itself trains a tiny model on a CPU, with the plugin and nothing else."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("swift")
import torch
from swift.rl_core.advantage import compute_advantages

from dra_toolkit import Run
from dra_toolkit.inspection.lint.linting import lint
from dra_toolkit.inspection.verify import verify

PLUGIN = Path(__file__).parents[2] / "dra_toolkit" / "adapters" / "swift_plugin" / "register.py"
REWARD = """
from swift.rewards import ORM, orms

class Variety(ORM):
    def __call__(self, completions, **kwargs):
        return [float(len(set(text)) % 5) / 4 for text in completions]

orms["variety"] = Variety
"""
CHAT = (
    "{% for m in messages %}<|im_start|>{{m['role']}}\n{{m['content']}}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model(folder: Path) -> None:
    """Save a Qwen2 of 40,000 random weights that reads and writes bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT,
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)


def train(folder: Path, *arguments: str, settings: str | None = "") -> subprocess.CompletedProcess:
    """Run two steps of `swift rlhf` with four completions for each of two prompts."""
    folder.mkdir(exist_ok=True)
    make_model(folder / "model")
    (folder / "reward.py").write_text(REWARD)
    rows = [{"messages": [{"role": "user", "content": f"Say {i}"}], "solution": str(i)} for i in range(16)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    environment.pop("DRA_SETTINGS", None)
    if settings is not None:
        file = folder / "dra.yaml"
        file.write_text(f"output_dir: {folder / 'run'}\nembedder: hash\n{settings}")
        environment["DRA_SETTINGS"] = str(file)
    command = [str(Path(sys.executable).with_name("swift")), "rlhf", "--rlhf_type", "grpo"]
    command += ["--model", str(folder / "model"), "--model_type", "qwen2", "--template", "qwen2_5"]
    command += ["--dataset", str(folder / "data.jsonl"), "--reward_funcs", "variety"]
    command += ["--external_plugins", str(folder / "reward.py"), str(PLUGIN), "--num_generations", "4"]
    command += ["--per_device_train_batch_size", "8", "--max_steps", "2", "--max_completion_length", "16"]
    command += ["--tuner_type", "full", "--output_dir", str(folder / "out"), "--logging_steps", "1"]
    command += ["--torch_dtype", "float32", "--use_vllm", "false", "--report_to", "none", "--save_strategy", "no"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [((), ""), (("--scale_rewards", "none"), "diversity: set_utility\n")],
    ids=["totals", "advantages"],
)
def test_swift_trains_with_the_advantages_of_adjusted_rewards_and_the_record_is_faithful(tmp_path, arguments, settings):
    done = train(tmp_path / "swift", *arguments, settings=settings)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "DRA is on in ms-swift" in done.stdout
    run = Run.open(tmp_path / "swift" / "run")
    assert list(run.steps()) == [1, 2]
    checked = verify(run)
    assert checked.problems == []
    assert checked.largest_replay_error < 1e-5
    if not settings:
        record = run.group(1, 0)
        adjusted = torch.tensor(record.adjustment.adjusted)[:, None]
        expected, _ = compute_advantages(adjusted, torch.ones(1, dtype=torch.float64), 4)
        np.testing.assert_allclose(record.advantages, expected.numpy(), atol=1e-6)
        assert np.abs(record.advantages - record.plain_advantages).max() > 1e-3
        assert record.group.gold == record.group.prompt[-1].content.removeprefix("Say ")


def test_another_version_of_swift_is_told_in_one_line(monkeypatch):
    monkeypatch.setattr("swift.__version__", "3.9.1")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PLUGIN))
    assert str(ended.value) == "DRA is off in ms-swift: found 3.9.1, expected 4.x; pip install ms-swift==4.6.0"


def test_without_a_settings_file_nothing_is_trained(tmp_path):
    done = train(tmp_path / "swift", settings=None)
    assert done.returncode != 0
    assert "DRA_SETTINGS: missing; `dra export-settings RECIPE ms-swift`" in done.stderr


def test_completions_that_swift_wrote_are_clean_under_lint(tmp_path):
    done = train(tmp_path / "swift", "--log_completions", "true", settings="diversity: none\n")
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = (tmp_path / "swift" / "out").rglob("completions.jsonl")
    report = lint(file.parent)
    assert (report.format, report.completions, report.groups, report.findings) == ("ms-swift", 16, 4, ())
