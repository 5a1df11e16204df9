import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from '@playwright/test';
import { canMakeDicom, corpusWg04, expect, greys, makeDicom, pictureIsThere, test, upload, withoutWebGl } from './fixtures';

// WebGL and the processor draw the same pixels of real images: at most one grey level apart.

let folder: string;
test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shenton-wg04-'));
});
test.afterAll(() => rmSync(folder, { recursive: true, force: true }));

const IMAGES: { file: string; tables?: ('voi' | 'modality')[]; what: string }[] = [
  { file: 'RG1_JLSN', what: 'a chest, MONOCHROME1, 15 bit' },
  { file: 'RG2_JPLL', what: 'a hip, MONOCHROME2, 10 bit' },
  { file: 'RG3_JPLL', what: 'a leg, MONOCHROME1, 10 bit' },
  { file: 'XA1_RLE', what: 'an angiogram without a window' },
  { file: 'RG2_JLSL', tables: ['voi'], what: 'a VOI LUT Sequence' },
  { file: 'RG3_JLSL', tables: ['voi', 'modality'], what: 'MONOCHROME1 with a Modality and a VOI LUT Sequence' },
];

/** Each is reached from the one before it. */
const VIEWS: { name: string; keys: string[] }[] = [
  { name: 'whole', keys: [] },
  { name: '1:1', keys: ['o'] },
  { name: 'turned and inverted', keys: ['i', ']'] },
  { name: 'flipped, another window', keys: ['H', '.'] },
  { name: 'enlarged', keys: ['0', 'o', '+', '+', '+', '+', '+', '+'] },
  { name: 'whole again', keys: ['0'] },
];

for (const { file, tables, what } of IMAGES) {
  test(`both renderers agree on ${file}: ${what}`, async ({ page, context }) => {
    test.skip(!corpusWg04(), 'the corpus is not here');
    test.skip(!canMakeDicom(), 'pydicom is not installed');
    const out = join(folder, `${file}${(tables ?? []).join('')}.dcm`);
    const { study } = makeDicom({ out, dicom: join(corpusWg04(), file), name: 'WG04^AGREEMENT', id: file, tables });
    const address = await upload(page, out, study);
    await agree(page, context, address, file);
  });
}

test('both renderers agree on colours, in every channel', async ({ page, context }) => {
  const file = join(corpusWg04(), '../pydicom/test_files/examples_rgb_color.dcm');
  test.skip(!existsSync(file), 'the corpus is not here');
  test.skip(!canMakeDicom(), 'pydicom is not installed');
  const out = join(folder, 'colours.dcm');
  const { study } = makeDicom({ out, dicom: file, name: 'COLOURS^AGREEMENT', id: 'COLOURS' });
  const address = await upload(page, out, study);
  await agree(page, context, address, 'colours', [0, 1, 2]);
  const [red, blue] = [await greys(page, 'canvas.canvas', 0), await greys(page, 'canvas.canvas', 2)];
  expect(red.data.filter((value, i) => Math.abs(value - blue.data[i]) > 40).length, 'colours').toBeGreaterThan(1000);
  await expect(page.locator('main'), 'no result').toContainText('colour image');
});

/** A study shown by WebGL and by the processor, view after view. */
async function agree(page: Page, context: BrowserContext, address: string, file: string, channels = [0]): Promise<void> {
  const plain = await context.newPage();
  await plain.route('**/api/kept_view', (route) => route.fulfill({ json: null }));
  await withoutWebGl(plain);
  await page.goto(address);
  await pictureIsThere(page);
  await expect(page.locator('.status-line')).toContainText('WebGL2');
  await plain.goto(address);
  await pictureIsThere(plain);
  await expect(plain.locator('.status-line')).toContainText('CPU');

  let before: Buffer | undefined;
  for (const { name, keys } of VIEWS) {
    for (const key of keys) {
      await page.keyboard.press(key);
      await plain.keyboard.press(key);
    }
    for (const channel of channels) {
      const [a, b] = [await greys(page, 'canvas.canvas', channel), await greys(plain, 'canvas.canvas', channel)];
      expect([b.width, b.height]).toEqual([a.width, a.height]);
      expect(new Set(a.data).size, `${name}: levels on the screen`).toBeGreaterThan(30);
      expect(before !== undefined && before.equals(a.data), `${name}: the view changed`).toBe(false);
      before = a.data;
      let apart = 0;
      for (let i = 0; i < a.data.length; i++) if (Math.abs(a.data[i] - b.data[i]) > 1) apart++;
      // The picture's own border: where it runs through the middle of a sample, 32-bit and 64-bit numbers may fall on
      // different sides of it. Inside the picture no pixel is further apart.
      console.log(`${file} ${name}, channel ${channel}: ${apart} of ${a.data.length} pixels more than one level apart`);
      expect(apart, name).toBeLessThanOrEqual(2 * (a.width + a.height));
      const inner = innerApart(a, b);
      expect(inner, `${name}: away from the picture's border`).toBe(0);
    }
  }
  await plain.close();
}

type Grey = { width: number; height: number; data: Buffer };

/** Pixels more than one level apart that have picture all round them in both drawings. */
function innerApart(a: Grey, b: Grey): number {
  let count = 0;
  for (let y = 1; y < a.height - 1; y++) {
    for (let x = 1; x < a.width - 1; x++) {
      const at = y * a.width + x;
      if (Math.abs(a.data[at] - b.data[at]) <= 1) continue;
      // Outside the picture both are black: a border has black on one side.
      const round = [at - 1, at + 1, at - a.width, at + a.width];
      if (round.every((other) => a.data[other] > 0 || b.data[other] > 0)) count++;
    }
  }
  return count;
}
