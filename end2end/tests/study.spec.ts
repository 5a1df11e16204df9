import { chromium, type Page } from '@playwright/test';
import { CHROMIUM, expect, FLAGS, greys, openBoxedStudy, overlayPixels, pictureIsThere, ready, screenshotPath, settled, test } from './fixtures';

const mean = (data: Buffer) => data.reduce((sum, grey) => sum + grey, 0) / data.length;

/** Whether the canvas shows the same picture, pixel for pixel. */
const same = async (page: Page, data: Buffer) => (await greys(page)).data.equals(data);

test('the picture is drawn with its boxes, and the tools change it', async ({ page }) => {
  await openBoxedStudy(page);
  await expect(page.locator('.status-line')).toContainText('WebGL2');
  await page.screenshot({ path: screenshotPath('study.png') });

  const first = await greys(page);
  expect(first.width).toBeGreaterThan(300);
  expect(new Set(first.data).size, 'grey levels on the screen').toBeGreaterThan(60);

  // Boxes off and on.
  const boxed = await overlayPixels(page);
  expect(boxed).toBeGreaterThan(500);
  await page.keyboard.press('b');
  expect(await overlayPixels(page)).toBeLessThan(boxed / 2);
  await page.keyboard.press('b');
  expect(await overlayPixels(page)).toBe(boxed);

  // A drag upwards brightens.
  const canvas = page.locator('canvas.canvas');
  const box = (await canvas.boundingBox())!;
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const window = await page.locator('.status-line').innerText();
  await page.mouse.move(middle.x, middle.y);
  await page.mouse.down();
  await page.mouse.move(middle.x, middle.y - 60, { steps: 5 });
  await page.mouse.up();
  expect(mean((await greys(page)).data)).toBeGreaterThan(mean(first.data) + 2);
  expect(await page.locator('.status-line').innerText()).not.toBe(window);
  await page.keyboard.press('0');
  expect(await same(page, first.data)).toBe(true);

  // Inverting twice gives the same picture again.
  await page.getByRole('button', { name: 'Invert' }).click();
  expect(Math.abs(mean((await greys(page)).data) - mean(first.data))).toBeGreaterThan(2);
  await page.getByRole('button', { name: 'Invert' }).click();
  expect(await same(page, first.data)).toBe(true);

  // The wheel zooms, the double click fits again.
  await page.mouse.move(middle.x, middle.y);
  await page.mouse.wheel(0, -400);
  await settled(page);
  expect(await same(page, first.data)).toBe(false);
  await page.mouse.dblclick(middle.x, middle.y);
  expect(await same(page, first.data)).toBe(true);

  // Four quarter turns, and two flips.
  for (const key of [']', ']', ']', ']', 'h', 'h']) await page.keyboard.press(key);
  expect(await same(page, first.data)).toBe(true);

  // To a hip.
  await page.getByRole('button', { name: 'Right hip' }).click();
  await settled(page);
  expect(await same(page, first.data)).toBe(false);
});

test('the processor draws what the graphics device draws', async ({ page, server, session }) => {
  test.setTimeout(240_000);
  await openBoxedStudy(page);
  const address = page.url();
  const other = await chromium.launch({
    executablePath: CHROMIUM,
    args: [...FLAGS.filter((flag) => !/swiftshader|use-gl/.test(flag)), '--disable-3d-apis'],
  });
  try {
    const context = await other.newContext({ baseURL: server.url, storageState: session, viewport: page.viewportSize() });
    const plain = await context.newPage();
    await plain.route('**/api/kept_view', (route) => route.fulfill({ json: null }));
    await plain.goto(address);
    await pictureIsThere(plain);
    await expect(plain.locator('.status-line')).toContainText('CPU');
    for (const keys of [[], ['o'], ['i', ']'], ['0', 'r']]) {
      for (const key of keys) {
        await page.keyboard.press(key);
        await plain.keyboard.press(key);
      }
      const [a, b] = [await greys(page), await greys(plain)];
      expect([b.width, b.height]).toEqual([a.width, a.height]);
      const apart = a.data.reduce((count, grey, index) => count + Number(Math.abs(grey - b.data[index]) > 1), 0);
      // Where the picture's border runs through a pixel, rounding decides whether it is inside.
      expect(apart, `pixels apart after ${keys.join(' ')}`).toBeLessThanOrEqual(2 * (a.width + a.height));
    }
  } finally {
    await other.close();
  }
});

