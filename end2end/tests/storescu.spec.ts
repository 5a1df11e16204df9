import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canMakeDicom, corpusPelvis, expect, makeDicom, open, overlayPixels, pictureIsThere, test } from './fixtures';

test('a real radiograph, sent by DICOM, appears by itself with its boxes and result', async ({ page, server }) => {
  const radiographs = corpusPelvis();
  test.skip(radiographs.length === 0, 'the corpus is absent (SHENTON_CORPUS)');
  test.skip(!canMakeDicom(), 'pydicom is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'shenton-storescu-'));
  try {
    const out = join(folder, 'pelvis.dcm');
    const { study } = makeDicom({ out, name: 'PELVIS^REAL', id: 'REAL1', png: radiographs[0].path });

    // The list is open before the study comes.
    await open(page, '/');
    await expect(page.locator('.live')).toContainText('Updates itself');
    execFileSync('echoscu', ['127.0.0.1', String(server.dicomPort), '-aec', 'SHENTON']);
    execFileSync('storescu', ['127.0.0.1', String(server.dicomPort), '-aec', 'SHENTON', out]);
    const row = page.locator('table.worklist tbody tr', { hasText: 'REAL1' });
    await expect(row).toBeVisible({ timeout: 30_000 });
    await expect(row.locator('.state-done')).toBeVisible({ timeout: 120_000 });

    await row.locator('td.patient a').click();
    await expect(page).toHaveURL(new RegExp(study.replaceAll('.', '\\.')));
    await pictureIsThere(page);
    // Both hips are found and boxed, each with a verdict in words.
    for (const side of ['right', 'left']) {
      await expect(page.locator(`#hip-${side} .verdict`)).toHaveText(/fracture|doubtful/i);
    }
    expect(await overlayPixels(page)).toBeGreaterThan(500);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
