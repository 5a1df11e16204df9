import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CDPSession, Page, Route } from '@playwright/test';
import {
  canMakeDicom, demoIsRead, expect, greys, makeDicom, openBoxedStudy, open, overlayPixels, pictureIsThere, ready, settled,
  test, upload,
} from './fixtures';

let folder: string;
test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shenton-viewer-'));
});
test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

const status = (page: Page) => page.locator('.status-line');
const canvas = (page: Page, pane = 0) => page.locator('.pane canvas.canvas').nth(pane);

/** A place of a canvas, in shares of its size. */
async function place(page: Page, x: number, y: number, pane = 0): Promise<{ x: number; y: number }> {
  const box = (await canvas(page, pane).boundingBox())!;
  return { x: box.x + x * box.width, y: box.y + y * box.height };
}

async function drag(page: Page, from: [number, number], to: [number, number]): Promise<void> {
  const [a, b] = [await place(page, ...from), await place(page, ...to)];
  await page.mouse.move(a.x, a.y);
  await page.mouse.down();
  await page.mouse.move(b.x, b.y, { steps: 6 });
  await page.mouse.up();
  await settled(page);
}

/** The zoom of the active pane in per cent. */
async function zoom(page: Page): Promise<number> {
  await settled(page);
  return Number(/Zoom\s+(\d+) %/.exec(await status(page).innerText())![1]);
}

test('the viewer is a module of its own, loaded with the first picture', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await demoIsRead(page);
  expect(asked.some((path) => path.includes('/pkg/frontend_bg.wasm'))).toBe(true);
  expect(asked.filter((path) => path.includes('/pkg/viewer'))).toEqual([]);
  await page.locator('table.worklist tbody tr td.patient a').first().click();
  await pictureIsThere(page);
  expect(asked).toContain('/pkg/viewer_bg.wasm');
});

test('a length is measured by the mouse, labelled, moved, undone and deleted', async ({ page }) => {
  await openBoxedStudy(page);
  const clean = await greys(page);
  await page.getByRole('button', { name: 'Length' }).click();
  await drag(page, [0.4, 0.4], [0.6, 0.4]);
  await expect(status(page)).toContainText(/Measured\s+\d+\.\d mm \((at the detector|calibrated|corrected for magnification)\)/);
  const length = async () => Number(/(\d+\.\d) mm/.exec(await status(page).innerText())![1]);
  const first = await length();
  expect(first).toBeGreaterThan(10);
  // Two clicks measure too.
  for (const at of [[0.4, 0.6], [0.6, 0.6]] as const) {
    const { x, y } = await place(page, ...at);
    await page.mouse.click(x, y);
  }
  await expect(status(page)).toContainText(/mm .* · .* mm/);
  await page.keyboard.press('Delete');
  await expect(status(page)).not.toContainText(' · ');
  // Its end is taken up again.
  await drag(page, [0.6, 0.4], [0.7, 0.4]);
  expect(await length()).toBeGreaterThan(first * 1.3);
  await page.keyboard.press('u');
  await expect.poll(length).toBe(first);
  await page.keyboard.press('u');
  await page.keyboard.press('u');
  await page.keyboard.press('u');
  await expect(status(page)).toContainText('Measured nothing');
  await page.keyboard.press('U');
  await expect.poll(length).toBe(first);
  // The picture itself was never touched.
  expect((await greys(page)).data.equals(clean.data)).toBe(true);
});

test('an angle is measured by the keyboard alone', async ({ page }) => {
  await openBoxedStudy(page);
  await canvas(page).focus();
  await page.keyboard.press('e');
  for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowUp']) {
    for (let i = 0; i < 6; i++) await page.keyboard.press(key);
    await page.keyboard.press('Enter');
  }
  await expect(status(page)).toContainText('90.0°');
  // Escape gives up a half-made one and stays on the page.
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await expect(page).toHaveURL(/\/study\//);
  await page.getByRole('button', { name: 'Delete measurement' }).click();
  await expect(status(page)).toContainText('Measured nothing');
});

