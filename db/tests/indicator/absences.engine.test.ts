import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  publish,
  registerCatalog,
  registerKind,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import type { Indicator } from '../../../web/dashboard.ts';
import { catalog } from '../../../workers/indicators/catalog.ts';
import type { Kind } from '../../../workers/indicators/kind.ts';
import { createServiceStore } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const mute: Kind = {
  kind: 'mute',
  description: 'Says nothing',
  rule: 'Never anything',
  label: 'Mute',
  definition: 'Made up',
  parameters: [{ name: 'bars', type: 'integer', min: 1, max: 10, default: 2 }],
  columns: ['close'],
  bars: { least: [{ bars: 1 }], window: [{ bars: 1 }] },
  outputs: [{ name: 'nothing', unit: 'ratio', pane: 'own' }],
  isClosedOnly: false,
  defaults: [],
  compute: () => null,
};
const ownKinds = [
  mute,
  { ...mute, kind: 'mute_volume', columns: ['volume'] },
  { ...mute, kind: 'mute_closed', isClosedOnly: true },
] as const satisfies readonly Kind[];
const kinds = new Map<string, Kind>([
  ...catalog,
  ...ownKinds.map(each => [each.kind, each] as const),
]);

describeOnEngine('An indicator without a verdict', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  const beat = () => sql`select indicator.beat('{classical,models}')`;
  let symbol: string;

  beforeAll(async () => {
    await registerCatalog(sql);
    for (const kind of ownKinds) await registerKind(sql, kind);
  });
  beforeEach(async () => {
    await catchUp(sql, kinds);
    symbol = await addInstrument(sql);
    await beat();
  });

  const add = async (kind: string, params: object, side: string | null = 'bid') => {
    const [row] = await sql<[{ id: number }]>`
      select indicator.add(${symbol}, '1m', ${kind}, ${JSON.stringify(params)}::text::jsonb, ${side}) as id`;
    return row.id;
  };
  const tickAt = (minutes: readonly number[], rest: object = { bid: 1 }) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute => tickOf(symbol, secondsAfter(60 * minute), rest)),
    );
  /** Ticks of the last minutes. */
  const tickNow = (minutesAgo: readonly number[]) =>
    sql`insert into feed.ticks (instrument_id, observed_at, bid)
      select feed.instrument_id(${symbol}), now() - m * interval '1 minute', 1
      from unnest(${minutesAgo}::int[]) as m`;

  /** What the view says, which the page says too. */
  async function says(id: number): Promise<[reason: string, words: string]> {
    const [row] = await sql<[{ reason: string; reading: string; shown: Indicator }]>`
      select l.reason, l.reading, dashboard.indicator(${id}) as shown
      from indicator.latest as l where l.indicator_id = ${id}`;
    expect(row.shown.absence).toEqual(
      row.reason === null ? null : { reason: row.reason, words: row.reading },
    );
    return [row.reason, row.reading];
  }

  it('says that no price came yet', async () => {
    const id = await add('sma', { period: 3 });
    expect(await says(id)).toEqual(['no_price', 'no price yet']);
  });

  it('says that its instrument has no such prices, and which it has', async () => {
    const id = await add('sma', { period: 3 }, 'mid');
    const none = await add('sma', { period: 3 }, 'ask');
    await tickAt([0, 1], { last: 5, size: 1 });
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(['no_side', 'no mid prices, only last']);
    await tickAt([2], { bid: 5 });
    await catchUp(sql, kinds);
    expect(await says(none)).toEqual(['no_side', 'no ask prices, only last, bid']);
  });

  it('does not say so while it has yet to get the side that there is', async () => {
    const id = await add('sma', { period: 2 }, null);
    await tickAt([0, 1], { last: 5 });
    expect((await says(id))[0]).toBe('history');
    await beat();
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual([null, 'neutral']);
  });

  it('says that nobody computes, also while it warms up', async () => {
    const id = await add('sma', { period: 30 });
    await tickAt([0, 1]);
    const nobody = ['no_service', 'service classical is not running'];
    await sql`update ops.processes set seen_at = now() - interval '1 minute'`;
    expect(await says(id)).toEqual(nobody);
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(nobody);
    await beat();
    expect((await says(id))[0]).toBe('too_few');
  });

  it('says how far its history is', async () => {
    await tickNow([100, 80, 50, 20, 0]);
    const id = await add('sma', { period: 30 });
    expect(await says(id)).toEqual(['history', 'history is being computed, 0 %']);
    await sql`update indicator.backfills set next_bucket = now() - interval '50 minutes' where indicator_id = ${id}`;
    expect((await says(id))[1]).toMatch(/^history is being computed, (49|5[01]) %$/);
    await computeAll(sql, 500, kinds);
    expect((await says(id))[0]).toBe('too_few');
  });

  it('says that what it is told is paused', async () => {
    const id = await add('sma', { period: 2 });
    await computeAll(sql, 500, kinds);
    await tickAt([0]);
    await sql`select outbox.pause('indicators.classical')`;
    expect(await says(id)).toEqual(['paused', 'subscription indicators.classical is paused']);
    await sql`select outbox.resume('indicators.classical')`;
  });

  it('says that its first candle waits', async () => {
    const id = await add('sma', { period: 2 });
    await computeAll(sql, 500, kinds);
    await tickAt([0]);
    const waits = ['waiting', 'first candle is on its way'];
    expect(await says(id), 'not captured').toEqual(waits);
    const published = await publish(sql);
    expect(await says(id), 'not accepted').toEqual(waits);
    await accept(sql, published);
    expect(await says(id), 'not computed').toEqual(waits);
    await computeAll(sql, 500, kinds);
    expect((await says(id))[0]).toBe('too_few');
  });

  it('says that no candle has closed yet, where it reads no others', async () => {
    const id = await add('mute_closed', {});
    await tickAt([0]);
    await publish(sql);
    await sql`delete from indicator.backfills`;
    await sql`update outbox.candles set is_closed = false, closes_at = '2026-03-02T10:01:00Z'
      where instrument_id = feed.instrument_id(${symbol})`;
    expect(await says(id)).toEqual([
      'not_closed',
      'no candle has closed yet, the first does at 2026-03-02 10:01 UTC',
    ]);
  });

  it('says how many candles it has of how many, and since when no more came', async () => {
    const id = await add('sma', { period: 30 });
    await tickAt([0, 1, 2]);
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual([
      'too_few',
      'warming up 3 of 30, no candle since 2026-03-02 10:03 UTC',
    ]);
  });

  it('says about when it has enough, where candles come one after the other', async () => {
    const id = await add('sma', { period: 30 });
    await tickNow([3, 2, 1, 0]);
    await catchUp(sql, kinds);
    const [expected] = await sql`
      select 'warming up 4 of 30, about ' || indicator.clock_time(max(bucket) + interval '26 minutes') as words
      from indicator.values where indicator_id = ${id}`;
    expect(await says(id)).toEqual(['too_few', expected?.words]);
  });

  it('tells no time where candles come as they please', async () => {
    const id = await add('sma', { period: 30 });
    await tickNow([90, 30, 1, 0]);
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(['too_few', 'warming up 4 of 30']);
  });

  it('says why its candle was set aside, and nothing of it when that is over', async () => {
    const id = await add('mute', { bars: 1 });
    const other = await add('sma', { period: 30 });
    await computeAll(sql, 500, kinds);
    await tickAt([0]);
    await accept(sql, await publish(sql));
    for (let time = 0; time < 3; time++) {
      const [work] = await claim(sql);
      await store.failPending(
        work?.workIds ?? [],
        `indicator ${id} (mute) cannot be computed at 2026-03-02 10:00:00+00: it burst`,
      );
      await sql`update indicator.pending set leased_until = '-infinity'`;
    }
    expect(await says(id)).toEqual(['set_aside', 'could not be computed: it burst']);
    expect((await says(other))[0], 'the letter is not about it').toBe('waiting');
    await tickAt([1]);
    await catchUp(sql, kinds);
    expect((await says(id))[0], 'the next candle could be').toBe('no_value');
    await sql`select ops.discard_dead_letters()`;
  });

  it('says so of a letter that names no indicator, whatever its body is', async () => {
    const id = await add('mute', { bars: 1 });
    await computeAll(sql, 500, kinds);
    await tickAt([0]);
    const setAside = (detail: string, body: string) =>
      sql`select indicator.set_aside('classical', '{not_computed}', array[${detail}], array[${body}])`;
    await setAside('no JSON', `{"symbol": "${symbol}", "side": "bid"`);
    expect((await says(id))[0]).toBe('waiting');
    const body = `{"side": "bid", "bucket": 7, "symbol": "${symbol}", "timeframe": "1m"}`;
    await setAside('too long', body);
    expect(await says(id)).toEqual(['set_aside', 'could not be computed: too long']);
    await sql`select ops.discard_dead_letters()`;
  });

  it('says that no trade has a size, where it reads volume', async () => {
    const id = await add('mute_volume', {}, 'last');
    await tickAt([0, 1, 2], { last: 1 });
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(['no_sizes', 'no trade has a size']);
    await tickAt([3], { last: 1, size: 2 });
    await catchUp(sql, kinds);
    expect((await says(id))[0]).toBe('no_value');
  });

  it('says that its side has no spread, where it reads that', async () => {
    const id = await addIndicator(sql, symbol, { period: 6 }, { kind: 'spread', side: 'bid' });
    const other = await addIndicator(sql, symbol, { period: 6 }, { kind: 'spread', side: 'mid' });
    await tickAt([0, 1, 2, 3, 4, 5], { bid: 1, ask: 2 });
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(['no_spread', 'bid prices have no spread, only mid']);
    expect(await says(other)).toEqual([null, 'neutral']);
  });

  it('says that its candles allow none', async () => {
    const id = await addIndicator(sql, symbol, { period: 3 }, { kind: 'mfi' });
    await tickAt([0, 1, 2, 3, 4]);
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual(['no_value', 'these candles allow no value']);
    await tickAt([5], { bid: 2 });
    await catchUp(sql, kinds);
    expect(await says(id)).toEqual([null, 'bearish']);
  });

  it('says it of each vote of a rating too', async () => {
    await sql`select indicator.add_set(${symbol}, '1m', 'rating', 'mid')`;
    await tickAt([0, 1], { last: 5 });
    await catchUp(sql, kinds);
    const states = await sql`
      select distinct state from rating.votes_of(${symbol}, '1m', 'mid')`;
    expect([...states]).toEqual([{ state: 'no mid prices, only last' }]);
  });

  it('says it of many at once, of those only that are asked about and have none', async () => {
    const silent = await add('sma', { period: 9 });
    const unasked = await add('sma', { period: 8 });
    const loud = await add('sma', { period: 2 });
    await tickAt([0, 1]);
    await catchUp(sql, kinds);
    const rows = await sql`select * from indicator.absences(${[loud, silent, -1]}::int[])`;
    expect([...rows]).toEqual([
      { indicator_id: silent, reason: 'too_few', words: expect.stringContaining('2 of 9') },
    ]);
    expect(await sql`select from indicator.absences(null)`).toHaveLength(0);
    expect(unasked).not.toBe(silent);
  });

  it('costs indicator.latest one look per column, and none where it is not asked for', async () => {
    for (let period = 2; period < 12; period++) await add('sma', { period });
    const looksOf = (columns: string) =>
      sql.begin(async transaction => {
        await transaction`set local track_functions = 'pl'`;
        // It counts those of transactions before, until they are told to all.
        const calls = async () => {
          const [row] = await transaction<{ calls: number }[]>`
            select coalesce(sum(calls), 0)::int as calls from pg_stat_xact_user_functions where funcname = 'absences'`;
          return row?.calls ?? 0;
        };
        const before = await calls();
        const rows = await transaction.unsafe(`select ${columns} from indicator.latest`);
        return { isAll: rows.length >= 10, calls: (await calls()) - before };
      });
    expect(await looksOf('reading')).toEqual({ isAll: true, calls: 1 });
    expect(await looksOf('reading, reason')).toEqual({ isAll: true, calls: 2 });
    expect(await looksOf('verdict, value')).toEqual({ isAll: true, calls: 0 });
  });
});
