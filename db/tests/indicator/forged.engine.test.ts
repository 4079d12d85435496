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
