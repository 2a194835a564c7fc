# Sourced by check.sh and measure.sh: finds a Python ($PYTHON, else that of .venv, else python3) and sets
# PYTHONPATH so that neither rigorkd nor its statistics need installing. What that Python lacks is installed
# from the wheels that prepare.sh has brought, beside them; the network is never asked.

_gpu_environment() {
    local root wheels installed needed='import rigorkd.protocol.load, rigorkd.records.study'
    root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
    wheels="${RIGORKD_WHEELS:-$root/.wheels}"
    if [ -z "${PYTHON:-}" ]; then
        PYTHON=python3
        if [ -x "$root/.venv/bin/python" ]; then
            PYTHON="$root/.venv/bin/python"
        fi
    fi
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "error: rigorkd needs Python 3.11 or newer; set PYTHON to one" >&2
        return 2
    fi
    PYTHONPATH="$root:$root/analysis${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHON PYTHONPATH
    if "$PYTHON" -c "$needed" 2>/dev/null; then
        return
    fi
    installed="$wheels/installed-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if [ ! -d "$installed" ] && compgen -G "$wheels/*.whl" >/dev/null; then
        echo "installing what $PYTHON lacks from $wheels" >&2
        # Into another place first: an installation that breaks off is not taken for one.
        rm -rf "$installed.new"
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile \
            --target "$installed.new" "$wheels"/*.whl || return 2
        mv "$installed.new" "$installed"
    fi
    if [ -d "$installed" ]; then
        PYTHONPATH="$installed:$PYTHONPATH"
    fi
    if ! "$PYTHON" -c "$needed" >&2; then
        echo "error: $PYTHON lacks what is named above; run scripts/gpu/prepare.sh where there is a package" \
            "index, bring the folder .wheels along, or set PYTHON to one that has it" >&2
        return 2
    fi
}

if _gpu_environment; then
    unset -f _gpu_environment
else
    exit 2
fi
