import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import { simulatedTicks } from '../workers/ingest/sources/simulated/source.ts';
import { epochMicroseconds } from '../workers/ingest/time.ts';
import { expectCandlesOf } from './support/candles.ts';
import { describeOnEngine } from './support/database.ts';
import { readTicks } from './support/market.ts';
import { type System, startSystem } from './support/system.ts';
import { addAverages, expectValuesOf, registerKinds } from './support/values.ts';
import { waitFor } from './support/wait.ts';

const symbols = ['EUR_USD.GAP', 'BTC_USD.GAP'];
/** The seed of the process's market. */
const seed = 1;

/** Longer than what it waits for, one after the other, may take. */
vi.setConfig({ testTimeout: 240_000 });

/** The market over a bad line, through the real processes. */
describeOnEngine('What a source missed', database => {
  const { sql } = database;
  const feed = createFeed(sql);
  let system: System;

  const startIngest = (...args: string[]) =>
    system.start('ingest', ['--source', 'gappy', '--symbols', symbols.join(','), ...args]);
  const slowly = ['--gappy-misses', '0.5', '--gappy-page', '1', '--gappy-delay', '300'];

  interface Ledger {
    readonly open: number;
    readonly begun: number;
    readonly closed: number;
    readonly tries: number;
    readonly causes: readonly string[];
    readonly grades: readonly string[];
  }
  async function ledger(): Promise<Ledger> {
    const [row] = await sql<[Ledger]>`
      select count(*) filter (where closed_at is null)::int as open,
        count(*) filter (where closed_at is null and grade is not null)::int as begun,
        count(closed_at)::int as closed, coalesce(max(tries), 0)::int as tries,
        coalesce(array_agg(distinct cause), '{}') as causes,
        coalesce(array_agg(distinct grade) filter (where grade is not null), '{}') as grades
      from feed.gaps`;
    return row;
  }
  /** When it was heard last, of the one that was heard least. */
  const heardUntil = async () => {
    const [row] = await sql<[{ at: string | null }]>`
      select min(h.heard_until) as at from (
        select max(c.covered_to) as heard_until from feed.coverage as c
        where c.grade = 'heard' group by c.instrument_id
      ) as h`;
    return Date.parse(row.at ?? '');
  };
  const newest = async () => {
    const [row] = await sql<[{ at: string | null }]>`
      select max(observed_at) as at from feed.ticks`;
    return row.at ?? '';
  };
  /** Seconds of a symbol that are told as a gap, and as quiet, within what was stored. */
  async function filled(symbol: string) {
    const [row] = await sql<[{ gap: number; no_tick: number; ticks: number }]>`
      select count(*) filter (where f.filled = 'gap')::int as gap,
        count(*) filter (where f.filled = 'no_tick')::int as no_tick,
        count(*) filter (where f.filled is null)::int as ticks
      from (
        select min(t.observed_at) as first, max(t.observed_at) as last from feed.ticks as t
        where t.instrument_id = feed.instrument_id(${symbol})
      ) as s, feed.filled_candles(${symbol}, '1s', 'mid', s.first, s.last) as f`;
    return row;
  }

  beforeAll(async () => {
    await registerKinds(sql);
    await feed.registerSource({ name: 'gappy', isSimulated: true, description: '' }, true);
    for (const symbol of symbols) {
      await feed.addInstrument('gappy', { symbol, description: '', pricePrecision: 5 });
      await addAverages(sql, symbol, '1s', { fast: 3, slow: 10 });
    }
    system = await startSystem(database);
    await Promise.all([
      system.start('upkeep'),
      system.start('publish'),
      system.start('indicators'),
    ]);
  });
  afterAll(() => system.stopAll());

  it('stays a gap while nobody repairs it, with its cause', async () => {
    const ingest = await startIngest('--no-repair', '--gappy-misses', '0.5');
    // What is missed depends on the time of day: a symbol may have all its gaps before or after its ticks.
    const seen = await waitFor(
      'both kinds of gaps are in the ledger, and some among the ticks of each symbol',
      async () => {
        const { open, causes } = await ledger();
        const gaps = await Promise.all(symbols.map(async symbol => (await filled(symbol)).gap));
        return { open, causes, gaps };
      },
      {
        deadlineMs: 90_000,
        until: ({ open, causes, gaps }) =>
          open >= 6 && causes.length === 2 && gaps.every(gap => gap > 0),
        explain: system.logs,
      },
    );
    expect(seen.causes).toEqual(['some were skipped', 'the source said nothing of this time']);
    // Longer than it takes until a gap is due to be repaired.
    const before = await newest();
    await waitFor('ten seconds more are stored', newest, {
      deadlineMs: 60_000,
      until: at => Date.parse(at) > Date.parse(before) + 10_000,
    });
    await ingest.kill9();
    expect(await ledger()).toMatchObject({ closed: 0, begun: 0, tries: 0 });
    const shown = await sql<{ state: string; next_try_at: string | null }[]>`
      select distinct state, next_try_at from ops.gaps where state <> 'not listening'`;
    expect([...shown]).toEqual([{ state: 'open', next_try_at: null }]);
  });

  it('is repaired while prices go on, and by whoever comes after a kill -9 in the middle', async () => {
    for (const round of [1, 2]) {
      const before = await ledger();
      const last = await newest();
      const ingest = await startIngest(...slowly);
      await waitFor(
        `a repair is in the middle and live prices go on, ${round}`,
        async () => ({ ...(await ledger()), at: await newest() }),
        {
          deadlineMs: 60_000,
          until: now =>
            now.closed > before.closed && now.open > 0 && Date.parse(now.at) > Date.parse(last),
          explain: system.logs,
        },
      );
      await ingest.kill9();
    }
    expect((await ledger()).open).toBeGreaterThan(0);
  });

  it('is whole in the end: ticks, candles and values are as if nothing had been missed', async () => {
    const startedAt = Date.now();
    const ingest = await startIngest('--gappy-misses', '0', '--gappy-missed', '0.5');
    // A claim of the killed one has to run out first.
    await waitFor(
      'it is heard again, all gaps are closed, and each symbol has more than its averages warm up with',
      async () => {
        const seconds = await Promise.all(
          symbols.map(async symbol => (await filled(symbol)).ticks),
        );
        return { heardUntil: await heardUntil(), seconds, ...(await ledger()) };
      },
      {
        deadlineMs: 90_000,
        until: now =>
          now.heardUntil > startedAt && now.open === 0 && now.seconds.every(count => count > 25),
        explain: system.logs,
      },
    );
    await ingest.stop();
    await system.settled();
    const { open, grades, causes } = await ledger();
    expect({ open, grades }).toEqual({ open: 0, grades: ['exact'] });
    expect(causes).toContain('the ingest process was not running');
    for (const symbol of symbols) {
      const ticks = await readTicks(sql, symbol);
      const [from = 0, to = 0] = [ticks[0], ticks.at(-1)].map(tick =>
        epochMicroseconds(tick?.observedAt ?? ''),
      );
      const market = simulatedTicks(seed, [symbol.replace('.GAP', '.SIM')], from, to + 1);
      expect(ticks).toEqual(market.map(tick => ({ ...tick, symbol })));
      await expectCandlesOf(sql, symbol, ticks);
      expect(await expectValuesOf(sql, symbol, ticks)).toBeGreaterThan(10);
      expect((await filled(symbol)).gap).toBe(0);
      const covered = await sql<{ covers: boolean }[]>`
        select range_agg(tstzrange(c.covered_from, c.covered_to, '[]')) @>
          (select tstzrange(min(t.observed_at), max(t.observed_at), '[]') from feed.ticks as t
           where t.instrument_id = feed.instrument_id(${symbol})) as covers
        from feed.coverage as c where c.instrument_id = feed.instrument_id(${symbol})`;
      expect([...covered]).toEqual([{ covers: true }]);
    }
  });
});
