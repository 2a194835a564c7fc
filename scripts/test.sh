#!/usr/bin/env bash
# Sets up an environment and runs the tests.
#   scripts/test.sh           the checks and the fast tests
#   scripts/test.sh --slow    the slow tests: simulations, whole studies, fault campaigns
#   scripts/test.sh PATH …    whatever pytest takes
set -euo pipefail
source "$(dirname "$0")/environment.sh" dev

# The tests start their own workers, and bits depend on the thread count.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
case "${1:-}" in
    "") scripts/check && exec python -m pytest -q -m "not slow" --ignore=tests/docs --durations=10 ;;
    --slow) exec python -m pytest -q -m slow --durations=0 ;;
    *) exec python -m pytest "$@" ;;
esac
