# Folders that every script shares. Sourced, not run. Nothing here is inside the checkout, so that a fresh
# clone finds what an earlier one built.
#   SHENTON_CACHE      everything that can be built or fetched again
#   CARGO_TARGET_DIR   what cargo builds; `site/` in it is what the server hands to browsers
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export SHENTON_CACHE="${SHENTON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shenton}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$SHENTON_CACHE/target}"
export SHENTON_SITE="${SHENTON_SITE:-$CARGO_TARGET_DIR/site}"
mkdir -p "$SHENTON_CACHE" "$CARGO_TARGET_DIR"

say() { printf '== %s\n' "$*"; }
# What went wrong and what to do about it, for whoever called make.
fail() { printf '\nshenton: %s\n' "$@" >&2; exit 1; }

# Whoever has just installed rustup and not yet opened a new shell has its folder outside PATH.
rustup_bin="${CARGO_HOME:-$HOME/.cargo}/bin"
case ":$PATH:" in
    *":$rustup_bin:"*) ;;
    *) [ ! -x "$rustup_bin/cargo" ] || export PATH="$rustup_bin:$PATH" ;;
esac

# Which toolchain builds for the browser: `rustup` where it has the wasm32 target or can add it, `debian`
# otherwise. SHENTON_WASM=rustup|debian decides by hand.
wasm_toolchain() {
    if [ -n "${SHENTON_WASM:-}" ]; then
        echo "$SHENTON_WASM"
    elif command -v rustup >/dev/null && [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown" ]; then
        echo rustup
    else
        echo debian
    fi
}

# What every build for the browser is called with.
wasm_arguments() {
    printf '%s\n' -p frontend --target wasm32-unknown-unknown --profile wasm-release \
        --target-dir "$CARGO_TARGET_DIR/wasm/$(wasm_toolchain)"
}

# cargo for the browser: `wasm_cargo COMMAND ARGUMENTS...`.
wasm_cargo() {
    local arguments
    mapfile -t arguments < <(wasm_arguments)
    if [ "$(wasm_toolchain)" = rustup ]; then
        cargo "$1" "${arguments[@]}" "${@:2}"
    else
        # Debian's compiler has no built standard library for the browser and builds it from source.
        env -u RUSTUP_TOOLCHAIN PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            /usr/bin/cargo "$1" "${arguments[@]}" -Zbuild-std=std,panic_abort "${@:2}"
    fi
}

# Mesa's lavapipe: Vulkan on the processor, on which the wgpu tests run everywhere.
software_vulkan() {
    compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' | head -n 1
}

# Where a graphics device can be seen, the GPU back end is worth its long build.
gpu_features() {
    if compgen -G '/dev/nvidia[0-9]*' >/dev/null || compgen -G '/dev/dri/renderD*' >/dev/null; then
        echo '--features server/wgpu'
    fi
}
