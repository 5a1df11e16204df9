#!/bin/bash
# Builds what browsers load into $SHENTON_SITE/pkg: frontend.js, frontend_bg.wasm, __wasm_split.js and shenton.css, which
# every page loads; split_*.wasm and chunk_*.wasm, the parts that come when one of their pages opens (app/src/pages.rs);
# and viewer.js and viewer_bg.wasm, which come with the first picture. Each has a Brotli copy beside it. Does nothing
# where no input has changed since the last time.
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
# Cuts the module at the functions that wasm_split_helpers marks.
splitter_version=0.2.4
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

# 1. The command-line tools, once for each version (about five minutes). The lock file of wasm-bindgen-cli names a crate
#    that is gone, so it is built without --locked.
tool() { # NAME VERSION PROGRAM ARGUMENTS...: prints where PROGRAM is
    local home="$tools/$1-$2"
    if [ ! -x "$home/bin/$3" ]; then
        say "installing $1 $2" >&2
        CARGO_TARGET_DIR="$tools/build" cargo install -q "$1" --version "$2" --root "$home" "${@:4}" >&2
        rm -rf "$tools/build"
    fi
    echo "$home/bin/$3"
}
cli="$(tool wasm-bindgen-cli "$bindgen" wasm-bindgen)"
splitter="$(tool wasm_split_cli_support "$splitter_version" wasm-split-cli --locked --features build-binary)"

# 2. The crates.
say "browser bundle: cargo build with the toolchain of $toolchain"
wasm_cargo build --lib -p viewer

# 3. The parts of frontend, then the bindings.
built="$build/$toolchain/wasm32-unknown-unknown/wasm-release"
out="$build/out" split="$build/split"
rm -rf "$out" "$split"
mkdir -p "$out"
"$splitter" "$built/frontend.wasm" "$split" --out-name frontend
# The names stay for the next step, which drops them.
names=(--remove-name-section)
[ "$optimise" = yes ] && names=()
bind() { "$cli" --target web --no-typescript "${names[@]}" --remove-producers-section --out-dir "$out" --out-name "$@"; }
# The parts call what the linker exports, under the names it gave.
bind frontend --keep-lld-exports --no-demangle "$split/frontend.wasm"
bind viewer "$built/viewer.wasm"
rm "$split/frontend.wasm"
# The page says where a part does not come; leaving a page while one is on its way is no error.
sed -i 's/console\.error(e)/console.warn(e)/' "$split/__wasm_split.js"
cp "$split"/* "$out/"
mapfile -t wasm < <(cd "$out" && ls ./*.wasm)

# 4. Smaller still, where node is there. Only what rustc and wasm-bindgen emit and every browser of the last years
#    takes: with all of its features wasm-opt writes imports that no browser reads.
features=(bulk-memory bulk-memory-opt call-indirect-overlong multivalue mutable-globals nontrapping-float-to-int
    reference-types sign-ext)
if [ "$optimise" = yes ] && ! node_folder="$(.ci/node.sh)"; then
    say "browser bundle: npm could not fetch wasm-opt and esbuild; the bundle works without it and is larger"
    optimise=no
    stamp="$(inputs | sha256sum)"
fi
if [ "$optimise" = yes ]; then
    say "browser bundle: wasm-opt and esbuild"
    for file in "${wasm[@]}"; do
        case "$file" in
            ./viewer_bg.wasm) ;;
            *) node "$here/trim.mjs" "$out/$file" "$build/trimmed.wasm" && mv "$build/trimmed.wasm" "$out/$file" ;;
        esac
        node "$node_folder/node_modules/binaryen/bin/wasm-opt" -Oz --converge --strip-debug "${features[@]/#/--enable-}" "$out/$file" -o "$build/optimised.wasm"
        mv "$build/optimised.wasm" "$out/$file"
    done
    for file in frontend.js viewer.js; do
        "$node_folder/node_modules/.bin/esbuild" --minify --format=esm --log-level=error "$out/$file" --outfile="$out/$file" --allow-overwrite
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
for file in "$out"/*.js "$out"/*.wasm "$out/shenton.css"; do
    brotli -f -q 11 -o "$file.br" "$file"
done
# What an earlier bundle had and this one has not goes.
rm -rf "$pkg"
mkdir -p "$pkg"
cp -r "$out/." "$pkg/"
[ ! -d style/assets ] || cp -r style/assets/. "$pkg/"
echo "$stamp" > "$pkg/.stamp"
for file in "${wasm[@]}"; do
    say "browser bundle: $file: $(stat -c %s "$pkg/$file") bytes, with Brotli $(stat -c %s "$pkg/$file.br")"
done
