import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  computeAll,
  registerCatalog,
} from '../../../tests/support/indicators.ts';
import { collidingTick, iso, secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createDashboard } from '../../../web/dashboard.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';
import type { Sql } from '../../runtime/database.ts';

/** A transaction takes the same statements. */
const asSql = (own: unknown) => own as Sql;

describeOnEngine('feed.newest_ticks', ({ sql, as }) => {
  const feed = createFeed(sql);
  const other = createFeed(as('foresight_ingest'));

  const expectTrue = async () => {
    const kept = await sql`
      select instrument_id, first_observed_at, observed_at, seq, bid, ask, last, size, received_at
      from feed.newest_ticks order by 1`;
    const real = await sql`
      select distinct on (t.instrument_id) t.instrument_id,
        (select min(f.observed_at) from feed.ticks as f where f.instrument_id = t.instrument_id) as first_observed_at,
        t.observed_at, t.seq, t.bid, t.ask, t.last, t.size, t.received_at
      from feed.ticks as t order by t.instrument_id, t.observed_at desc, t.seq desc`;
    expect([...kept]).toEqual([...real]);
  };

  it('has the newest and the first of each instrument, in whatever order they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(collidingTick, { minLength: 1, maxLength: 12 }), { maxLength: 6 }),
        async batches => {
          const symbols = [await addInstrument(sql), await addInstrument(sql)];
          for (const [place, batch] of batches.entries()) {
            const ticks = batch.map((tick, n) => ({
              ...tick,
              symbol: symbols[(n + place) % 2] ?? '',
            }));
            await feed.recordTicks('manual', ticks);
          }
          await expectTrue();
        },
      ),
      { numRuns: 25 },
    );
  });

  it('has them when two write the same instruments at once', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql)];
    const batch = (seconds: number, seq: number) =>
      symbols.map(symbol => tickOf(symbol, secondsAfter(seconds), { seq, bid: 1 + seconds / 8 }));
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        feed.recordTicks('manual', batch((7 * round) % 11, round)),
        other.recordTicks('manual', batch((3 * round) % 13, 100 + round).reverse()),
      ]);
    }
    await expectTrue();
  });

  it('keeps nothing of what was rolled back', async () => {
    const symbol = await addInstrument(sql);
    await sql
      .begin(async own => {
        await createFeed(asSql(own)).recordTicks('manual', [
          tickOf(symbol, secondsAfter(1), { bid: 1 }),
        ]);
        throw new Error('no');
      })
      .catch(() => undefined);
    await expectTrue();
  });
});

describeOnEngine('feed.recent_ticks', ({ sql }) => {
  const days = [0, 1, 1.0001, 9, 40, 41, 300];
  let symbol: string;

  beforeAll(async () => {
    symbol = await addInstrument(sql);
    await createFeed(sql).recordTicks(
      'manual',
      days.flatMap(day =>
        [0, 1].map(seq => tickOf(symbol, secondsAfter(86_400 * (day - 300)), { seq, bid: 1 })),
      ),
    );
  });

  it.each([0, 1, 2, 3, 5, 13, 14, 15])('has the newest %i, newest first', async count => {
    const untils = [null, ...days.flatMap(day => [day - 300, day - 300 + 0.5])];
    for (const until of untils) {
      const at = until === null ? null : secondsAfter(86_400 * until);
      const found = await sql`
        select t.observed_at, t.seq from feed.recent_ticks(feed.instrument_id(${symbol}), ${count}, ${at}::timestamptz) as t`;
      const real = await sql`
        select t.observed_at, t.seq from feed.ticks as t
        where t.observed_at <= coalesce(${at}::timestamptz, 'infinity') and t.instrument_id = feed.instrument_id(${symbol})
        order by t.observed_at desc, t.seq desc limit ${count}`;
      expect([...found], `until ${at}`).toEqual([...real]);
    }
  });
});

