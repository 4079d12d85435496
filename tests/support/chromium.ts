import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const browsers = [
  process.env.CHROMIUM_PATH ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const executablePath = browsers.find(path => path !== '' && existsSync(path));
if (executablePath === undefined) {
  console.warn(
    '\n*** SKIPPED: no Chromium found, the pages were NOT tried in a real browser. Install one or set CHROMIUM_PATH. ***\n',
  );
}

/** Whether this machine has a browser for {@link launchChromium}. */
export const hasChromium = executablePath !== undefined;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: executablePath ?? '',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
    ],
  });
}
