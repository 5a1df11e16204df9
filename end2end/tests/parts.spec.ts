import type { Page } from '@playwright/test';
import { demoIsRead, expect, open, ready, test } from './fixtures';

const OFFICE = '/pkg/split_office.wasm';

/** A page whose requests the test answers, and whose failed ones it expects in the log. */
const alone = test.extend<{ alone: Page }>({
  alone: async ({ browser, server, session }, use) => {
    const context = await browser.newContext({ baseURL: server.url, storageState: session, serviceWorkers: 'block' });
    await use(await context.newPage());
    await context.close();
  },
});

test('pages that are not read at night come when they are opened, and then stay', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await demoIsRead(page);
  // What comes next is fetched ahead; the rest is not.
  await expect.poll(() => asked).toContain('/pkg/split_study.wasm');
  expect(asked).not.toContain(OFFICE);
  for (const name of ['Audit', 'About', 'Upload', 'Accounts', 'Quarantine', 'Cohorts']) {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
    await expect(page).toHaveTitle(new RegExp(name, 'i'));
  }
  expect(asked.filter((path) => path === OFFICE)).toHaveLength(1);
});

alone('a page whose part does not come says so, and comes with the next try', async ({ alone: page }) => {
  await open(page, '/');
  await page.route(`**${OFFICE}`, (route) => route.abort());
  await page.getByRole('link', { name: 'Audit' }).click();
  await expect(page.getByRole('heading', { name: 'No connection' })).toBeVisible();
  await page.unroute(`**${OFFICE}`);
  await page.getByRole('link', { name: 'Try again' }).click();
  await ready(page);
  await expect(page.getByRole('heading', { name: 'Audit trail' })).toBeVisible();
});

alone('a page that is loaded without its part is there to read, and answers once the part has come', async ({ alone: page }) => {
  let broken = true;
  await page.route(`**${OFFICE}`, (route) => (broken ? route.abort() : route.continue()));
  await page.goto('/about');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await expect(page.locator('main[data-ready]')).toHaveCount(0);
  broken = false;
  await ready(page);
});

test('every page answers when it is what is loaded first', async ({ page }) => {
  for (const path of ['/audit', '/about', '/upload', '/accounts', '/quarantine', '/cohorts', '/sign-in', '/nowhere']) {
    await open(page, path);
  }
});
