import { CreateQueueCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  addInstrument,
  capture,
  describeOnEngine,
  testLogger,
} from '../../tests/support/database.ts';
import { subscribe, waitingFor } from '../../tests/support/outbox.ts';
import { openQueueServer, type QueueServer } from '../../tests/support/queue_server.ts';
import { readMessages } from '../../tests/support/subscriber.ts';
import { at, secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../ingest/feed.ts';
import { openQueue, type Queue } from '../queue.ts';
import { createSenders, makeQueue } from './deliver.ts';
import { createOutbox } from './outbox.ts';

const { signal } = new AbortController();
const silent = async () => undefined;

let server: QueueServer;
let queue: Queue;

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  server = await openQueueServer(testLogger);
  queue = openQueue({ region: 'us-east-1', endpoint: server.gate.endpoint });
});

afterEach(async () => {
  queue.close();
  await server.close();
  vi.unstubAllEnvs();
});

describeOnEngine('A missing queue', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  const make = (name: string) => makeQueue(name, { outbox, queue, logger: testLogger });

  /** A subscription whose one candle a publisher just sent to the queue that it made for it. */
  async function sentCandle(): Promise<string> {
    const symbol = await addInstrument(sql);
    const name = await subscribe(sql, symbol);
    await feed.recordTicks('manual', [tickOf(symbol, at('10:00:00'), { bid: 1 })]);
    await capture(sql);
    const deliveries = await outbox.claimDeliveries(10_000);
    const senders = createSenders({ outbox, queue, logger: testLogger, signal });
    await Promise.all(senders.start(deliveries));
    expect(await waitingFor(sql, name)).toEqual([]);
    return name;
  }

  it('is made, and all that was sent to it before is queued again', async () => {
    const name = await sentCandle();
    await server.stop();
    await server.start({ losesState: true });
    queue.forget(`queue-${name}`);
    await make(`queue-${name}`);
    expect(await waitingFor(sql, name)).toHaveLength(1);
    expect(await queue.find(`queue-${name}`)).toBeDefined();
  });

  it('is no loss when another publisher made it meanwhile and sent to it', async () => {
    const name = await sentCandle();
    await make(`queue-${name}`);
    expect(await waitingFor(sql, name)).toEqual([]);
  });
});

describeOnEngine('A queue that takes small messages only', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);

  for (const [bytes, says] of [
    [1_024, 'and says so'],
    [1_024, 'without a word'],
    [5_000, 'and says so'],
    [5_000, 'without a word'],
  ] as const) {
    it(`of ${bytes} bytes, ${says}, gets every candle and buries none`, async () => {
      const symbol = await addInstrument(sql);
      const name = await subscribe(sql, symbol);
      await server.sqs.send(
        new CreateQueueCommand({
          QueueName: `queue-${name}`,
          Attributes: { MaximumMessageSize: String(bytes) },
        }),
      );
      const count = 372;
      const record = (seq: number) =>
        feed.recordTicks(
          'manual',
          Array.from({ length: count }, (_, minute) =>
            tickOf(symbol, secondsAfter(minute * 60), { seq, bid: 1 + minute + seq }),
          ),
        );
      const send = async () => {
        await capture(sql);
        const sender = says === 'and says so' ? queue : { ...queue, longestBody: silent };
        const senders = createSenders({ outbox, queue: sender, logger: testLogger, signal });
        await Promise.all(senders.start(await outbox.claimDeliveries(10_000)));
      };
      await record(0);
      await send();
      expect(await waitingFor(sql, name)).toEqual([]);
      const [letters] = await sql`
        select count(*)::int from outbox.dead_letters where subscription = ${name}`;
      expect(letters).toEqual({ count: 0 });
      const read = await readMessages(server.sqs, `queue-${name}`);
      expect(new Set(read.flatMap(({ candles }) => candles.map(each => each.bucket))).size).toBe(
        count,
      );
      if (says === 'and says so' && bytes === 5_000) {
        expect(read.length, 'no smaller than need be').toBeLessThan(count / 10);
      }
    });
  }
});
