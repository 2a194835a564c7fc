#!/usr/bin/env bash
# Is rigorkd right on this GPU? Runs tests/gpu, in at most three minutes on an H100.
#
#   scripts/gpu/check.sh [--device cuda|cuda:N|cpu] [--quick] [--out DIR]
#
#   --device   where (default: cuda); on the CPU the same tests show that they themselves run
#   --quick    smaller trainings, for seconds on a CPU
#   --out      folder of the results (default: gpu-results): check.json, rewritten after every test, so that
#              it is there even if the check is broken off, and check.xml (JUnit)
#
# Nothing comes from the network: what this machine's Python lacks is prepared elsewhere, see
# scripts/gpu/prepare.sh. WORKERS=4 sets how many tests run at once (default on a GPU: 8, or one per two cores);
# without pytest-xdist it is one. Ctrl-C, or TERM to this script, ends the tests with all that they have started.
# Exit code: 0 all passed, 1 something failed, 2 it cannot be run like this, 130 and 143 interrupted.
set -euo pipefail

root="$(cd "$(dirname "$0")/../.." && pwd)"
device=cuda quick="" out=gpu-results
usage() { echo "error: $1; see scripts/gpu/check.sh --help" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        --quick) quick=1; shift ;;
        --device | --out)
            [ -n "${2:-}" ] || usage "$1 needs a value"
            if [ "$1" = --device ]; then device="$2"; else out="$2"; fi
            shift 2 ;;
        *) usage "no option $1" ;;
    esac
done
case "$device" in
    cuda | cuda:[0-9] | cuda:[0-9][0-9] | cpu) ;;
    *) usage "--device $device: use cuda, cuda:N or cpu" ;;
esac
case "${WORKERS:-1}" in
    *[!0-9]* | 0*) usage "WORKERS=$WORKERS: use a whole number from 1" ;;
esac
out="$(realpath -m -- "$out")"
cd "$root"
source scripts/gpu/environment.sh

"$PYTHON" - "$device" <<'PY' || exit 2
import importlib.metadata, importlib.util, os, platform, sys

lacking = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
if lacking:
    names = " and ".join(lacking)
    sys.exit(f"error: {sys.executable} lacks {names}: install them there, or set PYTHON to one that has them")
name, torch_version = "CPU", importlib.metadata.version("torch")
if sys.argv[1] != "cpu":
    import torch

    index = torch.device(sys.argv[1]).index or 0
    if index >= torch.cuda.device_count():
        sys.exit(f"error: --device {sys.argv[1]}: no such CUDA device can be used here; use --device cpu")
    found = torch.cuda.get_device_properties(index)
    name = f"{found.name}, {found.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
python = platform.python_version()
print(f"{name}; {os.cpu_count()} cores; torch {torch_version}, Python {python}", flush=True)
PY
made="$( (mkdir -p -- "$out" && : >"$out/check.json") 2>&1)" || usage "--out $out cannot be written to (${made##*: })"
rm -f "$out/check.json" "$out/check.xml"

[ "$device" != cuda ] || device=cuda:0
export RIGORKD_GPU_DEVICE="$device" RIGORKD_GPU_QUICK="$quick" RIGORKD_GPU_RESULT="$out/check.json"
cores="$(env -u OMP_NUM_THREADS nproc)"
# The tests start workers of their own, and bits depend on the thread count.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
export TORCHINDUCTOR_COMPILE_THREADS="${TORCHINDUCTOR_COMPILE_THREADS:-4}" # of each test that compiles
workers="${WORKERS:-1}"
if [ "$device" != cpu ] && [ -z "${WORKERS:-}" ]; then
    workers=$((cores / 2 < 8 ? (cores + 1) / 2 : 8))
fi
spread=()
if [ "$workers" -gt 1 ]; then
    if "$PYTHON" -c 'import xdist' 2>/dev/null; then
        spread=(--numprocesses "$workers" --dist load --maxschedchunk 1) # one at a time: the long ones are first
    else
        echo "one process instead of $workers: $PYTHON lacks pytest-xdist" >&2
    fi
fi

# What the tests leave behind goes with this folder; its name is short, since sockets in it have short paths.
TMPDIR="$(mktemp -d)"
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
tests=""
# The tests are a process group of their own. An interrupt lets pytest write its result; what it has not ended by
# then, studies with their workers, would go on training.
stop() {
    trap '' INT TERM
    if [ -n "$tests" ]; then
        kill -INT -- "-$tests" 2>/dev/null || true
        for _ in {1..100}; do
            kill -0 "$tests" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$tests" 2>/dev/null || true
    fi
    echo "interrupted; results: $out/check.json"
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM
set -m # each background job gets a group
# Other versions of torch and its friends warn of other things; results are judged here, not warnings.
"$PYTHON" -m pytest tests/gpu -q -W default -p no:cacheprovider --durations=15 \
    --continue-on-collection-errors --junitxml="$out/check.xml" \
    ${spread[@]+"${spread[@]}"} </dev/null &
tests=$!
set +m
code=0
wait "$tests" || code=$?
kill -KILL -- "-$tests" 2>/dev/null || true # nobody should be left
echo "results: $out/check.json"
case "$code" in
    0) exit 0 ;;
    2) exit 130 ;; # pytest's code for an interrupt
    *) exit 1 ;;
esac
