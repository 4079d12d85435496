import fc from 'fast-check';
import type { ReservedSql } from 'postgres';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../tests/support/database.ts';
import {
  type Callable,
  callablesOfRole,
  callOf,
  type Known,
  refusals,
} from '../../tests/support/hostile_calls.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  registerCatalog,
  valuesOf,
} from '../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../../workers/ingest/feed.ts';

/** Each role, and the tables that it may change at all, by what their names begin with. */
const roles: Readonly<Record<string, readonly string[]>> = {
  foresight_ingest: [
    ...['feed.sources', 'feed.source_states', 'feed.instruments', 'feed.ticks', 'feed.candles_'],
    ...['feed.rejections', 'feed.rejected_ticks', 'feed.coverage', 'feed.gaps', 'feed.replays'],
    'feed.polled_sources',
    ...['outbox.changes', 'ops.processes', 'graphile_worker.'],
  ],
  foresight_upkeep: [
    ...['feed.rejections', 'feed.rejected_ticks', 'feed.coverage', 'feed.gaps', 'outbox.candles'],
    ...[
      'indicator.dead_letters',
      // It scores.
      'indicator.unscored',
      'track.',
      'alert.rules',
      'alert.events',
      'alert.deliveries',
      'ops.maintenance',
      'ops.processes',
      'graphile_worker.',
    ],
  ],
  foresight_publish: [
    ...['outbox.', 'indicator.marks', 'alert.rules', 'alert.events', 'alert.deliveries'],
    ...['ops.processes', 'graphile_worker.'],
  ],
  foresight_indicators: [
    ...['indicator.', 'outbox.subscriptions', 'outbox.filters', 'outbox.backfills'],
    ...['ops.processes', 'graphile_worker.'],
  ],
  foresight_service: [
    ...[
      'indicator.',
      'outbox.subscriptions',
      'outbox.filters',
      'outbox.backfills',
      'ops.processes',
    ],
  ],
  foresight_push: [
    ...['feed.source_states', 'feed.ticks', 'feed.candles_', 'feed.rejections'],
    ...['feed.rejected_ticks', 'outbox.changes', 'graphile_worker.'],
  ],
  foresight_web: ['ops.processes'],
};

