# Sourced by the other scripts: makes .venv with rigorkd and the pinned versions, once per change of the pins.
# Usage: source scripts/environment.sh EXTRAS        (as in pyproject.toml: train, dev, "train,slurm", "" for none)
# An environment that is already active is used as it is when RIGORKD_ENV=active. Packages are installed by uv, which
# pip fetches and which is several times as fast; by pip where uv cannot be had, or with RIGORKD_INSTALLER=pip.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

pip_setting() { # what pip's variables or files say, such as of index-url; nothing where they say nothing
    local variable
    variable="PIP_$(echo "$1" | tr 'a-z-' 'A-Z_')"
    echo "${!variable:-$(.venv/bin/python -m pip config get "global.$1" 2>/dev/null || true)}" | xargs
}

install_by_uv() ( # uv reads none of pip's settings: it is told them, unless it has its own
    [ "${RIGORKD_INSTALLER:-uv}" = uv ] || return 1
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv || return 1
    default() { [ -n "${!1:-}" ] || [ -z "$2" ] || export "$1=$2"; }
    default UV_DEFAULT_INDEX "$(pip_setting index-url)"
    default UV_INDEX "$(pip_setting extra-index-url)"
    default UV_FIND_LINKS "$(pip_setting find-links | tr ' ' ',')"
    default UV_INSECURE_HOST "$(pip_setting trusted-host)"
    default UV_INDEX_STRATEGY unsafe-best-match # all indices count alike, as for pip
    default SSL_CERT_FILE "$(pip_setting cert)"
    .venv/bin/uv pip install --quiet --python .venv/bin/python "$@"
)

install_by_pip() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
}

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
        echo "setting up .venv (about a minute the first time on a fast network: PyTorch is large) …"
        [ -x .venv/bin/python ] || "$python" -m venv .venv
        set -- --constraint constraints.txt --editable ".${extras:+[$extras]}"
        install_by_uv "$@" || {
            [ "${RIGORKD_INSTALLER:-uv}" != uv ] || echo "uv could not install it; pip does, in a few minutes …"
            install_by_pip "$@"
        }
        echo "$stamp" >.venv/.rigorkd
    fi
    PATH="$PWD/.venv/bin:$PATH"
    export PATH
}

environment "$1"
