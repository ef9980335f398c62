"""Everything that was never run on a GPU, in one command, the most valuable first:

    python3 benchmarks/gpu/run.py [--seconds 480] [--tiny] [--out FOLDER] [STAGE ...]

Each stage is a process of its own with a bound, and writes FOLDER/STAGE.json and the table FOLDER.md as it ends. A stage
that has ended before is not run again, so that several short occasions add up; one that failed or ran out of time is. With
`--tiny` every stage is rehearsed on a CPU. README.md says what has to be carried to a machine without a network.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OUT = ROOT / "benchmarks" / "results" / "gpu"


@dataclass(frozen=True)
class Stage:
    """What is run, for how long at most, and what it answers."""

    command: tuple[str, ...]
    seconds: int
    """What it took on one H100 whose cores were busy, with some room, or an estimate; a stage that needs longer is ended."""
    question: str
    tiny: tuple[str, ...] | None = None
    """The command of the rehearsal, where it is another one."""


def _stage(name: str) -> tuple[str, ...]:
    return (str(HERE / "stages.py"), name)


TESTS = ("test_trl_contract", "test_trainer", "test_drop_in", "test_measures_in_training", "test_dynamic_sampling")
STAGES: dict[str, Stage] = {
    "doctor": Stage(_stage("doctor"), 30, "what the toolkit sees of the machine"),
    "embedder": Stage(
        _stage("embedder"), 45, "embedder in half precision: largest error of a cosine, seconds, as released"
    ),
    "quickstart": Stage(_stage("quickstart"), 60, "same advantages from the same completions as a CPU; replay error"),
    "bf16": Stage(_stage("bf16"), 40, "training in bfloat16 moves every weight and stays finite"),
    "paper": Stage(
        (str(HERE / "paper.py"),),
        125,
        "the paper's shapes: share of embedding, adjusting and recording in a step, peak memory, against plain TRL",
    ),
    "tests": Stage(
        (
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--tb=short",
            "-n",
            "4",
            *(f"tests/training/{name}.py" for name in TESTS),
        ),
        180,
        "contract and trainer tests on the GPU",
    ),
    "smollm2": Stage(_stage("smollm2"), 300, "SmolLM2-135M, DRA against its twin, if its weights were carried"),
    "arena": Stage(
        ("benchmarks/arena/run.py", "--stages", "screen"),
        300,
        "arms of the arena",
        ("benchmarks/arena/run.py", "--plan"),
    ),
    "several": Stage(
        _stage("several"), 240, "the paper's layout: ZeRO-2 on all GPUs but one, and a vLLM server on that"
    ),
    "vllm": Stage(_stage("vllm"), 90, "vLLM inside the training process, if it is there"),
}
"""In order of value."""


def main() -> int:
    """Run the stages that have no result yet, as long as there is time; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--seconds", type=float, default=480.0, help="for all stages together")
    parser.add_argument("--tiny", action="store_true", help="rehearse on a CPU")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.stages if name not in STAGES]:
        parser.error(f"{unknown[0]}: expected one of {', '.join(STAGES)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + chosen.seconds
    for name in chosen.stages or STAGES:
        file = chosen.out / f"{name}.json"
        if file.is_file() and json.loads(file.read_text())["state"] in ("done", "not here"):
            continue
        left = end - time.monotonic()
        if left < 10:
            break
        found = run(STAGES[name], chosen, left if chosen.tiny else min(left, STAGES[name].seconds))
        file.write_text(json.dumps(found, indent=1) + "\n")
        chosen.out.with_suffix(".md").write_text(table(chosen.out))
        print(name, found["state"], f"{found['seconds']} s", flush=True)
    return sum(json.loads(file.read_text())["state"] == "failed" for file in chosen.out.glob("*.json"))


def run(stage: Stage, chosen: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Run one stage and return what came of it."""
    command = stage.tiny or stage.command if chosen.tiny else stage.command
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), str(ROOT / "app"), os.environ.get("PYTHONPATH")))),
        "DRA_GPU_TINY": "1" if chosen.tiny else "",
        "DRA_TEST_CUDA": "" if chosen.tiny else "1",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    began = time.monotonic()
    ran = None
    try:
        ran = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds
        )
        output, state = ran.stdout, "done" if ran.returncode == 0 else "failed"
    except subprocess.TimeoutExpired as expired:
        output, state = (expired.stdout or b"").decode(errors="replace"), "out of time"
    last = (output.strip().splitlines() or [""])[-1]
    try:
        result = json.loads(last)
    except ValueError:
        result = {"said": output[-5000:]}
    if isinstance(result, dict) and "not here" in result:
        state = "not here"
    return {
        "state": state,
        "seconds": round(time.monotonic() - began, 1),
        "bound": seconds,
        "tiny": chosen.tiny,
        "machine": machine(),
        "result": result,
        **({"errors": ran.stderr[-3000:]} if ran is not None and ran.returncode else {}),
    }


def machine() -> str:
    """Return the card and the processor in words."""
    asked = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        card = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        card = "no GPU"
    return f"{card}; {os.cpu_count()} cores; Python {platform.python_version()}"


def table(out: Path) -> str:
    """Return the results so far in Markdown: a table of the stages, then what each found."""
    lines = ["# What ran on a GPU", "", "| stage | question | state | seconds | machine |", "| --- |" + " --- |" * 4]
    told = []
    for name, stage in STAGES.items():
        file = out / f"{name}.json"
        found = json.loads(file.read_text()) if file.is_file() else {"state": "not run", "seconds": "", "machine": ""}
        state = f"{found['state']}, rehearsal" if found.get("tiny") else found["state"]
        lines.append(f"| {name} | {stage.question} | {state} | {found['seconds']} | {found['machine']} |")
        if found["state"] == "done" and "findings" not in found["result"]:
            told += ["", f"## {name}", "", *(f"- {key}: {in_words(value)}" for key, value in found["result"].items())]
    return "\n".join([*lines, *told]) + "\n"


def in_words(value: Any) -> str:
    """Return a value of a result in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{key} {in_words(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(in_words, value)) or "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
