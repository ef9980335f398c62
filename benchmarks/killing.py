"""Kills at named moments: launcher, trainer, recorder and compactor, then what is lost, doubled or different.

    python benchmarks/killing.py --work FOLDER [--kills 100] [--moments WORD ...] [--keep NAME]

Each kill is a SIGKILL that a process of the real commands gives itself, and its launcher every other time, at a moment of
its work with files (kill_hook/sitecustomize.py). After each one everything that was published must be there, once and as
in a run that nothing disturbs; the run is then resumed, up to the next kill or its end, where the weights are compared too.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from common import write, write_markdown

from dra_toolkit.runs import Run
from dra_toolkit.runs.checkpoints import complete_checkpoints

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "training"))
RECIPE = """
model_name_or_path: {policy}
dataset_name: {data}
prompt_column: question
reward_funcs: [often_joined.letters]
embedder: hash
bf16: false
gradient_checkpointing: false
num_generations: 4
per_device_train_batch_size: 8
max_completion_length: 12
learning_rate: 1.0e-2
max_steps: {steps}
save_steps: 3
seed: 3
output_dir: {run}
"""
STEPS = 40
OF = {"launcher": r"main\(\) train ", "trainer": r" -m dra_toolkit\.training ", "compactor": r" inspect compact "}
SEGMENT = r"\S*/groups/\.tmp-\S*-s\d{6}"
HALF_SEGMENT = [(rf"os\.mkdir {SEGMENT}", 1), (r"open \S*/groups/train-\S* r", 3)]
HALF_REMOVED = [(rf"os\.rename {SEGMENT}", 1), (r"os\.(remove|rename) \S*/groups/train-", 2)]
MOMENTS: dict[str, tuple[str, list[tuple[str, int]]]] = {
    "recorder: a batch is written, not yet renamed": ("trainer", [(r"os\.rename \S*/groups/\.tmp-\S*\.parquet ", 4)]),
    "recorder: a batch is renamed, its folder not yet synced": ("trainer", [(r"open \S*/groups None", 5)]),
    "recorder's compactor: a segment half written": ("trainer", HALF_SEGMENT),
    "recorder's compactor: a segment written, not yet renamed": ("trainer", [(rf"os\.rename {SEGMENT}", 1)]),
    "recorder's compactor: half of what a segment replaces removed": ("trainer", HALF_REMOVED),
    "trainer: a checkpoint's folder made": ("trainer", [(r"os\.mkdir \S*/checkpoint-\d+ ", 2)]),
    "trainer: a checkpoint half saved": ("trainer", [(r"open \S*/checkpoint-\d+/trainer_state\.json w", 2)]),
    "trainer: a checkpoint whole but for its last file": ("trainer", [(r"os\.rename \S*/checkpoint-\d+/\.tmp-", 2)]),
    "trainer: a line of metrics about to be written": ("trainer", [(r"open \S*/metrics\.jsonl a", 5)]),
    "trainer: about to say that it runs": ("trainer", [(r"os\.rename \S*status\.json ", 1)]),
    "trainer: about to say that it is finished": ("trainer", [(r"os\.rename \S*status\.json ", 2)]),
    "resume: the trainer reads the checkpoint": ("trainer", [(r"open \S*/checkpoint-\d+/trainer_state\.json r", 1)]),
    "resume: the launcher made the attempt, metrics not yet put back": (
        "launcher",
        [(r"os\.rename \S*/\.tmp-\S*metrics\.jsonl ", 1)],
    ),
    "resume: the launcher about to say that it starts": ("launcher", [(r"os\.rename \S*status\.json ", 1)]),
    "resume: the launcher about to start the trainer": (
        "launcher",
        [(r"subprocess\.Popen .*dra_toolkit\.training", 1)],
    ),
    "launcher: while training goes on": ("launcher", [(r"open \S*/events\.jsonl r", 25)]),
    "inspect compact: a segment half written": ("compactor", HALF_SEGMENT),
    "inspect compact: a segment written, not yet renamed": ("compactor", [(rf"os\.rename {SEGMENT}", 1)]),
    "inspect compact: half of what a segment replaces removed": ("compactor", HALF_REMOVED),
    "inspect compact: the index of the texts half written": (
        "compactor",
        [(r"os\.rename \S*/(?!groups/)[^/ ]*/\.tmp-\S*-s\d{6}", 1)],
    ),
}
"""What happens -> whose command does it, and the events by which it is known."""


KEPT = ("similarity", "totals", "adjusted", "weights")
FIRST = "recorder: a batch is written, not yet renamed"
"""The kill that makes a run to resume or to compact, where there is none."""
VOLATILE = (
    "time",
    "attempt",
    "train_runtime",
    "train_samples_per_second",
    "train_steps_per_second",
    "step_time",
    "diversity/embedding_seconds",
)


def main() -> None:
    """Kill as often as asked, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=len(MOMENTS))
    parser.add_argument("--moments", nargs="+", default=[""], help="only those with one of these in their name")
    parser.add_argument("--keep", help="write results/NAME.json and .md")
    given = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    harness = Harness(given.work.absolute())
    harness.prepare()
    names = [name for name in MOMENTS if any(word in name for word in given.moments)]
    for number in itertools.count():
        if sum(row["moment"] in names for row in harness.rows) >= given.kills:
            break
        harness.kill(names[number % len(names)], both=number // len(names) % 2 == 1)
    harness.finish()
    found = {"commit": commit, "kills": len(harness.rows), **harness.told()}
    print(json.dumps(found, indent=1))
    if given.keep:
        write(given.keep, found | {"rows": harness.rows})
        write_markdown(given.keep, "Kills at named moments", harness.table(found))
    sys.exit(found["bad"] > 0)


@dataclass
class Harness:
    """Runs of one recipe, killed and resumed, beside one that nothing disturbs."""

    work: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)

    @property
    def run(self) -> Path:
        """The run that is killed and resumed now."""
        return self.work / f"run-{len(self.ends)}"

    def prepare(self) -> None:
        """Make the policy and the data, and train undisturbed."""
        import tiny

        self.work.mkdir(parents=True)
        tiny.save_policy(self.work / "policy")
        rows = ({"question": f"What is {i} + 2?", "solution": str(i + 2)} for i in range(64))
        (self.work / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        status, said = self._train(self.work / "sound", {})
        if status:
            raise RuntimeError(said)
        self.sound = essence(self.work / "sound")

    def kill(self, moment: str, *, both: bool) -> None:
        """Kill once at a moment, in the present run, or in the next one that comes to it."""
        for _ in range(6):
            if self._killed_at(moment, both) == moment:
                return
        raise RuntimeError(f"{moment}: was not met")

    def finish(self) -> None:
        """Let the last run come to its end."""
        if self.run.exists():
            self._end(*self._train(self.run, {}))

    def _killed_at(self, moment: str, both: bool) -> str | None:
        """Start or resume with a kill ahead; return the moment at which it came."""
        who, stages = MOMENTS[moment]
        if not (self.run / "resolved.json").exists() and (who != "trainer" or moment.startswith("resume")):
            moment, (who, stages) = FIRST, MOMENTS[FIRST]
        marker = self.work / "killed"
        marker.unlink(missing_ok=True)
        order = json.dumps({"who": OF[who], "stages": stages, "marker": str(marker), "all": both})
        if who == "compactor":
            status, said = self._dra({"DRA_KILL": order}, "inspect", "compact", self.run)
        else:
            status, said = self._train(self.run, {"DRA_KILL": order})
        await_end(self.run)
        if marker.exists():
            wrong = self._compared(self.run)
            self.rows.append({"moment": moment, "both": both, "run": self.run.name, "status": status, **wrong})
            print(len(self.rows), json.dumps(self.rows[-1]), flush=True)
            return moment
        if who != "compactor":
            self._end(status, said)
        elif status:
            raise RuntimeError(said)
        else:
            self._killed_at(FIRST, both)  # it had nothing to join
        return None

    def _end(self, status: int, said: str) -> None:
        """Compare a run at its end."""
        if status:
            raise RuntimeError(f"it ended with {status}: {said[-3000:]}")
        found = essence(self.run)
        same = {what: found[what] == self.sound[what] for what in ("metrics", "weights", "summaries")}
        self.ends.append({"run": self.run.name, **self._compared(self.run), **same})
        print(json.dumps(self.ends[-1]), flush=True)

    def _compared(self, run: Path) -> dict[str, Any]:
        """Return how many groups are lost, doubled or different, as far as the run has come."""
        found = essence(run)
        counts = Counter(place for place, _ in found["groups"])
        last = max((place[0] for place in counts), default=0)
        there, sound = dict(found["groups"]), dict(self.sound["groups"])
        return {
            "step": last,
            "lost": sum(place[0] <= last and place not in there for place in sound),
            "doubled": sum(counts.values()) - len(counts),
            "different": sum(sound.get(place) != group for place, group in there.items()),
            "problems": found["problems"],
        }

    def told(self) -> dict[str, Any]:
        """Return the sums."""
        every = self.rows + self.ends
        found = {what: sum(row[what] for row in every) for what in ("lost", "doubled", "different")}
        found["with problems told"] = sum(bool(row["problems"]) for row in every)
        other = {
            f"other {what}": sum(not end[what] for end in self.ends) for what in ("metrics", "weights", "summaries")
        }
        return {"runs": len(self.ends), **found, **other, "bad": sum(found.values()) + sum(other.values())}

    def table(self, found: dict[str, Any]) -> list[str]:
        """Return the lines of a table of the kills by moment."""
        heads = ("kills", "launcher too", "groups lost", "doubled", "different", "files not readable")
        lines = [f"At commit {found['commit']}.", "", f"| moment | {' | '.join(heads)} |", f"| --- {'| ---: ' * 6}|"]
        for moment in MOMENTS:
            rows = [row for row in self.rows if row["moment"] == moment]
            sums = [sum(row[what] for row in rows) for what in ("both", "lost", "doubled", "different")]
            counts = [len(rows), *sums, sum(len(row["problems"]) for row in rows)]
            lines.append(f"| {moment} | {' | '.join(map(str, counts))} |")
        other = ", ".join(f"{found[f'other {what}']} other {what}" for what in ("metrics", "weights", "summaries"))
        lines += [
            "",
            f"{found['kills']} kills in {found['runs']} runs of {STEPS} steps, each resumed to its end: {other}.",
        ]
        return lines

    def _train(self, run: Path, environment: dict[str, str]) -> tuple[int, str]:
        recipe = self.work / f"{run.name}.yaml"
        recipe.write_text(
            RECIPE.format(policy=self.work / "policy", data=self.work / "data.jsonl", run=run, steps=STEPS)
        )
        return self._dra(environment, "train", recipe, *(["--resume"] if run.exists() else []))

    def _dra(self, environment: dict[str, str], *arguments: object) -> tuple[int, str]:
        code = "import often_joined; from dra_toolkit.cli import main; main()"
        ran = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": paths(), "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
        )
        return ran.returncode, ran.stdout + ran.stderr


