import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  computeAll,
  type Published,
  publish,
  registerCatalog,
  valuesOf,
} from '../../../tests/support/indicators.ts';
import { secondsAfter, tickOf } from '../../../tests/support/ticks.ts';
import { createServiceStore } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const highest = Number.MAX_SAFE_INTEGER;

describeOnEngine('A forged candle', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  beforeAll(() => registerCatalog(sql));
  beforeEach(async () => {
    await catchUp(sql);
    await sql`select ops.discard_dead_letters()`;
  });

  const record = (symbol: string, minutes: readonly number[], seq = 0) =>
    feed.recordTicks(
      'manual',
      minutes.map(minute =>
        tickOf(symbol, secondsAfter(minute * 60), { seq, bid: minute + 10 * seq + 1 }),
      ),
    );

  async function indicatorOn(minutes: readonly number[]) {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 3 });
    await record(symbol, minutes);
    const sent = await publish(sql);
    const [newest] = sent.slice(-1);
    if (newest === undefined) throw new Error('nothing was published');
    return { symbol, id, sent, newest };
  }

  async function revisionOf(candle: Published): Promise<{ captured: number; drawn: number }> {
    const [row] = await sql<[{ captured: number; drawn: number }]>`
      select o.revision::int as captured, r.last_value::int as drawn
      from outbox.candles as o, outbox.revision as r
      where o.instrument_id = feed.instrument_id(${candle.symbol}) and o.timeframe = ${candle.timeframe}
        and o.side = ${candle.side} and o.bucket = ${candle.bucket}::text::timestamptz`;
    return row;
  }

  const letters = async () => [
    ...(await sql<{ reason: string; detail: string; times: number }[]>`
      select reason, detail, times::int from indicator.dead_letters where service = 'classical' order by dead_letter_id`),
  ];

  const faults = async () => {
    const rows = await sql<{ fault: string }[]>`select fault from indicator.faults`;
    return rows.map(row => row.fault);
  };

  it('with a revision that was never drawn is refused and told, and its neighbours are not', async () => {
    const { symbol, id, sent, newest } = await indicatorOn([0, 1, 2]);
    const { drawn } = await revisionOf(newest);
    const forged = [highest, drawn + 1, 0, -1].map(revision => ({ ...newest, revision }));
    expect(await accept(sql, [...forged, ...sent])).toBe(3);
    expect((await letters()).map(letter => letter.reason)).toEqual(
      forged.map(() => 'revision_not_drawn'),
    );
    expect((await letters()).map(letter => letter.detail)).toContain(
      `${symbol} 1m bid 2026-03-02 10:02:00+00 with revision ${highest}: revisions up to ${drawn} were drawn`,
    );
    await accept(sql, forged.slice(0, 1));
    expect(await letters(), 'the same once').toHaveLength(4);
    expect((await letters()).map(letter => letter.times).sort()).toEqual([1, 1, 1, 2]);
    expect(await faults()).toEqual([
      expect.stringMatching(
        /^service classical refused or set aside 4 candles and messages since /,
      ),
    ]);
    const [service] = await sql`
      select refused_count::int from indicator.services where service = 'classical'`;
    expect(service).toEqual({ refused_count: 5 });

    // Its candle is not frozen.
    await record(symbol, [2], 1);
    await catchUp(sql);
    expect((await valuesOf(sql, id)).at(-1)).toMatchObject({
      outputs: [expect.closeTo(13 - 16 / 3), 13, expect.closeTo(16 / 3)],
    });
  });

  it('of a bucket that cannot be is refused with its reason, and its neighbours are not', async () => {
    const { sent, newest } = await indicatorOn([0, 1, 2]);
    const [clock] = await sql<[{ soon: string; later: string }]>`
      select to_char(t.at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as soon, to_char(t.at + interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as later
      from (select date_trunc('minute', clock_timestamp() + interval '5 minutes')) as t(at)`;
    const buckets = {
      in_future: [clock.soon, clock.later, '9999-12-31T23:59:00Z', '2100-01-01T00:00:00Z'],
      before_history: [
        '0001-01-01T00:00:00Z',
        '0002-01-01T00:00:00Z',
        secondsAfter(-60),
        '1970-01-01T00:00:00Z',
      ],
      unaligned: [secondsAfter(61), '2026-03-02T10:01:00.000001Z', secondsAfter(119)],
    };
    const forged = Object.values(buckets)
      .flat()
      .map(bucket => ({ ...newest, bucket, revision: 1 }));
    expect(await accept(sql, [...forged, ...sent, ...forged])).toBe(3);
    const counts = await sql`
      select reason, count(*)::int, sum(times)::int as times from indicator.dead_letters group by reason order by reason`;
    expect([...counts]).toEqual(
      Object.entries(buckets)
        .map(([reason, { length }]) => ({ reason, count: length, times: 2 * length }))
        .sort((one, other) => (one.reason < other.reason ? -1 : 1)),
    );
    await computeAll(sql);
    const [row] = await sql<[{ waits: boolean }]>`
      select indicator.next_work_at('classical') is not null as waits`;
    expect(row).toEqual({ waits: false });
  });

  it('with a revision of others is looked up: values have the revision of the captured candle', async () => {
    const { id, newest } = await indicatorOn([0, 1, 2]);
    await indicatorOn([0, 1]);
    const { captured, drawn } = await revisionOf(newest);
    expect(drawn).toBeGreaterThan(captured);
    for (const revision of [1, drawn]) {
      await store.acceptCandles([{ ...newest, revision }]);
      await computeAll(sql);
      const [value] = await sql`
        select revision::int from indicator.values where indicator_id = ${id} order by bucket desc limit 1`;
      expect(value).toEqual({ revision: captured });
    }
    expect(await letters()).toEqual([]);
  });

  it('that has a value already is repaired by ops.recompute, and by the next change', async () => {
    const { symbol, id, sent } = await indicatorOn([0, 1, 2, 3]);
    await accept(sql, sent);
    await computeAll(sql);
    const right = await valuesOf(sql, id);
    const forge = () => sql`
      update indicator.values set value = 7, outputs = '{7,7,7}', verdict = 1, strength = 1, revision = ${highest}
      where indicator_id = ${id}`;
    await forge();
    await sql`select ops.recompute(${id})`;
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toEqual(right);
    const [revision] = await sql`
      select max(v.revision) <= (select last_value from outbox.revision) as is_drawn
      from indicator.values as v where indicator_id = ${id}`;
    expect(revision).toEqual({ is_drawn: true });

    await forge();
    await record(symbol, [0], 1);
    await catchUp(sql);
    // Those whose window holds the changed one.
    expect((await valuesOf(sql, id)).slice(0, 3).map(value => value.outputs)).toEqual([
      null,
      null,
      [expect.closeTo(3 - 16 / 3), 3, expect.closeTo(16 / 3)],
    ]);
  });
});

