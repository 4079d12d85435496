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
import { withSessions } from '../../../tests/support/session.ts';
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

  it('has one row behind it again when those who wrote at once are done', async () => {
    const symbol = await addInstrument(sql);
    const write = (own: Sql, seconds: number) =>
      createFeed(own).recordTicks('manual', [tickOf(symbol, secondsAfter(seconds), { bid: 1 })]);
    const rows = async () => {
      const found = await sql`
        select from feed.tick_ends where instrument_id = feed.instrument_id(${symbol})`;
      return found.length;
    };
    await write(sql, 1);
    await write(sql, 2);
    expect(await rows()).toBe(1);
    await withSessions(sql, async first => {
      await first.sql`begin`;
      // Whoever has it is not finished.
      await first.sql`
        select from feed.tick_ends where instrument_id = feed.instrument_id(${symbol}) for update`;
      await write(sql, 3);
      expect(await rows()).toBe(2);
      await expectTrue();
      await first.sql`commit`;
    });
    await write(sql, 4);
    expect(await rows()).toBe(1);
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
// ticks, candles and values takes longer than all else. Asked of the locks, as times depend on the machine.
describeOnEngine('With a long history', ({ sql, engine }) => {
  let symbol: string;
  let id: number;
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
      const [row] = await own<[{ looked: number }]>`select alert.detect() as looked`;
      expect(row.looked).toBeGreaterThan(0);
    },
    'keeps what was said': own => own`
      select indicator.keep_verdicts(array[row(${id}::int, date_trunc('minute', now()), 1, null, 1, 0.5, 1, 1)::indicator.verdicts])`,
    'finds what was missed': own => own`select indicator.find_missed()`,
    'scores the newest values': async own => {
      await own`insert into indicator.unscored (indicator_id, from_bucket, to_bucket, candles)
        select ${id}::int, min(v.bucket), max(v.bucket), 16 from indicator.values as v
        where v.indicator_id = ${id} and v.bucket > now() - interval '1 hour'`;
      const [row] = await own<[{ scored: number }]>`select track.score() as scored`;
      expect(row.scored).toBe(1);
    },
    'compares values with what comes out again': own => own`
      select indicator.compare_values(array[v.indicator_id], array[v.bucket], array[v.revision], array[v.computed_at], array[v.bucket],
        array[v.outputs::text], array[v.verdict], array[v.strength], array[v.horizon], array[v.low], array[v.high], array[v.bars], 'a test')
      from indicator.newest_values(${[id]}) as v`,
    'asks for the newest values': own => own`select * from indicator.latest`,
    'asks for ratings': async own => {
      expect(await own`select * from rating.latest`).toHaveLength(1);
      await own`select * from rating.votes_of(${symbol}, '5m')`;
      await own`select * from rating.votes_of(${symbol}, '5m', bucket => now() - interval '1 hour')`;
      expect(await own`select * from rating.history(${symbol}, '5m')`).not.toHaveLength(0);
      await own`select * from rating.history(${symbol}, '5m', from_time => now() - interval '1 hour', as_said => true)`;
    },
    'asks what is behind': own => own`select * from ops.services, ops.lag`,
    'says what to maintain': own => own`select ops.is_maintenance_due(), ops.next_upkeep_at()`,
    'chooses a side': own => own`select indicator.side_of(feed.instrument_id(${symbol}))`,
    'shows the market': own => createDashboard(own).watchlist(),
    'shows an instrument': own => createDashboard(own).instrument(symbol),
    'shows an indicator': async own => {
      const dashboard = createDashboard(own);
      expect(await dashboard.indicator(id)).toMatchObject({ indicator_id: id });
      expect((await dashboard.chart(id, null, 300))?.verdicts).not.toHaveLength(0);
      await dashboard.trackRecord(id);
    },
    'shows a rating': async own =>
      expect(await createDashboard(own).rating(symbol, '5m', null)).not.toBeNull(),
    'shows candles': own => createDashboard(own).candles(symbol, '1m', 'bid', 100),
    'shows ticks': async own => {
      const [from, to] = [live(-60, 0), live(0, 0)].map(({ observedAt }) => observedAt);
      expect(await createDashboard(own).ticks(symbol, from ?? '', to ?? '', 100)).toHaveLength(60);
    },
    'shows the status': own => createDashboard(own).status(),
    'says when work is next': own => own`select outbox.next_work_at(), feed.next_storing_at()`,
  };
  const live = (seconds: number, seq: number | null) =>
    tickOf(symbol, new Date(now - 60_000 + 1_000 * seconds).toISOString(), { seq, bid: 2 });

  beforeAll(async () => {
    await registerCatalog(sql);
    // Others look further back than there are candles next to each other here.
    await sql`delete from rating.votes where kind not in ('momentum', 'williams_r')`;
    symbol = await addInstrument(sql);
    await sql`insert into feed.ticks (instrument_id, observed_at, bid)
      select feed.instrument_id(${symbol}), t.at, 1 from generate_series(now() - interval '75 days', now() - interval '40 days', interval '1 day') as t(at)`;
    await capture(sql);
    // More than are looked at to see which sides there are, and enough candles before them for what is computed and scored.
    await createFeed(sql).recordTicks('manual', [
      ...Array.from({ length: 600 }, (_, n) => live(60 * (n - 604), 0)),
      ...Array.from({ length: 150 }, (_, n) => live(n - 150, 0)),
    ]);
    id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await sql`select indicator.add_set(${symbol}, '5m', 'rating', 'bid')`;
    await catchUp(sql);
    await sql`delete from indicator.unscored`;
    await sql`insert into indicator.values (indicator_id, bucket, bars, revision)
      select ${id}::int, date_trunc('minute', t.at), 1, 0
      from generate_series(now() - interval '400 days', now() - interval '45 days', interval '7 days') as t(at)
      on conflict do nothing`;
    await sql`insert into indicator.verdicts (indicator_id, bucket, revision, verdict, strength, value, price)
      select v.indicator_id, v.bucket, 0, 1, 0.5, 1, 1 from indicator.values as v`;
    await sql`select alert.add('turns', 'verdict', ${symbol}, '1m', 'ma_cross', '{"fast": 1, "slow": 2}', 'bid', queue => 'turns')`;
    await sql`select alert.add('is rated', 'rating', ${symbol}, '5m', queue => 'turns')`;
    // All at once: a day at a time takes minutes.
    if (engine === 'timescaledb') {
      const levels = await sql<{ name: string }[]>`
        select feed.stored_relation(timeframe) as name from feed.timeframes order by width`;
      for (const { name } of levels)
        await sql`call public.refresh_continuous_aggregate(
          ${name}::text::regclass, null, now() - interval '2 days', options => '{"buckets_per_batch": 0}')`;
    }
    await sql`call feed.advance_candles()`;
  });

  /** Old chunks of each relation that has some: how many there are, and which part of them this transaction opened. */
  const oldChunks = (own: Sql) => own<{ level: string; chunks: number; opened: number }[]>`
    select s.level, count(*)::int as chunks, count(*) filter (
      where exists (select from pg_locks as l where l.relation = c.chunk and l.pid = pg_backend_pid()))::int as opened
    from feed.storage as s
    cross join lateral public.show_chunks(s.relation::regclass, older_than => interval '45 days') as c(chunk)
    group by 1 order by 1`;

  it.runIf(engine === 'timescaledb')('has old chunks of everything that is kept', async () => {
    const kept = await sql`select level from feed.storage order by 1`;
    const found = await oldChunks(sql);
    expect(found.map(({ level }) => level)).toEqual(kept.map(({ level }) => level));
    for (const { level, chunks } of found) expect(chunks, level).toBeGreaterThan(1);
  });

  /** @returns how many old chunks of which relations were opened, of several times the most. */
  async function openedBy(step: (own: Sql) => Promise<unknown>): Promise<Record<string, number>> {
    const most = new Map<string, number>();
    // A plan of no values of its own is made after five with them.
    for (let time = 0; time < 8; time++) {
      await sql
        .begin(async own => {
          await step(asSql(own));
          for (const { level, opened } of await oldChunks(asSql(own)))
            if (opened > 0) most.set(level, Math.max(opened, most.get(level) ?? 0));
          throw new Error('rolled back');
        })
        .catch(error => expect(error.message).toBe('rolled back'));
    }
    return Object.fromEntries(most);
  }

  it.runIf(engine === 'timescaledb').each(Object.keys(steps))(
    'whoever %s opens no old chunk',
    async name => {
      expect(await openedBy(async own => steps[name]?.(own))).toEqual({});
    },
  );

  it.runIf(engine === 'timescaledb')(
    'whoever draws a value of any time opens what is near it',
    async () => {
      const opened = await openedBy(async own => {
        await own`update indicator.services set checked_at = '-infinity'`;
        await own`select setseed(0.5)`;
        expect(await own`select * from indicator.draw_values('classical', 1)`).toHaveLength(1);
      });
      expect(opened.values ?? 0).toBeLessThanOrEqual(3);
    },
  );
});
