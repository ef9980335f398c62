"""One training run in two ways: as a recipe for the toolkit, and as arguments for plain TRL; the same model, data and seed.

The reward function doubles as the probe of both: TRL calls it once in every step, right after it has generated.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from step_parts import MARKS, Meter, attribute

PROBE = "DRA_BENCHMARK_PROBE"
"""Environment variable with the file to which `letters` appends a line at each call."""
HERE = Path(__file__).parent
PROBLEMS = 512


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A policy with random weights, and how much it samples."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    rows: int
    """Completions in a step."""
    group: int
    completion: int
    """Tokens of every completion: none ends earlier."""
    words: int = 0
    """Made-up words beyond the quickstart's vocabulary of about 130."""
    dtype: str = "float32"


SHAPES = {
    "1m": Shape(hidden=128, intermediate=384, layers=4, heads=4, kv_heads=2, rows=16, group=4, completion=24),
    "one_token": Shape(hidden=32, intermediate=48, layers=1, heads=1, kv_heads=1, rows=4, group=4, completion=1),
    "25m": Shape(hidden=512, intermediate=1536, layers=8, heads=8, kv_heads=4, rows=8, group=4, completion=40),
    "100m": Shape(hidden=768, intermediate=3072, layers=12, heads=12, kv_heads=4, rows=8, group=4, completion=40),
    "1.5b": Shape(
        hidden=1536,
        intermediate=8960,
        layers=28,
        heads=12,
        kv_heads=2,
        rows=12,
        group=6,
        completion=3584,
        words=151_000,
        dtype="bfloat16",
    ),
}
"""`one_token` generates a single token; `1.5b` has the layers and the vocabulary of the paper's model."""


def letters(completions: list[Any], **_: Any) -> list[float]:
    """Reward that differs inside a group: the share of the letter e. Notes when it was called, where PROBE says."""
    texts = [completion[0]["content"] for completion in completions]
    path, now = os.environ.get(PROBE), time.time()
    if path and MARKS not in os.environ and os.environ.get("RANK", "0") == "0":
        meter = _meter()
        meter.charge()
        noted = {
            "time": now,
            "processor_seconds": time.process_time(),
            "texts": zlib.crc32("\0".join(texts).encode()),
            "cuda_bytes": _cuda_bytes(),
            "parts": meter.seconds,
        }
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(noted) + "\n")
    return [text.count("e") / max(1, len(text)) for text in texts]


@functools.cache
def _meter() -> Meter:
    """Return what measures the parts of a step in this process, from its first reward on."""
    meter = Meter()
    attribute(meter, toolkit="dra_toolkit.training.adjusted" in sys.modules)
    return meter


def _cuda_bytes() -> int:
    torch = sys.modules.get("torch")
    return int(torch.cuda.max_memory_allocated()) if torch and torch.cuda.is_available() else 0


def arguments(shape: Shape, *, steps: int, seed: int, device: str, processes: int = 1) -> dict[str, Any]:
    """Return TRL's arguments for a run of so many steps, which both ways are given."""
    return {
        "per_device_train_batch_size": shape.rows // processes,
        "num_generations": shape.group,
        "max_completion_length": shape.completion,
        "generation_kwargs": {"min_new_tokens": shape.completion},
        "max_steps": steps,
        "learning_rate": 1e-5,
        "seed": seed,
        "bf16": device == "cuda",
        "use_cpu": device == "cpu",
        "gradient_checkpointing": device == "cuda",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": "none",
    }


def write_recipe(folder: Path, inputs: Path, shape: Shape, embedder: str, **settings: Any) -> Path:
    """Write the recipe of a run with the adjustment and the recorder on; `settings` are those of `arguments`."""
    import yaml

    recipe = {
        "model_name_or_path": str(inputs / "model"),
        "dtype": shape.dtype,
        "dataset_name": str(inputs / "data.jsonl"),
        "reward_funcs": ["small_run.letters"],
        "diversity": "graph_cut",
        "embedder": embedder,
        "output_dir": str(folder / "run"),
        **settings,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def plain_command(folder: Path, inputs: Path, shape: Shape, **settings: Any) -> list[str]:
    """Return the command that trains the same run with plain TRL, in a script of its own."""
    document = {
        "model": str(inputs / "model"),
        "data": str(inputs / "data.jsonl"),
        "dtype": shape.dtype,
        "arguments": {**settings, "output_dir": str(folder / "plain")},
    }
    path = folder / "plain.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return [sys.executable, str(HERE / "plain_trl.py"), str(path)]


def environment(probe: Path, *, threads: int) -> dict[str, str]:
    """Return the environment of either process."""
    return {
        **os.environ,
        PROBE: str(probe),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
    }


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What was seen of a process that trained."""

    started: float
    """When it was started, in the seconds of `time.time`."""
    peak_bytes: int
    """Its largest resident set, by the system's own account (on Linux, of it and of processes that it waited for)."""
    calls: list[dict[str, Any]]
    """What `letters` noted: time, processor time, checksum of the texts and peak of the GPU's memory, call by call."""


def watch(command: list[str], folder: Path, *, threads: int, processes: int = 1, **further: str) -> Watched:
    """Run a command to its end, as so many ranks; raises RuntimeError with the end of its output if it fails.

    What is seen is seen of the first rank. further: more of the environment.
    """
    probe, log = folder / "probe.jsonl", folder / "output.log"
    probe.unlink(missing_ok=True)
    with open(log, "wb") as output:
        started = time.time()
        ranks = [
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment(probe, threads=threads), **further, **rank},
            )
            for rank in _ranks(processes)
        ]
        process = ranks[0]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for other in ranks[1:]:
            process.returncode = process.returncode or other.wait()
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{log.read_text(errors='replace')[-3000:]}")
    noted = probe.read_text(encoding="utf-8") if probe.exists() else ""
    calls = [json.loads(line) for line in noted.splitlines()]
    unit = 1 if sys.platform == "darwin" else 1024
    return Watched(started=started, peak_bytes=usage.ru_maxrss * unit, calls=calls)


def _ranks(processes: int) -> Sequence[dict[str, str]]:
    """Return what tells each of several processes who it is; nothing for one alone."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(processes)}
    of_all = {**place, "ACCELERATE_USE_CPU": "true", "ACCELERATE_TORCH_DEVICE": "cpu"}
    return [{**of_all, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def make_inputs(folder: Path, shape: str, *, seed: int) -> int:
    """Make model and data in a process of its own, so that this one stays small; return the model's parameters."""
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, __file__, str(folder), shape, str(seed)], check=True)
    return int((folder / "parameters").read_text())


def write_inputs(folder: Path, shape: Shape, *, seed: int) -> None:
    """Save the model with its tokenizer, and the data; loads torch, so it runs in a process of its own."""
    import torch
    from tokenizers import AddedToken
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from dra_toolkit.quickstart.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    if shape.words:
        tokenizer.add_tokens([AddedToken(f" w{i}", normalized=False, special=False) for i in range(shape.words)])
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=shape.completion + 512,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        dtype=shape.dtype,
    )
    policy = Qwen2ForCausalLM(config).to(getattr(torch, shape.dtype))
    policy.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "parameters").write_text(str(policy.num_parameters()))
    with open(folder / "data.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in _problems())


def _problems() -> Iterator[dict[str, str]]:
    for number in range(PROBLEMS):
        yield {"problem": f"What is {10 + number % 83} + {10 + number % 89}?", "solution": ""}


if __name__ == "__main__":
    write_inputs(Path(sys.argv[1]), SHAPES[sys.argv[2]], seed=int(sys.argv[3]))
