import { existsSync } from 'node:fs';
import type { Page, TestInfo } from '@playwright/test';
import { demoIsRead, expect, open, pictureIsThere, settled, test } from './fixtures';

// Pictures of the simulated studies, which have fixed seeds, against pictures kept beside this file. Only the pixels of
// the x-ray are compared: scores on the overlay change with every training. A pixel may differ by 4 grey levels of 255
// (the simulator's sums are not the same to the last bit on every processor), and one pixel of 500 by more.
// `end2end/run.sh goldens --update-snapshots` takes them anew; look at them before keeping them.
const TOLERANCE = { threshold: 0.02, maxDiffPixelRatio: 0.002 };

test.use({ viewport: { width: 1000, height: 640 } });

/** Day of the demonstration's study, and what it shows. */
const STUDIES = [
  { day: '2026-11-10', what: 'displaced' },
  { day: '2026-11-11', what: 'subtle' },
  { day: '2026-11-12', what: 'metal' },
  { day: '2026-11-13', what: 'wrong-view' },
];

async function openStudy(page: Page, day: string): Promise<void> {
  await page.locator('table.worklist tbody tr', { hasText: 'SIMULATED' }).filter({ hasText: day }).locator('td.patient a').click();
  await pictureIsThere(page);
  // The page's policy refuses a style sheet that a test brings, but not a property.
  await page.evaluate(() => {
    for (const over of document.querySelectorAll<HTMLElement>('.pane-caption, .viewer-overlay')) over.style.visibility = 'hidden';
  });
  await settled(page);
}

/** A checkout without the kept pictures skips, and says so. */
function needs(info: TestInfo, name: string): void {
  const taking = info.config.updateSnapshots === 'all' || info.config.updateSnapshots === 'changed';
  test.skip(!taking && !existsSync(info.snapshotPath(name)), 'no pictures are kept here: take them with --update-snapshots');
}

test('the simulated studies look as they did', async ({ page }, info) => {
  needs(info, `${STUDIES[0].what}.png`);
  await demoIsRead(page);
  for (const { day, what } of STUDIES) {
    await open(page, '/');
    await openStudy(page, day);
    await expect(page.locator('.stage')).toHaveScreenshot(`${what}.png`, TOLERANCE);
  }
});

test('a hip, inverted and turned, looks as it did', async ({ page }, info) => {
  needs(info, 'hip.png');
  await demoIsRead(page);
  await openStudy(page, STUDIES[0].day);
  for (const key of ['l', 'i', ']']) await page.keyboard.press(key);
  await settled(page);
  await expect(page.locator('.stage')).toHaveScreenshot('hip.png', TOLERANCE);
});
