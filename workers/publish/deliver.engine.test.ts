import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  addInstrument,
  capture,
  describeOnEngine,
  testLogger,
} from '../../tests/support/database.ts';
import { subscribe, waitingFor } from '../../tests/support/outbox.ts';
import { openQueueServer, type QueueServer } from '../../tests/support/queue_server.ts';
import { at, tickOf } from '../../tests/support/ticks.ts';
import { createFeed } from '../ingest/feed.ts';
import { openQueue, type Queue } from '../queue.ts';
import { createSenders, makeQueue } from './deliver.ts';
import { createOutbox } from './outbox.ts';

describeOnEngine('A missing queue', ({ sql }) => {
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);
  const signal = new AbortController().signal;
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