def paths() -> str:
    """Return where the processes look for the hook and the reward, and for this toolkit."""
    return os.pathsep.join(filter(None, [str(HERE / "kill_hook"), os.environ.get("PYTHONPATH")]))


def await_end(run: Path) -> None:
    """Wait until no process of a run is left: a trainer outlives its launcher by a step."""
    while any(str(run) in each.info["cmdline"] for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"]):
        time.sleep(0.2)


def essence(run: Path) -> dict[str, Any]:
    """Return everything that a run recorded, as comparable values."""
    reader = Run.open(run)
    groups = [
        ((record.step, record.batch, record.index), (record.group.completions, record.advantages.tolist(), *numbers))
        for record in reader.groups()
        for numbers in [[getattr(record.adjustment, name).tolist() for name in KEPT]]
    ]
    rows = [{key: value for key, value in row.items() if key not in VOLATILE} for row in reader.metrics()]
    checkpoints = complete_checkpoints(run / "checkpoints")
    weights = (checkpoints[-1] / "model.safetensors").read_bytes() if checkpoints else b""
    return {
        "groups": groups,
        "problems": dict(reader.problems),
        "metrics": [row for row in rows if "train_loss" not in row],
        "summaries": len([row for row in rows if "train_loss" in row]),
        "weights": hashlib.sha256(weights).hexdigest(),
    }


if __name__ == "__main__":
    main()
