#!/usr/bin/env bash
# Installs what the tests of the HTML page need and do not find: Debian's Chromium (as root) and npm's axe-core,
# the latter into .browser/, which git ignores. Run again, it does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
AXE=4.14.1
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(npm)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]}; install them, or run this as root on Debian" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if ! grep -qs "\"version\": \"$AXE\"" .browser/node_modules/axe-core/package.json; then
    npm install --silent --no-audit --no-fund --no-save --prefix .browser "axe-core@$AXE" >/dev/null
fi
