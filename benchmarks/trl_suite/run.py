"""TRL's own GRPO tests with GRPOTrainer and with DRATrainer: which pass with the first and fail with ours.

    python benchmarks/trl_suite/run.py CHECKOUT [-k EXPRESSION] [--work FOLDER]

CHECKOUT is TRL's repository (its wheels have no tests). Each test runs with DRATrainer, and each that fails with GRPOTrainer
too, with local stand-ins for the models and data that it would fetch; a test without a stand-in is listed as such. What ran
before is kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import vision

BY_DESIGN = {
    "test_train_normalize_then_sum_aggregation",
    "test_reward_metric_reflects_reward_weights[normalize_then_sum]",
}
"""They train with what is refused before a model loads."""
NO_STAND_IN = (
    "is not a local folder and is not a valid model identifier",
    "couldn't connect to",
    "Cannot find the requested files",
    "Check your internet connection",
)
RESULT = Path(__file__).parents[1] / "results" / "trl-suite.json"


def main() -> None:
    """Run both arms and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("-k", default="not vllm and not Slow")
    parser.add_argument("--work", type=Path, default=Path("build/trl-suite"))
    arguments = parser.parse_args()
    checkout, work = arguments.checkout.absolute(), arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    vision.install(work / "vision")
    paths = [str(Path(__file__).parent), str(work / "vision"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "HF_HOME": str(work / "hf"),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
    }
    subprocess.run([sys.executable, "-m", "stand_ins", str(work), str(checkout)], env=environment, check=True)
    tests = work / "checkout"  # without the checkout's own trl beside it, which would be imported
    shutil.copytree(checkout / "tests", tests / "tests", dirs_exist_ok=True)
    for arm, only in (("DRATrainer", ""), ("GRPOTrainer", "failed")):
        known = {
            "SUITE_TRAINER": arm,
            "SUITE_OUTCOMES": str(work / f"{arm}.jsonl"),
            "SUITE_FAILED": str(work / "DRATrainer.jsonl") if only else "",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "-k", arguments.k]
        command += ["--tb=short", "-W", "ignore", "--basetemp", str(work / f"tmp-{arm}"), "tests/test_grpo_trainer.py"]
        subprocess.run(command, cwd=tests, env=environment | known, check=False)
    found = table(work, checkout)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def table(work: Path, checkout: Path) -> dict[str, object]:
    """Return how many tests passed in each arm, and by name what passes with TRL's trainer and fails with ours."""
    import trl

    ours, plain = _outcomes(work / "DRATrainer.jsonl"), _outcomes(work / "GRPOTrainer.jsonl")
    failed = sorted(name for name, (outcome, _) in ours.items() if outcome == "failed")
    worse = [name for name in failed if plain.get(name, ("",))[0] == "passed"]
    missing = [name for name in failed if any(said in ours[name][1] for said in NO_STAND_IN)]
    return {
        "trl": trl.__version__,
        "tests of": (checkout / "VERSION").read_text().strip() if (checkout / "VERSION").exists() else "unknown",
        "run": len(ours),
        "passed with DRATrainer": sum(outcome == "passed" for outcome, _ in ours.values()),
        "skipped": sum(outcome == "skipped" for outcome, _ in ours.values()),
        "passed with GRPOTrainer, failed with DRATrainer, by design": [n for n in worse if _short(n) in BY_DESIGN],
        "passed with GRPOTrainer, failed with DRATrainer, otherwise": {
            name: ours[name][1] for name in worse if _short(name) not in BY_DESIGN
        },
        "failed with both": {
            name: plain[name][1] for name in failed if name in plain and name not in (*worse, *missing)
        },
        "no stand-in": missing,
        "not run with GRPOTrainer yet": [name for name in failed if name not in plain and name not in missing],
    }


def _outcomes(path: Path) -> dict[str, tuple[str, str]]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines() if path.exists() else ())
    return {line["test"]: (line["outcome"], line["why"]) for line in lines}


def _short(name: str) -> str:
    return name.rpartition("::")[2]


if __name__ == "__main__":
    main()
