// Takes code out of the browser's WebAssembly that the linker keeps and that nothing here can reach:
// `node trim.mjs BINARYEN IN OUT`, with the folder of npm's binaryen.
//
// Every view of leptos has a second way to come alive, `hydrate_async`, which a table holds beside the first.
// Only `leptos::mount::hydrate_lazy` takes it, and `frontend` calls `hydrate_body`. Its bodies become `unreachable`,
// so that wasm-opt then drops all that only they called. If it were ever called, the page would stop there, and
// every browser test with it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, input, output] = process.argv.slice(2);
const { default: binaryen } = await import(pathToFileURL(join(folder, 'index.js')).href);

const UNREACHED = /hydrate_async/;

// Those of bundle.sh: with others it would write what no browser reads.
const features = ['BulkMemory', 'BulkMemoryOpt', 'CallIndirectOverlong', 'Multivalue', 'MutableGlobals',
  'NontrappingFPToInt', 'ReferenceTypes', 'SignExt'];
const mask = features.reduce((mask, name) => mask | (binaryen.Features[name] ?? 0), 0);
const module = binaryen.readBinaryWithFeatures(readFileSync(input), mask);
let trimmed = 0;
for (let index = 0; index < module.getNumFunctions(); index++) {
  const ref = module.getFunctionByIndex(index);
  const { name, module: imported } = binaryen.getFunctionInfo(ref);
  if (imported || !UNREACHED.test(name)) continue;
  binaryen.Function.setBody(ref, module.unreachable());
  trimmed++;
}
if (trimmed === 0) throw new Error('nothing to trim: has the name section been removed, or leptos changed?');
writeFileSync(output, module.emitBinary());
console.log(`== browser bundle: ${trimmed} functions that nothing reaches`);
