import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../start/embedded/cluster.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { hasChromium, launchChromium } from './support/chromium.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { addIndicator, catchUp, registerCatalog } from './support/indicators.ts';
import { type FaultProxy, openProxy } from './support/proxy.ts';
import { type System, startSystem, type WorkerProcess } from './support/system.ts';
import { tickOf } from './support/ticks.ts';

/** A busy machine takes longer than the eleven and two seconds that it is meant to. */
const soon = { timeout: 30_000 };

describe.skipIf(!hasChromium)('In a real browser', () => {
  describeOnEngine('an open page', database => {
    const { sql } = database;
    const feed = createFeed(sql);
    let system: System;
    let proxy: FaultProxy;
    let web: WorkerProcess;
    let browser: Browser;
    let market: Page;
    let status: Page;
    let url: string;
    let row: string;
    let feeding: Promise<void>;
    let isOver = false;

    /** News each half second, whether or not somebody looks. */
    async function keepFeeding(symbol: string): Promise<void> {
      for (let price = 1; !isOver; price += 0.01) {
        const now = new Date().toISOString();
        await feed.recordTicks('manual', [tickOf(symbol, now, { bid: price, ask: price })]);
        await catchUp(sql);
        await new Promise(resolve => setTimeout(resolve, 500));
      }
    }

    beforeAll(async () => {
      await registerCatalog(sql);
      const symbol = await addInstrument(sql);
      await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1s' });
      feeding = keepFeeding(symbol);
      system = await startSystem(database);
      proxy = await openProxy(database.url);
      const viaProxy = new URL(database.url);
      viaProxy.port = String(proxy.port);
      const port = await freePort();
      url = `http://127.0.0.1:${port}`;
      web = await system.start('web', [], { DATABASE_URL: viaProxy.href, PORT: String(port) });
      browser = await launchChromium();
      market = await browser.newPage();
      status = await browser.newPage();
      await market.goto(url);
      await status.goto(`${url}/status`);
      const id = await market.getAttribute(`tr:has-text("${symbol}")`, 'id');
      row = `#${id}`;
    });
    afterAll(async () => {
      isOver = true;
      web.thaw();
      proxy.set(undefined);
      await feeding;
      await browser.close();
      await system.stopAll();
      await proxy.close();
    });

    const badge = (page: Page, name: string) =>
      page.waitForSelector(`#connection[data-state="${name}"]`, soon);
    const isMarked = (page: Page) =>
      page.evaluate(`({
        fault: document.getElementById('fault').textContent,
        isPast: document.getElementById('content').hasAttribute('data-past'),
        isWarned: document.title.startsWith('⚠ '),
      })`);
    const live = { fault: '', isPast: false, isWarned: false };

    const bothLive = async () => {
      for (const page of [market, status]) {
        await badge(page, 'live');
        expect(await isMarked(page)).toEqual(live);
      }
      await market.waitForSelector(`${row} .price[data-state="live"]`, soon);
    };

    it('whose server is stopped grows old by itself, and goes on when the server does', async () => {
      await bothLive();
      web.freeze();
      for (const page of [market, status]) {
        await badge(page, 'reconnecting');
        await expect
          .poll(() => isMarked(page))
          .toEqual({
            fault: expect.stringMatching(/^Nothing was heard since \d\d:\d\d:\d\d UTC\. /),
            isPast: true,
            isWarned: true,
          });
      }
      await market.waitForSelector(`${row} .price[data-state="stale"]`, soon);
      await market.waitForSelector(`${row} .cell[data-state="dead"]`, soon);
      const words = await market.textContent(row);
      expect(words).toMatch(/\d+ s stale/);
      expect(words).toMatch(/(bullish|bearish|neutral) .*dead/s);
      web.thaw();
      await bothLive();
    }, 120_000);

    it('whose database is silent says so and since when, as does one that is opened then', async () => {
      await bothLive();
      proxy.set('stall');
      const silence = {
        fault: expect.stringMatching(
          /^The database does not answer\. Its last answer came at [\d -]+[\d:]+ UTC\. What you see is of /,
        ),
        isPast: true,
        isWarned: true,
      };
      for (const page of [market, status]) {
        await badge(page, 'not live');
        await expect.poll(() => isMarked(page), soon).toEqual(silence);
      }
      const opened = await browser.newPage();
      await opened.goto(url);
      await badge(opened, 'not live');
      expect(await isMarked(opened)).toEqual(silence);
      expect(await opened.textContent(row)).toMatch(/\d\.\d{5}/);
      proxy.set(undefined);
      await badge(opened, 'live');
      await bothLive();
    }, 120_000);
  });
});
