#!/bin/bash
# Installs what is missing: `.ci/setup.sh run` for the server and the browser bundle, `.ci/setup.sh test`
# for the browser tests too. Says what it installs, asks nothing, and does nothing where all is there.
set -euo pipefail
. "$(dirname "$0")/env.sh"
purpose="${1:-run}"

command -v cargo >/dev/null || fail "Rust is missing. Install it from https://rustup.rs, then call make again."
wanted="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")"
found="$(rustc --version 2>/dev/null | cut -d' ' -f2)"
if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
    fail "Rust ${found:-of an unknown version} at $(command -v rustc || echo '(no rustc)') is too old: $wanted or newer is needed.
With rustup: rustup update stable. Debian's own Rust is older than that; install rustup from https://rustup.rs."
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
    [ -n "$(software_vulkan)" ] || missing+=(mesa-vulkan-drivers)
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv python3-pip)
    compgen -G '/usr/share/fonts/*/*' >/dev/null || missing+=(fonts-dejavu-core)
fi

# Debian's compiler for the browser, as far as it is not here.
debian_wasm() {
    [ -x /usr/bin/cargo ] || echo cargo-web
    [ -x /usr/bin/rustc ] || echo rustc-web
    [ -d /usr/lib/rustlib/src ] || echo rust-web-src
    [ -x /usr/bin/wasm-ld-22 ] || echo lld-22
    dpkg -s rust-web-llvm >/dev/null 2>&1 || echo rust-web-llvm
}
# The browser's target: rustup's own where it can be had, in two minutes at most. Where it could not be had once and
# Debian's was installed, it is not asked for again.
if [ "$(wasm_toolchain)" = debian ] && [ -z "${SHENTON_WASM:-}" ] && [ -n "$(debian_wasm)" ] && command -v rustup >/dev/null; then
    say "adding rustup's target wasm32-unknown-unknown"
    timeout 120 rustup target add wasm32-unknown-unknown || say "rustup cannot add it: Debian's compiler builds the browser bundle"
fi
if [ "$(wasm_toolchain)" = debian ]; then
    mapfile -t -O "${#missing[@]}" missing < <(debian_wasm)
fi

if [ ${#missing[@]} -gt 0 ]; then
    by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || fail "these Debian packages, or what your system calls them, are missing: ${missing[*]}"
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        # Nothing is asked for: without a root that needs no password, the administrator does it by hand.
        sudo -n true 2>/dev/null || fail "Debian packages are missing, and this account may not install them without a password.
As root, call: $by_hand
Then call make again."
        as_root=(sudo -n)
    fi
    say "installing Debian packages: ${missing[*]}"
    log="$SHENTON_CACHE/apt.log"
    install() {
        "${as_root[@]}" apt-get update -q &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    }
    install >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get could not install them; all it said is in $log"; }
fi

if [ "$purpose" = test ] && command -v rustup >/dev/null; then
    for part in rustfmt clippy; do
        cargo "${part/rustfmt/fmt}" --version >/dev/null 2>&1 || { say "adding rustup's $part"; rustup component add "$part"; }
    done
fi
