# Sourced by the other scripts: makes .venv with rigorkd and the pinned versions, once per change of the pins.
# Usage: source scripts/environment.sh EXTRAS        (as in pyproject.toml: train, dev, "train,slurm", "" for none)
# An environment that is already active is used as it is when RIGORKD_ENV=active.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment() {
    local extras="$1" python="${PYTHON:-python3}" stamp
    if [ "${RIGORKD_ENV:-}" = active ]; then
        return
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "error: rigorkd needs Python 3.11 or newer; set PYTHON to one (found: $("$python" --version))" >&2
        exit 2
    }
    stamp="$(cat pyproject.toml constraints.txt | cksum | cut -d' ' -f1)-$extras"
    if [ "$(cat .venv/.rigorkd 2>/dev/null)" != "$stamp" ]; then
        echo "setting up .venv (a few minutes the first time: PyTorch is large) …"
        [ -x .venv/bin/python ] || "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint constraints.txt --editable ".${extras:+[$extras]}"
        echo "$stamp" >.venv/.rigorkd
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
}

environment "$1"
