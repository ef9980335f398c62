"""Questions asked of a large recorded run, what it weighs on disk, and what recording costs a training step.

`python benchmarks/run_store.py --work FOLDER` generates runs of 1 and 10 million completions there unless they are (about
5 GB), asks every question in a fresh process, five times, and reports the median and the peak of resident memory. The same
questions are asked with pandas over completions files as TRL writes them, of 1 million completions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import write, write_markdown
from generate_run import FACTS, STEP, Words, generate, step_rows

from dra_toolkit.runs import Recorder, Run
from dra_toolkit.runs.rows import from_table

REPEATS = 5
WORD = "qzjx"
"""A text that hardly occurs, so that all of a run is searched."""
SQL = {
    "step aggregates": "SELECT * FROM steps ORDER BY step",
    "one step": "SELECT * FROM groups WHERE step = {step} ORDER BY group_index",
    "most redundant 50": "SELECT step, group_index, similarity FROM groups ORDER BY similarity DESC LIMIT 50",
    "all sign flips": "SELECT step, group_index, completion_index FROM completions WHERE advantage * advantage_plain < 0",
}
PANDAS = {
    "step aggregates": lambda frame: frame.groupby("step")[["accuracy", "advantage"]].mean(),
    "one step": lambda frame: frame[frame["step"] == frame["step"].median()],
    "one group in full": lambda frame: frame[frame["step"] == frame["step"].median()].iloc[:8],
    "substring search": lambda frame: frame[frame["completion"].str.contains(WORD, regex=False)],
}


def questions(run: Run) -> dict[str, Callable[[], object]]:
    """Return what is asked of a run."""
    steps = run.steps()
    middle = steps[len(steps) // 2]
    asked: dict[str, Callable[[], object]] = {
        name: (lambda sql=sql: run.query(sql.format(step=middle), steps=(middle, middle) if "{step}" in sql else None))
        for name, sql in SQL.items()
    }
    asked["one group in full"] = lambda: run.group(middle, 7)
    asked["substring search"] = lambda: run.query(
        "SELECT step, group_index, completion_index FROM texts WHERE contains(completion, $1)", [WORD]
    )
    return asked


def ask(folder: str, name: str) -> None:
    """Ask one question of a run in this process and print what it took."""
    started = time.perf_counter()
    run = Run.open(folder)
    question = questions(run)[name]
    worked = time.process_time()
    first = _seconds(question)
    worked = time.process_time() - worked
    again = [_seconds(question) for _ in range(REPEATS)]
    memory = peak_memory()
    opened = time.perf_counter() - started - first - sum(again)
    print(
        json.dumps(
            {"open": opened, "first": first, "processor": worked, "median": statistics.median(again), "MiB": memory}
        )
    )


def ask_pandas(folder: str, name: str) -> None:
    """Ask one question of TRL's own completions files with pandas and print what it took."""
    import pandas as pd

    started = time.perf_counter()
    columns = {"substring search": None, "one group in full": None}.get(name, ["step", "accuracy", "advantage"])
    frame = pd.concat([pd.read_parquet(path, columns=columns) for path in sorted(Path(folder).glob("*.parquet"))])
    PANDAS[name](frame)
    memory = peak_memory()
    print(json.dumps({"median": time.perf_counter() - started, "MiB": memory}))


def as_trl_writes(run: Run, folder: Path) -> None:
    """Write a run's completions as TRL does with log_completions: a Parquet file for each step, all columns together."""
    import pandas as pd

    folder.mkdir()
    for step in run.steps():
        table = next(iter(run.store.read(steps=(step, step))))[1]
        frame = pd.DataFrame(
            {
                "step": table["step"].to_pandas(),
                "prompt": [m[0]["content"] for m in table["prompt"].to_pylist()],
                "completion": table["completion"].to_pylist(),
                "accuracy": [r["accuracy"] for r in table["rewards"].to_pylist()],
                "format": [r["format"] for r in table["rewards"].to_pylist()],
                "advantage": table["advantage"].to_pandas(),
            }
        )
        frame.to_parquet(folder / f"completions_{step:05d}.parquet")


def on_disk(run: Run) -> dict[str, float]:
    """Return the size of a run's groups over that of its texts in zstd alone, as one stream, at two levels."""
    import pyarrow as pa

    texts = run.query("SELECT completion FROM texts ORDER BY step, batch, group_index, completion_index").column(0)
    stream = "".join(texts.to_pylist()).encode()
    whole = sum(path.stat().st_size for path in run.directory.groups.rglob("*.parquet"))
    alone = {level: len(pa.Codec("zstd", compression_level=level).compress(stream, asbytes=True)) for level in (3, 6)}
    return {f"zstd -{level}": whole / size for level, size in alone.items()}


