import { expect, it } from 'vitest';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { oracleCandles } from '../../../tests/support/oracle.ts';
import { createRandom } from '../../../tests/support/random.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import type { Prices, ProviderCandle, Tick } from '../../../workers/ingest/source.ts';
import { fromEpochMicroseconds } from '../../../workers/ingest/time.ts';

const start = Date.parse('2026-03-04T10:00:00Z') * 1_000;
const time = (second: number) => fromEpochMicroseconds(start + Math.round(second * 1e6));

describeOnEngine('feed.reconstruct_ticks', ({ sql }) => {
  const feed = createFeed(sql);
  const prices = (open: number, high: number, low: number, close: number): Prices => ({
    open,
    high,
    low,
    close,
  });
  const storedOf = async (symbol: string) => {
    const rows = await sql<{ told: string }[]>`
      select concat_ws(' ', t.origin, extract(epoch from t.observed_at - ${time(0)}::text::timestamptz)::float8, t.bid, t.ask) as told
      from feed.ticks as t where t.instrument_id = feed.instrument_id(${symbol}) order by t.observed_at, t.seq`;
    return rows.map(({ told }) => told);
  };
  const gapOf = (symbol: string, from: number, to: number) => ({
    symbol,
    from: time(from),
    to: time(to),
  });
  const candle = (second: number, bid: Prices | null, ask: Prices | null): ProviderCandle => ({
    from: time(second),
    bid,
    ask,
  });

  it('makes four ticks of a candle of which nothing was heard', async () => {
    const symbol = await addInstrument(sql);
    await feed.reconstructTicks('manual', gapOf(symbol, 0, 10), 5, [
      candle(0, prices(2, 4, 1, 3), prices(12, 14, 11, 13)),
      candle(5, prices(3, 4, 1, 2), null),
    ]);
    expect(await storedOf(symbol)).toEqual([
      'reconstructed 1 2 12',
      'reconstructed 2 1 11',
      'reconstructed 3 4 14',
      'reconstructed 4 3 13',
      'reconstructed 6 3',
      'reconstructed 7 4',
      'reconstructed 8 1',
      'reconstructed 9 2',
    ]);
    const received = await sql`select from feed.ticks as t
      where t.instrument_id = feed.instrument_id(${symbol}) and (t.last is not null or t.size is not null)`;
    expect(received).toHaveLength(0);
  });

  it.each([
    [
      'after what was heard',
      [1, 2],
      [3, 5],
      ['heard 1 2', 'heard 2 1', 'reconstructed 4.2 4', 'reconstructed 4.6 3'],
    ],
    [
      'before what was heard',
      [3, 4],
      [0, 2],
      ['reconstructed 0.4 2', 'reconstructed 1.2 4', 'heard 3 1', 'heard 4 3'],
    ],
    [
      'between what was heard',
      [1, 4],
      [2, 3],
      ['heard 1 2', 'reconstructed 2.4 1', 'reconstructed 2.6 4', 'heard 4 3'],
    ],
  ] as const)('adds only what was not heard: %s', async (_, heard, gap, expected) => {
    const symbol = await addInstrument(sql);
    const shown = { 1: 2, 2: 1, 3: 1, 4: 3 };
    await feed.recordTicks(
      'manual',
      heard.map(second => tickOf(symbol, time(second), { bid: shown[second] })),
    );
    const candles = [candle(0, prices(2, 4, 1, 3), null)];
    await feed.reconstructTicks('manual', gapOf(symbol, gap[0], gap[1]), 5, candles);
    expect(await storedOf(symbol)).toEqual(expected);
  });

  it('adds nothing to a candle that was heard, or that is not missing', async () => {
    const symbol = await addInstrument(sql);
    const ticks = [1, 2, 6].map(second => tickOf(symbol, time(second), { bid: second }));
    await feed.recordTicks('manual', ticks);
    const before = await storedOf(symbol);
    const candles = [
      candle(0, prices(1, 2, 1, 2), null),
      candle(5, prices(6, 6, 6, 6), null),
      candle(10, prices(9, 9, 9, 9), null),
    ];
    await feed.reconstructTicks('manual', gapOf(symbol, 0, 10), 5, candles);
    expect(await storedOf(symbol)).toEqual(before);
  });

  it('gives each candle the prices of its provider, wherever the gap begins and ends', async () => {
    await sql`select feed.add_timeframe('5s')`;
    for (let seed = 1; seed <= 30; seed++) {
      const random = createRandom(seed);
      const symbol = await addInstrument(sql);
      const all: Tick[] = Array.from({ length: random.int(5, 60) }, () => {
        const bid = random.int(1, 9);
        const sides = random.pick([
          { bid, ask: bid + 1 },
          { bid, ask: bid + 2 },
          { bid },
          { ask: bid },
        ]);
        return tickOf(symbol, time(random.int(0, 30_000_000) / 1e6), sides);
      }).filter(
        (tick, index, ticks) =>
          ticks.findIndex(({ observedAt }) => observedAt === tick.observedAt) === index,
      );
      const from = random.int(0, 20_000_000) / 1e6;
      const to = from + random.int(1_000, 12_000_000) / 1e6;
      // A process that was killed had stored more than it had written down.
      const known = from + random.pick([0, 0, (to - from) / 3]);
      const isHeard = ({ observedAt }: Tick) => observedAt <= time(known) || observedAt >= time(to);
      await feed.recordTicks('manual', all.filter(isHeard));
      const side = (name: 'bid' | 'ask') =>
        new Map(oracleCandles(all, symbol, '5s', name).map(each => [each.bucket, each]));
      const [bids, asks] = [side('bid'), side('ask')];
      const candles = [...new Set([...bids.keys(), ...asks.keys()])].sort().map(bucket => ({
        from: bucket,
        bid: bids.get(bucket) ?? null,
        ask: asks.get(bucket) ?? null,
      }));
      await feed.reconstructTicks('manual', gapOf(symbol, from, to), 5, candles);
      await capture(sql);
      for (const name of ['bid', 'ask'] as const) {
        const stored = await sql`
          select to_char(bucket, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as bucket, open, high, low, close
          from feed.candles(${symbol}, '5s', ${name})`;
        const expected = [...side(name).values()].map(({ bucket, open, high, low, close }) => {
          return { bucket, open, high, low, close };
        });
        expect(stored, `${seed} ${name}`).toEqual(expected);
      }
      const before = await storedOf(symbol);
      await feed.reconstructTicks('manual', gapOf(symbol, from, to), 5, candles);
      expect(await storedOf(symbol), `${seed}`).toEqual(before);
    }
  });

  it('says of no second that it was quiet', async () => {
    await sql`select feed.add_timeframe('5s')`;
    const symbol = await addInstrument(sql);
    const gap = gapOf(symbol, 0, 10);
    await feed.reconstructTicks('manual', gap, 5, [candle(0, prices(2, 4, 1, 3), null)]);
    await feed.extendCoverage('manual', [{ ...gap, cause: null }], 'candles');
    await capture(sql);
    const filled = async (timeframe: string) =>
      (
        await sql<{ filled: string | null }[]>`
        select filled from feed.filled_candles(${symbol}, ${timeframe}, 'bid', ${gap.from}, ${gap.to})`
      ).map(row => row.filled);
    expect(await filled('5s')).toEqual([null, 'no_tick']);
    expect(await filled('1s')).toEqual([null, null, null, null, ...Array(5).fill('gap')]);
  });

  it('refuses arrays of unequal length, and an instrument that is not there', async () => {
    const call = (symbol: string, ats: string) => sql`
      select * from feed.reconstruct_ticks('manual', ${symbol}, now(), now(), '5 seconds',
        ${ats}::text::timestamptz[], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')`;
    const symbol = await addInstrument(sql);
    await expect(call(symbol, '{2026-01-01Z}')).rejects.toMatchObject({ code: 'ARRAY' });
    await expect(call('NOBODY', '{}')).rejects.toMatchObject({ code: 'NOINS' });
    const [counts] = await call(symbol, '{}');
    expect(counts).toEqual({
      stored_count: 0,
      duplicate_count: 0,
      conflicting_count: 0,
      rejected_count: 0,
    });
  });
});
