import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { at, secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

describeOnEngine('ticks of several writers', ({ sql }) => {
  const quote = (symbol: string, time: string, bid: number): Tick =>
    tickOf(symbol, at(time), { bid, ask: bid + 1, last: bid, size: 1 });

  it('are neither counted twice nor deadlocked when two sessions record them in opposite order', async () => {
    const symbols = [await addInstrument(sql), await addInstrument(sql)];
    for (let round = 0; round < 5; round++) {
      const ticks = Array.from({ length: 300 }, (_, n) =>
        tickOf(symbols[n % 2] ?? '', secondsAfter(round * 600 + n), { bid: 1 + n, ask: 2 + n }),
      );
      const [one, other] = await withSessions(sql, (first, second) =>
        Promise.all([
          createFeed(first.sql).recordTicks('manual', ticks),
          createFeed(second.sql).recordTicks('manual', ticks.toReversed()),
        ]),
      );
      expect(one.stored + other.stored).toBe(300);
      expect(one.duplicate + other.duplicate).toBe(300);
      expect(one.conflicting + other.conflicting + one.rejected + other.rejected).toBe(0);
    }
  });

  it('leave nothing behind when their transaction is rolled back', async () => {
    const symbol = await addInstrument(sql);
    const states = () => sql`select * from feed.source_states where source = 'manual'`;
    const before = [...(await states())];
    await withSessions(sql, async ({ sql: session }) => {
      await session`begin`;
      const ticks = [quote(symbol, '10:00:00', 1), quote(symbol, '10:00:00', -1)];
      expect(await createFeed(session).recordTicks('manual', ticks)).toMatchObject({ stored: 1 });
      await session`rollback`;
    });
    expect([...(await states())]).toEqual(before);
    const [left] = await sql`
      select (select count(*)::int from feed.ticks where instrument_id = i.id) as ticks,
        (select count(*)::int from outbox.changes where instrument_id = i.id) as marks,
        (select count(*)::int from feed.rejected_ticks where symbol = ${symbol}) as rejected,
        (select count(*)::int from feed.candles_1s where instrument_id = i.id) as candles
      from feed.instrument_id(${symbol}) as i(id)`;
    expect(left).toEqual({ ticks: 0, marks: 0, rejected: 0, candles: 0 });
  });

  for (const ending of ['commit', 'rollback'] as const) {
    it(`of one second are all in its candles when one waits for the other's ${ending}`, async () => {
      const symbol = await addInstrument(sql);
      const early = [quote(symbol, '10:00:00.5', 5), quote(symbol, '10:00:59', 3)];
      const mine = [quote(symbol, '10:00:00.1', 7), quote(symbol, '10:00:00.9', 9)];
      const theirs = [quote(symbol, '10:00:00.2', 8), quote(symbol, '10:00:00.95', 2)];
      await createFeed(sql).recordTicks('manual', early);
      await withSessions(sql, async (first, second) => {
        await first.sql`begin`;
        await createFeed(first.sql).recordTicks('manual', mine);
        const waiting = createFeed(second.sql).recordTicks('manual', theirs);
        await untilBlocked(sql, second);
        await first.sql.unsafe(ending);
        expect(await waiting).toMatchObject({ stored: 2 });
      });
      await capture(sql);
      const stored = [...early, ...(ending === 'commit' ? mine : []), ...theirs];
      await expectCandlesOf(sql, symbol, stored);
    });
  }

  it('of different minutes of one day are all in its candles', async () => {
    const symbol = await addInstrument(sql);
    const mine = quote(symbol, '10:00:00', 7);
    const theirs = quote(symbol, '15:30:00', 8);
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      await createFeed(first.sql).recordTicks('manual', [mine]);
      // Only on plain PostgreSQL does it wait: both change the candle of the day.
      const other = second.sql`begin`.then(() =>
        createFeed(second.sql).recordTicks('manual', [theirs]),
      );
      await Promise.race([other, untilBlocked(sql, second)]);
      await first.sql`commit`;
      await other;
      await second.sql`commit`;
    });
    await capture(sql);
    await expectCandlesOf(sql, symbol, [mine, theirs]);
  });

  it('stay facts when a key is recorded twice with different prices at once', async () => {
    const symbol = await addInstrument(sql);
    await withSessions(sql, async (first, second) => {
      await first.sql`begin`;
      await createFeed(first.sql).recordTicks('manual', [quote(symbol, '10:00:00', 1)]);
      const other = createFeed(second.sql).recordTicks('manual', [quote(symbol, '10:00:00', 2)]);
      await untilBlocked(sql, second);
      await first.sql`commit`;
      expect(await other).toEqual({ stored: 0, duplicate: 0, conflicting: 1, rejected: 0 });
    });
  });
});
