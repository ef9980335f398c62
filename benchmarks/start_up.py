"""How soon something happens: `dra --help` against `trl --help`, and training up to its first generated token.

The second is from the start of the process to the first call of the reward function, in a run whose completions have one
token: TRL calls it right after it has generated. `dra train` (with the checks of the recipe, the run directory and a second
process) and the training process that it starts stand beside plain_trl.py, which trains the same with TRL alone. Last,
`dra inspect summary` of a run of 1,000 steps. This project is compiled to bytecode before, as pip compiles what it
installs.
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import in_turn, in_words, paired, ratio, side_by_side, write, write_markdown
from generate_run import STEP, generate
from small_run import SHAPES, Watched, arguments, make_inputs, plain_command, watch, write_recipe

from dra_toolkit.launch.start import prepare
from dra_toolkit.recipe import load_recipe

BIN = Path(sys.executable).parent
SHAPE = SHAPES["one_token"]
SEED = 1
STEPS = 1_000
PLAIN = "plain TRL script"


def show_help(program: str) -> None:
    """Start the program for its help."""
    subprocess.run([BIN / program, "--help"], check=True, capture_output=True)


class FirstToken:
    """Seconds from the start of a process to its first generated token."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._inputs = folder, folder / "inputs"
        self._settings = arguments(SHAPE, steps=1, seed=SEED, device="cpu")
        make_inputs(self._inputs, "one_token", seed=SEED)

    def plain(self) -> float:
        """Start plain TRL."""
        return self._seconds(plain_command(self._folder, self._inputs, SHAPE, **self._settings))

    def dra_train(self, embedder: str) -> float:
        """Start `dra train`."""
        return self._seconds([str(BIN / "dra"), "train", str(self._fresh(embedder))])

    def training_process(self, embedder: str) -> float:
        """Start the process that `dra train` starts."""
        run = prepare(load_recipe(self._fresh(embedder))).run
        return self._seconds([sys.executable, "-m", "dra_toolkit.training", str(run.path), "--attempt", "1"])

    def _fresh(self, embedder: str) -> Path:
        shutil.rmtree(self._folder / "run", ignore_errors=True)
        return write_recipe(self._folder, self._inputs, SHAPE, embedder, **self._settings)

    def _seconds(self, command: list[str]) -> float:
        watched: Watched = watch(command, self._folder, threads=1)
        return float(watched.calls[0]["time"]) - watched.started


def first_token(rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each way to start, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        measured = FirstToken(Path(folder))
        candidates = {
            PLAIN: measured.plain,
            "dra train, hash": lambda: measured.dra_train("hash"),
            "its training process, hash": lambda: measured.training_process("hash"),
            "dra train, minilm": lambda: measured.dra_train("minilm"),
        }
        return in_turn(candidates, rounds=rounds)


def summary(rounds: int) -> list[float]:
    """Return the seconds of `dra inspect summary` of a run of 1,000 steps, in a process of its own each."""
    with tempfile.TemporaryDirectory() as folder:
        run = generate(Path(folder) / "run", STEPS * STEP, characters=60).path
        asked = [BIN / "dra", "inspect", "summary", run]
        shown = lambda: subprocess.run(asked, check=True, capture_output=True)  # noqa: E731
        return side_by_side({"summary": shown}, rounds=rounds)["summary"]


def main() -> None:
    """Measure, and write results/start_up.json and .md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--help-rounds", type=int, default=11)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    for package in ("dra_toolkit", "app"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)
    names = ("dra", "trl")
    seconds = side_by_side({name: lambda name=name: show_help(name) for name in names}, rounds=chosen.help_rounds)
    found = first_token(chosen.rounds)
    ratios = {name: paired(values, found[PLAIN]) for name, values in found.items() if name != PLAIN}
    helped = paired(seconds["dra"], seconds["trl"])
    summed = summary(chosen.rounds)
    write(
        "start_up",
        {
            "seconds": seconds,
            "dra / trl": ratio(seconds, "dra", "trl"),
            "first token, seconds": found,
            "first token / plain TRL script": ratios,
            "dra inspect summary, seconds": summed,
        },
    )
    lines = [
        f"Seconds are medians of {chosen.help_rounds} (`--help`) and {chosen.rounds} starts of each, in turn after one of "
        "warm-up; ratios are of neighbouring starts: median (minimum to maximum; 95 % bootstrap interval of the median). "
        f"The policy is tiny, seed {SEED}, one thread; files are in the page cache.",
        "",
        "| start | seconds | against |",
        "| --- | --- | --- |",
        f"| `dra --help` | {statistics.median(seconds['dra']):.2f} | {in_words(helped)} of `trl --help` |",
        f"| {PLAIN}, to the first token | {statistics.median(found[PLAIN]):.2f} | 1 |",
    ]
    lines += [
        f"| {name}, to the first token | {statistics.median(found[name]):.2f} | {in_words(ratios[name])} of it |"
        for name in ratios
    ]
    lines.append(
        f"| `dra inspect summary` of {STEPS:,} steps, {STEPS * STEP:,} completions | {statistics.median(summed):.2f} | |"
    )
    write_markdown("start_up", "How soon something happens", lines)


if __name__ == "__main__":
    main()
