"""TRL's own GRPO tests with GRPOTrainer and with DRATrainer: which pass with the first and fail with ours.

    python benchmarks/trl_suite/run.py CHECKOUT [-k EXPRESSION] [--work FOLDER]

CHECKOUT is TRL's repository (its wheels have no tests). Each test runs in both arms, with local stand-ins for the models and
data that it would fetch; a test without a stand-in is listed as such. What ran before is kept in the work folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

BY_DESIGN = {
    "test_environment_owned_reward_coexists_with_reward_funcs",
    "test_environment_owned_reward_mixed_environments",
    "test_correct_reward_processing_classes_list",
    "test_single_reward_model_with_single_processing_class",
    "test_train_normalize_then_sum_aggregation",
    "test_reward_metric_reflects_reward_weights[normalize_then_sum]",
}
"""The first four assert the list of reward functions, which has ours in it; the others are refused before a model loads."""
ARMS = ("GRPOTrainer", "DRATrainer")
NO_STAND_IN = (
    "is not a local folder and is not a valid model identifier",
    "couldn't connect to",
    "Cannot find the requested files",
)
RESULT = Path(__file__).parents[1] / "results" / "trl-suite.json"


def main() -> None:
    """Run both arms and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("-k", default="not vllm and not Slow")
    parser.add_argument("--work", type=Path, default=Path("build/trl-suite"))
    arguments = parser.parse_args()
    from stand_ins import make

    home = make(arguments.work.absolute(), arguments.checkout.absolute())
    for arm in ARMS:
        run_arm(arm, arguments.checkout, arguments.work.absolute(), home, arguments.k)
    found = table(arguments.work, arguments.checkout)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


def run_arm(arm: str, checkout: Path, work: Path, home: Path, which: str) -> None:
    """Run the tests with one trainer, until all have an outcome; a test that ends the process counts as failed."""
    environment = {
        **os.environ,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "SUITE_TRAINER": arm,
        "SUITE_OUTCOMES": str(work / f"{arm}.jsonl"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", "-k", which]
    command += ["--tb=short", "-W", "ignore", "--basetemp", str(work / f"tmp-{arm}"), "tests/test_grpo_trainer.py"]
    subprocess.run(command, cwd=checkout, env=environment, check=False)


def table(work: Path, checkout: Path) -> dict[str, object]:
    """Return how many tests passed in each arm, and by name what passes with TRL's trainer and fails with ours."""
    import trl

    arms = {arm: _outcomes(work / f"{arm}.jsonl") for arm in ARMS}
    plain, ours = arms["GRPOTrainer"], arms["DRATrainer"]
    both = plain.keys() & ours.keys()
    worse = sorted(name for name in both if plain[name][0] == "passed" and ours[name][0] == "failed")
    missing = [name for name in both if any(said in plain[name][1] for said in NO_STAND_IN)]
    return {
        "trl": trl.__version__,
        "tests of": (checkout / "VERSION").read_text().strip() if (checkout / "VERSION").exists() else "unknown",
        "run": len(both),
        "passed with both": sum(plain[name][0] == ours[name][0] == "passed" for name in both),
        "skipped": sum(plain[name][0] == "skipped" for name in both),
        "passed with GRPOTrainer, failed with DRATrainer, by design": [n for n in worse if _short(n) in BY_DESIGN],
        "passed with GRPOTrainer, failed with DRATrainer, otherwise": {
            name: ours[name][1] for name in worse if _short(name) not in BY_DESIGN
        },
        "failed with both": {
            name: plain[name][1]
            for name in sorted(both)
            if plain[name][0] == ours[name][0] == "failed" and name not in missing
        },
        "no stand-in": sorted(missing),
    }


def _outcomes(path: Path) -> dict[str, tuple[str, str]]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {line["test"]: (line["outcome"], line["why"]) for line in lines}


def _short(name: str) -> str:
    return name.rpartition("::")[2]


if __name__ == "__main__":
    main()
