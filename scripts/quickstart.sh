#!/usr/bin/env bash
# From nothing to a verdict: sets up an environment, trains a study of digits, says what holds and what to try next.
set -euo pipefail
source "$(dirname "$0")/environment.sh" train

rigorkd run protocols/digits-again.yaml
rigorkd analyze results/digits-again
said="$(mktemp)" # the page's warnings are those that analyze has just shown
page="$(rigorkd report results/digits-again 2>"$said")" || { cat "$said" >&2; exit 1; }
rm -f "$said"
cat <<END

The same as one page, with every seed and what must not be read into it:
  $page

Next, in this folder (after: source .venv/bin/activate)
  rigorkd analyze YOUR.csv             your own results; docs/bring.md says what is read
  rigorkd plan protocols/digits.yaml   a grid of T and alpha, and what its seeds detect; then: rigorkd run
  docs/tutorial.md                     a study of your own, from the question to the sentence
  docs/any-trainer.md                  your own training script
END
