"""The stages of run.py that are no command of their own: `python stages.py NAME` prints its result as one line of JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import shapes

TINY, DEVICE = shapes.TINY, shapes.DEVICE
CARRIED = Path(__file__).parents[2] / ".gpu"
"""What was carried to the machine (README.md)."""


def doctor() -> dict[str, Any]:
    """Ask what the toolkit sees of this machine, and whether the paper's recipe fits it."""
    program = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "doctor", "dra_grpo", "--json"]
    ran = subprocess.run([*program, "num_processes=1", "vllm_gpus=0"], capture_output=True, text=True)
    try:
        return {"status": ran.returncode, "findings": json.loads(ran.stdout)}
    except ValueError:
        raise SystemExit(ran.stdout[-1000:] + ran.stderr[-2000:]) from None


def embedder() -> dict[str, Any]:
    """Embed with an encoder of jina-small's shape and random weights: ours, in float32, and as released."""
    import numpy as np
    import torch

    from dra_toolkit.embedding import EmbedderSettings, load_embedder
    from dra_toolkit.embedding.jina import JinaEncoder
    from dra_toolkit.embedding.sentence import SentenceEmbedder

    rows, group = (8, 4) if TINY else (48, 6)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        os.environ["HF_HUB_CACHE"] = place
        folder = shapes.save_jina(Path(place))
        count = shapes.ENCODER_WORDS
        shared = [rng.integers(0, count, shapes.LENGTH // 2) for _ in range(rows // group)]
        texts = [
            " ".join(f"w{i}" for i in [*shared[row // group], *rng.integers(0, count, shapes.LENGTH // 2 - 2)])
            for row in range(rows)
        ]
        settings = EmbedderSettings(name="jina")
        kinds = {
            "ours": load_embedder(settings, device=DEVICE),
            **{
                name: SentenceEmbedder(
                    settings=settings, model=JinaEncoder(folder, device=DEVICE, dtype=dtype), device=DEVICE
                )
                for name, dtype in (("float16", torch.float16), ("float32", torch.float32))
            },
        }
        reference = kinds["float32"].embed(texts).vectors.astype(np.float64)
        found: dict[str, Any] = {"rows": rows, "tokens of each": shapes.LENGTH}
        for name, kind in kinds.items():
            kind.embed(texts[:group])
            seconds, vectors = _timed(lambda kind=kind: kind.embed(texts).vectors, 3)
            errors, sums = [], []
            for first in range(0, rows, group):
                part = slice(first, first + group)
                near, exact = vectors[part] @ vectors[part].T, reference[part] @ reference[part].T
                errors.append(np.abs(near - exact).max())
                sums.append(np.abs(near.sum(1) - exact.sum(1)).max() / (1 + exact.sum(1).max()))
            found[name] = {
                "seconds": seconds,
                "largest error of a cosine": float(max(errors)),
                "largest relative error of a weight": float(max(sums)),
            }
        alone = kinds["float32"]
        found["smallest and largest cosine"] = [
            float(f(reference[:group] @ reference[:group].T)) for f in (np.min, np.max)
        ]
        with _written_out_attention():
            found["as released: float32, a slice of six rows at a time, attention written out"] = {
                "seconds": _timed(lambda: [alone._forward(texts[first : first + 6]) for first in range(0, rows, 6)], 3)[
                    0
                ]
            }
        found["peak GiB"] = torch.cuda.max_memory_allocated() / 2**30 if DEVICE == "cuda" else None
    return found


def _timed(work: Any, times: int) -> tuple[list[float], Any]:
    seconds, made = [], None
    for _ in range(times):
        began = time.perf_counter()
        made = work()  # embedders hand back numpy, which waits for the GPU
        seconds.append(round(time.perf_counter() - began, 4))
    return seconds, made


@contextmanager
def _written_out_attention() -> Iterator[None]:
    """Compute attention as the publisher's code does: scores, bias, softmax and sum as tensors of their own."""
    from torch.nn import functional

    fused = functional.scaled_dot_product_attention

    def written_out(query: Any, key: Any, value: Any, attn_mask: Any) -> Any:
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + attn_mask
        return scores.softmax(dim=-1) @ value

    functional.scaled_dot_product_attention = written_out
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = fused


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
    """Train SmolLM2-135M with DRA and with GRPO on the carried task, all runs at once, and evaluate each."""
    made = CARRIED / "smollm2"
    if not made.is_dir():
        return {"not here": f"{made}: made by benchmarks/smollm2/make.py and carried"}
    from dra_toolkit.runs import Run

    steps, seeds = (2, (1,)) if TINY else (int(os.environ.get("DRA_GPU_STEPS", "100")), (1, 2, 3))
    program = Path(__file__).parents[1] / "smollm2" / "evaluate.py"
    place = Path(tempfile.mkdtemp())
    train = "from dra_toolkit.cli import main; main()"
    found: dict[str, Any] = {"steps": steps, "base model": json.loads(_output(program, made / "model"))}
    runs = {}
    for seed in seeds:
        for name, measure in (("DRA", "graph_cut"), ("GRPO", "none")):
            run = place / f"{name}-{seed}"
            given = [f"model_name_or_path={made}/model", f"output_dir={run}"]
            given += [
                f"diversity={measure}",
                f"max_steps={steps}",
                f"seed={seed}",
                f"save_steps={steps}",
                *_SMALL[TINY],
            ]
            with (place / f"{run.name}.log").open("w") as log:
                command = [sys.executable, "-c", train, "train", "smollm2", *given]
                runs[f"{name}, seed {seed}"] = run, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    for title, (run, process) in runs.items():
        status = process.wait()
        if status:
            found[title] = {"status": status, "said": (place / f"{run.name}.log").read_text()[-1000:]}
            continue
        rows = Run.open(run).query(
            "SELECT coalesce(correct_share, positive_share) AS correct, similarity, vendi_score "
            "FROM steps WHERE mode = 'train' ORDER BY step"
        )
        columns = {key: [round(value, 4) for value in rows[key].to_pylist()] for key in rows.column_names}
        after = _output(program, run / "checkpoints" / f"checkpoint-{steps}")
        found[title] = {**json.loads(after), **columns}
        print(json.dumps(found), flush=True)
    return found


def _output(program: Path, model: Path) -> str:
    """Return the last line of what the evaluation of a model prints."""
    command = [sys.executable, str(program), str(model), str(program.with_name("heldout.jsonl")), *(["2"] * TINY)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


_SMALL = {
    True: ("per_device_train_batch_size=8", "max_completion_length=8"),
    False: ("per_device_train_batch_size=64", "use_cpu=false"),
}


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
    sharded = "zero2" if importlib.util.find_spec("deepspeed") else "ddp"  # deepspeed may not have been carried
    layout = [f"accelerate_config={sharded}", "num_generations=4"]
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
            {each.__name__: each for each in (doctor, embedder, quickstart, bf16, smollm2, several, vllm)}[
                sys.argv[1]
            ]()
        )
    )