test('the keyboard windows, zooms and pans; undo goes back to the first picture', async ({ page }) => {
  await openBoxedStudy(page);
  const first = await greys(page);
  await canvas(page).focus();
  for (const keys of [['ArrowUp', 'ArrowUp'], ['z', 'ArrowUp'], ['Shift+ArrowLeft'], ['H'], ['.']]) {
    const before = await greys(page);
    for (const key of keys) await page.keyboard.press(key);
    expect((await greys(page)).data.equals(before.data), keys.join(' ')).toBe(false);
  }
  const undo = page.getByRole('button', { name: 'Undo' });
  while (await undo.isEnabled()) await undo.click();
  expect((await greys(page)).data.equals(first.data)).toBe(true);
  await page.getByRole('button', { name: 'Redo' }).click();
  expect((await greys(page)).data.equals(first.data)).toBe(false);
});

test('a device that is late draws in a hurry while the hand moves, and in full when it rests', async ({ page }) => {
  // A graphics device that never has drawn yet when it is asked; and what the viewer shows with each frame of the display.
  await page.addInitScript(() => {
    const late = { on: false, frames: [] as [boolean, string][] };
    Object.assign(window, { late });
    const asked = WebGL2RenderingContext.prototype.getSyncParameter;
    WebGL2RenderingContext.prototype.getSyncParameter = function (sync, name) {
      return late.on ? this.UNSIGNALED : asked.call(this, sync, name);
    };
    const plain = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (call) => plain((now) => {
      call(now);
      const canvas = document.querySelector<HTMLCanvasElement>('canvas.canvas');
      if (late.on && canvas) late.frames.push([canvas.hasAttribute('data-in-hurry'), canvas.toDataURL()]);
    });
  });
  await openBoxedStudy(page);
  await canvas(page).focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press('-');
  expect(await zoom(page), 'shrunk, so that a pixel needs several samples').toBeLessThan(40);
  const before = await greys(page);
  const pan = async (to: [number, number]) => {
    await page.keyboard.down('Shift');
    await drag(page, [0.5, 0.5], to);
    await page.keyboard.up('Shift');
  };
  const setLate = (on: boolean) => page.evaluate((on) => { (window as any).late.on = on; }, on);
  await setLate(true);
  await pan([0.6, 0.5]);
  await pan([0.4, 0.5]);
  await pan([0.6, 0.5]);
  const frames: [boolean, string][] = await page.evaluate(() => (window as any).late.frames);
  expect(frames.filter(([hurry]) => hurry).length, 'drawn in a hurry').toBeGreaterThan(3);
  const [hurry, inFull] = frames.at(-1)!;
  expect(hurry, 'the last is drawn in full').toBe(false);
  expect(frames.some(([hurry, picture]) => hurry && picture !== inFull), 'a hurry shows').toBe(true);
  await setLate(false);
  for (let i = 0; i < 3; i++) await page.keyboard.press('u');
  expect((await greys(page)).data.equals(before.data), 'where it was before, as it was').toBe(true);
});

test('a picture larger than a texture is drawn in parts, and looks the same', async ({ page }) => {
  await openBoxedStudy(page);
  const whole = await greys(page);
  // A device whose textures are smaller than the picture's sides.
  await page.addInitScript(() => {
    const asked = WebGL2RenderingContext.prototype.getParameter;
    WebGL2RenderingContext.prototype.getParameter = function (name) {
      return name === this.MAX_TEXTURE_SIZE ? 301 : asked.call(this, name);
    };
    const layers: number[] = [];
    Object.assign(window, { layers });
    const stored = WebGL2RenderingContext.prototype.texStorage3D;
    WebGL2RenderingContext.prototype.texStorage3D = function (...sizes) {
      layers.push(sizes[5]);
      return stored.apply(this, sizes);
    };
  });
  await page.reload();
  await pictureIsThere(page);
  await expect(page.locator('.picture-state').first()).toContainText('lossless', { timeout: 30_000 });
  expect(await page.evaluate(() => Math.max(...(window as any).layers)), 'parts').toBeGreaterThan(3);
  expect((await greys(page)).data.equals(whole.data)).toBe(true);
});

