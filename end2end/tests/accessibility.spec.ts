import AxeBuilder from '@axe-core/playwright';
import { demoIsRead, expect, open, openBoxedStudy, test } from './fixtures';

for (const path of ['/', '/upload', '/audit', '/quarantine', '/accounts', '/cohorts', '/about', '/study']) {
  test(`axe finds nothing serious on ${path}`, async ({ page }) => {
    if (path === '/study') await openBoxedStudy(page);
    else if (path === '/') await demoIsRead(page);
    else await open(page, path);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(', ')}`)).toEqual([]);
  });
}