test('the reader answers for a hip, and the answer stays', async ({ page }) => {
  await openBoxedStudy(page);
  const hip = page.locator('#hip-right');
  await hip.getByRole('radio').last().check();
  await hip.getByPlaceholder('Comment').fill('Seen again with the lateral view.');
  await hip.getByRole('button', { name: 'Save the answer' }).click();
  await expect(hip.locator('.history')).toContainText('Cannot tell', { ignoreCase: true });
  await expect(hip.locator('.history')).toContainText('Seen again with the lateral view.');
  await page.reload();
  await expect(hip.locator('.history')).toContainText('Seen again with the lateral view.');
  // A second answer leaves the first in the history.
  await page.waitForSelector('main[data-ready=true]');
  await hip.getByRole('radio').first().check();
  await hip.getByRole('button', { name: 'Save the answer' }).click();
  await expect(hip.locator('.history summary')).toContainText('1 earlier answer');
});

test('a result that comes before the page listens is shown', async ({ page }) => {
  await openBoxedStudy(page);
  await page.goto('/');
  await ready(page);
  // The page is drawn from the last moment before the study was read, and no later change is announced.
  let asked = 0;
  await page.route('**/api/study', async (route) => {
    const response = await route.fetch();
    const detail = await response.json();
    if (asked++ === 0) {
      detail.row.state = 'analysing';
      for (const image of detail.images) image.reading = null;
    }
    await route.fulfill({ response, json: detail });
  });
  await page.locator('table.worklist tbody tr', { hasText: 'SIMULATED', has: page.locator('.state-done') }).first().locator('td.patient a').click();
  await expect(page.locator('.study-panel')).toContainText('State');
  await expect(page.locator('.study-panel')).not.toContainText('has not been read yet');
  expect(asked).toBe(2);
});

test('a result that comes meanwhile leaves the picture and a half-written answer alone', async ({ page }) => {
  await openBoxedStudy(page);
  await page.goto('/');
  await ready(page);
  // First an image without a suspicion and one not read yet; then, once the answer is half written, the second has the
  // worse result and the first was read again.
  type Reading = { hips: { call: string | null }[] };
  const called = (reading: Reading, call: string): Reading => ({
    ...reading,
    hips: reading.hips.map((hip) => ({ ...hip, call: hip.call && call })),
  });
  let written = () => {};
  const draft = new Promise<void>((done) => (written = done));
  let asked = 0;
  await page.route('**/api/study', async (route) => {
    const response = await route.fetch();
    const detail = await response.json();
    const isFirst = asked++ === 0;
    if (!isFirst) await draft;
    const image = detail.images.find((image: { reading: Reading | null }) => image.reading?.hips.some((hip) => hip.call));
    detail.row.state = isFirst ? 'analysing' : 'done';
    detail.images = [
      { ...image, reading: called(image.reading, 'negative'), read_at: image.read_at + (isFirst ? 0 : 60_000) },
      { ...image, sop_uid: `${image.sop_uid}.9`, reading: isFirst ? null : called(image.reading, 'definite') },
    ];
    await route.fulfill({ response, json: detail });
  });
  const row = page.locator('table.worklist tbody tr', {
    has: page.locator('.result-definite, .result-doubtful, .result-negative'),
    hasText: 'SIMULATED',
  });
  await row.first().locator('td.patient a').click();
  const cards = page.locator('nav.images .image-card');
  await expect(cards.nth(1)).toContainText('Not read yet');
  const hip = page.locator('.hip').first();
  await hip.getByRole('radio').last().check();
  await hip.getByPlaceholder('Comment').fill('Half written.');
  written();
  await expect(cards.nth(1)).not.toContainText('Not read yet');
  await settled(page);
  await expect(cards.nth(0)).toHaveAttribute('aria-current', 'true');
  await expect(hip.getByRole('radio').last()).toBeChecked();
  await expect(hip.getByPlaceholder('Comment')).toHaveValue('Half written.');
});

test('a picture that the server does not have is said so', async ({ page }) => {
  await page.route('**/frames/**', (route) => route.fulfill({ status: 404 }));
  await page.goto('/');
  await page.locator('table.worklist tbody tr td.patient a').first().click();
  await expect(page.locator('.stage-note[role=status]')).toContainText('does not exist');
});
