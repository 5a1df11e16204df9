import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { expect, greys, open, pictureIsThere, ready, screenshotPath, seriousFindings, test } from './fixtures';

const MODELS = resolve(dirname(fileURLToPath(import.meta.url)), '../../server/models');

/** In both themes; other pages are in accessibility.spec.ts. */
async function axeIsContent(page: Page): Promise<void> {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((theme) => document.documentElement.setAttribute('data-theme', theme), theme);
    expect(await seriousFindings(page)).toEqual([]);
  }
}

/** Runs the command line on the running server's data folder, as an administrator beside it would. */
function shenton(data: string, ...args: string[]): string {
  return execFileSync(process.env.SHENTON_BINARY!, args, {
    encoding: 'utf8',
    env: { ...process.env, SHENTON_DATA: data, SHENTON_MODELS: MODELS },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

test('a reader reviews twenty hips by keyboard and finds the events in the history', async ({ page, server }) => {
  test.setTimeout(400_000);
  const out = mkdtempSync(join(tmpdir(), 'shenton-hospital-'));
  try {
    // A simulated hospital's images, reports and theatre list, taken in beside the running server.
    shenton(server.data, 'simulate', 'archive', '--patients', '14', '--seed', '3', '--scale', '700', '--out', join(out, 'a'));
    const files = ['dicom', 'reports.csv', 'theatre.csv', 'images.csv'].map((name) => join(out, 'a', name));
    const said = shenton(server.data, 'cohort', 'import', 'hospital', '--dicom', files[0], '--reports', files[1],
      '--theatre', files[2], '--studies', files[3], '--test', '0.8', '--validation', '0.05');
    expect(said).toContain('hips');
    expect(shenton(server.data, 'cohort', 'queue', 'hospital', 'test')).toMatch(/[2-9]\d hips of the test set queued/);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }

  await open(page, '/cohorts');
  await page.getByRole('link', { name: 'hospital' }).click();
  await expect(page.getByRole('heading', { name: 'hospital' })).toBeVisible();
  await ready(page);
  await page.getByRole('link', { name: /^Review \(/ }).click();
  await pictureIsThere(page);
  await expect(page.locator('.question h1')).toContainText(/(Right|Left) hip/);
  await expect(page.locator('.record-text').first()).toBeVisible();
  await page.screenshot({ path: screenshotPath('review.png') });
  expect(new Set((await greys(page)).data).size, 'grey levels on the screen').toBeGreaterThan(60);

  await axeIsContent(page);

  // Report and operation away, for a blind reading.
  await page.keyboard.press('t');
  await expect(page.locator('.record-text').first()).toBeHidden();
  await page.keyboard.press('t');

  const item = () => page.locator('.question').getAttribute('data-item');
  const answer = async (keys: () => Promise<void>) => {
    const before = await item();
    await keys();
    await expect.poll(item).not.toBe(before);
    await expect(page.locator('.review-last')).toBeVisible();
  };
  // Every image of the study can be looked at; the answer stays one for the hip in question.
  const cards = page.locator('.review .image-card');
  const shown = page.locator('.review .image-card[aria-pressed=true]');
  let answers = 0;
  for (; (await cards.count()) < 2 && answers < 4; answers++) await answer(() => page.keyboard.press('1'));
  await expect(shown).toContainText('The hip in question');
  const [count, asked] = [await cards.count(), await item()];
  const place = Number(/Image (\d+)/.exec(await shown.innerText())![1]);
  await page.keyboard.press(place < count ? 'n' : 'p');
  await expect(shown).toContainText('Of the same study');
  await pictureIsThere(page);
  await page.keyboard.press('n');
  await page.keyboard.press('p');
  await cards.filter({ hasText: 'The hip in question' }).click();
  await pictureIsThere(page);
  expect(await item()).toBe(asked);

  for (; answers < 4; answers++) await answer(() => page.keyboard.press(String(answers + 1)));

  // Leaving a hip out asks for a reason.
  const before = await item();
  await page.keyboard.press('x');
  await expect(page.locator('#review-comment')).toBeFocused();
  await expect(page.locator('.review-note')).toContainText('Why is this hip left out?');
  expect(await item()).toBe(before);
  await answer(async () => {
    await page.keyboard.type('picture too poor to read');
    await page.keyboard.press('Enter');
  });

  // The newest answer comes back, and is given anew with a comment.
  await page.keyboard.press('u');
  await expect.poll(item).toBe(before);
  await expect(page.locator('.review-note')).toContainText('taken back');
  await page.keyboard.press('c');
  await page.keyboard.type('seen with a colleague');
  await page.keyboard.press('Escape');
  await answer(() => page.keyboard.press('1'));

  for (let count = 5; count < 20; count++) {
    await answer(() => page.keyboard.press(count % 5 === 0 ? '2' : '1'));
  }
  await expect(page.locator('.review-count')).toContainText('20 answered by you');

  // The history: twenty answers, one that was taken back, and the taking back.
  await page.getByRole('link', { name: 'Cohort hospital' }).click();
  const rows = page.locator('table.events tbody tr');
  await expect(rows).toHaveCount(22);
  await expect(rows.filter({ hasText: 'admin' })).toHaveCount(22);
  await expect(rows.filter({ hasText: 'seen with a colleague' })).toHaveCount(1);
  await expect(rows.filter({ hasText: 'picture too poor to read' })).toHaveCount(1);
  await expect(rows.filter({ hasText: 'answer taken back' })).toHaveCount(1);
  await expect(page.locator('.cohort-cards')).toContainText(/20 of \d+ reviewed/);
  await axeIsContent(page);
  await page.screenshot({ path: screenshotPath('cohort.png') });

  // Nothing of it is lost by loading again.
  await page.reload();
  await expect(rows).toHaveCount(22);
  const [, reviewed, whole] = /(\d+) of (\d+) reviewed/.exec(await page.locator('.cohort-cards').innerText())!;
  expect([Number(reviewed), Number(whole) > 20]).toEqual([20, true]);
  // A test set that is not read in full cannot be locked.
  expect(() => shenton(server.data, 'cohort', 'lock', 'hospital')).toThrow(/not been reviewed in full/);
});
