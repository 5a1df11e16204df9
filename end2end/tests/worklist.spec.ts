import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  ADMINISTRATOR, DEMO_STUDIES, demoIsRead, expect, open, openBoxedStudy, ready, screenshotPath, Server, signIn, test,
} from './fixtures';
import type { APIRequestContext, Page } from '@playwright/test';

// What was not read stands before what was read as sound: it still needs eyes.
const ORDER = [/result-definite/, /result-doubtful/, /result-pending/, /result-(excluded|partial)/, /result-negative/];
const ROWS = 'table.worklist tbody tr';

test('every simulated study is read, and the most suspicious stand first', async ({ page }) => {
  await demoIsRead(page);
  const rows = page.locator(ROWS);
  expect(await rows.count()).toBeGreaterThanOrEqual(DEMO_STUDIES);
  const classes = await rows.locator('td:first-child .label').evaluateAll((labels) => labels.map((label) => label.className));
  const ranks = classes.map((name) => ORDER.findIndex((result) => result.test(name)));
  expect(ranks).not.toContain(-1);
  expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  // The chest of the demonstration was not read as a pelvis.
  expect(classes.some((name) => name.includes('result-excluded'))).toBe(true);
  await page.screenshot({ path: screenshotPath('worklist.png') });
  await page.getByRole('button', { name: /theme/ }).click();
  await page.screenshot({ path: screenshotPath('worklist-light.png') });
});

test('search and filter narrow the list', async ({ page }) => {
  await demoIsRead(page);
  const rows = page.locator(ROWS);
  const all = await rows.count();
  const id = (await rows.first().locator('td.c-id').innerText()).trim();
  await page.getByRole('searchbox').fill(id);
  // The patient may have come more than once.
  await expect.poll(async () => [...new Set(await rows.locator('td.c-id').allInnerTexts())]).toEqual([id]);
  await page.getByRole('searchbox').fill('no patient is called this');
  await expect(page.getByRole('heading', { name: 'No study fits' })).toBeVisible();
  // What was searched for stands in no address.
  expect(page.url()).not.toContain('patient');
  await page.getByRole('link', { name: 'Clear' }).click();
  // What an earlier test sent may still arrive.
  await expect.poll(() => rows.count()).toBeGreaterThanOrEqual(all);
  await page.locator('select[name=result]').selectOption('excluded');
  await expect(page).toHaveURL(/result=excluded/);
  await expect(rows.locator('td:first-child .label:not(.result-excluded)')).toHaveCount(0);
  expect(await rows.count()).toBeGreaterThan(0);
});

test('a view is kept on the server with its search, which stands in no address', async ({ page, browser, server, session }) => {
  await demoIsRead(page);
  await page.locator('select[name=result]').selectOption('excluded');
  await page.getByRole('searchbox').fill('simulated');
  await page.getByRole('button', { name: 'Save this view' }).click();
  await page.getByLabel('Name of the view').fill('Set aside');
  await page.keyboard.press('Enter');
  const views = page.getByRole('navigation', { name: 'Views of the worklist' });
  await expect(views.getByRole('link', { name: 'Set aside' })).toHaveAttribute('aria-current', 'true');

  // On another computer.
  const context = await browser.newContext({ baseURL: server.url, storageState: session });
  const other = await context.newPage();
  await open(other, '/');
  await other.getByRole('link', { name: 'Set aside' }).click();
  await expect(other.getByRole('searchbox')).toHaveValue('simulated');
  await expect(other.locator('select[name=result]')).toHaveValue('excluded');
  await expect(other.locator(`${ROWS} td:first-child .label:not(.result-excluded)`)).toHaveCount(0);
  expect(other.url()).not.toContain('simulated');
  await other.getByRole('button', { name: 'Remove the view Set aside' }).click();
  await expect(other.getByRole('link', { name: 'Set aside' })).toHaveCount(0);
  await context.close();
  await open(page, '/');
  await expect(views.getByRole('link', { name: 'Set aside' })).toHaveCount(0);
});

