import { ADMINISTRATOR, expect, ready, test } from './fixtures';

// These start without a session.
test.use({ storageState: { cookies: [], origins: [] } });

test('a page without a session leads to the sign-in, and the password opens it', async ({ page }) => {
  await page.goto('/');
  await expect(page).toHaveURL(/\/sign-in/);
  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('wrong');

  await page.getByLabel('Name').fill(ADMINISTRATOR.name);
  await page.getByLabel('Password').fill(ADMINISTRATOR.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await ready(page);
  await expect(page.getByRole('heading', { name: 'Worklist' })).toBeVisible();
  await expect(page.locator('.bar-who')).toContainText('Administrator');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.goto('/audit');
  await expect(page).toHaveURL(/\/sign-in/);
});

test('nothing is given without a session', async ({ request }) => {
  for (const path of ['/frames/1.2.3', '/dicomweb/studies/1/series/2/instances/3', '/events']) {
    const response = await request.get(path, { maxRedirects: 0 });
    expect([303, 401, 403], path).toContain(response.status());
  }
  const upload = await request.post('/upload/file', { data: 'DICM', maxRedirects: 0 });
  expect([303, 401, 403]).toContain(upload.status());
});
