import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEmulator } from '../../start/emulator/emulator.ts';
import { countMessages } from '../../tests/support/system.ts';
import { waitFor } from '../../tests/support/wait.ts';
import type { Message } from '../messages.ts';
import { openQueue } from '../queue.ts';
import { consume } from './consumer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  vi.unstubAllEnvs();
});

const body = JSON.stringify({
  version: 1,
  subscription: 'test',
  sent_at: '2026-01-01T00:00:00Z',
  candles: [
    {
      symbol: 'EUR_USD',
      timeframe: '1m',
      side: 'mid',
      bucket: '2026-01-01T00:00:00Z',
      open: 1,
      high: 1,
      low: 1,
      close: 1,
      average: 1,
      sum: 1,
      volume: null,
      tick_count: 1,
      is_closed: true,
      revision: 1,
    },
  ],
});

async function prepare(handle: (message: Message) => Promise<void>) {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-consumer-'));
  cleanups.push(() => rm(dataDir, { recursive: true, force: true }));
  const lines: string[] = [];
  const logger = pino({}, { write: line => void lines.push(line) });
  const emulator = await startEmulator({ dataDir, logger });
  cleanups.push(() => emulator.stop());
  vi.stubEnv('AWS_ACCESS_KEY_ID', emulator.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', emulator.credentials.secretAccessKey);
  const queue = openQueue({ region: 'us-east-1', endpoint: emulator.endpoint });
  cleanups.push(() => queue.close());
  const stopping = new AbortController();
  const stop = consume({ queue, queueName: 'prices', handle, logger, signal: stopping.signal });
  cleanups.push(() => {
    stopping.abort();
    return stop();
  });
  const isEmpty = async () => (await countMessages(queue.receiver, 'prices')) === 0;
  return { queue, lines, isEmpty };
}

describe('the consumer', () => {
  it('waits for its queue, and acknowledges what is not ours with a log line', async () => {
    const handled: Message[] = [];
    const { queue, lines, isEmpty } = await prepare(async message => void handled.push(message));
    expect(await queue.find('prices')).toBeUndefined();
    await queue.create('prices');
    await queue.send('prices', ['not ours', '{"version":2}', body]);
    await waitFor('the queue is empty', async () => handled.length === 1 && (await isEmpty()));
    expect(handled[0]?.candles[0]?.symbol).toBe('EUR_USD');
    expect(lines.filter(line => line.includes('message refused'))).toHaveLength(2);
  });

  it('gets a message again whose handling failed, soon and until it succeeds', async () => {
    let attempts = 0;
    const { queue, isEmpty } = await prepare(async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('the database is away');
    });
    await queue.create('prices');
    await queue.send('prices', [body]);
    await waitFor('it succeeded', async () => attempts === 3 && (await isEmpty()), {
      deadlineMs: 15_000,
    });
  });

  it('does not keep a message that the database can never take', async () => {
    let attempts = 0;
    const { queue, lines, isEmpty } = await prepare(async () => {
      attempts += 1;
      throw Object.assign(new Error('timestamp out of range'), { code: '22008' });
    });
    await queue.create('prices');
    await queue.send('prices', [body]);
    await waitFor('it is gone', async () => attempts > 0 && (await isEmpty()));
    expect(lines.join()).toContain('timestamp out of range');
  });
});