def recording(groups: int = 16, batches: int = 20) -> dict[str, float]:
    """Return what recording 16 groups of 8 with 3,800 characters each costs a step: seconds on its thread, and beside it.

    The second is processor time of the whole process, so it includes the first; a step comes when the last is on disk.
    """
    rows = step_rows(2, Words(3_800, 0), np.random.default_rng(0)).slice(0, groups * 8)
    records = list(from_table(rows, FACTS))
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), FACTS, tell=print)
        on_thread, beside = [], []
        for step in range(1, batches + 2):  # the first loads what is loaded late
            batch = [dataclasses.replace(record, step=step) for record in records]
            started = time.process_time()
            on_thread.append(_seconds(lambda batch=batch: recorder.submit(batch)))
            recorder.flush()
            beside.append(time.process_time() - started)
        recorder.close()
    return {"thread of the training": statistics.median(on_thread[1:]), "processor": statistics.median(beside[1:])}


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def peak_memory() -> float:
    """Return the peak of this process's resident memory in MiB; getrusage would count the parent's before exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _child(*arguments: str) -> dict[str, float]:
    ran = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Generate the runs and ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, help="where the generated runs lie, or are made")
    parser.add_argument("--ask", nargs=2, metavar=("RUN", "QUESTION"), help=argparse.SUPPRESS)
    parser.add_argument("--pandas", nargs=2, metavar=("FOLDER", "QUESTION"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        ask(*arguments.ask)
    elif arguments.pandas:
        ask_pandas(*arguments.pandas)
    else:
        report(arguments.work)


def report(work: Path) -> None:
    """Ask everything, side by side, and write the table."""
    shapes = {"100k": (100_000, 3_800), "1m": (1_000_000, 3_800), "10m": (10_000_000, 200)}
    for name, (completions, characters) in shapes.items():
        if not (work / name).is_dir():
            generate(work / name, completions, characters)
    frames = work / "trl-1m"
    if not frames.is_dir():
        as_trl_writes(Run.open(work / "1m"), frames)
    names = [*SQL, "one group in full", "substring search"]
    found = {}
    for name in names:
        row = {"1m": _child("--ask", str(work / "1m"), name)}
        if name != "substring search":
            row["10m"] = _child("--ask", str(work / "10m"), name)
        if name in PANDAS:
            row["pandas"] = _child("--pandas", str(frames), name)
        found[name] = row
        print(name, row, file=sys.stderr)
    sizes, cost = on_disk(Run.open(work / "100k")), recording()
    content = {"questions": found, "size on disk over the texts alone": sizes, "seconds of recording": cost}
    write("run_store", {"completions in a step": STEP, **content})
    _write_table(found, sizes, cost)


def _write_table(
    found: dict[str, dict[str, dict[str, float]]], sizes: dict[str, float], cost: dict[str, float]
) -> None:
    lines = [
        "1 million completions of 3,800 characters on average and 10 million of 200, in groups of 8, 1,000 in a step, made "
        f"by `generate_run.py` (seed 0). Each question is asked in a fresh process: once, then {REPEATS} times more, of "
        "which the median. pandas reads TRL's own completions files of the same 1 million and answers from them.",
        "",
        "| question | 1 million, first | again | 10 million, first | again | MiB | pandas, 1 million | pandas / ours |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        one, ten, frame = row["1m"], row.get("10m"), row.get("pandas")
        memory = max(answer["MiB"] for key, answer in row.items() if key != "pandas")
        lines.append(
            f"| {name} | {_ms(one['first'])} | {_ms(one['median'])} | {_ms(ten['first']) if ten else ''} | "
            f"{_ms(ten['median']) if ten else ''} | {memory:.0f} | {_ms(frame['median']) if frame else ''} | "
            f"{frame['median'] / one['first']:.0f} |"
            if frame
            else f"| {name} | {_ms(one['first'])} | {_ms(one['median'])} | {_ms(ten['first']) if ten else ''} | "
            f"{_ms(ten['median']) if ten else ''} | {memory:.0f} | | |"
        )
    lines += ["", *(f"Size on disk over the same texts in {name} alone: {size:.3f}." for name, size in sizes.items())]
    thread, processor = cost["thread of the training"], cost["processor"]
    lines += [
        "",
        f"Recording 16 groups of 8 with 3,800 characters each: {1e6 * thread:.0f} microseconds on the training thread, "
        f"{thread / 2:.4%} of a step of 2 seconds, and {1e3 * processor:.0f} ms of a processor beside it.",
    ]
    write_markdown("run_store", "Questions of a large run", lines)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


if __name__ == "__main__":
    main()