test('the lens follows the pointer and leaves nothing behind', async ({ page }) => {
  await openBoxedStudy(page);
  const first = await greys(page);
  await page.getByRole('button', { name: 'Magnifier' }).click();
  const { x, y } = await place(page, 0.4, 0.5);
  await page.mouse.move(x, y);
  const lens = await greys(page);
  let changed = 0;
  for (let i = 0; i < lens.data.length; i++) changed += Number(lens.data[i] !== first.data[i]);
  expect(changed).toBeGreaterThan(5_000);
  expect(changed).toBeLessThanOrEqual(261 * 261);
  await page.mouse.move(2, 2);
  expect((await greys(page)).data.equals(first.data)).toBe(true);
});

test('two viewers of one picture fetch it once', async ({ page }) => {
  await openBoxedStudy(page);
  const address = page.url();
  await page.goto('/about');
  await page.evaluate(() => caches.delete('shenton-pictures'));
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/progressive')) asked.push(request.url());
  });
  // The line is slow enough for the second one to open before the picture is there.
  const session = await page.context().newCDPSession(page);
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 20, downloadThroughput: 3e5, uploadThroughput: 3e5 });
  await page.goto(address);
  await expect(page.locator('.picture-state').first()).toContainText('preview', { timeout: 60_000 });
  await page.keyboard.press('c');
  await expect(page.locator('.pane canvas.canvas')).toHaveCount(2);
  await page.locator('.pane').nth(1).click();
  await expect(status(page)).toContainText(/Zoom\s+\d+ %/, { timeout: 30_000 });
  await expect(page.locator('.picture-state').first()).toContainText('preview');
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await expect(page.locator('.picture-state').first()).toContainText('lossless', { timeout: 60_000 });
  const picture = asked[0];
  expect(asked.filter((url) => url === picture)).toHaveLength(1);
  // One key takes everything away over both, another brings it back.
  const hidden = async () => {
    const words = [];
    for (const pane of [0, 1]) {
      await canvas(page, pane).focus();
      await settled(page);
      words.push((await status(page).innerText()).includes('all hidden'));
    }
    return words;
  };
  await page.keyboard.press('x');
  expect(await hidden()).toEqual([true, true]);
  await page.keyboard.press('x');
  expect(await hidden()).toEqual([false, false]);
});

test('both hips stand side by side at one scale, one mirrored on request', async ({ page }) => {
  await openBoxedStudy(page);
  await page.keyboard.press('c');
  await expect(page.locator('.pane canvas.canvas')).toHaveCount(2);
  const second = page.locator('.pane').nth(1);
  await expect(second).toContainText('Left hip');
  await expect.poll(() => zoom(page)).toBeGreaterThan(0);
  await second.click();
  await expect(second).toHaveClass(/active/);
  await expect(status(page)).toContainText(/Zoom\s+\d+ %/);
  const right = await greys(page);
  const left = await greys(page, '.pane:nth-child(2) canvas.canvas');
  expect(left.data.equals(right.data)).toBe(false);
  // One scale, also after one of them was zoomed.
  const scales = async () => {
    const there = await zoom(page);
    // Not by clicks: two quick ones on a picture mean that it is to be seen whole.
    await canvas(page).focus();
    const here = await zoom(page);
    await canvas(page, 1).focus();
    return [here, there];
  };
  let [here, there] = await scales();
  expect(here).toBe(there);
  const { x, y } = await place(page, 0.5, 0.5, 1);
  await page.mouse.move(x, y);
  const before = here;
  await page.mouse.wheel(0, -300);
  await expect.poll(() => zoom(page)).toBeGreaterThan(before);
  [here, there] = await scales();
  expect(here).toBe(there);
  // Mirrored, and said so. The first pane stays as it is.
  await page.keyboard.press('k');
  await expect(second).toContainText('Mirrored');
  await expect(page.locator('.pane').first()).not.toContainText('Mirrored');
  await page.getByRole('button', { name: 'Mirror' }).click();
  await expect(second).not.toContainText('Mirrored');
  // The window is the picture's, so both have it.
  await page.keyboard.press('i');
  await page.locator('.pane').first().click();
  await expect(status(page)).toContainText('inverted');
  await page.keyboard.press('c');
  await expect(page.locator('.pane canvas.canvas')).toHaveCount(1);
});

