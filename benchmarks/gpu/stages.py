"""The stages of run.py that are no command of their own: `python stages.py NAME` prints its result as one line of JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TINY = bool(os.environ.get("DRA_GPU_TINY"))
DEVICE = "cpu" if TINY else "cuda"
CARRIED = Path(__file__).parents[2] / ".gpu"
"""What was carried to the machine (README.md)."""


def embedder() -> dict[str, Any]:
    """Embed with an encoder of jina-small's shape and random weights: ours, in float32, and as released."""
    import numpy as np
    import torch

    from dra_toolkit.embedding import EmbedderSettings, load_embedder

    rows, group, words = (8, 4, 40) if TINY else (48, 6, 2000)
    rng = np.random.default_rng(0)
    vocabulary = np.array(["so", "then", "carry", "tens", "ones", "hence", "7", "12", "therefore", "x", "="])
    texts = [" ".join(rng.choice(vocabulary, size=words)) for _ in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        _save_encoder(Path(folder))
        settings = EmbedderSettings(name=folder, batch_tokens=65536)
        half, exact = load_embedder(settings, device=DEVICE), load_embedder(settings, device="cpu")
        half.embed(texts[:2])
        began = time.monotonic()
        ours = half.embed(texts).vectors
        seconds = time.monotonic() - began
        reference = exact.embed(texts[: 2 * group]).vectors
        model = getattr(half, "_model", None)
        released = None
        if model is not None:  # the released code: float32, one slice of a rank's rows at a time
            model = model.float()
            began = time.monotonic()
            for first in range(0, rows, 4):
                model.encode(texts[first : first + 4])
            released = round(time.monotonic() - began, 3)
    near = ours[: 2 * group] @ ours[: 2 * group].T - reference @ reference.T
    return {
        "largest error of a cosine": float(np.abs(near).max()),
        "seconds": round(seconds, 3),
        "seconds as released": released,
        "rows": rows,
        "words of each": words,
        "peak MiB": torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else None,
    }


def _save_encoder(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"abcdefghijklmnopqrstuvwxyz0123456789=.",
        "so",
        "then",
        "carry",
    ]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    width, layers = (32, 1) if TINY else (512, 4)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 16 if TINY else 8,
        intermediate_size=4 * width,
        max_position_embeddings=128 if TINY else 8192,
    )
    inner = folder / "encoder"
    BertModel(config).save_pretrained(inner)
    BertTokenizerFast(
        vocab_file=str(folder / "vocab.txt"), model_max_length=config.max_position_embeddings
    ).save_pretrained(inner)
    reader = Transformer(str(inner), max_seq_length=config.max_position_embeddings)
    SentenceTransformer(modules=[reader, Pooling(width)], device="cpu").save(str(folder))


def _train(folder: Path, *changes: str) -> Path:
    run = folder / "run"
    settings = (f"output_dir={run}", "embedder=hash", "save_strategy=steps", *changes)
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", "quickstart", *settings]
    if not TINY:
        command.append("use_cpu=false")
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stdout[-1000:] + ran.stderr[-2000:])
    return run


def quickstart() -> dict[str, Any]:
    """Train the quickstart on the device; make all that it recorded again on the CPU."""
    import numpy as np

    from dra_toolkit.diversity import adjust, group_advantages
    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.inspection.verify import verify
    from dra_toolkit.runs import Run

    steps = 2 if TINY else 60
    with tempfile.TemporaryDirectory() as folder:
        small = ("per_device_train_batch_size=16",) if TINY else ()
        run = Run.open(_train(Path(folder), f"max_steps={steps}", "save_steps=1000", *small))
        reader, apart = load_embedder(EmbedderSettings(name="hash")), 0.0
        for record in run.groups():
            vectors = reader.embed(list(record.group.completions)).vectors
            again = adjust(embeddings=vectors, totals=record.adjustment.totals)
            apart = max(apart, float(np.abs(group_advantages(again.adjusted[None])[0] - record.advantages).max()))
        checked = verify(run)
        rewards = [row["reward"] for row in run.metrics() if "reward" in row]
        return {
            "largest difference of an advantage": apart,
            "problems that dra inspect verify finds": list(checked.problems),
            "reward, first and last": [rewards[0], rewards[-1]],
            "seconds of a step": [row["step_time"] for row in run.metrics() if "step_time" in row][-1:],
        }


def bf16() -> dict[str, Any]:
    """Train two steps in bfloat16 and count the weights that moved."""
    import torch
    from safetensors.torch import load_file

    from dra_toolkit.quickstart import ways

    before = load_file(ways().model / "model.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        small = ("per_device_train_batch_size=16",) if TINY else ()
        run = _train(Path(folder), "max_steps=2", "save_steps=2", "bf16=true", *small)
        after = load_file(run / "checkpoints" / "checkpoint-2" / "model.safetensors")
    moved = {name: bool((after[name].float() != tensor.float()).any()) for name, tensor in before.items()}
    finite = all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    return {"tensors": len(moved), "moved": sum(moved.values()), "finite": finite}


def smollm2() -> dict[str, Any]:
    """Train SmolLM2-135M with DRA and with GRPO on the carried task."""
    made = CARRIED / "smollm2"
    if not made.is_dir():
        return {"not here": f"{made}: made by benchmarks/smollm2/make.py and carried"}
    found = {}
    for name, measure in (("DRA", "graph_cut"), ("GRPO", "none")):
        with tempfile.TemporaryDirectory() as folder:
            recipe = Path(__file__).parents[1] / "smollm2" / "smollm2.yaml"
            given = [f"model_name_or_path={made}/model", f"dataset_name={made}/train.jsonl", f"output_dir={folder}/run"]
            command = ["train", str(recipe), *given, f"diversity={measure}", "max_steps=30", "save_strategy=no"]
            program = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", *command]
            ran = subprocess.run(program, capture_output=True, text=True)
            if ran.returncode:
                raise SystemExit(ran.stderr[-2000:])
            found[name] = [line for line in ran.stderr.splitlines() if line.startswith("step ")][-3:]
    return found


def vllm() -> dict[str, Any]:
    """Sample with vLLM inside the training process."""
    if importlib.util.find_spec("vllm") is None:
        return {"not here": "vllm is not installed"}
    with tempfile.TemporaryDirectory() as folder:
        _train(Path(folder), "max_steps=2", "save_steps=1000", "use_vllm=true", "vllm_mode=colocate", "bf16=true")
    return {"trained": True}


def several() -> dict[str, Any]:
    """Train in the paper's layout at a reduced length; rehearsed with two processes over gloo and without a server."""
    from dra_toolkit.launch import visible_gpus
    from dra_toolkit.runs import Run

    gpus = len(visible_gpus())
    if not TINY and gpus < 2:
        return {"not here": "one GPU"}
    layout = ["accelerate_config=zero2", "num_generations=4"]
    if TINY:
        layout += ["num_processes=2", "per_device_train_batch_size=6"]
    else:
        serves = importlib.util.find_spec("vllm") is not None
        layout += [
            f"num_processes={gpus - serves}",
            f"vllm_gpus={int(serves)}",
            "per_device_train_batch_size=32",
            "bf16=true",
        ]
    with tempfile.TemporaryDirectory() as folder:
        run = Run.open(_train(Path(folder), "max_steps=3", "save_steps=1000", *layout))
        return {"layout": layout, "groups": sum(1 for _ in run.groups()), "steps": len(list(run.metrics()))}


if __name__ == "__main__":
    print(
        json.dumps(
            {each.__name__: each for each in (embedder, quickstart, bf16, smollm2, several, vllm)}[sys.argv[1]]()
        )
    )
