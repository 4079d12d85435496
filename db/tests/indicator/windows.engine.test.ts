import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  computeAll,
  kindOf,
  publish,
  registerCatalog,
  registerKind,
  revisionsOf,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import type { Kind } from '../../../workers/indicators/kind.ts';
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

  it('makes a late ask alone change the spreads whose windows hold it, though no candle of mid has another price', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { period: 2 }, { kind: 'spread', side: 'mid' });
    const minutes = Array.from({ length: 12 }, (_, minute) => minute);
    await feed.recordTicks(
      'manual',
      minutes.map(minute => tickOf(symbol, secondsAfter(60 * minute), { bid: 99, ask: 101 })),
    );
    await catchUp(sql);
    const before = await revisionsOf(sql, id);
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(180), { seq: 1, ask: 105 })]);
    await catchUp(sql);
    expect((await changedSince(id, before)).join()).toBe('10:03,10:04');
    const live = await valuesOf(sql, id);
    expect(live.slice(2, 6).map(({ outputs }) => outputs)).toEqual([
      [2, 200, 2, 0],
      [6, 600, 4, 200],
      [2, 200, 4, -200],
      [2, 200, 2, 0],
    ]);
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toEqual(live);
  });

  it('reads the spread of a series as long as one of its indicators does, and tells of one that changed alone', async () => {
    const symbol = await addInstrument(sql);
    const spreadsOf = async () => {
      const [row] = await sql<{ one: unknown; many: unknown }[]>`
        select (select to_jsonb(spreads) from indicator.candle_window(feed.instrument_id(${symbol}), '1m', 'mid', ${at}, ${at}, 0, 0)) as one,
          (select to_jsonb(spreads) from indicator.candle_windows(array[feed.instrument_id(${symbol})], '{1m}', '{mid}',
            array[${at}::timestamptz], array[${at}::timestamptz], '{0}', '{0}')) as many`;
      expect(row?.one).toEqual(row?.many);
      return row?.one;
    };
    const at = secondsAfter(0);
    /** Widens the spread by one without another price of mid; says whether somebody was told. */
    let seq = 0;
    const widen = async () => {
      seq++;
      await feed.recordTicks('manual', [tickOf(symbol, at, { seq, ask: 101 + seq })]);
      const told = await publish(sql);
      await accept(sql, told);
      await computeAll(sql);
      return told.some(candle => candle.symbol === symbol && candle.timeframe === '1m');
    };
    const average = await addIndicator(sql, symbol, { period: 2 }, { kind: 'sma', side: 'mid' });
    await feed.recordTicks('manual', [tickOf(symbol, at, { bid: 99, ask: 101 })]);
    await catchUp(sql);
    expect([await spreadsOf(), await widen(), await spreadsOf()]).toEqual([[null], false, [null]]);

    const id = await addIndicator(sql, symbol, { period: 2 }, { kind: 'spread', side: 'mid' });
    const other = await addIndicator(sql, symbol, { period: 3 }, { kind: 'spread', side: 'mid' });
    await computeAll(sql);
    expect((await valuesOf(sql, id)).map(({ outputs }) => outputs?.[0])).toEqual([3]);
    expect([await widen(), await spreadsOf()]).toEqual([true, [4]]);
    expect((await valuesOf(sql, id)).map(({ outputs }) => outputs?.[0])).toEqual([4]);
    await sql`select indicator.remove(${id})`;
    expect([await widen(), await spreadsOf()]).toEqual([true, [5]]);
    await sql`select indicator.remove(${other})`;
    expect([await widen(), await spreadsOf()]).toEqual([false, [null]]);
    expect(await valuesOf(sql, average)).toHaveLength(1);
  });

  it('computes again what a kind makes of the spread, once it reads that', async () => {
    const symbol = await addInstrument(sql);
    const spread = kindOf('spread');
    const widest: Kind = { ...spread, kind: 'widest', columns: ['close', 'spread'] };
    await registerKind(sql, { ...widest, columns: ['close'] });
    const id = await addIndicator(sql, symbol, { period: 2 }, { kind: 'widest', side: 'mid' });
    const compute: Kind['compute'] = columns => ({
      outputs: ['close', 'spread', 'none', 'none'].map(
        name => (columns as Partial<Record<string, Float64Array>>)[name]?.at(-1) ?? 0,
      ),
      verdict: 0,
      strength: 0,
    });
    const kinds = (columns: Kind['columns']) =>
      new Map([['widest', { ...widest, columns, compute }]]);
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(0), { bid: 99, ask: 101 })]);
    await catchUp(sql, kinds(['close']));
    expect((await valuesOf(sql, id))[0]?.outputs).toEqual([100, 0, 0, 0]);
    await registerKind(sql, widest);
    await computeAll(sql, 500, kinds(['close', 'spread']));
    expect((await valuesOf(sql, id))[0]?.outputs).toEqual([100, 2, 0, 0]);
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
