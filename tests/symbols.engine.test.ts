import { afterEach, beforeEach, expect, it } from 'vitest';
import { simulatedTicks } from '../workers/ingest/sources/simulated/source.ts';
import { epochMicroseconds } from '../workers/ingest/time.ts';
import { describeOnEngine } from './support/database.ts';
import { readTicks } from './support/market.ts';
import { type System, startSystem } from './support/system.ts';
import { waitFor } from './support/wait.ts';

/** The seed of the process's market. */
const seed = 1;

describeOnEngine('The process of a source', database => {
  const { sql } = database;
  let system: System;

  beforeEach(async () => {
    system = await startSystem(database);
  });
  afterEach(() => system.stopAll());

  const start = (...symbols: string[]) =>
    system.start('ingest', ['--symbols', symbols.join(','), '--history', '0.01']);
  const newest = async (symbol: string) => {
    const [row] = await sql<[{ at: string | null }]>`
      select max(t.observed_at) as at from feed.ticks as t
      join feed.instruments as i using (instrument_id) where i.symbol = ${symbol}`;
    return Date.parse(row.at ?? '1970-01-01Z');
  };
  const pricesAfter = (symbol: string, since: number) =>
    waitFor(`${symbol} has prices of now`, () => newest(symbol), {
      until: at => at > since,
      explain: system.logs,
    });

  /** Stored is the market, all of it is covered, and nothing is or was missing in the end. */
  async function expectWhole(symbol: string): Promise<void> {
    const ticks = await readTicks(sql, symbol);
    const [from = 0, to = 0] = [ticks[0], ticks.at(-1)].map(tick =>
      epochMicroseconds(tick?.observedAt ?? ''),
    );
    expect(ticks).toEqual(simulatedTicks(seed, [symbol], from, to + 1));
    const [row] = await sql`
      select (select count(*)::int from feed.coverage as c
          where c.instrument_id = feed.instrument_id(${symbol})) as stretches,
        (select count(*)::int from feed.gaps as g
          where g.instrument_id = feed.instrument_id(${symbol}) and not isempty(g.missing)) as gaps`;
    expect(row, symbol).toEqual({ stretches: 1, gaps: 0 });
  }

  it('follows an instrument that is added, lets go of one that is hidden, and interrupts nobody', async () => {
    const [stays, leaves, comes] = ['EUR_USD.SIM', 'USD_JPY.SIM', 'BTC_USD.SIM'] as const;
    const ingest = await start(stays, leaves);
    await pricesAfter(leaves, Date.now() - 10_000);
    await waitFor('all are shown', () => sql`select from feed.instruments where not is_active`, {
      until: hidden => hidden.length === 0,
      explain: system.logs,
    });
    await expect(sql`select feed.add_instrument(${comes}, 'nobody')`).rejects.toMatchObject({
      code: 'NOSRC',
    });
    await sql`select feed.add_instrument('NOT_OFFERED.SIM', 'simulated')`;
    await sql`select feed.add_instrument(${comes}, 'simulated')`;
    await sql`update feed.instruments set is_active = false where symbol = ${leaves}`;
    const addedAt = Date.now();
    await pricesAfter(comes, addedAt);
    console.info(`${comes} had prices ${Date.now() - addedAt} ms after it was added`);
    await pricesAfter(stays, addedAt + 8_000);
    const left = await newest(leaves);
    await pricesAfter(stays, Date.now() + 3_000);
    expect(await newest(leaves)).toBe(left);
    await sql`update feed.instruments set is_active = true where symbol = ${leaves}`;
    await pricesAfter(leaves, Date.now());
    await ingest.stop();
    // It catches up: nothing of the time in which it was hidden is missing.
    for (const symbol of [stays, leaves, comes]) await expectWhole(symbol);
    expect(ingest.log()).toContain('NOT_OFFERED.SIM is not followed');
    const [row] = await sql`select count(*)::int from feed.coverage as c
      join feed.instruments as i using (instrument_id) where i.symbol = 'NOT_OFFERED.SIM'`;
    expect(row).toEqual({ count: 0 });
  });

  it('may run twice: nothing is lost, doubled or made up when either of the two ends', async () => {
    const symbols = ['XAU_USD.SIM', 'ETH_USD.SIM'];
    const [one, two] = await Promise.all([start(...symbols), start(...symbols)]);
    for (const symbol of symbols) await pricesAfter(symbol, Date.now() + 4_000);
    await one.kill9();
    for (const symbol of symbols) await pricesAfter(symbol, Date.now() + 4_000);
    const three = await start(...symbols);
    for (const symbol of symbols) await pricesAfter(symbol, Date.now() + 4_000);
    await two.stop();
    await waitFor(
      'the one that goes on is heard',
      async () => {
        const [row] = await sql`select state from feed.source_states where source = 'simulated'`;
        return row?.state;
      },
      { until: state => state === 'connected', explain: system.logs },
    );
    await three.stop();
    for (const symbol of symbols) await expectWhole(symbol);
  });
});
