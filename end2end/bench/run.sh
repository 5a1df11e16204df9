#!/bin/bash
# Shenton's progressive pictures beside Cornerstone3D's: `end2end/bench/run.sh [runs]`. Takes what is built (`make bundle
# server`), fetches its own packages, and writes results.md and filmstrip.png beside this file.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../../.ci/env.sh"
cd "$here"

packages="$SHENTON_CACHE/bench/$(sha256sum package.json | cut -c1-16)"
if [ ! -e "$packages/complete" ]; then
    say "npm: installing the benchmark's packages"
    mkdir -p "$packages"
    cp package.json "$packages"
    (cd "$packages" && npm install --no-audit --no-fund --loglevel=error)
    touch "$packages/complete"
fi
export BENCH_PACKAGES="$packages/node_modules"
# Playwright is that of the browser tests.
export BENCH_PLAYWRIGHT="$("$root/.ci/node.sh")/node_modules/@playwright/test/index.mjs"
venv="$SHENTON_CACHE/python/$(sha256sum ../requirements.txt | cut -c1-16)"
if [ ! -e "$venv/complete" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r ../requirements.txt
    touch "$venv/complete"
fi
export BENCH_PYTHON="$venv/bin/python"
export SHENTON_BINARY="${SHENTON_BINARY:-$CARGO_TARGET_DIR/release/shenton}"
exec node run.mjs "$@"
