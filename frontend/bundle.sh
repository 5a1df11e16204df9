#!/bin/bash
# Builds what browsers load into $SHENTON_SITE/pkg: frontend.js, frontend_bg.wasm and shenton.css, which every page
# loads, and viewer.js and viewer_bg.wasm, which the page of a study loads when it opens; each with a Brotli copy
# beside it. Does nothing where no input has changed since the last time.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/../.ci/env.sh"
cd "$root"
pkg="$SHENTON_SITE/pkg"
build="$CARGO_TARGET_DIR/wasm"
tools="$CARGO_TARGET_DIR/tools"
mkdir -p "$pkg" "$build" "$tools"
exec 9>"$build/bundle.lock"
flock 9

# The library and the command-line tool of wasm-bindgen must be the same version: both come from the lock file.
bindgen="$(awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock)"
toolchain="$(wasm_toolchain)"
optimise=no
command -v npm >/dev/null && optimise=yes

inputs() {
    echo "$toolchain $optimise $bindgen"
    find .cargo .ci/env.sh app/Cargo.toml app/src app/crates/domain app/crates/imaging app/crates/progressive frontend style Cargo.toml Cargo.lock \
        -type f -not -name '*.md' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}
stamp="$(inputs | sha256sum)"
if [ -e "$pkg/frontend_bg.wasm.br" ] && [ "$(cat "$pkg/.stamp" 2>/dev/null)" = "$stamp" ]; then
    say "browser bundle: up to date"
    exit 0
fi

# 1. The command-line tool, once for each version (about four minutes). Its own lock file names a crate that
#    is gone, so it is built without --locked.
cli="$tools/wasm-bindgen-$bindgen/bin/wasm-bindgen"
if [ ! -x "$cli" ]; then
    say "installing wasm-bindgen-cli $bindgen"
    CARGO_TARGET_DIR="$tools/build" cargo install -q wasm-bindgen-cli --version "$bindgen" --root "$tools/wasm-bindgen-$bindgen"
    rm -rf "$tools/build"
fi

# 2. The crates.
modules=(frontend viewer)
say "browser bundle: cargo build with the toolchain of $toolchain"
wasm_cargo build --lib -p viewer

# 3. The bindings.
out="$build/out"
rm -rf "$out"
# The names stay for the next step, which drops them.
names=(--remove-name-section)
[ "$optimise" = yes ] && names=()
for module in "${modules[@]}"; do
    "$cli" --target web --no-typescript "${names[@]}" --remove-producers-section --out-dir "$out" \
        --out-name "$module" "$build/$toolchain/wasm32-unknown-unknown/wasm-release/$module.wasm"
done

# 4. Smaller still, where node is there. Only what rustc and wasm-bindgen emit and every browser of the last years
#    takes: with all of its features wasm-opt writes imports that no browser reads.
features=(bulk-memory bulk-memory-opt call-indirect-overlong multivalue mutable-globals nontrapping-float-to-int
    reference-types sign-ext)
if [ "$optimise" = yes ] && ! node_folder="$(.ci/node.sh)"; then
    say "browser bundle: npm could not fetch wasm-opt; the bundle works without it and is larger"
    optimise=no
    stamp="$(inputs | sha256sum)"
fi
if [ "$optimise" = yes ]; then
    binaryen="$node_folder/node_modules/binaryen"
    node "$here/trim.mjs" "$out/frontend_bg.wasm" "$build/trimmed.wasm"
    mv "$build/trimmed.wasm" "$out/frontend_bg.wasm"
    say "browser bundle: wasm-opt"
    for module in "${modules[@]}"; do
        node "$binaryen/bin/wasm-opt" -Oz --converge --strip-debug "${features[@]/#/--enable-}" "$out/${module}_bg.wasm" -o "$out/optimised.wasm"
        mv "$out/optimised.wasm" "$out/${module}_bg.wasm"
    done
fi

# 5. The style sheet: the tokens first, then the components, in the order of their names.
{
    for sheet in style/tokens.css style/main.css $(LC_ALL=C ls style/components/*.css 2>/dev/null) \
        $(LC_ALL=C ls style/*.css 2>/dev/null | grep -v -e '/tokens.css$' -e '/main.css$'); do
        [ -e "$sheet" ] && grep -v '^@import' "$sheet"
    done
    true
} > "$out/shenton.css"

# 6. Compressed once here, not on every request.
for file in frontend.js frontend_bg.wasm viewer.js viewer_bg.wasm shenton.css; do
    brotli -f -q 11 -o "$out/$file.br" "$out/$file"
done
rm -f "$pkg/.stamp"
cp -r "$out/." "$pkg/"
[ ! -d style/assets ] || cp -r style/assets/. "$pkg/"
echo "$stamp" > "$pkg/.stamp"
for module in "${modules[@]}"; do
    wasm="$pkg/${module}_bg.wasm" js="$pkg/$module.js"
    say "browser bundle: $module: $(stat -c %s "$wasm") bytes of wasm; with Brotli $(($(stat -c %s "$wasm.br") + $(stat -c %s "$js.br"))) bytes of wasm and JavaScript"
done
