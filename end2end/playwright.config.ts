import { defineConfig } from '@playwright/test';

// Builds nothing and needs no network: the fixture `server` in tests/fixtures.ts starts what is built.
export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  // One server, one browser: tests share the studies in it.
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  timeout: 180_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    // What a service worker kept would make tests depend on each other; tests/line.spec.ts allows it where it is meant.
    serviceWorkers: 'block',
    trace: 'retain-on-failure',
  },
});
