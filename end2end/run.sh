#!/bin/bash
# Runs the browser tests on what is built: `end2end/run.sh [arguments of playwright test]`. Builds nothing.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../.ci/env.sh"
cd "$here"

folder="$("$root/.ci/node.sh")"
ln -sfn "$folder/node_modules" node_modules

# pydicom turns the corpus's radiographs into DICOM. Without it those tests are skipped and say so.
venv="$SHENTON_CACHE/python/$(sha256sum requirements.txt | cut -c1-16)"
if [ ! -e "$venv/complete" ]; then
    say "python: installing $(grep -vc '^#' requirements.txt) packages"
    rm -rf "$venv"
    if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r requirements.txt; then
        touch "$venv/complete"
    else
        say "python: could not install; the tests that make DICOM will be skipped"
    fi
fi
export SHENTON_PYTHON="$venv/bin/python"
export SHENTON_BINARY="${SHENTON_BINARY:-$CARGO_TARGET_DIR/release/shenton}"
export SHENTON_CORPUS="${SHENTON_CORPUS:-$root/../shared/corpus}"
exec node node_modules/@playwright/test/cli.js test "$@"
