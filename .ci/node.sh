#!/bin/bash
# Fetches the packages of end2end/package-lock.json into the cache and prints the folder that holds
# node_modules. Does nothing where they are there already.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root/end2end"
folder="$SHENTON_CACHE/node/$(cat package.json package-lock.json | sha256sum | cut -c1-16)"
if [ ! -e "$folder/complete" ]; then
    say "npm ci: $(grep -c '"node_modules/' package-lock.json) packages" >&2
    mkdir -p "$folder"
    cp package.json package-lock.json "$folder"
    (cd "$folder" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error >&2)
    touch "$folder/complete"
fi
echo "$folder"
