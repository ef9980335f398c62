"""Instructions of one training step, by part, as valgrind's callgrind counts them: the toolkit's beside plain TRL's.

`python benchmarks/step_instructions.py [--processes 2]` starts itself behind valgrind, as so many ranks, and looks at the
first. In one process each kind of trainer takes two steps of the same model, prompts, seed and number of tokens, and the
second is counted: no clock is read, so other work on the machine changes nothing. The processor that valgrind emulates
knows AVX2 and no bfloat16. Needs valgrind with its headers, and a C compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from common import write, write_markdown
from small_run import SHAPES, arguments, letters, make_inputs, watch, write_recipe
from step_parts import MARKS, PARTS, REST, Meter, attribute, compile_marks, read_instructions, valgrind

PLAIN = "plain TRL"
KINDS = (PLAIN, "hash", "policy", "minilm")
SHAPE = "1m"
SEED = 1


def train(inputs: Path, folder: Path, kinds: list[str], processes: int) -> None:
    """Take two steps of each kind in this process, and have those of the second counted."""
    from transformers import TrainerCallback

    meter = Meter()
    attribute(meter, toolkit=True)

    class Second(TrainerCallback):  # type: ignore[misc]
        def __init__(self, kind: str) -> None:
            self.kind = kind

        def on_step_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            if state.global_step == 1:
                meter.begin_instructions(self.kind)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.end_instructions()

    for kind in kinds:
        settings = arguments(SHAPES[SHAPE], steps=2, seed=SEED, device="cpu", processes=processes)
        print(kind, file=sys.stderr, flush=True)
        if kind == PLAIN:
            _plain(inputs, folder, settings, Second(kind))
        else:
            _toolkit(inputs, folder, {**settings, "num_processes": processes}, kind, Second(kind))


def _plain(inputs: Path, folder: Path, settings: dict[str, Any], callback: Any) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    rows = [json.loads(line) for line in (inputs / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    prompts = [[{"role": "user", "content": row["problem"]}] for row in rows]
    GRPOTrainer(
        model=str(inputs / "model"),
        reward_funcs=letters,
        args=GRPOConfig(**settings, output_dir=str(folder / "plain"), model_init_kwargs={"dtype": "float32"}),
        train_dataset=Dataset.from_dict({"prompt": prompts, "solution": [row["solution"] for row in rows]}),
        callbacks=[callback],
    ).train()


def _toolkit(inputs: Path, folder: Path, settings: dict[str, Any], embedder: str, callback: Any) -> None:
    from dra_toolkit.recipe import load_recipe
    from dra_toolkit.runs import Recorder
    from dra_toolkit.training.build import build_trainer
    from dra_toolkit.training.data import load_tokenizer, training_splits
    from dra_toolkit.training.script_run import file_facts

    place = folder / embedder / os.environ.get("RANK", "0")
    place.mkdir(parents=True)
    recipe = load_recipe(write_recipe(place, inputs, SHAPES[SHAPE], embedder, **settings))
    tokenizer = load_tokenizer(recipe)
    train_rows, _ = training_splits(recipe, tokenizer)
    trainer = build_trainer(recipe, place, processing_class=tokenizer, train_dataset=train_rows)
    trainer.add_callback(callback)
    with closing(Recorder(place / "groups", file_facts("counted", trainer), tell=print)) as recorder:
        trainer._on_groups = recorder.submit
        trainer.train()


def file_name(processes: int) -> str:
    """Return the name of the result for so many processes."""
    return f"step_instructions{'' if processes == 1 else f'-{processes}'}.md"


def main() -> None:
    """Count, and write results/step_instructions.json and .md, or -2 for two processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--inside", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        train(*chosen.inside, chosen.kinds, chosen.processes)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, inputs = Path(name), Path(name, "inputs")
        parameters = make_inputs(inputs, SHAPE, seed=SEED)
        counts = folder / "counts"
        counts.mkdir()
        own = [sys.executable, __file__, "--processes", str(chosen.processes), "--kinds", *chosen.kinds]
        command = [*valgrind(counts), *own, "--inside", str(inputs), str(folder)]
        marks = str(compile_marks(folder))
        watch(command, folder, threads=1, processes=chosen.processes, **{MARKS: marks})
        found = {kind: read_instructions(counts, kind) for kind in chosen.kinds}
    shape = SHAPES[SHAPE]
    result = {"processes": chosen.processes, "parameters": parameters, "instructions": found}
    name = file_name(chosen.processes).removesuffix(".md")
    write(name, result)
    facts = (
        f"Policy of {parameters / 1e6:.1f}M random parameters in float32; {shape.rows} completions of {shape.completion} "
        f"tokens in a step, groups of {shape.group}; seed {SEED}; {chosen.processes} process(es) of one thread. The second "
        "step of each kind, in the first process, in millions of instructions."
    )
    write_markdown(name, "Instructions of a training step", [facts, "", *_table(found)])


def _table(found: dict[str, dict[str, int]]) -> list[str]:
    plain = sum(found[PLAIN].values()) if PLAIN in found else 0
    heads = ["kind", *PARTS, "all", "against plain TRL", "own parts / plain TRL"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for kind, parts in found.items():
        own, all_ = sum(n for part, n in parts.items() if part not in ("waiting", REST)), sum(parts.values())
        against = [f"{all_ / plain:.4f}", f"{own / plain:.2%}"] if plain else ["", ""]
        cells = [kind, *(f"{parts[part] / 1e6:,.1f}" for part in PARTS), f"{all_ / 1e6:,.1f}", *against]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
