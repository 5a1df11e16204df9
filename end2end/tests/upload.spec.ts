import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canMakeDicom, expect, makeDicom, open, screenshotPath, test } from './fixtures';

let folder: string;
test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shenton-upload-'));
});
test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('each file gets its own answer: accepted, already there, refused', async ({ page }) => {
  test.skip(!canMakeDicom(), 'pydicom is not installed');
  const file = join(folder, 'picture.dcm');
  const { study } = makeDicom({ out: file, name: 'UPLOAD^CHOSEN', id: 'UP1' });
  const junk = join(folder, 'letter.txt');
  writeFileSync(junk, 'Dear colleague, this is not an x-ray.');
  const cut = join(folder, 'cut.dcm');
  writeFileSync(cut, readFileSync(file).subarray(0, 700));

  await open(page, '/upload');
  await page.locator('#choose-files').setInputFiles([file]);
  await expect(page.locator('tr.upload-accepted')).toHaveCount(1);
  await page.locator('#choose-files').setInputFiles([file, junk, cut]);
  await expect(page.locator('tr.upload-duplicate')).toHaveCount(1);
  await expect(page.locator('tr.upload-refused')).toHaveCount(2);
  await expect(page.locator('tr.upload-refused', { hasText: 'letter.txt' })).toContainText('DICOM');
  await page.screenshot({ path: screenshotPath('upload.png') });

  // What was refused lies in quarantine, with its reason.
  await open(page, '/quarantine');
  await expect(page.locator('table tbody')).toContainText('letter.txt');
  await expect(page.locator('table tbody')).toContainText('cut.dcm');

  // What was accepted is read; it is no pelvis and says so.
  await open(page, `/study/${study}`);
  await expect(page.locator('.study-panel')).toContainText('Set aside', { timeout: 60_000 });
});

test('files can be dropped on the page', async ({ page }) => {
  test.skip(!canMakeDicom(), 'pydicom is not installed');
  const file = join(folder, 'dropped.dcm');
  makeDicom({ out: file, name: 'UPLOAD^DROPPED', id: 'UP2' });
  await open(page, '/upload');
  const transfer = await page.evaluateHandle((base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'dropped.dcm'));
    return transfer;
  }, readFileSync(file).toString('base64'));
  await page.locator('.drop').dispatchEvent('drop', { dataTransfer: transfer });
  await expect(page.locator('tr.upload-accepted', { hasText: 'dropped.dcm' })).toBeVisible();
  await page.getByRole('link', { name: 'Open the study' }).click();
  await expect(page.locator('.study-panel')).toContainText('DROPPED', { ignoreCase: true });
});
