import { demoIsRead, expect, open, openBoxedStudy, seriousFindings, test } from './fixtures';

const PAGES = ['/', '/?state=failed&result=definite', '/upload', '/audit', '/quarantine', '/accounts', '/cohorts', '/about',
  '/no-such-page', '/study/9.9', '/study'];

for (const theme of ['dark', 'light']) {
  for (const path of PAGES) {
    test(`axe finds nothing serious on ${path} in the ${theme} theme`, async ({ page, baseURL }) => {
      await page.context().addCookies([{ name: 'theme', value: theme, url: baseURL! }]);
      if (path === '/study') await openBoxedStudy(page);
      else if (path === '/') await demoIsRead(page);
      else await open(page, path);
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      expect(await seriousFindings(page)).toEqual([]);
    });
  }
}

test.describe('signed out', () => {
  test.use({ storageState: { cookies: [], origins: [] } });
  for (const theme of ['dark', 'light']) {
    test(`axe finds nothing serious on the sign-in in the ${theme} theme`, async ({ page, baseURL }) => {
      await page.context().addCookies([{ name: 'theme', value: theme, url: baseURL! }]);
      for (const path of ['/sign-in', '/sign-in?failed=1']) {
        await open(page, path);
        expect(await seriousFindings(page)).toEqual([]);
      }
    });
  }
});

test.describe('on a tablet', () => {
  test.use({ viewport: { width: 768, height: 1024 }, hasTouch: true });
  for (const path of ['/', '/upload', '/audit', '/quarantine', '/accounts', '/cohorts', '/about', '/study']) {
    test(`nothing is cut off on ${path}`, async ({ page }) => {
      if (path === '/study') await openBoxedStudy(page);
      else if (path === '/') await demoIsRead(page);
      else await open(page, path);
      // The page itself never scrolls sideways; wide tables do inside their own frame.
      const wide = await page.evaluate(() => document.querySelector('main')!.scrollWidth - window.innerWidth);
      expect(wide).toBeLessThanOrEqual(0);
      expect(await seriousFindings(page)).toEqual([]);
    });
  }
});

test('the focus can be seen at every stop', async ({ page }) => {
  await demoIsRead(page);
  const seen = new Set<string>();
  for (let stop = 0; stop < 25; stop++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement!;
      const label = element.closest('label');
      const rings = [element, label].filter((each) => each !== null).map((each) => getComputedStyle(each));
      const ring = rings.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
      return { name: element === document.body ? '' : element.outerHTML.slice(0, 80), ring };
    });
    if (!focused.name) break;
    seen.add(focused.name);
    expect(focused.ring, focused.name).toBe(true);
  }
  expect(seen.size).toBeGreaterThan(10);
});

test('nothing moves for readers who asked for that', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await demoIsRead(page);
  const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
    const style = getComputedStyle(element);
    return style.animationName !== 'none' || style.transitionDuration.split(',').some((time) => parseFloat(time) > 0);
  }).length);
  expect(moving).toBe(0);
});
