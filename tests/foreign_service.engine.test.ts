import {
  DeleteMessageCommand,
  GetQueueUrlCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createFeed } from '../workers/ingest/feed.ts';
import { addInstrument, describeOnEngine } from './support/database.ts';
import { type System, startSystem } from './support/system.ts';
import { secondsAfter, tickOf } from './support/ticks.ts';
import { registerKinds } from './support/values.ts';
import { waitFor } from './support/wait.ts';

/** A claim of candles, or of history, as the database gives it. */
interface Claim {
  readonly instrument_id: number;
  readonly timeframe: string;
  readonly side: string;
  readonly from_bucket: string;
  readonly to_bucket: string;
  readonly closed_to: string;
  readonly revision: string;
  readonly indicators: readonly { indicator_id: number; bars_window: number }[];
}

interface Candle {
  readonly symbol: string;
  readonly timeframe: string;
  readonly side: string;
  readonly bucket: string;
  readonly revision: number;
}

// Stands for a service in any language: it has a connection with the rights of the role, and a client of SQS.
describeOnEngine('A service that speaks only SQL and SQS', database => {
  const { sql: owner } = database;
  const sql = database.as('foresight_indicators');
  const feed = createFeed(owner);
  let system: System;
  let symbol: string;
  let theirs: number;
  let ours: number;

  beforeAll(async () => {
    await registerKinds(owner);
    system = await startSystem(database);
    // Ours run all the time, beside it.
    await Promise.all(
      (['upkeep', 'publish', 'indicators'] as const).map(name => system.start(name)),
    );
  });
  afterAll(() => system.stopAll());

  async function recordMinutes(closes: readonly number[], seq = 0): Promise<void> {
    await feed.recordTicks(
      'manual',
      closes.map((bid, minute) => tickOf(symbol, secondsAfter(60 * minute), { seq, bid })),
    );
    await feed.nudge();
  }

  async function add(kind: string, params: string): Promise<number> {
    const [row] = await owner<[{ id: number }]>`
      select indicator.add(${symbol}, '1m', ${kind}, ${params}::text::jsonb, 'bid') as id`;
    return row.id;
  }

  const valuesOf = (id: number) =>
    owner<
      { value: number | null; verdict: number | null; bars: number; revision: string }[]
    >`select value, verdict, bars, revision from indicator.values where indicator_id = ${id} order by bucket`;

  /** Our service has computed every candle in its newest state. */
  const waitForOurs = (count: number) =>
    waitFor('ours are computed', async () => (await valuesOf(ours)).length, {
      until: length => length === count,
      explain: system.logs,
    });

  async function work() {
    const [row] = await owner<[{ pending: number; backfills: number }]>`
      select (select count(*)::int from indicator.pending where service = 'python') as pending,
        (select count(*)::int from indicator.backfills where service = 'python') as backfills`;
    return row;
  }

  async function receive(): Promise<{ url: string | undefined; messages: readonly Message[] }> {
    const { QueueUrl: url } = await system.sqs.send(
      new GetQueueUrlCommand({ QueueName: 'foresight-python' }),
    );
    const { Messages: messages = [] } = await system.sqs.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
    );
    return { url, messages };
  }

  /** Takes what is on its queue; returns how many candles were news. */
  async function takeMessages(): Promise<number> {
    const { url, messages } = await receive();
    let news = 0;
    for (const { Body = '', ReceiptHandle } of messages) {
      const { candles } = JSON.parse(Body) as { candles: readonly Candle[] };
      const [row] = await sql<[{ count: number }]>`
        select indicator.accept_candles('python', ${candles.map(each => each.symbol)}::text[],
          ${candles.map(each => each.timeframe)}::text[], ${candles.map(each => each.side)}::text[],
          ${candles.map(each => each.bucket)}::text[]::timestamptz[],
          ${candles.map(each => each.revision)}::bigint[]) as count`;
      news += row.count;
      await system.sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
    }
    return news;
  }

  /** The move from the first to the last close of the window, for each candle that is due. */
  async function compute(claim: Claim, isHistory: boolean): Promise<void> {
    for (const { indicator_id, bars_window } of claim.indicators) {
      const [window] = await sql<{ buckets: string[] | null; closes: number[] | null }[]>`
        select buckets, closes from indicator.candle_window(${claim.instrument_id}, ${claim.timeframe}, ${claim.side},
          ${claim.from_bucket}::text::timestamptz, ${claim.to_bucket}::text::timestamptz,
          ${bars_window - 1}, ${isHistory ? 0 : bars_window - 1})`;
      const closes = window?.closes ?? [];
      for (const [index, bucket] of (window?.buckets ?? []).entries()) {
        if (bucket < claim.from_bucket) continue;
        const used = closes.slice(Math.max(0, index + 1 - bars_window), index + 1);
        const close = used.at(-1) ?? Number.NaN;
        const move = used.length < bars_window ? null : close - (used[0] ?? Number.NaN);
        const price = isHistory || bucket > claim.closed_to ? null : close;
        await sql`select indicator.record_values(array[${indicator_id}::int], array[${bucket}::text::timestamptz],
          array[${move === null ? null : `{${move}}`}]::text[], array[${move === null ? null : Math.sign(move)}]::int2[],
          array[${move === null ? null : Math.sign(move)}]::float8[]::float4[], array[null]::int[],
          array[null]::float8[], array[null]::float8[], array[${used.length}]::int[],
          array[${claim.revision}]::bigint[], array[${price}]::float8[])`;
      }
    }
  }

  const claimPending = () => sql<(Claim & { work_ids: string[] })[]>`
    select * from indicator.claim_pending('python')`;

  async function computeAll(): Promise<void> {
    for (const claim of await claimPending()) {
      await compute(claim, false);
      await sql`select indicator.finish_pending(${claim.work_ids}::bigint[])`;
    }
    for (;;) {
      const [claim] = await sql<(Claim & { work_id: string })[]>`
        select * from indicator.claim_backfill('python')`;
      if (claim === undefined) return;
      await compute(claim, true);
      await sql`select indicator.finish_backfill(${claim.work_id}, ${claim.to_bucket}::text::timestamptz)`;
    }
  }

  const faultsOfServices = async () => {
    const [row] = await owner<[{ faults: string[] }]>`select faults from ops.status`;
    return row.faults.filter(fault => fault.startsWith('service '));
  };

  it('registers itself with a kind, and is expected to live from then on', async () => {
    await sql`select indicator.register_service('python', description => 'Models of another language')`;
    await sql`select indicator.register_kind('python', 'python_move', 'Move of the close over some candles',
      'Bullish when it rose, bearish when it fell', 'Move {bars}', 'Last close minus first',
      '[{"name": "bars", "type": "integer", "min": 2, "max": 50, "default": 3}]', '{close}',
      '[{"name": "move", "unit": "price", "pane": "own", "thresholds": [0]}]', '[{"bars": 1}]')`;
    expect(await faultsOfServices()).toEqual(['service python is not running']);
    const [row] = await sql`select indicator.beat('{python}', 'elsewhere', 4711) as next_work_at`;
    expect(row).toEqual({ next_work_at: null });
    expect(await faultsOfServices()).toEqual([]);
  });

  it('gets its candles on its own queue, and keeps its work until it did it', async () => {
    symbol = await addInstrument(owner);
    theirs = await add('python_move', '{"bars": 2}');
    ours = await add('ma_cross', '{"fast": 1, "slow": 2}');
    await recordMinutes([1, 2, 4, 3]);
    await waitForOurs(4);
    expect(await work(), 'nobody else took its history').toEqual({ pending: 0, backfills: 1 });
    const arrived = async () => {
      await takeMessages();
      return (await work()).pending;
    };
    await waitFor('its candles are there', arrived, {
      until: pending => pending === 4,
      explain: system.logs,
    });
    const [row] = await sql<[{ has_work: boolean }]>`
      select indicator.beat('{python}', 'elsewhere', 4711) <= clock_timestamp() as has_work`;
    expect(row).toEqual({ has_work: true });

    // It takes the work and dies.
    const [claim] = await claimPending();
    expect(claim?.work_ids).toHaveLength(4);
    expect(await claimPending()).toHaveLength(0);
    await recordMinutes([1.5], 1);
    await waitFor('ours went on', async () => (await valuesOf(ours))[1]?.value, {
      until: value => value === 0.5,
      explain: system.logs,
    });
    await waitFor('the change is there', takeMessages, { until: news => news === 1 });
    await owner`update indicator.pending set leased_until = '-infinity' where service = 'python'`;
    expect(await work()).toEqual({ pending: 4, backfills: 1 });
    const [again] = await claimPending();
    expect(again?.work_ids).toHaveLength(4);
    // What changed meanwhile is other work.
    await sql`select indicator.finish_pending(${claim?.work_ids ?? []}::bigint[])`;
    expect(await work()).toEqual({ pending: 1, backfills: 1 });
    await owner`select ops.recompute(${theirs})`;
  });

  it('writes its values back, of candles and of history, and then has nothing left to do', async () => {
    await owner`update indicator.pending set leased_until = '-infinity' where service = 'python'`;
    await computeAll();
    expect(
      (await valuesOf(theirs)).map(({ value, verdict, bars }) => [value, verdict, bars]),
    ).toEqual([
      [null, null, 1],
      [0.5, 1, 2],
      [2, 1, 2],
      [-1, -1, 2],
    ]);
    expect(await work()).toEqual({ pending: 0, backfills: 0 });
    const [row] = await sql`select indicator.beat('{python}', 'elsewhere', 4711) as next_work_at`;
    expect(row).toEqual({ next_work_at: null });
    const [latest] = await owner`
      select value, reading, outputs from indicator.latest where indicator_id = ${theirs}`;
    expect(latest).toEqual({
      value: -1,
      reading: 'bearish',
      outputs: [{ name: 'move', unit: 'price', pane: 'own', thresholds: [0], value: -1 }],
    });
  });

  it('is heard as it said what it said when a candle was closed', async () => {
    await feed.recordTicks('manual', [tickOf(symbol, secondsAfter(240), { bid: 7 })]);
    await feed.nudge();
    await waitFor('its candle is there', takeMessages, { until: news => news === 1 });
    await computeAll();
    const said = await owner`
      select verdict, value, price from indicator.verdicts where indicator_id = ${theirs} order by bucket desc limit 1`;
    expect([...said]).toEqual([{ verdict: 1, value: 4, price: 7 }]);
    await owner`select indicator.remove(${theirs})`;
    await owner`select indicator.remove_service('python')`;
    expect(await work()).toEqual({ pending: 0, backfills: 0 });
    expect(await faultsOfServices()).toEqual([]);
  });
});
