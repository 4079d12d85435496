import { expect, it } from 'vitest';
import { expectCandlesOf } from '../../../tests/support/candles.ts';
import { addInstrument, capture, describeOnEngine } from '../../../tests/support/database.ts';
import { capturedOf, subscribe } from '../../../tests/support/outbox.ts';
import { ticksOf } from '../../../tests/support/tick_series.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';

const from = '2026-03-02T10:00:00Z';

describeOnEngine('ops.reconcile', ({ sql, engine }) => {
  const feed = createFeed(sql);

  async function storedCandles() {
    const symbol = await addInstrument(sql);
    await subscribe(sql, symbol, { timeframe: '5m' });
    const ticks = ticksOf(symbol, 600, { from });
    await feed.recordTicks('manual', ticks);
    await sql`call feed.advance_candles()`;
    await capture(sql);
    return { symbol, ticks };
  }

  /** Where the candles of a timeframe are really kept. */
  async function tableOf(timeframe: string): Promise<string> {
    if (engine === 'postgres') return `feed.candles_${timeframe}`;
    const [row] = await sql<{ name: string }[]>`
      select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name
      from timescaledb_information.continuous_aggregates where view_name = ${`stored_candles_${timeframe}`}`;
    return row?.name ?? '';
  }

  async function last() {
    const [row] = await sql<
      { compared: number; different: number; unrepaired: number; samples: unknown[] }[]
    >`select compared::int, different::int, unrepaired::int, samples
      from ops.reconciliations order by reconciliation_id desc limit 1`;
    return row;
  }

  it('finds nothing where nothing is wrong, and changes nothing', async () => {
    const { symbol } = await storedCandles();
    const before = await capturedOf(sql, symbol);
    await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z')`;
    expect(await last()).toMatchObject({ different: 0, unrepaired: 0, samples: [] });
    expect((await last())?.compared).toBeGreaterThan(600);
    await capture(sql);
    expect(await capturedOf(sql, symbol)).toEqual(before);
  });

  for (const [what, timeframe, statement] of [
    ['a wrong close of a second', '1s', 'update TABLE set bid_close = 9 where WHERE'],
    [
      'a wrong sum of five minutes',
      '5m',
      'update TABLE set mid_sum = mid_sum * 1.000001 where WHERE',
    ],
    ['a wrong count of a day', '1d', 'update TABLE set ask_count = ask_count + 1 where WHERE'],
    ['a missing minute', '1m', 'delete from TABLE where WHERE'],
  ] as const) {
    it(`finds ${what}, repairs it and publishes what was repaired`, async () => {
      const { symbol, ticks } = await storedCandles();
      const before = await capturedOf(sql, symbol);
      const bucket = timeframe === '1d' ? '2026-03-02Z' : '2026-03-02 10:05Z';
      await sql.unsafe(
        statement
          .replace('TABLE', await tableOf(timeframe))
          .replace(
            'WHERE',
            `instrument_id = feed.instrument_id('${symbol}') and bucket = '${bucket}'`,
          ),
      );
      await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z', repair => false)`;
      expect(await last()).toMatchObject({
        different: 1,
        unrepaired: 1,
        samples: [{ timeframe, symbol }],
      });
      const [status] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
      expect(status?.faults).toContain(
        '1 candles of 2026-03-02 differ from their ticks and could not be repaired',
      );
      await capture(sql);
      await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z')`;
      expect(await last()).toMatchObject({ different: 1, unrepaired: 0 });
      await expectCandlesOf(sql, symbol, ticks);
      await capture(sql);
      expect((await capturedOf(sql, symbol)).length).toBe(before.length);
      const [healed] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
      expect(healed?.faults.join()).not.toContain('could not be repaired');
    });
  }

  it('finds a candle that no tick stands for, and takes it away', async () => {
    const { symbol, ticks } = await storedCandles();
    const table = await tableOf('1m');
    await sql.unsafe(
      `insert into ${table} select (json_populate_record(null::${table}, (to_jsonb(c) || '{"bucket": "2026-03-02 09:11:00+00"}')::json)).*
       from ${table} as c where c.instrument_id = feed.instrument_id('${symbol}') and c.bucket = '2026-03-02 10:05Z'`,
    );
    await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z')`;
    expect(await last()).toMatchObject({ different: 1, unrepaired: 0 });
    await expectCandlesOf(sql, symbol, ticks);
  });

  it('publishes what was sent wrong with a higher revision', async () => {
    const { symbol } = await storedCandles();
    const table = await tableOf('5m');
    const where = `instrument_id = feed.instrument_id('${symbol}') and bucket = '2026-03-02 10:05Z'`;
    await sql.unsafe(`update ${table} set bid_close = 9 where ${where}`);
    await sql`insert into outbox.changes (instrument_id, minute, changed_from, changed_to)
      values (feed.instrument_id(${symbol}), '2026-03-02 10:05Z', '2026-03-02 10:05Z', '2026-03-02 10:05Z')`;
    await sql`update outbox.changes set refreshed_revision = revision`;
    await capture(sql);
    const wrong = (await capturedOf(sql, symbol)).find(candle => candle.close === 9);
    expect(wrong).toBeDefined();
    await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z')`;
    await capture(sql);
    const right = (await capturedOf(sql, symbol)).find(candle => candle.bucket === wrong?.bucket);
    expect(right?.close).not.toBe(9);
    expect(right?.revision).toBeGreaterThan(wrong?.revision ?? Number.POSITIVE_INFINITY);
  });

  it('leaves out what is still on its way', async () => {
    const { symbol, ticks } = await storedCandles();
    const late = ticksOf(symbol, 5, { from: '2026-03-02T10:03:00.5Z', base: 3 });
    await feed.recordTicks('manual', late);
    await sql`call ops.reconcile('2026-03-02Z', '2026-03-03Z', repair => false)`;
    expect(await last()).toMatchObject({ different: 0 });
    await capture(sql);
    await expectCandlesOf(sql, symbol, [...ticks, ...late]);
  });

  it('of yesterday is done once, and not of a day without ticks', async () => {
    const count = async () => (await sql`select from ops.reconciliations`).length;
    const before = await count();
    await sql`call ops.reconcile_yesterday()`;
    expect(await count()).toBe(before);
  });

  it('tells of maintenance that fails, until it works again', async () => {
    const faults = async () => {
      const [row] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
      return row?.faults.filter(fault => fault.startsWith('maintenance')) ?? [];
    };
    await sql`select ops.note_maintenance('apply_storage', 'disk is full')`;
    await sql`select ops.note_maintenance('apply_storage', 'disk is still full')`;
    expect(await faults()).toMatchObject([
      expect.stringMatching(/^maintenance step apply_storage .*disk is still full$/),
    ]);
    await sql`select ops.note_maintenance('apply_storage')`;
    expect(await faults()).toEqual([]);
  });
});
