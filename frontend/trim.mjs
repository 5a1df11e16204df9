// Takes code out of the browser's WebAssembly that the linker keeps and that nothing here can reach:
// `node trim.mjs IN OUT`. IN must have its name section.
//
// Every view of leptos has a second way to come alive, `hydrate_async`, which a table holds beside the first.
// Only `leptos::mount::hydrate_lazy` takes it, and `frontend` calls `hydrate_body`. Its bodies become `unreachable`,
// so that wasm-opt then drops all that only they called. If it were ever called, the page would stop there, and
// every browser test with it.
import { readFileSync, writeFileSync } from 'node:fs';

//
// The compiler folds functions of the same code into one, whose name is that of any of them. So what frees memory and
// what is short, which others may share, stays.
const UNREACHED = /hydrate_async/;
const SHARED = /drop_in_place/;
const LEAST_BYTES = 300;
const [IMPORT, CODE, CUSTOM] = [2, 10, 0];
// A body without locals: `unreachable`, `end`.
const STUB = Buffer.from([3, 0, 0x00, 0x0b]);

const [input, output] = process.argv.slice(2);
const wasm = readFileSync(input);
let at = 8;

/** An unsigned LEB128 number at `at`. */
function number() {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = wasm[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
}

function encoded(value) {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Buffer.from(bytes);
}

function text() {
  const length = number();
  at += length;
  return wasm.toString('utf8', at - length, at);
}

const sections = [];
while (at < wasm.length) {
  const start = at;
  const id = wasm[at++];
  const length = number();
  sections.push({ id, start, body: at, end: at + length });
  at += length;
}

// Functions that are imported come first in the numbering.
let imported = 0;
const limits = () => {
  const flags = number();
  number();
  if (flags & 1) number();
};
for (const { body } of sections.filter(({ id }) => id === IMPORT)) {
  at = body;
  for (let left = number(); left > 0; left--) {
    text();
    text();
    const kind = wasm[at++];
    if (kind === 0) {
      imported++;
      number();
    } else if (kind === 1) {
      at++;
      limits();
    } else if (kind === 2) {
      limits();
    } else {
      at += 2;
    }
  }
}

const unreached = new Set();
for (const { body, end } of sections.filter(({ id }) => id === CUSTOM)) {
  at = body;
  if (text() !== 'name') continue;
  while (at < end) {
    const kind = wasm[at++];
    const next = number() + at;
    if (kind === 1) {
      for (let left = number(); left > 0; left--) {
        const index = number();
        const name = text();
        if (UNREACHED.test(name) && !SHARED.test(name)) unreached.add(index - imported);
      }
    }
    at = next;
  }
}
if (unreached.size === 0) throw new Error('nothing to trim: has the name section been removed, or has leptos changed?');

let bytes = 0;
let trimmed = 0;
const parts = [wasm.subarray(0, 8)];
for (const { id, start, body, end } of sections) {
  if (id !== CODE) {
    parts.push(wasm.subarray(start, end));
    continue;
  }
  at = body;
  const count = number();
  const bodies = [encoded(count)];
  for (let index = 0; index < count; index++) {
    const first = at;
    const length = number();
    at += length;
    const stub = unreached.has(index) && length >= LEAST_BYTES;
    if (stub) {
      bytes += at - first;
      trimmed++;
    }
    bodies.push(stub ? STUB : wasm.subarray(first, at));
  }
  const code = Buffer.concat(bodies);
  parts.push(Buffer.from([CODE]), encoded(code.length), code);
}
writeFileSync(output, Buffer.concat(parts));
console.log(`== browser bundle: ${trimmed} functions that nothing reaches, ${bytes} bytes`);