test('from the list to a study, to an answer, to the next study and back without the mouse', async ({ page }) => {
  await demoIsRead(page);
  const rows = page.locator(ROWS);
  await page.keyboard.press('j');
  await expect(page.locator('tr.selected')).toHaveCount(1);
  await expect(page.locator('tr.selected .patient a')).toBeFocused();
  const named = (await page.locator('tr.selected .patient a').innerText()).trim();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/study\//);
  const first = page.url();
  await expect(page.getByRole('complementary', { name: 'Findings' })).toContainText(named);
  await ready(page);
  // A hip that was read, whichever it is.
  const hip = page.locator('.hip', { has: page.locator('form') }).first();
  const side = (await hip.getAttribute('id'))!.includes('right') ? 'r' : 'l';
  await page.keyboard.press(side);
  await page.keyboard.press('4');
  await page.keyboard.press('s');
  await expect(hip.locator('.history')).toContainText('Cannot tell', { ignoreCase: true });
  await expect(page.locator('.neighbours a.next')).toBeVisible();
  await page.keyboard.press('n');
  await expect(page).not.toHaveURL(first);
  await expect(page).toHaveURL(/\/study\//);
  const second = decodeURIComponent(new URL(page.url()).pathname.split('/').pop()!);
  await expect(page.getByRole('complementary', { name: 'Findings' })).toBeVisible();
  await page.keyboard.press('w');
  await expect(page.getByRole('heading', { name: 'Worklist' })).toBeVisible();
  // The cursor stands where one was.
  await expect(page.locator('tr.selected .patient a')).toHaveAttribute('href', new RegExp(second.replaceAll('.', '\\.')));
  expect(await rows.count()).toBeGreaterThanOrEqual(DEMO_STUDIES);
});

test('the list and the study say who is reading', async ({ page, browser, server, request }) => {
  const anna = { name: 'anna', password: 'correct-horse-battery-8' };
  const made = await request.post('/api/create_account', {
    data: { new: { ...anna, role: 'reader', site: 'main' } },
    headers: { origin: server.url },
  });
  expect(made.status(), await made.text()).toBe(200);
  await demoIsRead(page);
  const context = await browser.newContext({ baseURL: server.url, storageState: await signIn(server.url, anna) });
  const hers = await context.newPage();
  await openBoxedStudy(hers);
  const study = decodeURIComponent(new URL(hers.url()).pathname.split('/').pop()!);
  const row = page.locator(ROWS, { has: page.locator(`a[href*="${study}"]`) });
  await expect(row.locator('.reading-by')).toContainText('anna');

  // A second reader sees it on the study's page, she sees the second one.
  await row.locator('td.patient a').click();
  await expect(page.locator('.also-reading')).toContainText('anna has this study open since');
  await expect(hers.locator('.also-reading')).toContainText(`${ADMINISTRATOR.name} has this study open since`);
  await expect(page.locator('.also-reading')).not.toContainText(ADMINISTRATOR.name);
  // She goes; a little later her name does.
  await hers.goto('/about');
  await expect(page.locator('.also-reading')).not.toContainText('anna', { timeout: 30_000 });
  await context.close();
});

/** Answers every hip of a study, as another reader's computer would. */
async function answer(request: APIRequestContext, url: string, study: string): Promise<void> {
  const headers = { origin: url };
  const detail = await (await request.post('/api/study', { data: { study }, headers })).json();
  for (const image of detail.images) {
    for (const hip of image.reading?.hips ?? []) {
      const input = { study_uid: study, sop_uid: image.sop_uid, side: hip.side, value: 'cannot_tell', comment: '' };
      const told = await request.post('/api/answer', { data: { answer: input }, headers });
      expect(told.status(), await told.text()).toBe(200);
    }
  }
}

const uidOf = (href: string | null) => decodeURIComponent(new URL(href!, 'http://x').pathname.split('/').pop()!);

test('a study that moves does not jump under the cursor', async ({ page, request, server }) => {
  await demoIsRead(page);
  await expect(page.locator('.live')).toContainText('Updates itself');
  const links = page.locator(`${ROWS} .patient a`);
  const hrefs = async () => links.evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  const before = await hrefs();
  const open = page.locator(`${ROWS}:not(.answered):is(.row-negative, .row-doubtful, .row-definite)`).first();
  const moves = uidOf(await open.locator('.patient a').getAttribute('href'));
  await open.hover();
  await open.locator('.patient a').focus();
  await answer(request, server.url, moves);
  const order = page.getByRole('button', { name: /order has changed/ });
  await expect(order).toBeVisible();
  expect(await hrefs()).toEqual(before);
  // What changed is said at once, in its old place.
  await expect(page.locator(ROWS, { has: page.locator(`a[href*="${moves}"]`) })).toContainText('Answered');
  // The keyboard stays at the study, whose row was drawn anew.
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('href') ?? '');
  await expect.poll(async () => uidOf(await focused())).toBe(moves);
  await page.keyboard.press('.');
  await expect(order).toHaveCount(0);
  const after = await hrefs();
  expect(after).not.toEqual(before);
  // The newer order is the server's. Not all rows are drawn, so they need not be the same ones.
  await page.reload();
  await ready(page);
  await expect.poll(hrefs).toEqual(after);
});

