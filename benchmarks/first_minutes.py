"""From a fresh clone to one's own recorded run: seconds, keystrokes, and whether the README's lines run in their order.

`python benchmarks/first_minutes.py CLONE` follows README.md of a clone that need not be installed yet, as written and in
its folder: `make quickstart`, every line of "Verbs", the examples of the library, and then a run on data and a reward of
one's own. A command is given as much time as it takes; `dra app` is ended as soon as its page is answered. Each line is
written to results/first_minutes.json as it ends; with --only the other lines keep what was found before.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from common import RESULTS, write

OWN_DATA = [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a in range(11, 31) for b in (24, 37)]
OWN_REWARD = """def brief(completions, answer, **columns):
    return [float(gold in said[-1]["content"]) for said, gold in zip(completions, answer)]
"""
OWN_LINES = [
    "dra recipes copy quickstart mine.yaml",
    "dra train mine.yaml dataset_name=own.jsonl prompt_column=question solution_column=answer reward_funcs=own.brief",
    "dra inspect runs/mine",
]
"""What is typed for a run of one's own, with the data and the reward in two files."""


def timed(line: str, clone: Path) -> dict[str, Any]:
    """Run a line in the shell's environment of the README; return its status and what it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    environment = {**os.environ, "PATH": f"{clone / '.venv' / 'bin'}:{os.environ['PATH']}"}
    with subprocess.Popen(
        shlex.split(line), cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        printed = opened(process) if line == "dra app" else process.communicate()[0]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {
        "line": line,
        "status": process.returncode,
        "seconds": round(time.monotonic() - started, 1),
        "processor_seconds": round(processor, 1),
        "load": round(os.getloadavg()[0], 1),
        "traceback": "Traceback" in printed,
        "end": printed.strip().splitlines()[-1:] if process.returncode else [],
    }
    print(json.dumps(found), flush=True)
    return found


def opened(process: subprocess.Popen[str]) -> str:
    """Wait for the address that `dra app` prints, fetch its page, and end it as Ctrl-C does."""
    assert process.stdout is not None
    printed = ""
    for text in process.stdout:
        printed += text
        if address := re.search(r"http://127\.0\.0\.1:\d+/", text):
            with urllib.request.urlopen(address[0]) as answer:
                printed += f"page of {len(answer.read())} bytes, status {answer.status}\n"
            break
    process.send_signal(signal.SIGINT)
    return printed + process.communicate()[0]


def verbs(readme: str) -> list[str]:
    """Return the lines of the README's section of verbs, without their comments."""
    block = readme.split("## Verbs")[1].split("```")[1]
    return [re.split(r"\s+#\s", line)[0] for line in block.strip().splitlines()]


def examples(readme: str, clone: Path) -> list[str]:
    """Write the README's Python examples into files of the clone; return the lines that run them."""
    lines = []
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", readme, re.DOTALL), start=1):
        (clone / f"example_{number}.py").write_text(code)
        lines.append(f"python example_{number}.py")
    return lines


def main() -> int:
    """Follow the README, print each line with what it took, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("--model", default="Qwen/Qwen2.5-0.5B-Instruct", help="of the example of DRATrainer")
    parser.add_argument("--only", help="a regular expression of the lines that are run")
    options = parser.parse_args()
    clone = options.clone.resolve()
    readme = (clone / "README.md").read_text()
    (clone / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in OWN_DATA))
    (clone / "own.py").write_text(OWN_REWARD)
    scripts = [
        line if number != 1 else f"{line} {options.model}" for number, line in enumerate(examples(readme, clone))
    ]
    lines = ["make quickstart", *verbs(readme), *scripts, *OWN_LINES]
    typed = ["git clone URL dra && cd dra", "make quickstart", "source .venv/bin/activate", *OWN_LINES]
    about = {
        "keystrokes": {"in_all": sum(len(line) + 1 for line in typed), "lines": typed},
        "own_files": {"characters of own.py": len(OWN_REWARD), "rows of own.jsonl": len(OWN_DATA)},
    }
    before = RESULTS / "first_minutes.json"
    there = json.loads(before.read_text())["lines"] if options.only and before.exists() else []
    done = {each["line"]: each for each in there}
    for line in (line for line in lines if re.search(options.only or "", line)):
        done[line] = timed(line, clone)
        in_order = [done[each] for each in lines if each in done]
        refused = [each["line"] for each in in_order if each["status"] or each["traceback"]]
        write("first_minutes", {"lines": in_order, "refused": refused, **about})
    return 0


if __name__ == "__main__":
    sys.exit(main())