test('the heat map lies over the hips on request; one key takes everything away', async ({ page }) => {
  await openBoxedStudy(page);
  await expect(status(page)).toContainText('boxes shown');
  const original = await greys(page);
  const opened = await overlayPixels(page);
  await page.keyboard.press('t');
  const button = page.getByRole('button', { name: 'Heat map' });
  await expect(button).toHaveAttribute('aria-pressed', 'true', { timeout: 60_000 });
  await settled(page);
  const warm = await heatPixels(page);
  const slider = page.getByRole('slider', { name: 'Opacity of the heat map' });
  await slider.fill('100');
  await settled(page);
  const hot = await heatPixels(page);
  expect(hot.alpha, 'a higher opacity covers more').toBeGreaterThan(warm.alpha);
  // Everything off: the side letters and the ruler stay, the picture is the original.
  await page.keyboard.press('x');
  await expect(status(page)).toContainText('all hidden');
  expect(await overlayPixels(page)).toBeLessThan(opened / 2);
  expect((await greys(page)).data.equals(original.data)).toBe(true);
  await page.keyboard.press('x');
  expect((await heatPixels(page)).alpha).toBe(hot.alpha);
  await button.click();
  expect(await overlayPixels(page)).toBe(opened);
});

test('a heat map that comes late is not painted over another image', async ({ page }) => {
  await demoIsRead(page);
  const done = page.locator('table.worklist tbody tr', { hasText: 'SIMULATED', has: page.locator('.state-done') });
  const boxed = done
    .filter({ has: page.locator('.result-definite, .result-doubtful, .result-negative') })
    .first()
    .locator('td.patient a');
  const uid = (href: string | null) => decodeURIComponent(new URL(href!, page.url()).pathname.split('/')[2]);
  const shown = uid(await boxed.getAttribute('href'));
  const hrefs = await done.locator('td.patient a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  const beside = hrefs.map(uid).find((other) => other !== shown)!;
  const headers = { origin: new URL(page.url()).origin };
  const told = await page.request.post('/api/study', { data: { study: beside }, headers });
  const other = (await told.json()).images[0];
  // A study of two images: its own, and one of another study.
  type Image = { reading: { hips: { call: string | null }[] } | null };
  await page.route('**/api/study', async (route) => {
    const response = await route.fetch();
    const detail = await response.json();
    const own = detail.images.find((image: Image) => image.reading?.hips.some((hip) => hip.call));
    detail.images = [own, { ...other, reading: own.reading, read_at: own.read_at }];
    await route.fulfill({ response, json: detail });
  });
  const held: Route[] = [];
  await page.route('**/api/heat_maps', (route) => {
    held.push(route);
  });
  await boxed.click();
  await pictureIsThere(page);
  const note = page.locator('.heat-note');
  const button = page.getByRole('button', { name: 'Heat map' });
  await page.keyboard.press('t');
  await expect(note).toContainText('Computing');
  await expect.poll(() => held.length).toBe(1);

  const second = page.locator('nav.images .image-card').nth(1);
  await second.click();
  await expect(second).toHaveAttribute('aria-current', 'true');
  await expect(note).toHaveText('');
  await pictureIsThere(page);
  await page.keyboard.press('t');
  await expect.poll(() => held.length).toBe(2);
  const late = await held[0].fetch({ timeout: 60_000 });
  const heard = page.waitForResponse('**/api/heat_maps');
  await held[0].fulfill({ response: late });
  await heard;
  await settled(page);
  await expect(button).toHaveAttribute('aria-pressed', 'false');
  await expect(note).toContainText('Computing');
  await held[1].fulfill({ json: [] });
  await expect(note).toContainText('no heat map');
  await expect(button).toHaveAttribute('aria-pressed', 'false');
});

test('cards say how an image was taken, and their thumbnails leave the line to the picture', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/thumbnail')) asked.push(request.url());
  });
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route('**/progressive?**', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto('/');
  await page.locator('table.worklist tbody tr td.patient a').first().click();
  const frames = page.locator('nav.images .thumbnail');
  await expect(frames.first()).toBeVisible();
  await settled(page);
  expect(asked).toEqual([]);
  // How it was taken stands beside.
  await expect(page.locator('nav.images .image-card').first()).toContainText(/\d kV, SID 1\d{3} mm/);
  letGo();
  await pictureIsThere(page);
  const pictures = frames.locator('img');
  await expect(pictures).toHaveCount(await frames.count());
  const width = () => pictures.first().evaluate((picture: HTMLImageElement) => picture.naturalWidth);
  await expect.poll(width).toBeGreaterThan(60);
});

