import { expect, demoIsRead, pictureIsThere, screenshotPath, test } from './fixtures';

// The README's studies: always the server's own simulated ones, never a patient's.
const GALLERY = [
  { number: 0, name: 'displaced', view: 'PELVIS' },
  { number: 1, name: 'subtle', view: 'PELVIS' },
  { number: 2, name: 'metal', view: 'PELVIS' },
  { number: 3, name: 'wrong-view', view: 'CHEST' },
];

test.use({ viewport: { width: 1200, height: 800 } });

for (const { number, name, view } of GALLERY) {
  test(`the study for the README: ${name}`, async ({ page }) => {
    await demoIsRead(page);
    const row = page.locator('table.worklist tbody tr', { hasText: `SIMULATED-26000${number}` });
    await row.locator('td.patient a').click();
    await pictureIsThere(page);
    const panel = page.locator('.study-panel');
    await expect(panel).toContainText('SIMULATED');
    await expect(page.locator('.image-card[aria-current]')).toContainText(view);
    // One hip holds metal, and the list does not pass over it.
    if (name === 'metal') await expect(panel).toContainText(/metal/i);
    if (name === 'wrong-view') await expect(panel).toContainText('Set aside');
    await expect(page.locator('.thumbnail img').first()).toBeVisible();
    await page.screenshot({ path: screenshotPath(`${name}.jpg`), type: 'jpeg', quality: 82 });
  });
}
