import { demoIsRead, expect, open, screenshotPath, test } from './fixtures';

test('the trail says who did what, and its chain holds', async ({ page }) => {
  await demoIsRead(page);
  await page.locator('table.worklist tbody tr td.patient a').first().click();
  await expect(page.locator('.study-panel')).toBeVisible();
  const study = decodeURIComponent(new URL(page.url()).pathname.split('/').pop()!);

  await open(page, '/audit');
  const rows = page.locator('table tbody tr');
  await expect(rows.filter({ hasText: 'View study' }).filter({ hasText: study }).first()).toContainText('admin');
  await page.getByRole('button', { name: 'Check the chain' }).click();
  await expect(page.getByText(/Unbroken: .* checked/)).toBeVisible();
  await page.screenshot({ path: screenshotPath('audit.png') });

  // The filter is an address.
  await page.getByLabel('What').selectOption({ label: 'Sign in' });
  await page.getByRole('button', { name: 'Filter' }).click();
  await expect(page).toHaveURL(/action=/);
  await expect(rows.filter({ hasText: 'View study' })).toHaveCount(0);
  await expect(rows.filter({ hasText: 'Sign in' }).first()).toContainText('127.0.0.1');
});
