import AxeBuilder from '@axe-core/playwright';
import { test as base, expect, request, type Page } from '@playwright/test';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Chromium as Debian ships it, drawing WebGL on the processor, silent towards the outside. */
export const CHROMIUM = process.env.SHENTON_CHROMIUM ?? '/usr/bin/chromium';
export const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const ADMINISTRATOR = { name: 'admin', password: 'correct-horse-battery-7' };
/** Studies that the server simulates for itself. */
export const DEMO_STUDIES = 5;

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: start the tests with end2end/run.sh`);
  return value;
}

/** A server of its own with an empty data folder, on free ports. */
export class Server {
  private constructor(
    readonly url: string,
    readonly dicomPort: number,
    private child: ChildProcess,
    readonly data: string,
    private readonly output: string[],
  ) {}

  static async start(demo: number): Promise<Server> {
    return Server.launch(mkdtempSync(join(tmpdir(), 'shenton-')), '127.0.0.1:0', demo);
  }

  /** Takes the server away, as a broken line does. Its data stay. */
  async pause(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Brings it back at the same address. */
  async resume(): Promise<void> {
    this.child = (await Server.launch(this.data, new URL(this.url).host, 0)).child;
  }

  private static async launch(data: string, listen: string, demo: number): Promise<Server> {
    const child = spawn(
      required('SHENTON_BINARY'),
      ['serve', '--data', data, '--listen', listen, '--dicom-port', '0', '--site', required('SHENTON_SITE'),
        '--models', join(ROOT, 'server/models'), '--quiet-seconds', '1', '--demo', String(demo)],
      { env: { ...process.env, SHENTON_ADMIN_PASSWORD: ADMINISTRATOR.password }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const output: string[] = [];
    const found = await new Promise<[string, number]>((done, failed) => {
      let url = '';
      let port = 0;
      const timer = setTimeout(() => failed(new Error(`the server did not start:\n${output.join('')}`)), 120_000);
      const read = (chunk: Buffer) => {
        output.push(chunk.toString());
        const text = output.join('');
        url ||= /ready: (http:\S+)/.exec(text)?.[1] ?? '';
        port ||= Number(/DICOM listener: .* at \S+:(\d+)/.exec(text)?.[1] ?? 0);
        if (url && port) {
          clearTimeout(timer);
          done([url, port]);
        }
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.on('exit', (code) => failed(new Error(`the server ended with ${code}:\n${output.join('')}`)));
    });
    return new Server(found[0], found[1], child, data, output);
  }

  /** What it printed. */
  log(): string {
    return this.output.join('');
  }

  running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (!this.running()) return;
    const ended = new Promise((done) => this.child.on('exit', done));
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(timer);
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.data, { recursive: true, force: true });
  }
}

/** The cookies of a session of the administrator. */
export async function signIn(url: string, who = ADMINISTRATOR) {
  // Without the cookies of the test: signing in with them would end their session.
  const context = await request.newContext({ baseURL: url, storageState: { cookies: [], origins: [] } });
  const response = await context.post('/sign-in', { form: who, maxRedirects: 0, headers: { origin: url } });
  expect(response.status()).toBe(303);
  expect(response.headers()['location']).toBe('/');
  const state = await context.storageState();
  await context.dispose();
  return state;
}

type Session = Awaited<ReturnType<typeof signIn>>;

export const test = base.extend<{ quiet: void; kept: boolean; fresh: void }, { server: Server; session: Session }>({
  /** Whether pictures come back as an earlier test left them. */
  kept: [false, { option: true }],
  fresh: [
    async ({ page, kept }, use) => {
      if (!kept) await page.route('**/api/kept_view', (route) => route.fulfill({ json: null }));
      await use();
    },
    { auto: true },
  ],
  server: [
    async ({}, use) => {
      const server = await Server.start(DEMO_STUDIES);
      await use(server);
      const ran = server.running();
      await server.stop();
      expect(ran, `the server ended by itself:\n${server.log()}`).toBe(true);
    },
    { scope: 'worker', timeout: 180_000 },
  ],
  session: [async ({ server }, use) => use(await signIn(server.url)), { scope: 'worker' }],
  launchOptions: [{ executablePath: CHROMIUM, args: FLAGS }, { scope: 'worker' }],
  baseURL: async ({ server }, use) => use(server.url),
  storageState: async ({ session }, use) => use(session),
  /** No page may throw, log an error, or break its own content security policy. */
  quiet: [
    async ({ page }, use) => {
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      page.on('console', (message) => {
        // A refused upload answers 422, which the browser logs by itself.
        if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) problems.push(message.text());
      });
      await use();
      expect(problems).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Opens a page and waits until it answers to clicks. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await ready(page);
}

export async function ready(page: Page): Promise<void> {
  await expect(page.locator('main[data-ready=true]')).toBeVisible();
}

/** Waits until the server's own studies have all been read. */
export async function demoIsRead(page: Page): Promise<void> {
  await open(page, '/');
  const done = page
    .locator('table.worklist tbody tr', { has: page.locator('.state-done') })
    .filter({ hasText: 'SIMULATED' });
  await expect(async () => {
    await page.reload();
    await ready(page);
    expect(await done.count()).toBeGreaterThanOrEqual(DEMO_STUDIES);
  }).toPass({ timeout: 170_000, intervals: [2_000] });
}

/** Opens the first study of the worklist that has a box, and waits for its picture. */
export async function openBoxedStudy(page: Page): Promise<void> {
  await demoIsRead(page);
  const row = page.locator('table.worklist tbody tr', {
    has: page.locator('.result-definite, .result-doubtful, .result-partial, .result-negative'),
    // Never a real radiograph: a screenshot of this page is part of the project.
    hasText: 'SIMULATED',
  });
  await row.first().locator('td.patient a').click();
  await pictureIsThere(page);
  // A preview has other pixels than the picture.
  await expect(page.locator('.picture-state').first()).toContainText('lossless', { timeout: 30_000 });
}

export async function pictureIsThere(page: Page): Promise<void> {
  await ready(page);
  await expect(page.locator('canvas.canvas').first()).toBeVisible();
  await expect(page.locator('.status-line')).toContainText(/Zoom\s+\d+ %/, { timeout: 60_000 });
  await settled(page);
}

/** Two frames of the display: whatever was asked for is drawn; and no picture is still shown as a hand moved it. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => !document.querySelector('canvas[data-in-hurry]'));
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Grey values of a canvas, row by row, as the reader sees them; of colours one channel: 0 red, 1 green, 2 blue. */
export async function greys(
  page: Page,
  selector = 'canvas.canvas',
  channel = 0,
): Promise<{ width: number; height: number; data: Buffer }> {
  await settled(page);
  const { width, height, text } = await page.evaluate(([selector, channel]) => {
    const canvas = document.querySelector<HTMLCanvasElement>(selector)!;
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext('2d')!;
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let letters = '';
    for (let i = channel; i < data.length; i += 4) letters += String.fromCharCode(data[i]);
    return { width: copy.width, height: copy.height, text: btoa(letters) };
  }, [selector, channel] as const);
  return { width, height, data: Buffer.from(text, 'base64') };
}

/** Pixels of the overlay that are not transparent. */
export async function overlayPixels(page: Page): Promise<number> {
  await settled(page);
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('canvas.viewer-overlay')!;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count++;
    return count;
  });
}

/** What axe calls serious or critical on a page. */
export async function seriousFindings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(', ')}`);
}

