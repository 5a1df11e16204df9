import { type CDPSession, type Page } from '@playwright/test';
import { ADMINISTRATOR, demoIsRead, expect, greys, openBoxedStudy, ready, screenshotPath, Server, settled, test } from './fixtures';

const state = (page: Page) => page.locator('.picture-state');

async function cdp(page: Page): Promise<CDPSession> {
  return page.context().newCDPSession(page);
}

/** Bytes a second, and milliseconds for an answer to begin. */
async function throttle(session: CDPSession, bytes: number, latency: number): Promise<void> {
  await session.send('Network.enable');
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    downloadThroughput: bytes,
    uploadThroughput: bytes,
    latency,
  });
}

/** Every picture that the page hears of. */
async function listen(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const heard: unknown[] = ((window as unknown as { heard: unknown[] }).heard = []);
    window.addEventListener('shenton-picture', (event) => {
      heard.push({ ...JSON.parse((event as CustomEvent).detail), at: performance.now() });
    });
  });
}

type Heard = { url: string; state: string; received: number; expected: number | null; at: number };
const heard = (page: Page) => page.evaluate(() => (window as unknown as { heard: Heard[] }).heard);

test('a preview within 64 KiB, windowed before the rest is there, then lossless', async ({ page }) => {
  await listen(page);
  await demoIsRead(page);
  const link = page.locator('table.worklist tbody tr', { hasText: 'SIMULATED' }).first().locator('td.patient a');
  const session = await cdp(page);
  await throttle(session, 60_000, 100);
  await link.click();
  await expect(state(page)).toContainText(/preview, \d+ %, \d.* to come/, { timeout: 60_000 });
  const first = (await heard(page)).find((picture) => picture.state === 'preview')!;
  expect(first.received).toBeLessThan(64 * 1024 + 40_000);
  expect(first.expected!).toBeGreaterThan(2 * first.received);

  // The reader windows while the rest arrives.
  const before = await greys(page);
  expect(new Set(before.data).size, 'grey levels of the preview').toBeGreaterThan(60);
  const box = (await page.locator('canvas.canvas').boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2 - 80, { steps: 5 });
  await page.mouse.up();
  const window = await page.locator('.status-line').innerText();
  expect((await greys(page)).data.equals(before.data)).toBe(false);
  await expect(state(page)).toContainText('preview');
  await page.screenshot({ path: screenshotPath('preview.png') });

  await throttle(session, 20_000_000, 0);
  await expect(state(page)).toContainText('lossless', { timeout: 60_000 });
  // What the reader chose stays.
  expect(await page.locator('.status-line').innerText()).toBe(window);

  // Lossless: the same grey values as the server's own frame.
  const same = await page.evaluate(async () => {
    const url = ((window as unknown as { heard: Heard[] }).heard.at(-1) as Heard).url;
    const whole = new Uint8Array(await (await fetch(`${url}/progressive?v=1`)).arrayBuffer());
    const cache = await caches.open('shenton-pictures');
    for (let tries = 0; tries < 50; tries++) {
      const kept = await cache.match(`${url}/progressive?v=1`);
      if (kept) {
        const bytes = new Uint8Array(await kept.arrayBuffer());
        return bytes.length === whole.length && bytes.every((byte, index) => byte === whole[index]);
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    return false;
  });
  expect(same, 'what arrived in pieces is the whole file').toBe(true);
});

test('a line that breaks goes on where it stopped', async ({ page }) => {
  await listen(page);
  await demoIsRead(page);
  const ranges: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/progressive') && !request.headers()['x-shenton-ahead']) {
      ranges.push(request.headers()['range'] ?? 'all');
    }
  });
  // The first answer ends after 100 kB.
  let cut = true;
  await page.route('**/frames/*/progressive*', async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    if (cut && !route.request().headers()['x-shenton-ahead'] && body.length > 200_000) {
      cut = false;
      const headers = { ...response.headers() };
      delete headers['content-length'];
      await route.fulfill({ status: response.status(), headers, body: body.subarray(0, 100_000) });
    } else {
      await route.fulfill({ response, body });
    }
  });
  // Of the demonstration: another test's studies have small pictures.
  const rows = page.locator('table.worklist tbody tr', { hasText: 'SIMULATED' }).filter({ hasText: '2026-11-' });
  await rows.nth(1).locator('td.patient a').click();
  await expect(state(page)).toContainText('lossless', { timeout: 60_000 });
  expect(cut).toBe(false);
  expect(ranges.some((range) => /^bytes=1000\d\d-$/.test(range)), ranges.join()).toBe(true);
});