describeOnEngine('What a service refused', ({ sql }) => {
  const feed = createFeed(sql);
  const store = createServiceStore(sql, 'classical');
  beforeAll(() => registerCatalog(sql));
  beforeEach(async () => {
    await catchUp(sql);
    await sql`select ops.discard_dead_letters()`;
  });

  const bodies = async () => {
    const rows = await sql<{ body: string }[]>`
      select body from ops.dead_letters where step = 'from queue' and subscription = 'indicators.classical'`;
    return rows.map(row => row.body);
  };
  const redrive = async (subscription: string | null = null) => {
    const [row] = await sql<[{ count: number }]>`select ops.redrive(${subscription}) as count`;
    return row.count;
  };
  const messageOf = (candles: readonly Published[]) => JSON.stringify({ version: 1, candles });

  it('is kept as it came, and taken when it is tried again', async () => {
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 });
    await catchUp(sql);
    await feed.recordTicks(
      'manual',
      [0, 1, 2].map(minute => tickOf(symbol, secondsAfter(60 * minute), { bid: 1 + minute })),
    );
    const [first, second, third] = await publish(sql);
    if (first === undefined || second === undefined || third === undefined) throw new Error('none');
    const refusals = [
      { reason: 'not_a_message', body: messageOf([first]) },
      { reason: 'not_a_candle', body: JSON.stringify(second) },
      { reason: 'not_storable', body: JSON.stringify(third) },
      { reason: 'not_a_message', body: 'not\u0000 ours\u001b[31m' },
      { reason: 'not_a_message', body: '{"version":2,"candles":[]}' },
      { reason: 'not_a_message', body: 'x'.repeat(300_000) },
      { reason: 'not_a_candle', body: JSON.stringify({ ...first, bucket: 'long ago' }) },
      { reason: 'not_a_candle', body: 'null' },
    ] as const;
    await store.setAside(refusals.map(each => ({ ...each, detail: 'for\u001b a\u0000 test' })));
    const lengths = (texts: readonly string[]) =>
      texts.map(({ length }) => Math.min(65_536, length)).sort((one, other) => one - other);
    expect(lengths(await bodies())).toEqual(lengths(refusals.map(({ body }) => body)));
    const [letter] = await sql`select reason from ops.dead_letters where body = 'null'`;
    expect(letter).toEqual({ reason: 'not_a_candle: for  a\ufffd test' });

    expect(await redrive('indicators.models')).toBe(0);
    expect(await redrive('indicators.classical')).toBe(3);
    expect(lengths(await bodies())).toEqual(lengths(refusals.slice(3).map(({ body }) => body)));
    await computeAll(sql);
    expect(await valuesOf(sql, id)).toHaveLength(3);
    expect(await redrive()).toBe(0);
    const [discarded] = await sql`select ops.discard_dead_letters('indicators.classical') as count`;
    expect(discarded).toEqual({ count: 5 });
  });

  it('is bounded: the newest 500 of a reason, for 30 days', async () => {
    await store.setAside(
      Array.from({ length: 700 }, (_, n) => ({
        reason: 'not_a_message',
        detail: 'not JSON',
        body: `body ${n}`,
      })),
    );
    await store.setAside([{ reason: 'not_a_candle', detail: 'none', body: '{}' }]);
    await store.setAside([{ reason: 'not_a_message', detail: 'not JSON', body: 'the newest' }]);
    const kept = await bodies();
    expect(kept).toHaveLength(501);
    expect(kept).toContain('the newest');
    expect(kept).toContain('{}');
    const purge = async () => {
      const [row] = await sql<[{ count: number }]>`select indicator.purge() as count`;
      return row.count;
    };
    expect(await purge()).toBe(0);
    await sql`update indicator.dead_letters set failed_at = now() - interval '31 days' where body <> '{}'`;
    expect(await purge()).toBe(500);
    expect(await bodies()).toEqual(['{}']);
  });
});
