#!/usr/bin/env bash
# Installs what the tests of LaTeX tables need and do not find: Debian's pdflatex with booktabs (as root).
# Run again, it does nothing.
set -euo pipefail
if ! command -v pdflatex >/dev/null || ! kpsewhich booktabs.sty >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: pdflatex with booktabs; install them, or run this as root on Debian" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        texlive-latex-base texlive-latex-recommended >/dev/null
fi
