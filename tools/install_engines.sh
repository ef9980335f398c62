#!/usr/bin/env bash
# Make .venv-engines: the toolkit beside verl and ms-swift on a machine without a GPU (Python 3.11), for `make engines-check`.
#
# An environment of its own: the engines' pins do not fit the toolkit's, so they are installed without their dependencies, and
# what they import on a CPU with them (requirements/engines.txt). `pip check` therefore lists what is left out on purpose. Like
# tools/install.sh, it takes the CPU build of torch that pip finds (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-engines
python=${PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

stamp=$venv/.installed
if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ] &&
    [ "$stamp" -nt requirements/engines.txt ]; then
    exit 0
fi
engines='^(verl|TransferQueue|ms-swift|trl)=='
torch=$(grep -E '^torch==' constraints.txt)
"$venv/bin/python" -c 'import torch' 2>/dev/null || "$venv/bin/pip" install -c constraints.txt "$torch+cpu"
"$venv/bin/pip" install -c constraints.txt transformers accelerate datasets peft tensorboard duckdb pytest pytest-timeout hypothesis
"$venv/bin/pip" install -c constraints.txt -e .
grep -vE "$engines" requirements/engines.txt | "$venv/bin/pip" install -r /dev/stdin
grep -E "$engines" requirements/engines.txt | "$venv/bin/pip" install --no-deps -r /dev/stdin
"$venv/bin/python" -c 'import verl.trainer.ppo.v1, swift.rlhf_trainers.grpo_trainer'
touch "$stamp"
