import { beforeAll, expect, it } from 'vitest';
import { createIndicatorStore } from '../../../workers/indicators/indicator.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { addInstrument, describeOnEngine } from '../support/database.ts';
import {
  addIndicator,
  catchUp,
  computeAll,
  publish,
  registerCatalog,
  revisionsOf,
  valuesOf,
} from '../support/indicators.ts';
import { secondsAfter, tickOf } from '../support/ticks.ts';

describeOnEngine('The window of an indicator', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createIndicatorStore(sql);
  beforeAll(() => registerCatalog(sql));

  /** A candle in each of these minutes after 10:00, and an average of three over them. */
  async function candlesIn(minutes: readonly number[]) {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    await tickIn(symbol, minutes);
    await catchUp(sql);
    return { symbol, id };
  }

  const tickIn = (symbol: string, minutes: readonly number[], seq = 0) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute =>
        tickOf(symbol, secondsAfter(minute * 60), { seq, bid: minute + seq + 1 }),
      ),
    );

  /** The minutes whose values were computed again since. */
  async function changedSince(id: number, before: ReadonlyMap<string, number>) {
    const after = await revisionsOf(sql, id);
    return [...after]
      .filter(([minute, revision]) => before.get(minute) !== revision)
      .map(([minute]) => minute);
  }

  it('makes a late tick change its own value and those of the next bars_required - 1 candles', async () => {
    const { symbol, id } = await candlesIn([0, 1, 2, 5, 6, 7, 8, 9]);
    const before = await revisionsOf(sql, id);
    await tickIn(symbol, [5], 1);
    await catchUp(sql);
    expect(await changedSince(id, before)).toEqual(['10:05', '10:06', '10:07']);
  });

  it('counts existing candles: a late tick in an empty minute moves into the windows after it', async () => {
    const { symbol, id } = await candlesIn([0, 1, 2, 5, 6, 7, 8, 9]);
    const before = await revisionsOf(sql, id);
    await tickIn(symbol, [3]);
    await catchUp(sql);
    expect(await changedSince(id, before)).toEqual(['10:03', '10:05', '10:06']);
    const values = await valuesOf(sql, id);
    expect(values.find(each => each.bucket.includes('10:05'))?.value).toBeCloseTo(
      6 - (3 + 4 + 6) / 3,
    );
  });

  it('warms up until enough candles exist, and a tick before all others shortens that', async () => {
    const { symbol, id } = await candlesIn([5, 6, 7]);
    const bars = async () => (await valuesOf(sql, id)).map(each => [each.bars, each.verdict]);
    expect(await bars()).toEqual([
      [1, null],
      [2, null],
      [3, 1],
    ]);
    await tickIn(symbol, [0]);
    await catchUp(sql);
    expect(await bars()).toEqual([
      [1, null],
      [2, null],
      [3, 1],
      [3, 1],
    ]);
  });

  it('reaches over a weekend, backwards and forwards', async () => {
    const monday = 3 * 24 * 60;
    const { symbol, id } = await candlesIn([0, 1, 2, monday]);
    expect((await valuesOf(sql, id)).map(each => each.bars)).toEqual([1, 2, 3, 3]);
    const before = (await valuesOf(sql, id)).at(-1)?.value;
    await tickIn(symbol, [1], 1);
    await catchUp(sql);
    const after = (await valuesOf(sql, id)).at(-1);
    expect(before).toBeCloseTo(monday + 1 - (2 + 3 + monday + 1) / 3);
    expect(after?.value).toBeCloseTo(monday + 1 - (3 + 3 + monday + 1) / 3);
  });

  it('is the same when candles on both sides of a long gap change at once', async () => {
    const later = 5 * 60;
    const { symbol, id } = await candlesIn([0, 1, 2, later, later + 1]);
    await tickIn(symbol, [2, later], 1);
    await catchUp(sql);
    const live = await valuesOf(sql, id);
    await sql`delete from indicator.values where indicator_id = ${id}`;
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(live).toEqual(await valuesOf(sql, id));
  });

  it('never sees a candle of another side or timeframe', async () => {
    const { symbol, id } = await candlesIn([0, 1, 2]);
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(150), { ask: 99 })]);
    await catchUp(sql);
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(180), { ask: 99 })]);
    await catchUp(sql);
    expect((await valuesOf(sql, id)).map(each => each.bucket)).toEqual(
      [0, 1, 2].map(minute => secondsAfter(minute * 60)),
    );
  });

  it('gives indicator.candle_window exactly the candles asked for', async () => {
    const { symbol } = await candlesIn([0, 1, 4, 5, 9, 10, 6_000]);
    const ask = async (from: number, to: number, before: number, after: number) => {
      const [row] = await sql<{ minutes: number[] | null }[]>`
        select (select array_agg(extract(epoch from b - ${secondsAfter(0)}::text::timestamptz)::int / 60 order by b)
          from unnest(w.buckets) as b) as minutes
        from indicator.candle_window(feed.instrument_id(${symbol}), '1m', 'bid',
          ${secondsAfter(from * 60)}, ${secondsAfter(to * 60)}, ${before}, ${after}) as w`;
      return row?.minutes ?? null;
    };
    expect(await ask(4, 5, 0, 0)).toEqual([4, 5]);
    expect(await ask(4, 5, 1, 1)).toEqual([1, 4, 5, 9]);
    expect(await ask(4, 4, 10, 2)).toEqual([0, 1, 4, 5, 9]);
    expect(await ask(10, 10, 0, 1)).toEqual([10, 6_000]);
    expect(await ask(6_000, 6_000, 2, 5)).toEqual([9, 10, 6_000]);
    expect(await ask(2, 3, 1, 1)).toEqual([1, 4]);
    expect(await ask(2, 3, 0, 0)).toBeNull();
  });

  it('gives no candles for an instrument without ticks', async () => {
    const symbol = await addInstrument(sql);
    const [row] = await sql`
      select buckets, closes from indicator.candle_window(feed.instrument_id(${symbol}), '1m', 'bid',
        '2026-03-02', '2026-03-03', 5, 5)`;
    expect(row).toEqual({ buckets: null, closes: null });
    expect(await store.acceptCandles(await publish(sql))).toBe(0);
  });
});
