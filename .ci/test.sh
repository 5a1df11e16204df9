#!/bin/bash
# All checks, one after the other; a failure does not keep the later ones from running. The last line counts
# tests: `N passed, N failed, N skipped`. A check that is not a test (format, clippy, build) counts as one.
set -uo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
.ci/setup.sh test || exit 1

passed=0 failed=0 skipped=0 report=()
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

# check NAME COMMAND...: counts as one.
check() {
    local name="$1" start=$SECONDS
    shift
    say "$name: $*"
    if "$@"; then passed=$((passed + 1)) result=passed; else failed=$((failed + 1)) result=FAILED; fi
    report+=("$(printf '%-28s %-8s %5d s' "$name" "$result" $((SECONDS - start)))")
}

# counted NAME COMMAND...: takes the numbers from what cargo or Playwright print.
counted() {
    local name="$1" start=$SECONDS status p f s
    shift
    say "$name: $*"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r p f s < <(awk '
        { gsub(/\033\[[0-9;]*m/, "") }
        /^test result:/ { p += $4; f += $6; s += $8; next }
        $1 ~ /^[0-9]+$/ && $2 == "passed"  { p += $1 }
        $1 ~ /^[0-9]+$/ && ($2 == "failed" || $2 == "flaky") { f += $1 }
        $1 ~ /^[0-9]+$/ && ($2 == "skipped" || $2 == "did")  { s += $1 }
        END { print p + 0, f + 0, s + 0 }' "$log")
    # It ended badly without a failed test: it did not build or broke off.
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    report+=("$(printf '%-28s %d passed, %d failed, %d skipped %5d s' "$name" "$p" "$f" "$s" $((SECONDS - start)))")
}

# The browser's crates, with warnings denied. Debian's toolchain brings no clippy: there the compiler checks.
wasm_leg() {
    if [ "$(wasm_toolchain)" = rustup ]; then
        wasm_cargo clippy -p viewer -- -D warnings
    else
        wasm_cargo check -p viewer 2>&1 | tee "$log"
        [ "${PIPESTATUS[0]}" = 0 ] && ! grep -q '^warning' "$log"
    fi
}

# The GPU path without a GPU. Its dependencies build beside the others, which takes long the first time.
wgpu_leg() {
    mkdir -p "$SHENTON_CACHE/run"
    XDG_RUNTIME_DIR="$SHENTON_CACHE/run" VK_DRIVER_FILES="$(software_vulkan)" \
        cargo test --release --features server/wgpu --test wgpu
}

# Nothing of the server is compiled into what a browser loads.
browser_dependencies() {
    local found
    found="$(cargo tree -p frontend --target wasm32-unknown-unknown -e normal --prefix none | cut -d' ' -f1 |
        grep -xE 'tokio|mio|axum|hyper|sqlx|sea-orm|burn|rayon|db|server|pipeline' | sort -u)"
    [ -z "$found" ] || { echo "compiled for the browser: $found"; return 1; }
}

# What a browser loads first does not grow unnoticed.
bundle_size() {
    local bytes=0 limit=300000 file
    for file in frontend.js frontend_bg.wasm __wasm_split.js; do
        bytes=$((bytes + $(stat -c %s "$SHENTON_SITE/pkg/$file.br")))
    done
    echo "wasm and JavaScript with Brotli: $bytes bytes of $limit allowed"
    [ "$bytes" -le "$limit" ]
}

check   "format"                cargo fmt --all -- --check
check   "clippy"                cargo clippy --release --all-targets -- -D warnings
check   "clippy, viewer"        cargo clippy --release -p viewer --all-targets -- -D warnings
counted "native tests"          cargo test --release
counted "native tests, viewer"  cargo test --release -p viewer
counted "wgpu tests"            wgpu_leg
check   "wasm leg"              wasm_leg
check   "browser's dependencies" browser_dependencies
check   "browser bundle"        frontend/bundle.sh
check   "bundle size"           bundle_size
check   "server"                cargo build --release
counted "browser tests"         end2end/run.sh

say "summary"
printf '%s\n' "${report[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
