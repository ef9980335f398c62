"""Stop a run by SIGTERM to every process while a slow reward is computed, resume it from what was saved, for each launcher.

    python benchmarks/resuming.py WORK

One process, DDP, ZeRO-2, ZeRO-3, two machines (two launchers over loopback), with LoRA and without, and from two processes
to one and back. The reward sleeps longer than the 30 s that torch's agent leaves its ranks. A case that has a result already
is not run again, unless it failed. ZeRO compiles into WORK, so that its first start is one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import complete_checkpoints

RESULT = Path(__file__).parent / "results" / "resuming.json"
SLEEP = 40.0
"""Seconds that the reward takes once it is told to."""
REWARD = f"""
import time
from pathlib import Path

from dra_toolkit.quickstart.reward import strict


def slow(**given):
    if Path("sleep").exists():
        Path("asleep").touch()
        time.sleep({SLEEP})
    return strict(**given)
"""
SETTINGS = [
    *("reward_funcs=[rewards.slow]", "num_generations=4", "completions_per_step=12", "max_completion_length=24"),
    *("save_steps=1000", "logging_steps=1"),
]
ONE = ["num_processes=1", "per_device_train_batch_size=12"]
TWO = ["num_processes=2", "per_device_train_batch_size=6"]
LAUNCHERS: dict[str, list[str]] = {
    "one process": ONE,
    "ddp": [*TWO, "accelerate_config=ddp"],
    "zero2": [*TWO, "accelerate_config=zero2"],
    "zero3": [*TWO, "accelerate_config=zero3"],
    "two machines": [*TWO, "num_machines=2", "main_process_ip=127.0.0.1"],
}
CASES: dict[str, tuple[list[str], list[str]]] = {
    **{
        f"{name}{', LoRA' if lora else ''}": (given + lora, given + lora)
        for name, given in LAUNCHERS.items()
        for lora in ([], ["use_peft=true"])
    },
    "two processes to one": (TWO, ONE),
    "one process to two": (ONE, TWO),
}
"""Name -> the settings of the start and of the resume."""


class Case:
    """One run, stopped and resumed."""

    def __init__(self, work: Path, name: str) -> None:
        self.folder = work / name.replace(", ", "-").replace(" ", "_")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "rewards.py").write_text(REWARD)
        self.run = self.folder / "run"
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "TORCH_EXTENSIONS_DIR": str(work / "torch_extensions"),
        }

    def start(self, settings: list[str], *more: str) -> list[subprocess.Popen[bytes]]:
        """Start `dra train` on each machine."""
        machines = 2 if "num_machines=2" in settings else 1
        if machines == 2:
            with socket.socket() as server:
                server.bind(("127.0.0.1", 0))
                settings = [*settings, f"main_process_port={server.getsockname()[1]}"]
        command = [sys.executable, "-c", "from dra_toolkit.cli import main; main()", "train", "quickstart", *SETTINGS]
        log = open(self.folder / "output.txt", "ab")  # noqa: SIM115 - the processes write to it
        return [
            subprocess.Popen(
                [
                    *command,
                    *settings,
                    f"output_dir={self.run}",
                    *more,
                    *([f"machine_rank={rank}"] if machines == 2 else []),
                ],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
            for rank in range(machines)
        ]

    def wait(self, what: Path, started: list[subprocess.Popen[bytes]]) -> None:
        """Wait until a file is there."""
        while not what.exists():
            if any(process.poll() is not None for process in started):
                raise RuntimeError((self.folder / "output.txt").read_text()[-2000:])
            time.sleep(0.1)

    def measure(self, before: list[str], after: list[str]) -> dict[str, Any]:
        """Return what happened, times in seconds."""
        began = time.time()
        started = self.start(before, "max_steps=100000")
        self.wait(self.run / "groups" / "train-00000002-000.parquet", started)
        first_step = time.time() - began
        (self.folder / "sleep").touch()
        self.wait(self.folder / "asleep", started)
        asked = time.time()
        for process in started:
            for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                each.send_signal(signal.SIGTERM)
        status = [process.wait(600) for process in started]
        stopped = time.time() - asked
        (newest,) = complete_checkpoints(self.run / "checkpoints")
        step = int(newest.name.split("-")[1])
        saved = (newest / "trainer_state.json").stat().st_mtime - asked
        (self.folder / "sleep").unlink()
        began = time.time()
        again = [process.wait(900) for process in self.start(after, f"max_steps={step + 2}", "--resume")]
        steps = [row["step"] for row in Run.open(self.run).metrics() if "reward" in row]
        return {
            "exit status of the stop": status,
            "state": "stopped with a checkpoint" if set(status) == {130} else "not stopped in order",
            "seconds to the second step": round(first_step, 1),
            "seconds from signal to saved": round(saved, 1),
            "seconds from signal to end": round(stopped, 1),
            "of these the reward slept": SLEEP,
            "exit status of the resume": again,
            "seconds of the resume": round(time.time() - began, 1),
            "every step once": steps == list(range(1, step + 3)),
            "adapters": (newest / "adapter_model.safetensors").is_file(),
        }


def main(work: Path, names: list[str]) -> None:
    """Run the cases that have no result yet."""
    found: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    for name in names or CASES:
        if "failed" not in found.get(name, {"failed": ""}):
            continue
        try:
            found[name] = Case(work, name).measure(*CASES[name])
        except Exception as error:
            found[name] = {"failed": f"{type(error).__name__}: {error}"[-2000:]}
        print(name, json.dumps(found[name]), flush=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2:])
