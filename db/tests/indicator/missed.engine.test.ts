import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  publish,
  registerCatalog,
} from '../../../tests/support/indicators.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const day = 24 * 60;

describeOnEngine('Candles that a queue lost', ({ sql }) => {
  const feed = createFeed(sql);
  const now = Date.now();
  let symbol: string;
  let ids: { sma: number; drift: number };

  beforeAll(() => registerCatalog(sql));
  beforeEach(async () => {
    await sql`select indicator.remove(indicator_id) from indicator.definitions`;
    await sql`truncate indicator.missed, indicator.dead_letters, indicator.pending, outbox.deliveries`;
    symbol = await addInstrument(sql);
    ids = {
      sma: await addIndicator(sql, symbol, { period: 3 }, { kind: 'sma' }),
      drift: await addIndicator(sql, symbol, { period: 10, horizon: 3 }, { kind: 'drift' }),
    };
    await sql`update indicator.definitions set created_at = now() - interval '20 days'`;
    for (const minute of range(40, 20)) await tickAgo(minute);
    await catchUp(sql);
  });

  const range = (from: number, to: number) =>
    Array.from({ length: from - to }, (_, index) => from - index);
  const tickAgo = (minutes: number, seq = 0) =>
    feed.recordTicks('manual', [
      tickOf(symbol, new Date(now - minutes * 60_000).toISOString(), {
        seq,
        bid: 10 + ((7 * minutes + seq) % 5),
      }),
    ]);
  /** What was captured since is sent, and only `service` hears of it. */
  async function lose(service: string): Promise<void> {
    const published = await publish(sql);
    const heard = published.filter(({ subscription }) => subscription === `indicators.${service}`);
    expect(published.length).toBeGreaterThan(heard.length);
    await accept(sql, heard);
    await computeAll(sql);
  }
  async function find(overtakenBy = '0 s'): Promise<number> {
    const [row] = await sql<[{ count: number }]>`
      select indicator.find_missed(${overtakenBy}::text::interval) as count`;
    return row.count;
  }
  const missed = async () => [
    ...(await sql<{ service: string; minutes: number }[]>`
      select service, round(extract(epoch from ${new Date(now).toISOString()}::text::timestamptz - bucket) / 60)::int as minutes
      from indicator.missed order by 1, 2 desc`),
  ];
  const faults = async () =>
    (await sql<{ fault: string }[]>`select fault from indicator.faults`).map(row => row.fault);
  const values = async (id: number) => [
    ...(await sql`select bucket, outputs, verdict, low, high, bars from indicator.values
      where indicator_id = ${id} order by bucket`),
  ];

  it('are found once a later one was heard of, told, and computed', async () => {
    await tickAgo(30, 1);
    await lose('classical');
    await tickAgo(19);
    await catchUp(sql);
    expect(await find('1 hour'), 'it may still come').toBe(0);
    expect(await find()).toBe(1);
    expect(await missed()).toEqual([{ service: 'models', minutes: expect.toSatisfy(isAbout(30)) }]);
    expect(await faults()).toEqual([
      expect.stringMatching(
        new RegExp(
          `^service models did not hear of 1 closed candles, such as ${symbol} 1m at .* UTC, though it did of later ones: its queue lost messages; they are computed now \\(indicator\\.missed\\)$`,
        ),
      ),
    ]);
    const before = await values(ids.drift);
    await computeAll(sql);
    const repaired = await values(ids.drift);
    expect(repaired).not.toEqual(before);
    await sql`select ops.recompute(${ids.drift})`;
    await computeAll(sql);
    expect(await values(ids.drift)).toEqual(repaired);
    expect(await find()).toBe(0);
  });

  it('are found of each service and series, the whole loss of some minutes at once', async () => {
    const other = await addInstrument(sql);
    await addIndicator(sql, other, { period: 3 }, { kind: 'sma' });
    await sql`update indicator.definitions set created_at = now() - interval '20 days'`;
    for (const minute of range(19, 10)) await tickAgo(minute);
    await publish(sql);
    await tickAgo(10);
    await catchUp(sql);
    expect(await find()).toBe(2 * 9);
    const rows = await missed();
    expect(rows.filter(({ service }) => service === 'classical')).toHaveLength(9);
    await computeAll(sql);
    expect(await find()).toBe(0);
    const [row] = await sql<[{ count: number }]>`
      select count(*)::int as count from indicator.values where indicator_id = ${ids.sma}`;
    expect(row.count).toBe(30);
  });

  it('are none while what tells of them still waits', async () => {
    await tickAgo(30, 1);
    await sql`select outbox.capture_deltas()`;
    await sql`call outbox.refresh_late()`;
    await sql`select outbox.capture_deltas()`;
    expect(await find(), 'to be sent').toBe(0);
    await accept(sql, await publish(sql));
    expect(await find(), 'to be computed').toBe(0);
    const works = await claim(sql);
    expect(await find(), 'for who computes it').toBe(0);
    await finish(sql, works);
    expect(await find()).toBe(0);
    await tickAgo(29, 1);
    await publish(sql);
    await sql`select ops.recompute(indicator_id) from indicator.definitions`;
    expect(await find(), 'as history').toBe(0);
    await computeAll(sql);
    expect(await find()).toBe(0);
    await tickAgo(28, 1);
    await publish(sql);
    await tickAgo(19);
    await catchUp(sql);
    await sql`update outbox.subscriptions set is_paused = true`;
    expect(await find(), 'of one that is paused').toBe(0);
    await sql`update outbox.subscriptions set is_paused = false`;
    expect(await find()).toBe(2);
  });

  it('are not what was there before the indicator, and not what could not be computed', async () => {
    await tickAgo(30, 1);
    await lose('classical');
    await tickAgo(19);
    await catchUp(sql);
    await sql`update indicator.definitions set created_at = now() where indicator_id = ${ids.drift}`;
    expect(await find()).toBe(0);
    await sql`update indicator.definitions set created_at = now() - interval '20 days'`;
    await sql`select indicator.set_aside('models', '{not_computed}', '{for a test}', array_agg(jsonb_build_object(
        'symbol', ${symbol}::text, 'timeframe', c.timeframe, 'side', c.side, 'bucket', c.bucket, 'revision', c.revision)::text))
      from outbox.candles as c
      join indicator.definitions as d using (instrument_id, timeframe, side)
      left join indicator.values as v on v.indicator_id = d.indicator_id and v.bucket = c.bucket
      where d.indicator_id = ${ids.drift} and c.is_closed and coalesce(v.revision, -1) < c.revision
      having count(*) = 1`;
    expect(await find()).toBe(0);
    await sql`delete from indicator.dead_letters`;
    expect(await find()).toBe(1);
  });

  it('are given to their service once, and again when they changed', async () => {
    await tickAgo(30, 1);
    await lose('classical');
    await tickAgo(19);
    await catchUp(sql);
    expect(await find()).toBe(1);
    await sql`delete from indicator.pending`;
    expect(await find(), 'nobody computed it').toBe(0);
    await tickAgo(30, 2);
    await lose('classical');
    await tickAgo(18);
    await catchUp(sql);
    expect(await find()).toBe(1);
    await computeAll(sql);
    expect(await find()).toBe(0);
  });

  it('are found days back at last', async () => {
    await tickAgo(2 * day);
    await lose('classical');
    await tickAgo(19);
    await catchUp(sql);
    let looks = 0;
    while ((await find()) === 0) expect(++looks).toBeLessThan(500);
    expect(await missed()).toEqual([
      { service: 'models', minutes: expect.toSatisfy(isAbout(2 * day)) },
    ]);
  });
});

const isAbout = (wanted: number) => (minutes: number) => Math.abs(minutes - wanted) <= 1;
