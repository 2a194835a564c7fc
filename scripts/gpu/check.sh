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
# scripts/gpu/prepare.sh. WORKERS=4 sets how many tests run at once (default on a GPU: 8, or one per two cores).
# Exit code: 0 all passed, 1 something failed, 2 it cannot be run like this, 130 interrupted.
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
    cuda) device=cuda:0 ;;
    cuda:[0-9] | cpu) ;;
    *) usage "--device $device: use cuda, cuda:N or cpu" ;;
esac
mkdir -p "$out"
out="$(cd "$out" && pwd)"
cd "$root"
source scripts/gpu/environment.sh

"$PYTHON" - "$device" <<'PY' || exit 2
import importlib.metadata, os, platform, sys

name, torch_version = "CPU", importlib.metadata.version("torch")
if sys.argv[1] != "cpu":
    import torch

    device = torch.device(sys.argv[1])
    if device.index >= torch.cuda.device_count():
        sys.exit(f"error: --device {device}: no such CUDA device can be used here; use --device cpu")
    found = torch.cuda.get_device_properties(device)
    name = f"{found.name}, {found.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
python = platform.python_version()
print(f"{name}; {os.cpu_count()} cores; torch {torch_version}, Python {python}", flush=True)
PY

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
    spread=(--numprocesses "$workers" --dist load --maxschedchunk 1) # one at a time: the long ones are first
fi
rm -f "$out/check.json" "$out/check.xml"
# Other versions of torch and its friends warn of other things; results are judged here, not warnings.
code=0
"$PYTHON" -m pytest tests/gpu -q -W default -p no:cacheprovider --durations=15 \
    --continue-on-collection-errors --junitxml="$out/check.xml" \
    ${spread[@]+"${spread[@]}"} || code=$?
echo "results: $out/check.json"
case "$code" in
    0) exit 0 ;;
    2) exit 130 ;; # pytest's code for Ctrl-C
    *) exit 1 ;;
esac