/** Sum of alpha and of red over the overlay. */
async function heatPixels(page: Page): Promise<{ alpha: number }> {
  await settled(page);
  return page.evaluate(() => {
    const overlay = document.querySelector<HTMLCanvasElement>('canvas.viewer-overlay')!;
    const { data } = overlay.getContext('2d')!.getImageData(0, 0, overlay.width, overlay.height);
    let alpha = 0;
    for (let i = 3; i < data.length; i += 4) alpha += data[i];
    return { alpha };
  });
}

test('fingers pan, pinch, window and measure', async ({ page, context }) => {
  await openBoxedStudy(page);
  const cdp = await context.newCDPSession(page);
  const start = await zoom(page);
  const centre = await place(page, 0.5, 0.5);
  await touch(cdp, [[centre.x - 40, centre.y], [centre.x + 40, centre.y]], [[centre.x - 120, centre.y], [centre.x + 120, centre.y]]);
  expect(await zoom(page)).toBeGreaterThan(start * 2);
  await page.keyboard.press('0');
  const window = await status(page).innerText();
  await touch(cdp, [[centre.x, centre.y]], [[centre.x + 60, centre.y]]);
  expect(await status(page).innerText()).not.toBe(window);
  await page.getByRole('button', { name: 'Length' }).click();
  await touch(cdp, [[centre.x - 80, centre.y]], [[centre.x + 80, centre.y]]);
  await expect(status(page)).toContainText(/Measured\s+\d+\.\d mm/);
  // Two fingers still move the picture and leave no point behind.
  await touch(cdp, [[centre.x - 40, centre.y + 60], [centre.x + 40, centre.y + 60]], [[centre.x - 90, centre.y + 60], [centre.x + 90, centre.y + 60]]);
  await expect(status(page)).not.toContainText(' · ');
});

/** Fingers from some places to others. */
async function touch(cdp: CDPSession, from: [number, number][], to: [number, number][]): Promise<void> {
  const points = (share: number) =>
    from.map(([x, y], id) => ({ x: x + (to[id][0] - x) * share, y: y + (to[id][1] - y) * share, id }));
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: points(0) });
  for (let step = 1; step <= 8; step++) {
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: points(step / 8) });
  }
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

test('an earlier study of the patient stands beside the new one at the same scale', async ({ page }) => {
  test.skip(!canMakeDicom(), 'pydicom is not installed');
  const file = (name: string) => join(folder, name);
  const patient = { name: 'EARLIER^PATIENT', id: 'EARLIER-1' };
  const old = makeDicom({ ...patient, out: file('old.dcm'), date: '20250203', spacing: 0.3, shrink: 2 });
  const other = makeDicom({ ...patient, id: 'EARLIER-2', out: file('other.dcm'), date: '20250203' });
  const now = makeDicom({ ...patient, out: file('new.dcm'), date: '20260301' });
  await upload(page, file('old.dcm'), old.study);
  await upload(page, file('other.dcm'), other.study);
  const address = await upload(page, file('new.dcm'), now.study);
  await open(page, address);
  await pictureIsThere(page);
  const strip = page.getByLabel('Earlier studies of this patient');
  await expect(strip.getByRole('button')).toHaveCount(1);
  await strip.getByRole('button').click();
  await expect(page.locator('.pane')).toHaveCount(2);
  const second = page.locator('.pane').nth(1);
  await expect(second).toContainText('2025-02-03');
  await second.click();
  await expect(status(page)).toContainText('detector plane 0.30 mm/px', { timeout: 60_000 });
  const there = await zoom(page);
  await page.locator('.pane').first().click();
  await expect(status(page)).toContainText('detector plane 0.15 mm/px');
  const here = await zoom(page);
  expect(Math.abs(there - 2 * here), `${here} % and ${there} %`).toBeLessThanOrEqual(2);
  // The earlier study has nothing before it.
  await page.goto(`/study/${old.study}`);
  await pictureIsThere(page);
  await expect(strip).toHaveCount(0);
});