// Who plans a statement opens and locks every chunk that its bounds in time do not leave out, which with years of
// ticks takes longer than all else. Asked of the locks, as times depend on the machine.
describeOnEngine('With a long history', ({ sql, engine }) => {
  let symbol: string;
  const now = Date.now();
  /** Each is a statement of a process, in the order in which a tick goes. */
  const steps: Readonly<Record<string, (own: Sql) => Promise<unknown>>> = {
    'stores a tick': own => createFeed(own).recordTicks('manual', [live(1, 1)]),
    'stores one without an id': own => createFeed(own).recordTicks('manual', [live(2, null)]),
    'is told a tick again, and another price of it': own =>
      createFeed(own).recordTicks('manual', [live(-1, 0), { ...live(-2, 0), bid: 3 }]),
    'says what is covered': own =>
      createFeed(own).extendCoverage('manual', [
        { symbol, from: iso(live(-1, 0).observedAt), to: iso(live(1, 0).observedAt), cause: null },
      ]),
    'asks until when something is stored': own => createFeed(own).storedUntil([symbol]),
    'claims a gap': async own => {
      const [from, to] = [iso(live(-90, 0).observedAt), iso(live(-80, 0).observedAt)];
      await createFeed(own).openGaps('manual', [{ symbol, from, to, cause: 'of a test' }]);
      await own`update feed.gaps set next_try_at = now() - interval '1 second'`;
      expect(await createFeed(own).claimGap('manual')).toMatchObject({ symbol });
    },
    'captures, sends and computes what changed': async own => {
      await createFeed(own).recordTicks('manual', [
        tickOf(symbol, new Date().toISOString(), { bid: 2 }),
      ]);
      const outbox = createOutbox(own);
      await outbox.captureDeltas(1_000);
      await outbox.closeCandles();
      const deliveries = await outbox.claimDeliveries(1_000);
      await outbox.markSent(deliveries);
      expect(await accept(own, deliveries)).toBeGreaterThan(0);
      await computeAll(own);
    },
    'chooses a side': own => own`select indicator.side_of(feed.instrument_id(${symbol}))`,
    'shows the market': own => createDashboard(own).watchlist(),
    'shows an instrument': own => createDashboard(own).instrument(symbol),
    'shows candles': own => createDashboard(own).candles(symbol, '1m', 'bid', 100),
    'shows the status': own => createDashboard(own).status(),
    'says when work is next': own => own`select outbox.next_work_at(), feed.next_storing_at()`,
  };
  const live = (seconds: number, seq: number | null) =>
    tickOf(symbol, new Date(now - 60_000 + 1_000 * seconds).toISOString(), { seq, bid: 2 });

  beforeAll(async () => {
    await registerCatalog(sql);
    symbol = await addInstrument(sql);
    await sql`insert into feed.ticks (instrument_id, observed_at, bid)
      select feed.instrument_id(${symbol}), t.at, 1 from generate_series(now() - interval '75 days', now() - interval '40 days', interval '1 day') as t(at)`;
    await capture(sql);
    // More than are looked at to see which sides there are.
    await createFeed(sql).recordTicks(
      'manual',
      Array.from({ length: 150 }, (_, n) => live(n - 150, 0)),
    );
    await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    // All at once: a day at a time takes minutes.
    if (engine === 'timescaledb') {
      const levels = await sql<{ name: string }[]>`
        select format('feed.candles_%s', timeframe) as name from feed.timeframes order by width`;
      for (const { name } of levels)
        await sql`call public.refresh_continuous_aggregate(
          ${name}::text::regclass, null, now() - interval '2 days', options => '{"buckets_per_batch": 0}')`;
    }
    await sql`call feed.advance_candles()`;
  });

  it.runIf(engine === 'timescaledb').each(Object.keys(steps))(
    'whoever %s opens no old chunk of the ticks',
    async name => {
      const opened = new Set<number>();
      // A plan of no values of its own is made after five with them.
      for (let time = 0; time < 8; time++) {
        await sql
          .begin(async own => {
            await steps[name]?.(asSql(own));
            const [row] = await own<[{ count: number }]>`
              select count(distinct l.relation)::int as count
              from pg_locks as l join public.show_chunks('feed.ticks', older_than => interval '45 days') as c on c = l.relation
              where l.pid = pg_backend_pid()`;
            opened.add(row.count);
            throw new Error('rolled back');
          })
          .catch(error => expect(error.message).toBe('rolled back'));
      }
      expect([...opened]).toEqual([0]);
    },
  );
});