test('the next study is fetched behind the picture on the screen, never beside it', async ({ page }) => {
  await listen(page);
  await demoIsRead(page);
  const asked: { ahead: boolean; at: number; url: string }[] = [];
  page.on('request', (request) => {
    if (!request.url().includes('/frames/')) return;
    asked.push({ ahead: request.headers()['x-shenton-ahead'] === '1', at: Date.now(), url: request.url() });
  });
  const session = await cdp(page);
  await throttle(session, 400_000, 50);
  const row = page.locator('table.worklist tbody tr', { hasText: 'SIMULATED' }).first();
  await row.locator('td.patient a').click();
  await expect(state(page)).toContainText('lossless', { timeout: 60_000 });
  const complete = Date.now();
  await expect(page.locator('.neighbours a.next')).toBeVisible();
  const next = (await page.locator('.neighbours a.next').getAttribute('href'))!;
  await throttle(session, 20_000_000, 0);
  await expect
    .poll(async () => page.evaluate(async () => (await (await caches.open('shenton-pictures')).keys()).length), { timeout: 60_000 })
    .toBeGreaterThanOrEqual(3);
  expect(asked.some((request) => request.ahead)).toBe(true);
  // The state is read some milliseconds after the picture is complete.
  for (const request of asked) if (request.ahead) expect(request.at).toBeGreaterThan(complete - 500);

  // The next study opens without asking for its picture.
  await expect
    .poll(async () =>
      page.evaluate(async () => {
        const keys = await (await caches.open('shenton-pictures')).keys();
        return keys.filter((key) => !key.url.endsWith('&first')).length;
      }), { timeout: 60_000 })
    .toBeGreaterThanOrEqual(2);
  const before = asked.length;
  await page.keyboard.press('n');
  await expect(page).toHaveURL(new RegExp(next.split('?')[0].replaceAll('.', '\\.')));
  await expect(state(page)).toContainText('lossless', { timeout: 20_000 });
  const pictures = asked.slice(before).filter((request) => !request.url.endsWith('/thumbnail'));
  expect(pictures.filter((request) => !request.ahead)).toEqual([]);
});

test.describe('without a server', () => {
  // A server that goes away logs failed requests, which is what these tests are about.
  test('a study opened before still works after a reload, and an answer is sent once when the server is back', async ({ browser }) => {
    test.setTimeout(240_000);
    const server = await Server.start(2);
    const context = await browser.newContext({ baseURL: server.url, serviceWorkers: 'allow', viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    try {
      await page.goto('/sign-in');
      await page.getByLabel('Name').fill(ADMINISTRATOR.name);
      await page.getByLabel('Password').fill(ADMINISTRATOR.password);
      await page.getByRole('button', { name: /sign in/i }).click();
      await ready(page);
      const row = page.locator('table.worklist tbody tr', {
        has: page.locator('.result-definite, .result-doubtful, .result-partial, .result-negative'),
      });
      await expect(async () => {
        await page.reload();
        await ready(page);
        expect(await row.count()).toBeGreaterThanOrEqual(1);
      }).toPass({ timeout: 120_000, intervals: [2_000] });
      await row.first().locator('td.patient a').click();
      await expect(state(page)).toContainText('lossless', { timeout: 60_000 });
      const address = page.url();
      // The service worker keeps the page behind its back.
      await expect
        .poll(() => page.evaluate(async () => (await caches.match(location.pathname + location.search)) !== undefined), { timeout: 30_000 })
        .toBe(true);
      await expect
        .poll(() => page.evaluate(async () => (await (await caches.open('shenton-pictures')).keys()).length), { timeout: 30_000 })
        .toBeGreaterThanOrEqual(1);
      await settled(page);
      const seen = await greys(page);
      const stage = (await page.locator('canvas.viewer-overlay').boundingBox())!.height;
      await expect(page.locator('.line-note')).toBeHidden();

      await server.pause();
      await page.goto(address);
      await ready(page);
      await expect(page.locator('.line-note')).toContainText('Offline', { timeout: 30_000 });
      await expect(state(page)).toContainText('lossless', { timeout: 30_000 });
      // The note takes its line of the page, and nothing else of the picture is lost.
      const kept = await greys(page);
      const note = (await page.locator('.line-note').boundingBox())!.height;
      expect([kept.width, kept.height]).toEqual([seen.width, Math.round(stage - note)]);
      expect(new Set(kept.data).size, 'grey levels on the screen').toBeGreaterThan(60);
      await page.screenshot({ path: screenshotPath('offline.png') });

      const hip = page.locator('.hip').first();
      await hip.getByRole('radio').last().check();
      await hip.getByPlaceholder('Comment').fill('Given without a line.');
      await hip.getByRole('button', { name: 'Save the answer' }).click();
      await expect(hip).toContainText('Kept here');
      await expect(page.locator('.line-note')).toContainText('1 answer waits');
      // It outlives the page, here by an hour.
      await page.evaluate(() => {
        const kept = JSON.parse(localStorage.getItem('shenton-answers')!);
        kept[0].given_at -= 3_600_000;
        localStorage.setItem('shenton-answers', JSON.stringify(kept));
      });
      await page.reload();
      await ready(page);
      await expect(page.locator('.line-note')).toContainText('1 answer waits', { timeout: 20_000 });

      await server.resume();
      await expect(page.locator('.line-note')).toBeHidden({ timeout: 60_000 });
      await page.goto(address);
      await ready(page);
      await expect(page.locator('.history')).toContainText('Given without a line.');
      await expect(page.locator('.answer-line', { hasText: 'arrived' }).locator('time')).toHaveCount(2);
      await expect(page.getByText('Given without a line.')).toHaveCount(1);

      // Signing out takes everything that was kept along.
      await page.getByRole('button', { name: 'Sign out' }).click();
      await expect(page).toHaveURL(/sign-in/);
      await expect.poll(() => page.evaluate(() => caches.keys()), { timeout: 10_000 }).not.toContain('shenton-pictures');
      expect(await page.evaluate(async () => {
        const keys = await (await caches.open('shenton-pages')).keys();
        return keys.map((key) => new URL(key.url).pathname).filter((path) => path.startsWith('/study'));
      })).toEqual([]);
    } finally {
      await context.close();
      await server.stop();
    }
  });
});
