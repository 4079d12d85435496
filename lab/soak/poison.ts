import { setTimeout as sleep } from 'node:timers/promises';
import { GetQueueUrlCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import type { Random } from '../../tests/support/random.ts';
import type { Action } from './actions.ts';
import { poisoned } from './health.ts';
import { stubbornly } from './operator.ts';
import { hold } from './told.ts';
import type { Query, World } from './world.ts';

/** No sequence of ours comes that far. */
const neverDrawn = Number.MAX_SAFE_INTEGER;
/** What only our own refused bodies have: the word, a revision or a time that no candle has. */
const mark = `poison|${neverDrawn}|"(0001|9999)-|\\.123[+"]`;

interface Captured {
  symbol: string;
  timeframe: string;
  side: string;
  bucket: string;
  revision: number;
}

/** What a queue of a service may be sent by somebody who may write to it. */
export const poison: readonly Action[] = [
  {
    kind: 'queue of a service poisoned',
    weight: 1.2,
    group: 'poison',
    run: async ({ world, random, health, tried }) => {
      const services = await world.query<{ service: string; queue: string }>(
        'select service, queue from indicator.services order by service',
      );
      const { service, queue } = random.pick(services);
      health.acted(poisoned);
      try {
        const candles = await capturedCandles(world.query);
        for (let round = random.int(1, 20); round > 0; round--) {
          await send(
            world,
            queue,
            candles.map(candle => random.pick(bodies)(candle, random)),
          );
          tried.messages += candles.length;
        }
        // A service that was killed, or has no database, refuses later.
        for (let look = 0; look < 40 && (await letters(world.query, service)) === 0; look++) {
          await sleep(500);
        }
        if ((await letters(world.query, service)) > 0) {
          const held = await hold(4_000, () => true);
          const signs = {
            fault: new RegExp(`^service ${service} refused or set aside`, 'm'),
            withinMs: 1_500,
          };
          health.expectShown('queue of a service poisoned', signs, held);
        }
      } finally {
        await stubbornly(() => discardPoison(world.query));
      }
    },
  },
];

/** Takes away what services refused of our poison; it may come again. */
export async function discardPoison(query: Query): Promise<void> {
  await query('delete from indicator.dead_letters where body ~ $1', [mark]);
}

/** What services refused or set aside that was no poison of ours. */
export async function refusedInError(query: Query): Promise<string[]> {
  const rows = await query<{ service: string; reason: string; detail: string; times: number }>(
    `select service, reason, detail, times::int from indicator.dead_letters where body !~ $1`,
    [mark],
  );
  return rows.map(
    ({ service, reason, detail, times }) =>
      `service ${service} set aside what was ours, ${times} times: ${reason}, ${detail}`,
  );
}

async function letters(query: Query, service: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    'select count(*)::int as count from indicator.dead_letters where service = $1',
    [service],
  );
  return row?.count ?? 0;
}

/** Some that indicators are computed from, of now. */
function capturedCandles(query: Query): Promise<Captured[]> {
  return query<Captured>(`
    select i.symbol, c.timeframe, c.side,
      to_char(c.bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket, c.revision::int
    from outbox.candles as c
    join feed.instruments as i using (instrument_id)
    join (select distinct d.instrument_id, d.timeframe, d.side from indicator.definitions as d) as d
      using (instrument_id, timeframe, side)
    order by c.revision desc limit 10`);
}

async function send({ queues }: World, queue: string, messages: readonly string[]): Promise<void> {
  const { QueueUrl } = await queues.sqs.send(new GetQueueUrlCommand({ QueueName: queue }));
  const Entries = messages.map((MessageBody, index) => ({ Id: String(index), MessageBody }));
  if (Entries.length > 0) {
    await queues.sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  }
}

/** Prices that nobody has seen, under a name that is right. */
function forged(captured: Captured, rest: object = {}): object {
  const price = 1e9;
  return {
    ...captured,
    open: price,
    high: price,
    low: price,
    close: price,
    average: price,
    sum: price,
    volume: null,
    tick_count: 1,
    is_closed: true,
    ...rest,
  };
}

const message = (candles: readonly object[], version = 1): string =>
  JSON.stringify({
    version,
    subscription: 'poison',
    sent_at: new Date().toISOString(),
    candles,
  });

const bodies: readonly ((captured: Captured, random: Random) => string)[] = [
  () => 'poison',
  () => '{"version":1,"poison":[',
  () => `poison ${'x'.repeat(100_000)}`,
  captured => message([forged(captured)], 99),
  captured => message([forged(captured, { close: 'poison' })]),
  captured => message([forged(captured, { symbol: 'poison \u0000' })]),
  // It only says where to look: nothing of it is believed, and nothing is refused.
  captured => message([forged(captured)]),
  captured => message(Array.from({ length: 200 }, () => forged(captured))),
  captured => message([forged(captured, { symbol: 'NOBODY' })]),
  captured => message([forged(captured, { revision: neverDrawn }), forged(captured)]),
  captured => message([forged(captured, { bucket: '0001-01-01T00:00:00Z' }), forged(captured)]),
  captured => message([forged(captured, { bucket: '9999-12-31T00:00:00Z' }), forged(captured)]),
  (captured, random) => {
    const bucket = captured.bucket.replace('Z', '.123Z');
    return message([forged(captured, { bucket, revision: random.int(1, captured.revision) })]);
  },
];
