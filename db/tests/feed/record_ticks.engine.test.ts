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

  const storedOf = async (symbol: string) => {
    const rows = await sql<{ row: string }[]>`
      select concat_ws(' ', to_char(observed_at, 'SS'), seq, bid, ask, last, size) as row from feed.ticks
      where instrument_id = feed.instrument_id(${symbol}) order by observed_at, seq`;
    return rows.map(({ row }) => row);
  };
  const counted = (stored: number, duplicate: number, conflicting = 0) => ({
    stored,
    duplicate,
    conflicting,
    rejected: 0,
  });

  it('keeps ids up to 2^63 - 1 exactly', async () => {
    const symbol = await addInstrument(sql);
    const ids = [2 ** 53 - 1, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n];
    const ticks = ids.map(seq => ({ ...good(symbol), seq }));
    expect(await feed.recordTicks('manual', ticks)).toEqual(counted(4, 0));
    expect(await feed.recordTicks('manual', ticks)).toEqual(counted(0, 4));
    expect(await storedOf(symbol)).toEqual(ids.map(id => `00 ${id} 1 2`));
  });

  it('takes a tick without an id for another one unless time and content are the same', async () => {
    const symbol = await addInstrument(sql);
    const trade = (last: number, second = '00', copy?: number): Tick => ({
      ...tickOf(symbol, at(`10:00:${second}`), { last, size: 1 }),
      seq: null,
      ...(copy !== undefined && { copy }),
    });
    const first = [trade(100), trade(101), trade(102)];
    expect(await feed.recordTicks('manual', first)).toEqual(counted(3, 0));
    expect(await feed.recordTicks('manual', first)).toEqual(counted(0, 3));
    // Two downloads that overlap; the second has one price twice.
    const second = [trade(101), trade(102), trade(103), trade(102, '00', 2), trade(104, '01')];
    expect(await feed.recordTicks('manual', second)).toEqual(counted(3, 2));
    expect(await feed.recordTicks('manual', [...second, ...first])).toEqual(counted(0, 8));
    expect((await storedOf(symbol)).map(row => row.split(' ')[2])).toEqual([
      '100',
      '101',
      '102',
      '103',
      '102',
      '104',
    ]);
    expect(await rejectedOf(symbol)).toEqual([]);
  });

  it('keeps the bids and the asks of one time, and a tick with the id that a place would be', async () => {
    const symbol = await addInstrument(sql);
    const part = (prices: Partial<Tick>): Tick => ({ ...tickOf(symbol, at('10:00:00'), prices) });
    await feed.recordTicks('manual', [part({ bid: 1, seq: null }), part({ ask: 2, seq: null })]);
    await feed.recordTicks('manual', [part({ bid: 3, seq: 0 }), part({ bid: 4, seq: 1 })]);
    // The price of a trade that came with its id, from a file without ids.
    expect(await feed.recordTicks('manual', [part({ bid: 4, seq: null })])).toEqual(counted(0, 1));
    expect(await feed.recordTicks('manual', [part({ bid: 5, seq: 1 })])).toEqual(counted(0, 0, 1));
    expect((await storedOf(symbol)).map(row => row.split(' ').slice(2).join())).toEqual([
      '1',
      '2',
      '3',
      '4',
    ]);
  });

  it('counts the copies in a batch that does not say them', async () => {
    const symbol = await addInstrument(sql);
    const send = async () => {
      const [row] = await sql`
        select stored_count, duplicate_count from feed.record_ticks('manual',
          array_fill(${symbol}::text, array[3]), array_fill(timestamptz '2026-03-02 10:00Z', array[3]),
          '{null,null,null}', '{1,2,1}', '{null,null,null}', '{null,null,null}', '{null,null,null}')`;
      return row;
    };
    expect(await send()).toEqual({ stored_count: 3, duplicate_count: 0 });
    expect(await send()).toEqual({ stored_count: 0, duplicate_count: 3 });
  });

  it('stores each tick without an id once, whatever the batches, their order and their repetition', async () => {
    const drawn = fc.record({
      observedAt: fc.constantFrom(
        at('10:00:00.000000'),
        at('10:00:00.000001'),
        at('10:01:00.000000'),
      ),
      bid: fc.constantFrom(1, 2, null),
      last: fc.constantFrom(2.5, 3),
      size: fc.constantFrom(10, null),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(drawn, { maxLength: 30 }),
        fc.array(fc.nat(30), { maxLength: 6 }),
        async (ticks, cuts) => {
          const symbol = await addInstrument(sql);
          const copies = new Map<string, number>();
          const file = ticks.map((tick): Tick => {
            const key = JSON.stringify(tick);
            copies.set(key, (copies.get(key) ?? 0) + 1);
            return { symbol, ...tick, seq: null, ask: null, copy: copies.get(key) ?? 1 };
          });
          const edges = [0, ...cuts.sort((a, b) => a - b), file.length];
          const batches = edges.slice(1).map((to, index) => file.slice(edges[index] ?? 0, to));
          for (const batch of batches) {
            expect(await feed.recordTicks('manual', batch)).toEqual(counted(batch.length, 0));
          }
          for (const batch of batches.toReversed()) {
            expect(await feed.recordTicks('manual', batch)).toEqual(counted(0, batch.length));
          }
          // Within a time as they came.
          const expected = file
            .toSorted((a, b) => a.observedAt.localeCompare(b.observedAt))
            .map(({ bid, last, size }) => [bid, last, size].filter(each => each !== null).join());
          const stored = (await storedOf(symbol)).map(row => row.split(' ').slice(2).join());
          expect(stored).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('loses no tick without an id of one time that two writers store together', async () => {
    const symbols = await Promise.all([addInstrument(sql), addInstrument(sql)]);
    const batch = (writer: number): Tick[] =>
      symbols.flatMap(symbol =>
        Array.from({ length: 20 }, (_, index) => ({
          ...tickOf(symbol, at('10:00:00'), { bid: 1 + index + 100 * writer }),
          seq: null,
        })),
      );
    const both = Array.from({ length: 4 }, (_, writer) => writer).map(writer =>
      feed.recordTicks('manual', writer % 2 === 0 ? batch(writer) : batch(writer).toReversed()),
    );
    for (const counts of await Promise.all(both)) expect(counts).toEqual(counted(40, 0));
    for (const symbol of symbols) expect(await storedOf(symbol)).toHaveLength(80);
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
    await expect(call('{{0,1}}', '{null,null}')).rejects.toMatchObject({ code: 'ARRAY' });
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