describeOnEngine('A hostile call', ({ sql, as }) => {
  const feed = createFeed(sql);
  let symbol: string;
  let indicatorId: number;
  let known: Known;

  beforeAll(async () => {
    await registerCatalog(sql);
    symbol = await addInstrument(sql);
    indicatorId = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await sql`select outbox.subscribe('witness', 'witness', ${symbol}::text, '1m', 'bid')`;
    const ticks = Array.from({ length: 60 }, (_, n) =>
      tickOf(symbol, secondsAfter(20 * n), { bid: 1 + (n % 7), ask: 9 }),
    );
    await feed.recordTicks('manual', ticks);
    await catchUp(sql);
    const [row] = await sql<[{ instrument: number; subscription: number; revision: number }]>`
      select feed.instrument_id(${symbol}) as instrument,
        (select subscription_id from outbox.subscriptions where name = 'witness') as subscription,
        (select last_value::int from outbox.revision) as revision`;
    known = {
      texts: [
        ...[
          symbol,
          symbol,
          'manual',
          'manual',
          'classical',
          'models',
          'witness',
          'ma_cross',
          'rsi',
        ],
        ...['1s', '1m', '1d', 'bid', 'mid', 'last', 'heard', 'exact', 'connected', 'disconnected'],
        ...[
          'publish',
          'ingest',
          'upkeep',
          'indicators',
          'web',
          'conflict',
          'no_price',
          'not_computed',
        ],
      ],
      numbers: [row.instrument, row.subscription, row.revision, row.revision + 1, indicatorId],
      times: [secondsAfter(0), secondsAfter(60), secondsAfter(1_140), new Date().toISOString()],
    };
  });

  async function callables(role: string): Promise<Callable[]> {
    return [...(await sql.unsafe<Callable[]>(callablesOfRole, [role]))];
  }

  /** What each table holds, as one text of its rows. */
  async function contents(but: readonly string[]): Promise<Map<string, string>> {
    const tables = await sql<{ name: string }[]>`
      select c.oid::regclass::text as name from pg_class as c
      where c.relnamespace = any ('{feed,outbox,indicator,track,alert,dashboard,ops,migration,graphile_worker}'::regnamespace[])
        and (c.relkind in ('r', 'p') or c.relkind = 'v' and c.relname like 'candles\\_%') order by 1`;
    const found = new Map<string, string>();
    for (const { name } of tables) {
      if (but.some(prefix => name.startsWith(prefix))) continue;
      const [row] = await sql.unsafe<[{ digest: string }]>(
        `select md5(string_agg(t::text, ' ' order by t::text)) as digest from ${name} as t`,
      );
      found.set(name, row.digest);
    }
    return found;
  }

  /** A service of another's beats as what computes indicators. */
  const processesOfOthers = (own: string) => sql`
    select process from ops.processes
    where process <> ${own.replace('foresight_', '').replace('service', 'indicators')}`;

  async function attempt(session: ReservedSql, statement: string): Promise<string> {
    try {
      await session.unsafe(statement);
      return '';
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      return refusals.test(String(code)) ? '' : `${code} ${message}: ${statement.slice(0, 1_000)}`;
    }
  }

  it.for(Object.entries(roles))(
    'of %s is done or refused with a reason, and changes nothing else',
    { timeout: 300_000 },
    async ([role, changeable], { annotate }) => {
      const session = await as(role).reserve();
      await session.unsafe("set statement_timeout = '20s'");
      const all = await callables(role);
      expect(all.length).toBeGreaterThan(role === 'foresight_push' ? 1 : 5);
      const unchanged = await contents(changeable);
      const ticks = async () => [
        ...(await sql`
          select observed_at, seq, bid, ask, last, size from feed.ticks
          where instrument_id = feed.instrument_id(${symbol}) order by observed_at, seq`),
      ];
      const facts = (await ticks()).map(row => JSON.stringify(row));
      const said = await sql<{ bucket: string }[]>`select * from indicator.verdicts`;
      let inputs = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...all).chain(each => callOf(each, known)),
          async statement => {
            inputs++;
            expect(await attempt(session, statement)).toBe('');
          },
        ),
        { numRuns: 40 * all.length, seed: 20_261_128, endOnFailure: true },
      );
      session.release();
      await annotate(`${inputs} hostile calls of ${all.length} functions`);

      expect(await contents(changeable)).toEqual(unchanged);
      expect(await processesOfOthers(role)).toHaveLength(0);
      await sql`delete from ops.processes`;
      const now = new Set((await ticks()).map(row => JSON.stringify(row)));
      expect(facts.filter(fact => !now.has(fact))).toEqual([]);
      const saidNow = new Set(
        (await sql`select * from indicator.verdicts`).map(row => JSON.stringify(row)),
      );
      expect(said.filter(row => !saidNow.has(JSON.stringify(row)))).toEqual([]);
    },
  );

  it('leaves a system that becomes what its ticks say', async () => {
    await sql`update feed.instruments set is_active = true where symbol = ${symbol}`;
    await registerCatalog(sql);
    await sql`update indicator.pending set leased_until = '-infinity'`;
    await sql`update indicator.backfills set leased_until = '-infinity'`;
    await catchUp(sql);
    await sql`call ops.reconcile('2026-03-01Z', '2026-03-04Z')`;
    const [found] = await sql<[{ different: number; unrepaired: number }]>`
      select sum(different)::int as different, sum(unrepaired)::int as unrepaired from ops.reconciliations`;
    expect(found).toEqual({ different: 0, unrepaired: 0 });
    await catchUp(sql);
    await sql`select ops.recompute(${indicatorId})`;
    await computeAll(sql);
    const values = await valuesOf(sql, indicatorId);
    const closes = await sql<{ close: number }[]>`
      select close from feed.candles(${symbol}, '1m', 'bid', '2026-01-01Z', now()) order by bucket`;
    expect(values.map(({ outputs }) => outputs)).toEqual(
      closes.map(({ close }, n) => {
        const last = closes[n - 1]?.close;
        const mean = ((last ?? 0) + close) / 2;
        return last === undefined ? null : [close - mean, close, mean];
      }),
    );
  });
});