/** Whether DICOM can be made here. */
export function canMakeDicom(): boolean {
  return existsSync(process.env.SHENTON_PYTHON ?? '');
}

/** Makes a DICOM file with pydicom: of a PNG, or a test picture that is no pelvis. */
export function makeDicom(options: {
  out: string;
  name: string;
  id: string;
  png?: string;
  dicom?: string;
  tables?: ('voi' | 'modality')[];
  date?: string;
  spacing?: number;
  shrink?: number;
}): { study: string } {
  const more = (['png', 'dicom', 'date', 'spacing', 'shrink'] as const).flatMap((name) =>
    options[name] === undefined ? [] : [`--${name}`, String(options[name])],
  );
  for (const table of options.tables ?? []) more.push('--tables', table);
  const text = execFileSync(
    required('SHENTON_PYTHON'),
    [join(HERE, '../tools/make_dicom.py'), '--out', options.out, '--name', options.name, '--id', options.id, ...more],
    { encoding: 'utf8' },
  );
  return { study: text.trim() };
}

/** Sends a file through the browser's door; gives its study's address. */
export async function upload(page: Page, file: string, study: string): Promise<string> {
  const origin = new URL(page.url() === 'about:blank' ? (await page.goto('/'))!.url() : page.url()).origin;
  const response = await page.request.post('/upload/file', { data: readFileSync(file), headers: { origin } });
  expect(response.status(), await response.text()).toBe(200);
  return `/study/${study}`;
}

/** The compression set of NEMA's working group 4; empty where the corpus is absent. */
export function corpusWg04(): string {
  const folder = join(process.env.SHENTON_CORPUS ?? join(ROOT, '../shared/corpus'), 'dicom/wg04');
  return existsSync(folder) ? folder : '';
}

/** A page whose browser has no WebGL2: its pictures are drawn by the processor. */
export async function withoutWebGl(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const get = HTMLCanvasElement.prototype.getContext as (this: HTMLCanvasElement, ...all: unknown[]) => unknown;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...more: unknown[]) {
      return kind === 'webgl2' ? null : get.call(this, kind, ...more);
    } as typeof HTMLCanvasElement.prototype.getContext;
  });
}

/** Real radiographs of the pelvis, with the mask boxes of their hips; empty where the corpus is absent. */
export function corpusPelvis(): { path: string; right: number[]; left: number[] }[] {
  const folder = join(process.env.SHENTON_CORPUS ?? join(ROOT, '../shared/corpus'), 'radiographs');
  if (!existsSync(join(folder, 'pelvis.csv'))) return [];
  const there = new Set(readdirSync(join(folder, 'pelvis')));
  const lines = readFileSync(join(folder, 'pelvis.csv'), 'utf8').trim().split('\n').slice(1);
  return lines
    .map((line) => line.split(','))
    .filter(([file]) => there.has(file))
    // The hip on the left of the picture is the patient's right.
    .map(([file, , , ...boxes]) => ({
      path: join(folder, 'pelvis', file),
      right: boxes.slice(0, 4).map(Number),
      left: boxes.slice(4, 8).map(Number),
    }));
}

/** Where a picture for the README goes: kept only where asked for (SHENTON_SCREENSHOTS=1) or missing. */
export function screenshotPath(name: string): string {
  const kept = join(HERE, '../screenshots', name);
  return process.env.SHENTON_SCREENSHOTS || !existsSync(kept) ? kept : join(HERE, '../test-results/screenshots', name);
}
