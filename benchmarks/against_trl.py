"""Steps per second and peak memory of a small run with adjustment and recorder on, against the same run of plain TRL.

Both are fresh processes: `python -m dra_toolkit.training`, as `dra train` starts it, and plain_trl.py, in turn, with the
same model, prompts, seed and number of tokens in every completion. A step is the time from one call of the reward function
to the next; the first steps of each process, and the first round, are not counted. Processor time, of all threads, stands
beside it: on a machine that does other work too it varies less. So do the processor seconds of each part of a step, of the
thread that trains and of the recorder's, and their share of the same step of plain TRL, and, below it, the instructions that
step_instructions.py counted. `--processes 2` trains data-parallel, each rank started by itself, and looks at the first.

With `--device cuda --shape 1.5b` it is the paper's model in bfloat16 with completions of 3,584 tokens (random weights).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from common import RESULTS, in_turn, in_words, paired, write, write_markdown
from small_run import SHAPES, Watched, arguments, make_inputs, plain_command, watch, write_recipe
from step_instructions import file_name
from step_parts import PARTS

from dra_toolkit.launch.start import prepare
from dra_toolkit.recipe import load_recipe
from dra_toolkit.runs import Run

PLAIN = "plain TRL"
MIB = 2**20
PROCESSOR, WALL = 0, 1
COMPARED = {
    "speed": "steps_per_second",
    "speed by processor time": "steps_per_processor_second",
    "memory": "peak_mib",
}
"""Ratios to plain TRL, and what of a run each is of."""


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[name for name in SHAPES if name != "one_token"], default="100m")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--embedders", nargs="+", default=["hash", "policy", "minilm"])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps of each process that are counted")
    parser.add_argument("--warm-up-steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args()


class Benchmark:
    """The runs that are compared."""

    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self._chosen, self._folder, self._inputs = chosen, folder, folder / "inputs"
        self._shape = SHAPES[chosen.shape]
        steps = chosen.warm_up_steps + chosen.steps + 1  # a step ends with the reward of the next
        self._settings = arguments(
            self._shape, steps=steps, seed=chosen.seed, device=chosen.device, processes=chosen.processes
        )
        self.parameters = make_inputs(self._inputs, chosen.shape, seed=chosen.seed)
        self.first_texts: set[int] = set()
        """Checksums of what the processes sampled first: one, or they are not the same run."""

    def plain(self) -> dict[str, float]:
        """Train with plain TRL."""
        return self._train(plain_command(self._folder, self._inputs, self._shape, **self._settings))

    def toolkit(self, embedder: str) -> dict[str, float]:
        """Train with the toolkit."""
        settings = {**self._settings, "num_processes": self._chosen.processes}
        recipe = load_recipe(write_recipe(self._folder, self._inputs, self._shape, embedder, **settings))
        shutil.rmtree(recipe.output_dir, ignore_errors=True)
        run = prepare(recipe).run
        command = [sys.executable, "-m", "dra_toolkit.training", str(run.path), "--attempt", "1"]
        seen = self._train(command)
        expected = self._settings["max_steps"] * self._shape.rows // self._shape.group
        recorded = sum(1 for _ in Run.open(run.path).groups())
        if recorded != expected:
            raise RuntimeError(f"{recorded} groups recorded, expected {expected}")
        return seen

    def _train(self, command: list[str]) -> dict[str, float]:
        """Train, and return what was seen of it."""
        how = {"threads": self._chosen.threads, "processes": self._chosen.processes}
        return self._seen(watch(command, self._folder, **how))

    def _seen(self, watched: Watched) -> dict[str, float]:
        calls = watched.calls
        if len(calls) != self._settings["max_steps"]:
            raise RuntimeError(f"{len(calls)} calls of the reward, expected {self._settings['max_steps']}")
        self.first_texts.add(calls[0]["texts"])
        first, last, steps = calls[self._chosen.warm_up_steps], calls[-1], self._chosen.steps

        def spent(part: str, clock: int) -> float:
            """Return the seconds of a step that a part took."""
            nothing = [0.0, 0.0]
            return (last["parts"].get(part, nothing)[clock] - first["parts"].get(part, nothing)[clock]) / steps

        return {
            "steps_per_second": steps / (last["time"] - first["time"]),
            "steps_per_processor_second": steps / (last["processor_seconds"] - first["processor_seconds"]),
            "peak_mib": watched.peak_bytes / MIB,
            "peak_gpu_mib": last["cuda_bytes"] / MIB,
            **{part: spent(part, PROCESSOR) for part in PARTS},
            "waiting, wall": spent("waiting", WALL),
        }


def table(found: dict[str, list[dict[str, float]]], ratios: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Return the rows of the report."""
    lines = [
        "| run | seconds of a step | steps per second against plain TRL | steps per processor second against plain TRL "
        "| peak resident memory, MiB | peak memory against plain TRL | peak GPU memory, MiB |",
        "| --- |" + " --- |" * 6,
    ]
    for name, rows in found.items():
        column = medians(rows)
        against = [in_words(ratios[name][what]) if name in ratios else "1" for what in COMPARED]
        gpu = f"{column['peak_gpu_mib']:.0f}" if column["peak_gpu_mib"] else "no GPU"
        seconds = f"{1 / column['steps_per_second']:.2f}"
        cells = [name, seconds, *against[:2], f"{column['peak_mib']:.0f}", against[2], gpu]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each number over the rounds."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def parts_table(found: dict[str, list[dict[str, float]]], unit: str, factor: float, digits: int) -> list[str]:
    """Return the rows of the parts of a step, their sum, and what the toolkit's own are of plain TRL's whole step."""
    plain = sum(medians(found[PLAIN])[part] for part in PARTS)
    own = [part for part in PARTS if part not in ("waiting", "rest")]
    heads = ["run", *PARTS, "all", "the toolkit's own parts / plain TRL's step", "waiting, wall seconds"]
    lines = [
        f"Of one step, {unit}, medians over the rounds:",
        "",
        f"| {' | '.join(heads)} |",
        "| --- |" + " ---: |" * (len(heads) - 1),
    ]
    for name, rows in found.items():
        column = medians(rows)
        cells = [name, *(f"{column[part] * factor:,.{digits}f}" for part in PARTS)]
        cells += [f"{sum(column[part] for part in PARTS) * factor:,.{digits}f}"]
        cells += [f"{sum(column[part] for part in own) / plain:.2%}"]
        cells += [f"{column['waiting, wall']:.4f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def counted(processes: int) -> list[str]:
    """Return the table of instructions, if they were counted."""
    path = RESULTS / file_name(processes)
    return ["", *path.read_text(encoding="utf-8").splitlines()[2:]] if path.exists() else []


def main() -> None:
    """Measure, and write results/against_trl-SHAPE.json and .md."""
    chosen = read_arguments()
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(chosen, Path(folder))
        candidates = {PLAIN: benchmark.plain}
        for embedder in chosen.embedders:
            candidates[f"toolkit, {embedder}"] = lambda embedder=embedder: benchmark.toolkit(embedder)
        found = in_turn(candidates, rounds=chosen.pairs)
    if len(benchmark.first_texts) != 1:
        raise RuntimeError("the runs do not sample the same texts in their first step; they cannot be compared")
    shape = SHAPES[chosen.shape]
    name = f"against_trl-{chosen.shape}{'' if chosen.processes == 1 else f'-{chosen.processes}'}"
    title = f"The toolkit against plain TRL, policy {chosen.shape}"
    policy = (
        f"Policy of {benchmark.parameters / 1e6:.1f}M random parameters in {shape.dtype} on {chosen.device}; "
        f"{shape.rows} completions of {shape.completion} tokens in a step, groups of {shape.group}; seed {chosen.seed}; "
        f"{chosen.processes} process(es) of {chosen.threads} thread(s); "
    )
    document = {"arguments": vars(chosen), "parameters": benchmark.parameters, "rounds": found}
    ratios = {
        name: {
            what: paired([row[key] for row in rows], [row[key] for row in found[PLAIN]])
            for what, key in COMPARED.items()
        }
        for name, rows in found.items()
        if name != PLAIN
    }
    write(name, {**document, "ratios": ratios})
    facts = [
        f"{policy}{chosen.steps} steps counted after {chosen.warm_up_steps}, in each of {chosen.pairs} "
        "processes of each kind, in turn. Ratios are of neighbouring processes: median (minimum to maximum; 95 % bootstrap "
        "interval of the median). Below 1 the toolkit is slower, or takes less memory.",
        "",
    ]
    parts = parts_table(found, "processor seconds of the thread that trains and of the recorder's", 1, 4)
    write_markdown(name, title, [*facts, *table(found, ratios), "", *parts, *counted(chosen.processes)])


if __name__ == "__main__":
    main()
