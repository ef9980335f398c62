#!/usr/bin/env bash
# Make .venv where there is none and install the toolkit with the extras named:  tools/install.sh train,embed
#
# Without an NVIDIA GPU a CPU build of torch is taken where pip can find one; point pip at PyTorch's CPU wheels with
# PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS. With a GPU, or where there is no CPU build, the ordinary torch serves.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1
python=${PYTHON:-python3}
[ -x .venv/bin/python ] || "$python" -m venv .venv

stamp=.venv/.installed-${extras//,/-}
if [ -f "$stamp" ] && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ]; then
    exit 0
fi

# quietly WHAT COMMAND...: one line that says how far it is; all that was said only where it fails
quietly() {
    local what=$1 log status=0
    shift
    log=$(mktemp)
    [ -t 2 ] || echo "$what ..." >&2
    "$@" >"$log" 2>&1 &
    while kill -0 $! 2>/dev/null; do
        [ ! -t 2 ] || printf '\r\033[K%s: %.60s' "$what" "$(tail -n 1 "$log" | tr -dc '[:print:]')" >&2
        sleep 1
    done
    wait $! || status=$?
    [ ! -t 2 ] || printf '\r\033[K' >&2
    [ "$status" = 0 ] || [ -n "${may_fail:-}" ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}
torch=$(grep -E '^torch==' constraints.txt)
quietly "Installing pip" .venv/bin/pip install -c constraints.txt --upgrade pip # one that resolves in half the time
install() { .venv/bin/pip install --no-compile -c constraints.txt "$@"; }
if .venv/bin/python -c 'import torch' 2>/dev/null; then
    : # what is installed stays
elif nvidia-smi -L >/dev/null 2>&1; then
    quietly "Installing torch" install "${torch/==/===}" # exactly this version: not a local CPU build of it
elif ! may_fail=yes quietly "Installing torch for the CPU" install "$torch+cpu"; then
    echo "No CPU build of $torch where pip looks: taking the ordinary one, which brings gigabytes of CUDA packages."
fi
quietly "Installing the toolkit with $extras" install -e ".[$extras]"
# What pip compiles on one core, and the sources, which many processes load, on all of them; some packages hold files of Python 2, which nothing imports.
may_fail=yes quietly "Compiling what was installed" .venv/bin/python -m compileall -q -j 0 .venv/lib dra_toolkit app || true
touch "$stamp"
