#!/usr/bin/env bash
# Measures the engine on a GPU, in two parts, each within --seconds. What does not fit is cut, and named.
#   scripts/gpu/measure.sh reference          eager, deterministic: overhead, sharing, grid, pipeline, peers, idle, …
#   scripts/gpu/measure.sh fast               compiled: compiling itself, grid, sharing, idle, eager against graphs
# Options: --device cuda|cuda:N|cpu (cuda) · --seconds N (150) · --out DIR (gpu-results) · --quick (that it runs;
# measures nothing). Writes DIR/reference.json and DIR/fast.json after every table; scripts/benchmark/publish.py puts them into
# docs/benchmarks.md. Ctrl-C, or TERM to this script, ends it at once; the file then has what was measured, and says
# `"complete": false`. Exit code 0: done, though perhaps cut; 1: a table failed; 2: wrong use; 130 and 143:
# interrupted; 124 or 137: nothing came back for 45 seconds past --seconds, and it was ended (also then the file is there).
set -euo pipefail

fail() {
    echo "error: $*" >&2
    echo "usage: scripts/gpu/measure.sh reference|fast [--device cuda|cpu] [--quick] [--seconds N] [--out DIR]" >&2
    exit 2
}

part="" device=cuda seconds=150 out=gpu-results quick=()
while [ $# -gt 0 ]; do
    case "$1" in
        reference | fast)
            [ -z "$part" ] || fail "one part at a time, not $part and $1"
            part="$1" ;;
        --quick) quick=(--quick) ;;
        --device | --seconds | --out)
            [ -n "${2:-}" ] || fail "$1 needs a value"
            case "$1" in
                --device) device="$2" ;;
                --seconds) seconds="$2" ;;
                --out) out="$2" ;;
            esac
            shift ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
            exit 0 ;;
        *) fail "unknown argument $1" ;;
    esac
    shift
done
[ -n "$part" ] || fail "say which part: reference or fast"
case "$device" in
    cuda | cuda:[0-9] | cuda:[0-9][0-9] | cpu) ;;
    *) fail "--device is cuda, cuda:N or cpu, not $device" ;;
esac
case "$seconds" in *[!0-9]* | 0* | ???????*) fail "--seconds is a whole number from 1, not $seconds" ;; esac
out="$(realpath -m -- "$out")"

cd "$(dirname "$0")/../.."
source scripts/gpu/environment.sh

# A call that never comes back passes every deadline of the measurement itself; its file is there by then. In the
# foreground, so that Ctrl-C reaches it; and instead of this shell, which would wait for it before it heard a TERM.
exec timeout --foreground --kill-after=10 "$((seconds + 45))" \
    "$PYTHON" scripts/benchmark/run.py --part "$part" --device "$device" --seconds "$seconds" \
    --json "$out/$part.json" ${quick[@]+"${quick[@]}"}
