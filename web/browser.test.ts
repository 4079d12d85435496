import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { pino } from 'pino';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasChromium, launchChromium } from '../tests/support/chromium.ts';
import { createApp } from './app.ts';
import { createEvents, type Events } from './live/events.ts';
import { createFixture, crowdedRows, type Fixture } from './tests/fixture.ts';

const logger = pino({ level: 'silent' });
let browser: Browser;
let context: BrowserContext;
let page: Page;
let fixture: Fixture;
let events: Events;
let server: ServerType;
let port: number;
let complaints: string[];

async function start(at: number) {
  events = createEvents({ dashboard: fixture.dashboard, logger, pushInterval: 20 });
  const app = createApp({ dashboard: fixture.dashboard, events, logger });
  server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: at });
  await new Promise<void>(resolve => server.once('listening', () => resolve()));
  port = (server.address() as AddressInfo).port;
}

async function stop() {
  events.close();
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  if ('closeAllConnections' in server) server.closeAllConnections();
  await closed;
}

async function visit(path: string) {
  await page.goto(`http://127.0.0.1:${port}${path}`);
  await state('live');
}

const state = (name: string) => page.waitForSelector(`#connection[data-state="${name}"]`);
const textOf = (selector: string) => page.locator(selector).textContent();

const shows = (selector: string, text: string) =>
  page.locator(selector, { hasText: text }).waitFor();
const weakTexts = readFileSync(join(import.meta.dirname, 'contrast.browser.js'), 'utf8');

/** Changes a price, and says so as the database would. */
function setPrice(symbol: string, price: number, verdict?: 1 | 0 | -1) {
  fixture.setPrice(symbol, price, verdict);
  events.notify();
}

