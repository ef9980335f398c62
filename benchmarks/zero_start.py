"""Seconds of the first and the second start of ZeRO on a CPU, of which the first compiles DeepSpeed's kernel, and of DDP.

`python benchmarks/zero_start.py --work FOLDER` trains two steps with two processes, each start a fresh run of `dra train`.
The first start of ZeRO finds an empty folder of kernels, the others what the first left there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from common import write, write_markdown

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "training"))
RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [dra_toolkit.quickstart.reward.strict]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
num_processes: 2
per_device_train_batch_size: 4
max_completion_length: 12
max_steps: 2
save_strategy: "no"
"""
STARTS = (("ZeRO-2, first", "zero2"), ("ZeRO-2, second", "zero2"), ("ZeRO-3", "zero3"), ("DDP", "ddp"))


def main() -> None:
    """Start each in turn, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work = parser.parse_args().work.absolute()
    work.mkdir(parents=True)
    import tiny

    rows = ({"question": f"What is {i} + 2?", "solution": str(i + 2)} for i in range(64))
    (work / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    policy = tiny.save_policy(work / "policy")
    (work / "recipe.yaml").write_text(RECIPE.format(policy=policy, data=work / "data.jsonl"))
    found = {name: started(work, name, config) for name, config in STARTS}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    write("zero_start", {"commit": commit, "seconds": found})
    heads = ("to the first step", "to the second", "to the end")
    lines = [f"At commit {commit}; seconds from the command.", "", f"| start | {' | '.join(heads)} | told before |"]
    lines += [f"| --- {'| ---: ' * len(heads)}| --- |"]
    lines += [
        f"| {name} | {' | '.join(str(row[head]) for head in heads)} | {row['told']} |" for name, row in found.items()
    ]
    write_markdown("zero_start", "Starts of ZeRO on a CPU", lines)


def started(work: Path, name: str, config: str) -> dict[str, object]:
    """Train two steps; return the seconds to each of them and to the end, and what was told of a kernel."""
    run = work / name.replace(" ", "-").replace(",", "")
    command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", str(work / "recipe.yaml")]
    command += [f"accelerate_config={config}", f"output_dir={run}", "--json"]
    known = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_EXTENSIONS_DIR": str(work / "kernels")}
    begun, seconds, told = time.monotonic(), list[float](), ""
    with subprocess.Popen(command, env=known, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event.get("event") == "step":
                seconds.append(round(time.monotonic() - begun, 1))
            if "kernel" in event.get("text", ""):
                told = event["text"]
    if process.returncode:
        raise RuntimeError(f"{name}: ended with status {process.returncode}; see {run}/logs")
    seconds.append(round(time.monotonic() - begun, 1))
    print(name, seconds, told, flush=True)
    return dict(zip(("to the first step", "to the second", "to the end"), seconds, strict=True)) | {"told": told}


if __name__ == "__main__":
    main()
