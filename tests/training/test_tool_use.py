"""The tool example as it is shipped: what it makes fits TRL's parser, and the recipe trains with it, calls recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from dra_toolkit.runs import Run

FOLDER = Path(__file__).parents[2] / "recipes" / "tool_use"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The policy after too few steps to know anything, and the problems."""
    out = tmp_path_factory.mktemp("tool") / "made"
    subprocess.run([sys.executable, str(FOLDER / "make.py"), str(out), "--steps", "2"], check=True)
    return out


def test_what_a_dialogue_says_is_read_back(made, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import calculator
    import make

    tokenizer = AutoTokenizer.from_pretrained(made / "model")
    for way, calls in (("at once", []), ("one call", [(37, 48)]), ("two calls", [(37, 8), (45, 40)])):
        turns = make.dialogue(37, 48, way)
        whole = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
        assert tokenizer.unk_token_id not in whole
        start = tokenizer.apply_chat_template(turns[:1], tokenize=True, return_dict=False, add_generation_prompt=True)
        first = whole[len(start) : whole.index(tokenizer.eos_token_id, len(start)) + 1]
        read = tokenizer.parse_response(first, prefix=start)
        if calls:
            (call,) = read["tool_calls"]
            assert call["function"] == {"name": "add", "arguments": dict(zip("ab", calls[0], strict=True))}
        else:
            assert read["content"] == "The sum is 85"
        asked = [turn["tool_calls"][0]["function"]["arguments"] for turn in turns if "tool_calls" in turn]
        assert [tuple(arguments.values()) for arguments in asked] == calls
        assert [turn["content"] for turn in turns if turn["role"] == "tool"] == [str(calculator.add(*c)) for c in calls]
        assert calculator.right([turns[1:], turns[1:]], ["85", "84"]) == [1.0, 0.0]


def test_the_recipe_trains_with_it(made, tmp_path):
    given = [f"model_name_or_path={made}/model", f"dataset_name={made}/problems.jsonl", f"output_dir={tmp_path}/run"]
    small = ["max_steps=1", "save_steps=1", "per_device_train_batch_size=8", "max_completion_length=8"]
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(FOLDER / "tool_use.yaml")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *given, *small], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = Run.open(tmp_path / "run").groups()
    assert len(record.group) == 8
    assert record.group.gold in {
        json.loads(line)["solution"] for line in (made / "problems.jsonl").read_text().splitlines()
    }