describe.skipIf(!hasChromium)('in a real browser', () => {
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    fixture = createFixture();
    complaints = [];
    await start(0);
    context = await browser.newContext();
    page = await context.newPage();
    page.on('console', message => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(error.message));
    await page.addInitScript(`globalThis.violations = [];
      addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective));`);
  });
  afterEach(async () => {
    await context.close();
    await stop();
  });

  const violations = () => page.evaluate('violations');

  test('a price and a verdict change without a reload, and nothing is complained about', async () => {
    await visit('/');
    await page.evaluate('globalThis.isSamePage = true');
    expect(await textOf('#row-1')).toContain('▲ bullish +1');
    setPrice('EUR_USD', 1.23456, -1);
    await shows('#row-1', '1.23456');
    expect(await textOf('#row-1')).toContain('▼ bearish −1');
    expect(await textOf('#row-2')).toContain('64,210.5');
    expect(await page.evaluate('globalThis.isSamePage')).toBe(true);
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
    expect(await violations()).toEqual([]);
  });

  test('focus stays on a link whose row changes', async () => {
    await visit('/');
    await page.focus('#row-1 a[href="/indicators/1"]');
    setPrice('EUR_USD', 1.5, 0);
    await shows('#row-1', '1.50000');
    expect(await page.evaluate('document.activeElement.getAttribute("href")')).toBe(
      '/indicators/1',
    );
  });

  test('a new instrument appears and a filter keeps hiding others', async () => {
    await visit('/');
    await page.keyboard.press('/');
    await page.keyboard.type('eur');
    expect(await page.locator('tr[data-text]:visible').count()).toBe(1);
    fixture.rows = [
      ...fixture.rows,
      { ...fixture.rows[0], symbol: 'EUR_CHF', instrument_id: 9 } as (typeof fixture.rows)[0],
    ];
    setPrice('BTC_USD', 1);
    await page.waitForSelector('#row-9');
    expect(await page.locator('tr[data-text]:visible').count()).toBe(2);
    expect(await page.inputValue('#filter')).toBe('eur');
  });

  test('pause holds everything still, resume shows the present', async () => {
    await visit('/');
    await page.click('#pause');
    await state('paused');
    setPrice('EUR_USD', 1.6);
    await page.waitForTimeout(300);
    expect(await textOf('#row-1')).toContain('1.08455');
    await page.click('#pause');
    await shows('#row-1', '1.60000');
  });

  test('the stream resumes after a restart of the server, with what changed meanwhile', async () => {
    await visit('/');
    await stop();
    await state('reconnecting');
    fixture.setPrice('EUR_USD', 1.77777);
    await start(port);
    await state('live');
    await shows('#row-1', '1.77777');
  });

  test('what nobody tells anew grows old by itself, in words and without colour', async () => {
    const before = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
    const colour = (selector: string) =>
      page.evaluate(`getComputedStyle(document.querySelector('${selector}')).color`);
    fixture.rows = fixture.rows.map(row => ({
      ...row,
      observed_at: before(8),
      interval_seconds: 5,
      indicators: row.indicators.map(each => ({ ...each, bucket: before(8), width_seconds: 1 })),
      ratings: row.ratings.map(each => ({ ...each, bucket: before(8), width_seconds: 1 })),
    }));
    await visit('/');
    const verdict = '#row-1 a[href="/indicators/1"]';
    await page.waitForSelector(`${verdict}[data-state="dead"]`);
    await page.waitForSelector('#row-1 .price[data-state="stale"]');
    const words = (await textOf('#row-1'))?.replace(/\s+/g, ' ');
    expect(words).toMatch(/1\.08455 ?\d+ s stale ?1\.08450/);
    expect(words).toMatch(/bullish \+1 ?0\.00012 dead/);
    expect(words).toMatch(/strong buy ?1m · \+0\.62 · 24 of 26 votes (stale|dead)/);
    const muted = await colour('#row-1 .price .detail');
    expect(await colour(`${verdict} .verdict`)).toBe(muted);
    expect(await colour('#row-1 .rating .verdict')).toBe(muted);
    expect(await colour('#row-1 .change')).toBe(muted);
    // Other news of the row do not make it younger, only a newer time does.
    setPrice('EUR_USD', 1.5);
    await page.waitForSelector('#row-1 .price[data-state="live"]');
    expect(await colour('#row-1 .change')).not.toBe(muted);
    expect(complaints).toEqual([]);
  });

  test('a server that cannot read says so, and nothing on the page says otherwise', async () => {
    fixture.status = { ...fixture.status, is_healthy: true, faults: [] };
    await visit('/status');
    const after = () =>
      page.evaluate(
        "getComputedStyle(document.querySelector('#health .claim'), '::after').content",
      );
    expect(await after()).toBe('none');
    fixture.failure = new Error('secret');
    await fixture.dashboard.status().catch(() => undefined);
    await state('not live');
    await shows('#fault', 'The database cannot be reached. Its last answer came at ');
    expect(await after()).toBe('" when last heard"');
    expect(await page.title()).toBe('⚠ Status · Foresight');
    await page.reload();
    await state('not live');
    await shows('#fault', 'The database cannot be reached. Its last answer came at ');
    fixture.failure = null;
    await state('live');
    expect(await page.isHidden('#fault')).toBe(true);
    expect(await after()).toBe('none');
    expect(await page.title()).toBe('Status · Foresight');
    fixture.status = { ...fixture.status, is_healthy: false, faults: ['one'] };
    await expect.poll(() => page.title(), { timeout: 20_000 }).toBe('Status: faults · Foresight');
  });

  test('a first connection that is refused is tried again', async () => {
    let isRefused = true;
    await page.route('**/events?*', route =>
      isRefused ? route.fulfill({ status: 503, body: 'too many open pages' }) : route.continue(),
    );
    await page.goto(`http://127.0.0.1:${port}/`);
    await state('reconnecting');
    expect(await page.locator('#row-1').count()).toBe(1);
    isRefused = false;
    await state('live');
  });

  test('the chart draws and follows without a complaint', async () => {
    await visit('/indicators/1');
    await page.waitForSelector('#chart[data-drawn="300"] canvas');
    const updates = async () => Number(await page.getAttribute('#chart', 'data-updates'));
    const before = await updates();
    setPrice('EUR_USD', 1.0866, -1);
    await expect.poll(updates).toBeGreaterThan(before);
    await shows('#now', 'bearish');
    await shows('#history tbody tr:first-child', '1.08660');
    await shows('#legend', 'C\u00a01.08660');
    expect(await page.title()).toContain('▼ bearish · EUR_USD');
    expect(await textOf('footer')).toContain('Charts by TradingView Lightweight Charts');
    expect(complaints).toEqual([]);
    expect(await violations()).toEqual([]);
  });

  test('the track record comes in beside the page', async () => {
    await page.addInitScript(`
      globalThis.titles = '';
      document.addEventListener('htmx:finally:swap', ({ target }) => {
        if (target.id === 'track') titles += document.title;
      });
    `);
    await visit('/indicators/1');
    await shows('#track', 'no evidence that it beats chance, 2410 verdicts');
    expect(await page.locator('#track tbody tr').count()).toBe(6);
    await page.waitForFunction("titles !== ''");
    expect(await page.evaluate('titles')).not.toContain('Track record');
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    expect(await violations()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test.each([
    [1, 'own pane for the difference', 2, undefined],
    [2, 'own pane with thresholds', 2, undefined],
    [5, 'forecast over the candles', undefined, '12'],
  ])(
    'the chart of indicator %i has what its kind declares: %s',
    async (id, _what, panes, horizon) => {
      await visit(`/indicators/${id}`);
      await page.waitForSelector('#chart[data-drawn="300"] canvas');
      const drawn = (await page.evaluate(
        "({ ...document.getElementById('chart').dataset })",
      )) as Record<string, string>;
      if (panes !== undefined) expect(drawn.panes).toBe(String(panes));
      expect(drawn.forecast).toBe(horizon);
      // Each pane is a row of the library's table, next to its scale.
      const rows = await page.locator('#chart table tr:has(td canvas)').count();
      expect(rows).toBeGreaterThanOrEqual((panes ?? 1) + 1);
      expect(complaints).toEqual([]);
      expect(await violations()).toEqual([]);
    },
  );

  test('a late candle that the chart never drew makes it draw all anew', async () => {
    const candle = { open: 1, high: 1, low: 1, close: 1, tick_count: 1, is_closed: true, time: 90 };
    await page.route('**/chart.json?from=*', route =>
      route.fulfill({ json: { candles: [candle], outputs: [], forecast: null, verdicts: [] } }),
    );
    await visit('/indicators/1');
    await page.waitForSelector('#chart[data-drawn="300"] canvas');
    const wholeRead = page.waitForResponse(answer => answer.url().endsWith('/chart.json'));
    setPrice('EUR_USD', 1.0866);
    await wholeRead;
    await shows('#legend', 'C\u00a01.08660');
    expect(complaints).toEqual([]);
  });

  test('the theme button keeps its choice over a reload', async () => {
    await visit('/status');
    await page.click('#theme');
    await page.click('#theme');
    expect(await page.getAttribute('html', 'data-theme')).toBe('dark');
    await page.reload();
    expect(await page.getAttribute('html', 'data-theme')).toBe('dark');
    expect(complaints).toEqual([]);
  });

  test.each([
    [390, '/'],
    [390, '/indicators/1'],
    [390, '/instruments/EUR_USD'],
    [390, '/status'],
    [1_440, '/'],
  ])('at %i pixels %s does not scroll sideways', async (width, path) => {
    await page.setViewportSize({ width, height: 800 });
    await visit(path);
    expect(
      await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
    ).toBeLessThanOrEqual(0);
  });

  /** How much of something lies beyond its right or lower edge. */
  const beyond = (selector: string, edge: 'Width' | 'Height' = 'Width') =>
    page.evaluate(
      `Math.max(...[...document.querySelectorAll('${selector}')].map(each => each.scroll${edge} - each.client${edge}))`,
    );
  /** So many pixels are between the sign of a verdict and the nearest mark beside it. */
  const nearestMark = `Math.min(...[...document.querySelectorAll('.cell .sign')].flatMap(sign => {
    const cell = sign.closest('.cell');
    const right = cell.getBoundingClientRect().right - sign.getBoundingClientRect().right;
    return [[cell.querySelector('.unsettled'), '::before'], [cell.querySelector('.forming'), '::after']]
      .map(([each, mark]) => each && getComputedStyle(each, mark))
      .filter(style => style?.position === 'absolute')
      .map(style => right - parseFloat(style.right) - parseFloat(style.width));
  }))`;

  test.each([390, 1_280, 1_440])(
    'at %i pixels all that every instrument has by itself is seen without scrolling sideways',
    async width => {
      fixture.rows = crowdedRows();
      await page.setViewportSize({ width, height: 800 });
      await visit('/');
      expect(
        await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
      ).toBeLessThanOrEqual(0);
      expect(await beyond('.grid')).toBeLessThanOrEqual(0);
      expect(await beyond('.market td, .market th')).toBeLessThanOrEqual(0);
      const name = 'Logistic regression 270, 3 returns, 1 ahead';
      expect(await page.locator(`.market [title^="${name}"]`).count()).toBeGreaterThan(0);
      expect(await beyond('.market .label', 'Height')).toBeLessThanOrEqual(0);
      expect(await page.evaluate(nearestMark)).toBeGreaterThanOrEqual(2);
      // The word is there for who does not see arrow and colour.
      expect(await textOf('#row-2')).toContain('▼ bearish −1');
      expect(await page.evaluate(`${weakTexts}; weakTexts()`)).toEqual([]);
    },
  );

  test('with more indicators than fit the grid alone scrolls, and its rows keep their names', async () => {
    fixture.rows = crowdedRows(40);
    await page.setViewportSize({ width: 1_280, height: 800 });
    await visit('/');
    expect(
      await page.evaluate('document.documentElement.scrollWidth - innerWidth'),
    ).toBeLessThanOrEqual(0);
    const left = () =>
      page.evaluate(
        "document.querySelector('.market tbody th').getBoundingClientRect().left - document.querySelector('.grid').getBoundingClientRect().left",
      );
    const before = await left();
    await page.evaluate("document.querySelector('.grid').scrollLeft = 500");
    expect(await page.evaluate("document.querySelector('.grid').scrollLeft")).toBe(500);
    expect(await left()).toBe(before);
  });

  test('text has a contrast of 4.5 to 1 in both themes', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const path of ['/', '/indicators/1', '/status']) {
        await visit(path);
        expect(await page.evaluate(`${weakTexts}; weakTexts()`), `${path} ${colorScheme}`).toEqual(
          [],
        );
      }
    }
  });
});
