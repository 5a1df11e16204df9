import { DEMO_STUDIES, demoIsRead, expect, screenshotPath, test } from './fixtures';

// What was not read stands before what was read as sound: it still needs eyes.
const ORDER = ['result-definite', 'result-doubtful', 'result-pending', 'result-excluded', 'result-negative'];

test('every simulated study is read, and the most suspicious stand first', async ({ page }) => {
  await demoIsRead(page);
  const rows = page.locator('table.worklist tbody tr');
  expect(await rows.count()).toBeGreaterThanOrEqual(DEMO_STUDIES);
  const classes = await rows.locator('td:first-child .label').evaluateAll((labels) => labels.map((label) => label.className));
  const ranks = classes.map((name) => ORDER.findIndex((result) => name.includes(result)));
  expect(ranks).not.toContain(-1);
  expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  // The chest of the demonstration was not read as a pelvis.
  expect(classes.some((name) => name.includes('result-excluded'))).toBe(true);
  await page.screenshot({ path: screenshotPath('worklist.png') });
});

test('search and filter narrow the list', async ({ page }) => {
  await demoIsRead(page);
  const rows = page.locator('table.worklist tbody tr');
  const all = await rows.count();
  const id = (await rows.first().locator('td').nth(3).innerText()).trim();
  await page.getByRole('searchbox').fill(id);
  await expect(rows).toHaveCount(1);
  await page.getByRole('searchbox').fill('no patient is called this');
  await expect(page.getByRole('heading', { name: 'No study fits' })).toBeVisible();
  await page.getByRole('link', { name: 'Clear' }).click();
  await expect(rows).toHaveCount(all);
  await page.locator('select[name=result]').selectOption('excluded');
  await expect(page).toHaveURL(/result=excluded/);
  await expect(rows.locator('td:first-child .label:not(.result-excluded)')).toHaveCount(0);
  expect(await rows.count()).toBeGreaterThan(0);
});

test('from the list to a study and back without the mouse', async ({ page }) => {
  await demoIsRead(page);
  await page.keyboard.press('j');
  await expect(page.locator('tr.selected')).toHaveCount(1);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/study\//);
  await expect(page.getByRole('complementary', { name: 'Findings' })).toBeVisible();
  await page.keyboard.press('w');
  await expect(page.getByRole('heading', { name: 'Worklist' })).toBeVisible();
});
