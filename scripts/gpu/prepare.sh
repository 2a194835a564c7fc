#!/usr/bin/env bash
# Downloads what a bare GPU machine lacks of rigorkd's requirements, as wheels that check.sh and measure.sh
# install there without a network. Run it where there is a package index, and take the folder along.
#
#   scripts/gpu/prepare.sh [DIR]     into DIR (default: .wheels, where the other scripts look)
#   scripts/gpu/prepare.sh --list    only the names of the packages
#
# The machine is taken to have CPython 3.12 on x86_64 Linux with torch, torchvision, timm, accelerate,
# statsmodels, pandas, scipy, psutil, rich, click, jinja2, matplotlib, safetensors, and
# hypothesis, pytest and pytest-xdist for the check. PYTHON_VERSION=3.13 prepares for another one.
# Weights & Biases, submitit and transformers are imported only where they are asked for, so they stay behind.
set -euo pipefail

# In the versions of constraints.txt; typing_extensions because pydantic wants a newer one than torch brings.
packages=(annotated-types pydantic pydantic_core ruamel.yaml typing-inspection typing_extensions)
most_bytes=$((64 * 1024 * 1024))

case "${1:-}" in
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --list) printf '%s\n' "${packages[@]}"; exit 0 ;;
    -*) echo "error: no option $1; see --help" >&2; exit 2 ;;
esac
root="$(cd "$(dirname "$0")/../.." && pwd)"
folder="$(mkdir -p "${1:-$root/.wheels}" && cd "${1:-$root/.wheels}" && pwd)"
python="${PYTHON:-$([ -x "$root/.venv/bin/python" ] && echo "$root/.venv/bin/python" || echo python3)}"

rm -rf "$folder"/installed-*
rm -f "$folder"/*.whl
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --implementation cp --python-version "${PYTHON_VERSION:-3.12}" \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --constraint "$root/constraints.txt" --dest "$folder" "${packages[@]}"

wheels=("$folder"/*.whl)
bytes="$(cat "${wheels[@]}" | wc -c)"
for wheel in "${wheels[@]}"; do echo "  ${wheel##*/}"; done
echo "$folder: ${#wheels[@]} wheels, $((bytes / 1024)) KiB"
if [ "${#wheels[@]}" -ne "${#packages[@]}" ]; then
    echo "error: ${#packages[@]} packages were asked for" >&2
    exit 1
fi
if [ "$bytes" -gt "$most_bytes" ]; then
    echo "error: more than $((most_bytes / 1024 / 1024)) MiB, too much to take along" >&2
    exit 1
fi
