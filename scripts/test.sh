#!/usr/bin/env bash
# Sets up an environment and runs the tests.
#   scripts/test.sh                 style, types and the fast tests
#   scripts/test.sh --slow          the slow tests: all tiers but coverage
#   scripts/test.sh --slow TIER …   some: smoke, faults, slurm, simulations, pages, coverage
#   scripts/test.sh PATH …          whatever pytest takes
set -euo pipefail
source "$(dirname "$0")/environment.sh" dev

cores="$(env -u OMP_NUM_THREADS nproc)" # with it, nproc tells the number of threads instead
# The tests start their own workers, and bits depend on the thread count.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
unset PYTHONDONTWRITEBYTECODE # hundreds of processes would compile the package again

slow() {
    case "$1" in
        smoke) # whole studies, from the command line: two at a time, since each takes several GB; the long ones first
            python -m pytest -q -m slow --numprocesses 2 --dist load --maxschedchunk 1 --durations=25 \
                tests/integration/test_protocols_run.py tests --ignore=tests/faults --ignore=tests/slurm \
                --ignore=tests/analysis --ignore=tests/pages --ignore=tests/track --ignore=tests/docs --ignore=tests/readers \
                --ignore=tests/integration/test_processes.py ;;
        faults) python -m pytest -q -m slow --durations=0 tests/faults ;;
        slurm) # a real cluster on this machine, and several processes for one run
            python -m pytest -q -m slow --durations=0 tests/slurm tests/integration/test_processes.py ;;
        simulations) python -m pytest -q -m slow --durations=0 tests/analysis ;;
        pages) # in a real browser, through a real LaTeX, into real tracking files; the documentation's site
            python -m pytest -q -m slow --durations=0 tests/pages tests/track tests/docs tests/readers ;;
        coverage) # the fast tests once more, measured in all their processes; fails below 90 % of lines and branches
            in_memory
            export COVERAGE_FILE="${TMPDIR:-/tmp}/rigorkd-coverage"
            coverage erase
            coverage run -m pytest -q -m "not slow" --numprocesses "$cores" --dist worksteal
            coverage combine --quiet
            coverage report ;;
        *)
            echo "error: no tier $1: smoke, faults, slurm, simulations, pages, coverage" >&2
            exit 64 ;; # pytest has a 2 of its own
    esac
}

# Records are written durably, and thousands of small ones would wait for a disk: in memory, where there is enough.
in_memory() {
    local free
    free="$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)"
    if [ "${free:-0}" -gt 4000000 ] && [ -w /dev/shm ]; then
        folder="$(mktemp -d /dev/shm/rigorkd-tests.XXXXXX)"
        trap 'rm -rf "$folder"' EXIT
        export TMPDIR="$folder"
    fi
}

case "${1:-}" in
    "")
        scripts/check
        in_memory
        python -m pytest -q -m "not slow" --numprocesses "$cores" --dist worksteal --durations=15 ;;
    --slow)
        shift
        [ $# -gt 0 ] || set -- smoke faults slurm simulations pages
        failed=""
        trap 'exit 130' INT # no further tier then
        for tier in "$@"; do # each in a shell of its own: a tier that fails ends there, and the others still run
            begun=$SECONDS
            echo "== slow tests: $tier"
            set +e
            (set -e; slow "$tier")
            code=$?
            set -e
            [ "$code" -ne 64 ] || exit 2
            [ "$code" -eq 0 ] || failed="$failed $tier"
            echo "== slow tests: $tier took $((SECONDS - begun)) s"
        done
        if [ -n "$failed" ]; then
            echo "== slow tests failed:$failed" >&2
            exit 1
        fi ;;
    *) exec python -m pytest "$@" ;;
esac
