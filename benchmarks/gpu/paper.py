"""A training step in the paper's shapes, with the toolkit and with plain TRL, in one process and in turn.

The policy has layers and vocabulary of DeepSeek-R1-Distill-Qwen-1.5B and random weights in bfloat16, the encoder that of
jina-embeddings-v2-small. 24 completions of 3,584 tokens, in groups of 6, then of 8, are made up instead of sampled, so that
both trainers score the same ones and a step is all but its sampling. Prints one line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from shapes import DEVICE, LENGTH, TINY, policy, rollouts, save_jina, tokenizer

STEPS, WARM_UP = (2, 1) if TINY else (4, 1)
ROWS = 24
GIB = 2**30


def letters(completions: list[Any], **_: Any) -> list[float]:
    """Reward that differs inside a group: the share of the digit 7."""
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("7") / max(1, len(text)) for text in texts]


def clock(seconds: list[float]) -> Any:
    """Return a callback that notes the seconds of every step."""
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]
        began = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = _now(torch)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(_now(torch) - self.began)

    return Clock()


def _now(torch: Any) -> float:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def trained(kind: str, group: int, model: Any, reader: Any, folder: Path) -> dict[str, Any]:
    """Train a few steps with `TRL` or `toolkit` and return their seconds, their parts and the peak of memory."""
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from dra_toolkit import DRATrainer

    arguments = GRPOConfig(
        output_dir=str(folder / f"{kind}-{group}"),
        per_device_train_batch_size=group,
        gradient_accumulation_steps=ROWS // group,
        num_generations=group,
        max_completion_length=LENGTH,
        max_steps=STEPS + WARM_UP,
        loss_type="grpo",
        learning_rate=1e-6,
        bf16=not TINY,
        use_cpu=TINY,
        gradient_checkpointing=True,
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
    )
    data = Dataset.from_dict({"prompt": [[{"role": "user", "content": f"w{i} w{i + 1}"}] for i in range(64)]})
    own = {"diversity": "graph_cut", "embedder": "jina"} if kind == "toolkit" else {}
    seconds: list[float] = []
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if DEVICE == "cuda" else 0
    trainer = (DRATrainer if own else GRPOTrainer)(
        model=model,
        reward_funcs=letters,
        args=arguments,
        train_dataset=data,
        processing_class=reader,
        rollout_func=rollouts(group),
        callbacks=[clock(seconds)],
        **own,
    )
    parts = {name: _watched(trainer, name) for name in ("_measure", "_publish")} if own else {}
    trainer.train()
    logged = [row for row in trainer.state.log_history if "loss" in row][WARM_UP:]
    found = {
        "seconds": [round(each, 3) for each in seconds[WARM_UP:]],
        "peak GiB": round(torch.cuda.max_memory_allocated() / GIB, 2) if DEVICE == "cuda" else None,
        "GiB before": round(before / GIB, 2),
        "losses": [row["loss"] for row in logged],
    }
    if own:
        found["seconds of embedding"] = [round(row["diversity/embedding_seconds"], 4) for row in logged]
        found["seconds of measuring, embedding included"] = parts["_measure"][WARM_UP:]
        found["seconds of recording"] = parts["_publish"][WARM_UP:]
        del trainer.embedder
    del trainer
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
    return found


def _watched(trainer: Any, name: str) -> list[float]:
    """Note the seconds of every call of one of the trainer's methods."""
    method, seconds = getattr(trainer, name), []

    def watched(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        found = method(*args, **kwargs)
        seconds.append(round(time.perf_counter() - began, 4))
        return found

    setattr(trainer, name, watched)
    return seconds


def checked(folder: Path) -> dict[str, Any]:
    """Make again what the toolkit recorded, as `dra inspect verify` does."""
    from dra_toolkit.inspection.verify import verify
    from dra_toolkit.runs import Run

    run = Run.open(folder)
    return {"groups": sum(1 for _ in run.groups()), "problems": list(verify(run).problems)}


def sampling(model: Any, reader: Any) -> dict[str, float]:
    """Return how long `generate` of transformers takes for a token of 24 completions."""
    import torch

    tokens = 8 if TINY else 32
    asked = torch.full((ROWS, 16), 5, device=DEVICE)
    model.eval()
    with torch.no_grad():
        model.generate(asked, max_new_tokens=4, min_new_tokens=4, do_sample=True, attention_mask=torch.ones_like(asked))
        began = _now(torch)
        model.generate(
            asked, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=True, attention_mask=torch.ones_like(asked)
        )
        seconds = (_now(torch) - began) / tokens
    return {"seconds of a token": round(seconds, 5), f"seconds of {LENGTH} tokens": round(seconds * LENGTH, 1)}


def main() -> None:
    """Train, and print what was measured; each part also as it is found, on lines of their own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["HF_HUB_CACHE"] = str(folder / "hub")
        save_jina(folder / "hub")
        reader = tokenizer(500 if TINY else 151_000)
        model = policy(reader)
        found: dict[str, Any] = {"parameters": model.num_parameters(), "completions": ROWS, "tokens of each": LENGTH}
        for group in (6, 8):
            for kind in ("TRL", "toolkit"):
                found[f"{kind}, G = {group}"] = trained(kind, group, model, reader, folder)
                print(json.dumps(found), flush=True)
            plain, ours = (statistics.median(found[f"{kind}, G = {group}"]["seconds"]) for kind in ("TRL", "toolkit"))
            found[f"toolkit / TRL, G = {group}"] = round(ours / plain, 4)
            found[f"verify, G = {group}"] = checked(folder / f"toolkit-{group}")
        found["sampling by transformers"] = sampling(model, reader)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
