#!/usr/bin/env bash
# From nothing to a verdict: sets up an environment, trains the digits study, prints what holds.
set -euo pipefail
source "$(dirname "$0")/environment.sh" train

rigorkd run protocols/digits.yaml --seeds 5
rigorkd analyze results/digits