/** Rows that stand in the box now, by their place in the whole list. */
async function inSight(page: Page): Promise<number[]> {
  return page.evaluate(() => {
    const box = document.querySelector('.worklist-scroll')!.getBoundingClientRect();
    const head = document.querySelector('.worklist thead')!.getBoundingClientRect();
    return [...document.querySelectorAll<HTMLElement>('.worklist tbody tr')]
      .filter((row) => row.getBoundingClientRect().bottom > head.bottom + 1 && row.getBoundingClientRect().top < box.bottom - 1)
      .map((row) => Number(row.getAttribute('aria-rowindex')) - 2);
  });
}

test('a hundred thousand studies scroll without gaps, by wheel and by key', async ({ browser }) => {
  test.setTimeout(300_000);
  const copies = 100_000;
  const server = await Server.start(1);
  try {
    const session = await signIn(server.url);
    const context = await browser.newContext({ baseURL: server.url, storageState: session });
    const page = await context.newPage();
    await open(page, '/');
    await expect(async () => {
      await page.reload();
      await expect(page.locator(`${ROWS} .state-done`)).toHaveCount(1, { timeout: 1_000 });
    }).toPass({ timeout: 120_000 });
    const tool = join(import.meta.dirname, '../tools/many_studies.py');
    execFileSync('python3', [tool, join(server.data, 'shenton.sqlite'), String(copies)]);
    await open(page, '/?site=copies&sort=patient');
    await expect(page.locator('.place')).toContainText('of 100,000 studies');

    let asked = 0;
    page.on('request', (request) => (asked += Number(request.url().endsWith('/api/worklist'))));
    const box = page.locator('.worklist-scroll');
    await box.hover();
    // By wheel, as fast as a hand: every frame's rows follow each other, and few are drawn.
    await page.evaluate(() => {
      const w = window as unknown as { frames: number[] };
      w.frames = [];
      let last = performance.now();
      const tick = (now: number) => {
        w.frames.push(now - last);
        last = now;
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    });
    for (let turn = 0; turn < 60; turn++) {
      await page.mouse.wheel(0, 480);
      await page.waitForTimeout(16);
      if (turn % 10 === 9) {
        const rows = await inSight(page);
        expect(rows.length).toBeGreaterThan(10);
        expect(rows).toEqual(rows.map((_, index) => rows[0] + index));
        expect(await page.locator(ROWS).count()).toBeLessThan(90);
      }
    }
    const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames);
    frames.sort((a, b) => a - b);
    console.log(`wheel: ${frames.length} frames, median ${frames[frames.length >> 1].toFixed(1)} ms, `
      + `95th percentile ${frames[Math.floor(frames.length * 0.95)].toFixed(1)} ms, ${asked} windows asked for`);
    await expect(page.locator(`${ROWS}.coming`)).toHaveCount(0);
    const first = (await inSight(page))[0];
    const name = page.locator(`${ROWS}[aria-rowindex="${first + 2}"] .patient`);
    await expect(name).toContainText(`COPY${String(first + 1).padStart(6, '0')}`);
    // A drag of the scroll bar from end to end does not ask for all that it passes.
    asked = 0;
    await box.evaluate(async (box) => {
      for (let step = 0; step <= 100; step++) {
        box.scrollTop = (box.scrollHeight / 100) * step;
        await new Promise((done) => requestAnimationFrame(done));
      }
    });
    await expect(page.locator(`${ROWS}.coming`)).toHaveCount(0);
    expect(asked).toBeLessThan(20);
    await expect(page.locator('.place')).toContainText(/–100,000 of 100,000/);

    // By key: the first, the last, a screen up.
    await page.keyboard.press('Home');
    await expect(page.locator('tr.selected')).toHaveAttribute('aria-rowindex', '2');
    await page.keyboard.press('End');
    await expect(page.locator('tr.selected')).toHaveAttribute('aria-rowindex', String(copies + 1));
    await expect(page.locator('tr.selected .patient')).toContainText('COPY100000');
    await page.keyboard.press('PageUp');
    await page.keyboard.press('k');
    const place = Number(await page.locator('tr.selected').getAttribute('aria-rowindex'));
    expect(place).toBeLessThan(copies - 5);
    expect(place).toBeGreaterThan(copies - 60);
    // Into the study and back: the list stands where it stood.
    const row = (await page.locator('tr.selected .patient').innerText()).trim();
    await page.keyboard.press('Enter');
    await expect(page).toHaveURL(/\/study\/.*page=/);
    // The address changes before the study's page is there to take a key.
    await expect(page.getByRole('navigation', { name: 'Studies' })).toBeVisible();
    await page.keyboard.press('w');
    await expect(page.locator('tr.selected .patient')).toContainText(row);
    await expect(page.locator('tr.selected')).toHaveAttribute('aria-rowindex', String(place));
    await expect(page.locator('tr.selected')).toBeInViewport();
    await context.close();
  } finally {
    await server.stop();
  }
});