test.describe('what a reader left', () => {
  test.use({ kept: true });

  test('comes back with its measurements, and one key shows the original', async ({ page }) => {
    test.skip(!canMakeDicom(), 'pydicom is not installed');
    const out = join(folder, 'kept.dcm');
    const { study } = makeDicom({ out, name: 'KEPT^VIEW', id: 'KEPT-1' });
    const address = await upload(page, out, study);
    await open(page, address);
    await pictureIsThere(page);
    await expect(status(page)).not.toContainText('As you left it');
    const original = await greys(page);
    await page.keyboard.press('d');
    await drag(page, [0.4, 0.4], [0.6, 0.5]);
    await page.keyboard.press('i');
    const saved = page.waitForResponse(
      (response) => response.url().endsWith('/api/keep_view') && (response.request().postData() ?? '').includes('rotation'),
    );
    await page.keyboard.press(']');
    const words = /\d+\.\d mm \(at the detector\)/.exec(await status(page).innerText())![0];
    const left = await greys(page);
    // It is kept on the way, or at the latest when the page is left for another.
    await page.locator('a.back').click();
    await expect(page).not.toHaveURL(/study/);
    expect((await saved).status()).toBe(200);
    await page.goto(address);
    await pictureIsThere(page);
    await expect(status(page)).toContainText('As you left it');
    await expect(status(page)).toContainText(words);
    await expect(status(page)).toContainText('turned 90°, inverted');
    expect((await greys(page)).data.equals(left.data)).toBe(true);
    await page.keyboard.press('0');
    expect((await greys(page)).data.equals(original.data)).toBe(true);
    await expect(status(page)).toContainText(words);
  });

  test('is not lost under a measurement that was drawn before it came back', async ({ page }) => {
    test.skip(!canMakeDicom(), 'pydicom is not installed');
    const out = join(folder, 'kept-late.dcm');
    const { study } = makeDicom({ out, name: 'KEPT^LATE', id: 'KEPT-2' });
    const address = await upload(page, out, study);
    const lengths = async () => (await status(page).innerText()).match(/\d+\.\d mm \(at the detector\)/g) ?? [];
    const saved = (count: number) => page.waitForResponse((response) => {
      const sent = response.request().postData() ?? '';
      return response.url().endsWith('/api/keep_view') && sent.split(/length/i).length === count + 1;
    });
    await open(page, address);
    await pictureIsThere(page);
    await page.keyboard.press('d');
    const first = saved(1);
    await drag(page, [0.4, 0.4], [0.6, 0.5]);
    await first;
    const [before] = await lengths();

    // The server is slow to say how the picture was left, and the reader does not wait.
    let answer = () => {};
    const held = new Promise<void>((done) => (answer = done));
    await page.route('**/api/kept_view', async (route) => {
      await held;
      await route.continue();
    });
    const kept: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/api/keep_view')) kept.push(request.url());
    });
    await page.reload();
    await pictureIsThere(page);
    await page.keyboard.press('d');
    await drag(page, [0.3, 0.7], [0.6, 0.7]);
    const [drawn] = await lengths();
    expect(drawn).not.toBe(before);
    await page.waitForTimeout(2_000);
    expect(kept, 'nothing takes the place of what was kept').toEqual([]);
    const both = saved(2);
    answer();
    await expect.poll(lengths).toEqual([before, drawn]);
    await both;
    await page.unroute('**/api/kept_view');
    await page.reload();
    await pictureIsThere(page);
    await expect.poll(lengths).toEqual([before, drawn]);
  });
});

test('the picture says whose it is, when it was taken and how it lies', async ({ page }) => {
  await openBoxedStudy(page);
  const caption = page.locator('.pane-caption').first();
  await expect(caption).toContainText('SIMULATED');
  await expect(caption).toContainText(/\d{4}-\d\d-\d\d \d\d:\d\d/);
  await expect(status(page)).toContainText(/Sides\s+.*letters (from the file|assumed: frontal view)/);
  await page.keyboard.press('h');
  await expect(caption).toContainText('Mirrored');
  await page.keyboard.press(']');
  await expect(caption).toContainText('Mirrored, turned 90°');
  await page.keyboard.press('0');
  await expect(caption).not.toContainText('Mirrored');
  await ready(page);
});
