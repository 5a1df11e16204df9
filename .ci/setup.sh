#!/bin/bash
# Installs what is missing: `.ci/setup.sh run` for the server and the browser bundle, `.ci/setup.sh test`
# for the browser tests too. Says what it installs, asks nothing, and does nothing where all is there.
set -euo pipefail
. "$(dirname "$0")/env.sh"
purpose="${1:-run}"

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it from https://rustup.rs, then call make again." >&2
    exit 1
fi

missing=()
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null || missing+=("${@:2}")
}
need g++ g++
need cmake cmake
need nasm nasm
need make make
need pkg-config pkg-config
need brotli brotli
if [ "$purpose" = test ]; then
    need node nodejs
    need npm npm
    need chromium chromium
    need storescu dcmtk
    need python3 python3
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv python3-pip)
    compgen -G '/usr/share/fonts/*/*' >/dev/null || missing+=(fonts-dejavu-core)
fi

# The browser's target: rustup's own where it can be had, in a minute at most.
if [ "$(wasm_toolchain)" = debian ] && [ -z "${SHENTON_WASM:-}" ] && command -v rustup >/dev/null; then
    say "adding rustup's target wasm32-unknown-unknown"
    timeout 120 rustup target add wasm32-unknown-unknown || say "rustup cannot add it: Debian's compiler builds the browser bundle"
fi
if [ "$(wasm_toolchain)" = debian ]; then
    [ -x /usr/bin/cargo ] || missing+=(cargo-web)
    [ -x /usr/bin/rustc ] || missing+=(rustc-web)
    [ -d /usr/lib/rustlib/src ] || missing+=(rust-web-src)
    [ -x /usr/bin/wasm-ld-22 ] || missing+=(lld-22)
    dpkg -s rust-web-llvm >/dev/null 2>&1 || missing+=(rust-web-llvm)
fi

if [ ${#missing[@]} -gt 0 ]; then
    say "installing Debian packages: ${missing[*]}"
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

if [ "$purpose" = test ] && command -v rustup >/dev/null; then
    for part in rustfmt clippy; do
        cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 || { say "adding rustup's $part"; rustup component add "$part"; }
    done
fi
