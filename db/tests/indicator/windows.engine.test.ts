import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  computeAll,
  publish,
  registerCatalog,
  revisionsOf,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

describeOnEngine('The window of an indicator', ({ sql }) => {
  const feed = createFeed(sql);
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
    expect(values.find(each => each.bucket.includes('10:05'))?.outputs?.[0]).toBeCloseTo(
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
    const before = (await valuesOf(sql, id)).at(-1)?.outputs?.[0];
    await tickIn(symbol, [1], 1);
    await catchUp(sql);
    const after = (await valuesOf(sql, id)).at(-1);
    expect(before).toBeCloseTo(monday + 1 - (2 + 3 + monday + 1) / 3);
    expect(after?.outputs?.[0]).toBeCloseTo(monday + 1 - (3 + 3 + monday + 1) / 3);
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
    expect(await accept(sql, await publish(sql))).toBe(0);
  });
});

describeOnEngine('indicator.candle_windows', ({ sql }) => {
  it('reads many stretches at once as indicator.candle_window reads each', async () => {
    const symbols: string[] = [];
    for (let count = 0; count < 4; count++) symbols.push(await addInstrument(sql));
    // One with a candle each minute, one with holes of hours, one with a side missing at times, one with most missing.
    const ticks = Array.from({ length: 600 }, (_, minute) => {
      const time = secondsAfter(minute * 60);
      return [
        tickOf(symbols[0] ?? '', time, { bid: 1 + minute, ask: 2 + minute }),
        ...(minute % 180 < 20 ? [tickOf(symbols[1] ?? '', time, { bid: 2, ask: 3 + minute })] : []),
        tickOf(symbols[2] ?? '', time, minute % 7 < 3 ? { bid: 5 + minute } : { ask: 6 }),
        ...(minute < 20 || minute > 580
          ? [tickOf(symbols[3] ?? '', time, { bid: minute + 7 })]
          : []),
      ];
    });
    await createFeed(sql).recordTicks('manual', ticks.flat());
    await sql`call feed.advance_candles()`;
    const differences = await sql<{ compared: number; candles: number; different: number }[]>`
      with stretches as (
        select row_number() over () as place, i.instrument_id, t.timeframe, s.side, f.from_bucket,
          f.from_bucket + t.width * l.length as to_bucket, b.before, a.after
        from feed.instruments as i, feed.timeframes as t, unnest(array['bid', 'mid']) as s(side),
          unnest(array[0, 2]) as l(length), unnest(array[0, 1, 24]) as b(before), unnest(array[0, 1, 24]) as a(after),
          lateral (
            select feed.bucket(t.width, min(k.observed_at) + n.minutes * interval '1 minute') as from_bucket
            from feed.ticks as k, unnest(array[0, 25, 181, 599]) as n(minutes) where k.instrument_id = i.instrument_id
            group by n.minutes
          ) as f
        where i.symbol = any (${symbols}) and t.timeframe in ('1m', '5m', '1h')
      ),
      single as (
        select s.place, to_jsonb(w) as content from stretches as s
        cross join lateral indicator.candle_window(s.instrument_id, s.timeframe, s.side, s.from_bucket, s.to_bucket, s.before, s.after) as w
      ),
      lists as (
        select array_agg(instrument_id order by place) as a, array_agg(timeframe order by place) as b,
          array_agg(side order by place) as c, array_agg(from_bucket order by place) as d,
          array_agg(to_bucket order by place) as e, array_agg(before order by place) as f,
          array_agg(after order by place) as g
        from stretches
      ),
      together as (
        select w.position as place, to_jsonb(w) - 'position' as content
        from lists as l cross join lateral indicator.candle_windows(l.a, l.b, l.c, l.d, l.e, l.f, l.g) as w
      )
      select count(*)::int as compared,
        sum(jsonb_array_length(coalesce(nullif(s.content -> 'buckets', 'null'), '[]')))::int as candles,
        (count(*) filter (where s.content is distinct from t.content))::int as different
      from single as s full join together as t using (place)`;
    const [counts] = differences;
    expect(counts?.compared).toBe(4 * 3 * 2 * 2 * 3 * 3 * 4);
    expect(counts?.candles).toBeGreaterThan(10_000);
    expect(counts?.different).toBe(0);
  });

  it('gives nothing of an instrument that never had a tick, beside one that has', async () => {
    const [never, once] = [await addInstrument(sql), await addInstrument(sql)];
    await createFeed(sql).recordTicks('manual', [tickOf(once, secondsAfter(0), { bid: 1 })]);
    await sql`call outbox.refresh_late()`;
    const rows = await sql<{ symbol: string; closes: number[] | null }[]>`
      select s.symbol, w.closes
      from (select array[feed.instrument_id(${never}), feed.instrument_id(${once})] as ids) as i
      cross join lateral indicator.candle_windows(i.ids, '{1m,1m}', '{bid,bid}',
        array_fill(${secondsAfter(7_200)}::timestamptz, '{2}'),
        array_fill(${secondsAfter(7_200)}::timestamptz, '{2}'), '{5,5}', '{5,5}') as w
      join feed.instruments as s on s.instrument_id = i.ids[w.position]`;
    expect(Object.fromEntries(rows.map(row => [row.symbol, row.closes]))).toEqual({
      [never]: null,
      [once]: [1],
    });
  });
});
