// Time to the first and to the lossless picture, Shenton and Cornerstone3D in one run: the same picture, the same
// Chromium, the same throttled line. `node run.mjs [runs]`, started by run.sh.
import { execFileSync, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const PACKAGES = process.env.BENCH_PACKAGES;
const RUNS = Number(process.argv[2] ?? 3);
const SIDE = 3036;
// Chromium's preset "Fast 4G" in the developer tools' network panel: 10 Mbit/s, 60 ms, with its own factors for both.
const LINE = { offline: false, downloadThroughput: (10e6 / 8) * 0.9, uploadThroughput: (1.5e6 / 8) * 0.9, latency: 60 * 2.75 };
const PASSWORD = 'correct-horse-battery-7';
const { chromium, request } = await import(pathToFileURL(process.env.BENCH_PLAYWRIGHT).href);
const require = createRequire(join(PACKAGES, 'x.js'));

const folder = mkdtempSync(join(tmpdir(), 'shenton-bench-'));
const path = (name) => join(folder, name);

// 1. The picture, and its HTJ2K form: reversible, RPCL, with markers for the lengths of tile parts, as Cornerstone3D's
//    documentation asks for.
execFileSync(process.env.SHENTON_BINARY, ['simulate', 'image', '--seed', '7', '--out', path('xray.dcm'), '--truth', path('truth.json')]);
const made = ['make_picture.py', '--xray', path('xray.dcm'), '--out', path('picture.dcm'), '--raw', path('picture.raw')];
const study = execFileSync(process.env.BENCH_PYTHON, made, { cwd: HERE, encoding: 'utf8' }).trim();
const openjph = await (require('@cornerstonejs/codec-openjph'))({
  locateFile: (name) => join(PACKAGES, '@cornerstonejs/codec-openjph/dist', name),
});

function htj2k(raw, side) {
  const encoder = new openjph.HTJ2KEncoder();
  const frame = { width: side, height: side, bitsPerSample: 16, componentCount: 1, isSigned: false, isUsingColorTransform: false };
  encoder.getDecodedBuffer(frame).set(raw);
  encoder.setQuality(true, 0);
  encoder.setProgressionOrder(2);
  encoder.setTLMMarker?.(true);
  encoder.setTilePartDivisionsAtResolutions?.(true);
  encoder.setDecompositions(5);
  encoder.encode();
  const bytes = Buffer.from(encoder.getEncodedBuffer());
  encoder.delete();
  return bytes;
}
const raw = readFileSync(path('picture.raw'));
const frames = { picture: htj2k(raw, SIDE), warm: htj2k(raw.subarray(0, 256 * 256 * 2), 256) };
console.log(`picture: ${SIDE} x ${SIDE}, ${raw.length} bytes raw, ${frames.picture.length} bytes as HTJ2K`);

// 2. Cornerstone3D's page and a server of frames by byte range.
const esbuild = require('esbuild');
const common = { bundle: true, format: 'esm', minify: true, outdir: path('site'), nodePaths: [PACKAGES], logLevel: 'error',
  external: ['fs', 'path', 'crypto', 'module', 'worker_threads', 'node:*'], define: { global: 'globalThis' } };
await esbuild.build({ ...common, entryPoints: { cornerstone: join(HERE, 'cornerstone.js') } });
const worker = join(PACKAGES, '@cornerstonejs/dicom-image-loader/dist/esm/decodeImageFrameWorker.js');
await esbuild.build({ ...common, entryPoints: { decodeImageFrameWorker: worker } });
const PAGE = `<!DOCTYPE html><meta charset="utf-8"><title>Cornerstone3D</title><body style="margin:0;background:#000">
<div id="picture" style="width:900px;height:800px"></div><script type="module" src="/cornerstone.js"></script>`;

const site = createServer((asked, answer) => {
  const { pathname } = new URL(asked.url, 'http://localhost');
  const frame = /^\/dicomweb\/studies\/(\w+)\/.*\/frames\/1$/.exec(pathname);
  if (frame) {
    const bytes = frames[frame[1]];
    const headers = { 'content-type': 'image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202', 'accept-ranges': 'bytes', 'cache-control': 'no-store' };
    const range = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.range ?? '');
    if (!range) return answer.writeHead(200, { ...headers, 'content-length': bytes.length }).end(bytes);
    const [from, to] = [Number(range[1]), Math.min(range[2] === '' ? Infinity : Number(range[2]), bytes.length - 1)];
    if (from > to) return answer.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    const part = bytes.subarray(from, to + 1);
    return answer.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${to}/${bytes.length}`, 'content-length': part.length }).end(part);
  }
  if (pathname === '/') return answer.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
  // The codecs' wasm is asked for by the name of its package.
  const wasm = /\/(@cornerstonejs\/codec-[\w-]+)\/(.+)$/.exec(pathname);
  const exported = wasm && { decodewasm: 'openjpegwasm_decode.wasm', wasm: 'openjphjs.wasm' }[wasm[2]];
  const file = wasm ? join(PACKAGES, wasm[1], 'dist', exported ?? wasm[2]) : path(join('site', pathname));
  if (!existsSync(file) || !statSync(file).isFile()) return answer.writeHead(404).end();
  const type = file.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
  answer.writeHead(200, { 'content-type': type });
  createReadStream(file).pipe(answer);
});
await new Promise((done) => site.listen(0, '127.0.0.1', done));
const cornerstoneUrl = `http://127.0.0.1:${site.address().port}/`;

// 3. Shenton, with the picture in its store.
const server = spawn(
  process.env.SHENTON_BINARY,
  ['serve', '--data', path('data'), '--listen', '127.0.0.1:0', '--dicom-port', '0', '--site', process.env.SHENTON_SITE,
    '--models', join(HERE, '../../server/models'), '--quiet-seconds', '1', '--demo', '0'],
  { env: { ...process.env, SHENTON_ADMIN_PASSWORD: PASSWORD }, stdio: ['ignore', 'pipe', 'inherit'] },
);
const shentonUrl = await new Promise((done) => {
  let text = '';
  server.stdout.on('data', (chunk) => {
    text += chunk;
    const url = /ready: (http:\S+)/.exec(text)?.[1];
    if (url) done(url);
  });
});

let browser;
try {
  const door = await request.newContext({ baseURL: shentonUrl });
  await door.post('/sign-in', { form: { name: 'admin', password: PASSWORD }, maxRedirects: 0, headers: { origin: shentonUrl } });
  const sent = await door.post('/upload/file', { data: readFileSync(path('picture.dcm')), headers: { origin: shentonUrl, 'content-type': 'application/octet-stream' } });
  if (!sent.ok()) throw new Error(`upload: ${sent.status()} ${await sent.text()}`);
  let addresses = [];
  let own = 0;
  for (let tries = 0; tries < 240; tries++) {
    const page = await (await door.get('/')).text();
    addresses = await (await door.get(`/frames/of/${study}`)).json();
    if (page.includes('state-done') || page.includes('state-failed')) break;
    await new Promise((done) => setTimeout(done, 500));
  }
  own = Number((await door.get(addresses[0], { headers: { range: 'bytes=0-0' } })).headers()['content-range'].split('/')[1]);
  console.log(`as Shenton keeps it: ${own} bytes`);
  const state = await door.storageState();

  browser = await chromium.launch({
    executablePath: process.env.SHENTON_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  });
  const viewport = { width: 1280, height: 900 };

  /** A page with the throttled line switched on later. */
  async function open(url, options = {}) {
    const context = await browser.newContext({ viewport, serviceWorkers: 'block', ...options });
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(`${url}: ${error}`));
    await page.addInitScript(() => {
      const heard = (window.heard = []);
      window.addEventListener('shenton-picture', (event) => {
        const told = { ...JSON.parse(event.detail), at: performance.now(), painted: null };
        heard.push(told);
        // The picture is drawn in the next display frame; the one after that comes when it is on the screen.
        requestAnimationFrame(() => requestAnimationFrame(() => (told.painted = performance.now())));
      });
    });
    await page.goto(url);
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    const throttle = () => session.send('Network.emulateNetworkConditions', LINE);
    return { context, page, session, throttle };
  }

  /** Pictures of the page with their times, for the film strip. */
  async function film(session) {
    const frames = [];
    session.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
      frames.push({ data, at: metadata.timestamp * 1000 });
      session.send('Page.screencastFrameAck', { sessionId }).catch(() => {});
    });
    await session.send('Page.startScreencast', { format: 'jpeg', quality: 70, maxWidth: 480, maxHeight: 340 });
    return frames;
  }

  async function shenton(filmed) {
    const { context, page, session, throttle } = await open(shentonUrl, { storageState: state });
    await page.locator('main[data-ready=true]').waitFor();
    await throttle();
    const frames = filmed ? await film(session) : [];
    const began = Date.now();
    await page.locator('table.worklist tbody td.patient a').first().click();
    await page.waitForFunction(() => window.heard.some((told) => told.state === 'lossless' && told.painted), undefined, { timeout: 120_000 });
    const heard = await page.evaluate(() => window.heard);
    const at = (state) => heard.find((told) => told.state === state && told.painted)?.painted;
    const start = heard.find((told) => told.state === 'waiting').at;
    const preview = heard.find((told) => told.state === 'preview');
    const zero = filmed ? began + (start - (await page.evaluate(() => performance.now())) + (Date.now() - began)) : 0;
    await context.close();
    return { first: at('preview') - start, lossless: at('lossless') - start, bytes: preview.received,
      pictures: heard.filter((told) => told.state === 'preview').length, frames, zero };
  }

  async function cornerstone(configuration, filmed) {
    const { context, page, session, throttle } = await open(cornerstoneUrl);
    await page.waitForFunction(() => window.prepare);
    await page.evaluate(() => window.prepare());
    await throttle();
    const frames = filmed ? await film(session) : [];
    const zero = Date.now();
    const times = await page.evaluate((configuration) => window.show('picture', configuration), configuration);
    await page.waitForTimeout(filmed ? 500 : 0);
    await context.close();
    return { ...times, frames, zero };
  }

  /** While the lossless picture is dragged: milliseconds that the page's own thread works on each frame, and those between
   * two frames; ascending. */
  async function dragged(shift) {
    const { context, page } = await open(shentonUrl, { storageState: state });
    await page.locator('main[data-ready=true]').waitFor();
    await page.locator('table.worklist tbody td.patient a').first().click();
    await page.waitForFunction(() => window.heard.some((told) => told.state === 'lossless' && told.painted), undefined, { timeout: 120_000 });
    await page.evaluate(() => {
      const plain = window.requestAnimationFrame.bind(window);
      window.nextFrame = plain;
      window.spent = [];
      window.frames = [];
      window.requestAnimationFrame = (call) => plain((now) => {
        const begun = performance.now();
        call(now);
        window.spent.push(performance.now() - begun);
        window.frames.push(now);
      });
    });
    // The movements come from the page itself, one with each frame of the display: the protocol that a mouse is driven by
    // takes longer than a frame.
    const [spent, frames] = await page.evaluate(async (shiftKey) => {
      const canvas = document.querySelector('canvas.canvas');
      const box = canvas.getBoundingClientRect();
      const send = (kind, turn) => canvas.dispatchEvent(new PointerEvent(kind, {
        pointerId: 1, isPrimary: true, bubbles: true, cancelable: true, shiftKey, button: kind === 'pointermove' ? -1 : 0, buttons: 1,
        clientX: box.x + box.width * (0.5 + 0.2 * Math.sin(turn)), clientY: box.y + box.height * (0.5 + 0.2 * Math.cos(turn)),
      }));
      send('pointerdown', 0);
      for (let step = 1; step <= 240; step++) {
        await new Promise((next) => window.nextFrame(next));
        send('pointermove', step / 20);
      }
      send('pointerup', 12);
      return [window.spent, window.frames];
    }, shift);
    await context.close();
    if (spent.length < 30) throw new Error(`only ${spent.length} frames while dragging`);
    const between = frames.slice(1).map((frame, i) => frame - frames[i]);
    return [spent, between].map((values) => values.sort((a, b) => a - b));
  }

  const kinds = [
    ['Shenton', () => shenton(false)],
    ['Cornerstone3D, byte ranges of 64 kB (2 stages)', () => cornerstone('ranges', false)],
    ['Cornerstone3D, streaming (1 stage)', () => cornerstone('streaming', false)],
  ];
  const results = new Map(kinds.map(([name]) => [name, []]));
  for (let run = 0; run < RUNS; run++) {
    for (const [name, measure] of kinds) {
      const times = await measure();
      results.get(name).push(times);
      console.log(`${name}: first ${times.first.toFixed(0)} ms, lossless ${times.lossless.toFixed(0)} ms, ${times.pictures} pictures`);
    }
  }

  const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
  const span = (values) => `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
  const rows = [...results].map(([name, all]) => {
    const [first, lossless] = ['first', 'lossless'].map((key) => all.map((times) => times[key]));
    const size = name === 'Shenton' ? own : frames.picture.length;
    return `| ${name} | ${(size / 1e6).toFixed(2)} MB | ${middle(first).toFixed(0)} ms (${span(first)}) | ${middle(lossless).toFixed(0)} ms (${span(lossless)}) |`;
  });
  const said = (values) => `${middle(values).toFixed(1)} ms (95th percentile ${values[Math.floor(values.length * 0.95)].toFixed(1)})`;
  const drags = [];
  for (const [name, shift] of [['windowed', false], ['panned', true]]) {
    const [spent, between] = await dragged(shift);
    drags.push(`| ${name} | ${said(spent)} | ${said(between)} |`);
  }
  const version = (name) => JSON.parse(readFileSync(join(PACKAGES, name, 'package.json'))).version;
  writeFileSync(join(HERE, 'results.md'), `Median of ${RUNS} runs (least to most), from asking for the picture to its appearance; ${SIDE} × ${SIDE} pixels of 16 bits,
Chromium ${browser.version()} without a graphics card, its preset "Fast 4G" (${(LINE.downloadThroughput * 8 / 1e6).toFixed(1)} Mbit/s,
${LINE.latency} ms), ${cpus().length} processor cores; Cornerstone3D ${version('@cornerstonejs/core')}.

| viewer | file | first picture | lossless |
|---|---|---|---|
${rows.join('\n')}

The same picture fitted and dragged, drawn by Chromium's software WebGL, in a hurry as soon as the viewer finds the device late;
a screen of 60 frames a second leaves 16.7 ms.

| | page's own thread, a frame | between two frames |
|---|---|---|
${drags.join('\n')}
`);
  console.log(readFileSync(join(HERE, 'results.md'), 'utf8'));

  // The film strip, in runs of its own: taking pictures costs time.
  const strips = [
    ['Shenton', await shenton(true)],
    ['Cornerstone3D, ranges', await cornerstone('ranges', true)],
    ['Cornerstone3D, streaming', await cornerstone('streaming', true)],
  ];
  const moments = [0.5, 1, 2, 4, 6, 8, 10, 12].map((seconds) => seconds * 1000);
  const cell = (strip, moment) => {
    const frame = strip.frames.filter((frame) => frame.at - strip.zero <= moment).at(-1) ?? strip.frames[0];
    return `<td>${frame ? `<img src="data:image/jpeg;base64,${frame.data}">` : ''}</td>`;
  };
  const html = `<meta charset="utf-8"><style>body{margin:8px;background:#fff;font:14px sans-serif}img{width:200px;display:block}
td{padding:2px}th{text-align:left;font-weight:600}</style><table><tr>${moments.map((m) => `<th>${m / 1000} s</th>`).join('')}</tr>
${strips.map(([name, strip]) => `<tr><th colspan="${moments.length}">${name}</th></tr><tr>${moments.map((m) => cell(strip, m)).join('')}</tr>`).join('')}</table>`;
  const page = await browser.newPage({ viewport: { width: 1680, height: 600 } });
  await page.setContent(html);
  await page.screenshot({ path: join(HERE, 'filmstrip.png'), fullPage: true });
} finally {
  await browser?.close();
  server.kill('SIGTERM');
  site.close();
  rmSync(folder, { recursive: true, force: true });
}
