import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { at, collidingTick, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Tick } from '../../../workers/ingest/source.ts';

/** What each fault makes of a good tick. */
const faults: Readonly<Record<string, (tick: Tick) => Tick>> = {
  unknown_instrument: tick => ({ ...tick, symbol: 'NOBODY' }),
  time_before_1970: tick => ({ ...tick, observedAt: '1969-12-31T23:59:59.999999Z' }),
  time_in_future: tick => ({ ...tick, observedAt: '2099-01-01T00:00:00Z' }),
  seq_out_of_range: tick => ({ ...tick, seq: -1 }),
  no_price: tick => ({ ...tick, bid: null, ask: null, last: null }),
  price_not_positive: tick => ({ ...tick, bid: 0 }),
  size_negative: tick => ({ ...tick, size: -1 }),
};
const faultyTick = fc.record({
  tick: collidingTick,
  fault: fc.option(fc.constantFrom(...Object.keys(faults)), { freq: 3 }),
});

describeOnEngine('feed.record_ticks', ({ sql }) => {
  const feed = createFeed(sql);
  const good = (symbol: string, time = '10:00:00') => tickOf(symbol, at(time), { bid: 1, ask: 2 });

  async function rejectedOf(symbol: string) {
    return sql<{ reason: string; detail: string; source: string }[]>`
      select reason, detail, source from feed.rejected_ticks
      where symbol = ${symbol} order by rejected_tick_id`;
  }

  it('sorts every tick of every batch into stored, duplicate, conflicting or rejected', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(faultyTick, { maxLength: 15 }), { maxLength: 4 }),
        async drawn => {
          const symbol = await addInstrument(sql);
          const known = new Map<string, string>();
          for (const batch of drawn) {
            const expected = { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 };
            for (const { tick, fault } of batch) {
              const key = `${tick.observedAt} ${tick.seq}`;
              const content = JSON.stringify([tick.bid, tick.ask, tick.last, tick.size]);
              if (fault !== null) expected.rejected++;
              else if (!known.has(key)) expected.stored++;
              else if (known.get(key) === content) expected.duplicate++;
              else expected.conflicting++;
              if (fault === null && !known.has(key)) known.set(key, content);
            }
            const ticks = batch.map(({ tick, fault }) => {
              const whole = { symbol, ...tick };
              return fault === null ? whole : (faults[fault]?.(whole) ?? whole);
            });
            expect(await feed.recordTicks('manual', ticks)).toEqual(expected);
          }
          const [row] = await sql`
          select count(*)::int from feed.ticks where instrument_id = feed.instrument_id(${symbol})`;
          expect(row).toEqual({ count: known.size });
        },
      ),
      { numRuns: 25 },
    );
  });

  it('adds the same counts to the state of the source', async () => {
    const counts = () => sql<Record<string, string>[]>`
      select stored_count, duplicate_count, conflicting_count, rejected_count
      from feed.source_states where source = 'replay'`;
    const symbol = await addInstrument(sql, 'replay');
    const tick = good(symbol);
    await feed.recordTicks('replay', [tick, tick, { ...tick, bid: 1.5 }, { ...tick, size: -1 }]);
    await feed.recordTicks('replay', [tick, good(symbol, '10:00:01')]);
    expect([...(await counts())]).toEqual([
      { stored_count: '2', duplicate_count: '2', conflicting_count: '1', rejected_count: '1' },
    ]);
  });

  for (const [reason, makeFaulty] of [
    ...Object.entries(faults),
    ...(
      [
        [0, 'price_not_positive'],
        [-1, 'price_not_positive'],
        [Number.NaN, 'price_not_finite'],
        [Number.POSITIVE_INFINITY, 'price_not_finite'],
        [Number.NEGATIVE_INFINITY, 'price_not_finite'],
      ] as const
    ).flatMap(([price, reason]) =>
      (['bid', 'ask', 'last'] as const).map(
        side => [reason, (tick: Tick): Tick => ({ ...tick, [side]: price })] as const,
      ),
    ),
    ...([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] as const).map(
      size => ['size_not_finite', (tick: Tick): Tick => ({ ...tick, size })] as const,
    ),
    ...(['bid', 'ask', 'last'] as const).map(
      side => ['price_too_large', (tick: Tick): Tick => ({ ...tick, [side]: 1e15 })] as const,
    ),
    ['size_too_large', (tick: Tick): Tick => ({ ...tick, size: 1e18 })] as const,
    ['seq_out_of_range', (tick: Tick): Tick => ({ ...tick, seq: 8_796_093_022_208 })] as const,
    ['time_in_future', (tick: Tick): Tick => ({ ...tick, observedAt: 'infinity' })] as const,
    ['time_before_1970', (tick: Tick): Tick => ({ ...tick, observedAt: '-infinity' })] as const,
  ]) {
    const change = JSON.stringify(makeFaulty(tickOf('S', 'now', { bid: 1 })), (_, value) =>
      typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
    );
    it(`keeps the rest of a batch when one is rejected for ${reason}: ${change}`, async () => {
      const symbol = await addInstrument(sql);
      const faulty = makeFaulty(good(symbol, '10:00:01'));
      const counts = await feed.recordTicks('manual', [
        good(symbol, '10:00:00'),
        faulty,
        good(symbol, '10:00:02'),
      ]);
      expect(counts).toEqual({ stored: 2, duplicate: 0, conflicting: 0, rejected: 1 });
      const rejected = await rejectedOf(faulty.symbol);
      expect(rejected.at(-1)).toMatchObject({ reason, source: 'manual' });
      expect(rejected.at(-1)?.detail).not.toBe('');
    });
  }

  it('rejects the tick of a symbol that belongs to another source, and names that source', async () => {
    const symbol = await addInstrument(sql, 'replay');
    const counts = await feed.recordTicks('manual', [good(symbol)]);
    expect(counts).toMatchObject({ stored: 0, rejected: 1 });
    expect(await rejectedOf(symbol)).toMatchObject([
      { reason: 'wrong_source', detail: expect.stringContaining('replay') },
    ]);
  });

  it('keeps another price under a stored key aside and leaves the stored one', async () => {
    const symbol = await addInstrument(sql);
    await feed.recordTicks('manual', [good(symbol)]);
    await feed.recordTicks('manual', [{ ...good(symbol), bid: 1.5 }]);
    expect(await rejectedOf(symbol)).toMatchObject([{ reason: 'conflict' }]);
    const stored = await sql`
      select bid from feed.ticks where instrument_id = feed.instrument_id(${symbol})`;
    expect([...stored]).toEqual([{ bid: 1 }]);
  });

  it('takes a tick up to its tolerance ahead of the clock, and never more than five seconds', async () => {
    const symbol = await addInstrument(sql);
    const ahead = async (by: string, tolerance: string) => {
      const [row] = await sql<{ stored_count: number }[]>`
        select r.stored_count from (select clock_timestamp() + ${by}::text::interval) as t(observed_at),
          lateral feed.record_ticks('manual', array[${symbol}], array[t.observed_at],
            array[0::bigint], array[1::float8], array[2::float8], array[null::float8],
            array[null::float8], ${tolerance}::text::interval) as r`;
      return row?.stored_count;
    };
    expect(await ahead('5 seconds', '5 seconds')).toBe(1);
    expect(await ahead('-1 minute', '-1 minute')).toBe(1);
    expect(await ahead('-1 minute', '-1 hour')).toBe(0);
    expect(await ahead('1 minute', '5 seconds')).toBe(0);
    expect(await ahead('1 minute', '1 day')).toBe(0);
  });

  it('does nothing with an empty batch', async () => {
    expect(await feed.recordTicks('manual', [])).toEqual({
      stored: 0,
      duplicate: 0,
      conflicting: 0,
      rejected: 0,
    });
  });

  it('refuses arrays of unequal length and absent ones, and stores nothing of them', async () => {
    const symbol = await addInstrument(sql);
    const call = (seqs: string, sizes: string) => sql`
      select * from feed.record_ticks('manual', array[${symbol}, ${symbol}],
        array['2026-03-02 10:00Z', '2026-03-02 10:01Z']::timestamptz[], ${seqs}::text::bigint[],
        '{1,1}', '{2,2}', '{null,null}', ${sizes}::text::float8[])`;
    await expect(call('{0}', '{null,null}')).rejects.toMatchObject({ code: 'ARRAY' });
    await expect(call('{0,1}', '{}')).rejects.toMatchObject({ code: 'ARRAY' });
    await expect(
      sql`select * from feed.record_ticks('manual', array[${symbol}], null, '{0}', '{1}', '{2}', '{null}', '{null}')`,
    ).rejects.toMatchObject({ code: 'ARRAY' });
    await expect(
      sql`select * from feed.record_ticks('manual', null, null, null, null, null, null, null)`,
    ).rejects.toMatchObject({ code: 'ARRAY' });
    const [row] = await sql`
      select count(*)::int from feed.ticks where instrument_id = feed.instrument_id(${symbol})`;
    expect(row).toEqual({ count: 0 });
  });
});
