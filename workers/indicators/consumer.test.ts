import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startEmulator } from '../../start/emulator/emulator.ts';
import { countMessages } from '../../tests/support/system.ts';
import { waitFor } from '../../tests/support/wait.ts';
import type { CandleDelta, Refusal } from '../messages.ts';
import { openQueue } from '../queue.ts';
import { consume } from './consumer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  vi.unstubAllEnvs();
});

const candle: CandleDelta = {
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
};
const bodyOf = (candles: readonly unknown[]) =>
  JSON.stringify({ version: 1, subscription: 'test', sent_at: '2026-01-01T00:00:00Z', candles });
const body = bodyOf([candle]);

async function prepare(handle: (candles: readonly CandleDelta[]) => Promise<void>) {
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
  const refused: Refusal[] = [];
  const refuse = async (refusals: readonly Refusal[]) => void refused.push(...refusals);
  const stop = consume({
    queue,
    queueName: 'prices',
    handle,
    refuse,
    logger,
    signal: stopping.signal,
  });
  cleanups.push(() => {
    stopping.abort();
    return stop();
  });
  const isEmpty = async () => (await countMessages(queue.receiver, 'prices')) === 0;
  return { queue, lines, isEmpty, refused };
}

describe('the consumer', () => {
  it('waits for its queue, and hands on with the reason what is not ours', async () => {
    const handled: CandleDelta[] = [];
    const { queue, lines, isEmpty, refused } = await prepare(
      async candles => void handled.push(...candles),
    );
    expect(await queue.find('prices')).toBeUndefined();
    await queue.create('prices');
    await queue.send('prices', ['not ours', '{"version":2}', body]);
    await waitFor('the queue is empty', async () => handled.length === 1 && (await isEmpty()));
    expect(handled).toEqual([candle]);
    expect(refused.sort((one, other) => (one.body < other.body ? 1 : -1))).toEqual([
      {
        reason: 'not_a_message',
        detail: expect.stringContaining('not of version 1'),
        body: '{"version":2}',
      },
      { reason: 'not_a_message', detail: 'the message is not JSON', body: 'not ours' },
    ]);
    expect(lines.filter(line => line.includes('message refused'))).toHaveLength(2);
  });

  it('takes all candles of a message but those that are none', async () => {
    const handled: CandleDelta[] = [];
    const { queue, isEmpty, refused } = await prepare(
      async candles => void handled.push(...candles),
    );
    await queue.create('prices');
    const other = { ...candle, symbol: 'GOLD' };
    await queue.send('prices', [
      bodyOf([
        { ...candle, symbol: 'no\u0000' },
        candle,
        null,
        { ...candle, revision: 1.5 },
        other,
      ]),
    ]);
    await waitFor('the queue is empty', async () => handled.length === 2 && (await isEmpty()));
    expect(handled).toEqual([candle, other]);
    expect(refused.map(({ reason }) => reason)).toEqual(Array(3).fill('not_a_candle'));
    expect(refused.map(({ detail }) => detail).join()).toMatch(/symbol.*null.*revision/);
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

  it('refuses alone what the database can never take', async () => {
    const handled: string[] = [];
    const { queue, isEmpty, refused } = await prepare(async candles => {
      if (candles.some(({ symbol }) => symbol.startsWith('BAD'))) {
        throw Object.assign(new Error('timestamp out of range'), { code: '22008' });
      }
      handled.push(...candles.map(({ symbol }) => symbol));
    });
    await queue.create('prices');
    const symbols = ['A', 'B', 'BAD1', 'C', 'D', 'BAD2', 'E'];
    await queue.send('prices', [bodyOf(symbols.map(symbol => ({ ...candle, symbol })))]);
    await waitFor('it is gone', async () => handled.length > 4 && (await isEmpty()));
    expect(handled).toEqual(['A', 'B', 'C', 'D', 'E']);
    expect(refused).toEqual(
      ['BAD1', 'BAD2'].map(symbol => ({
        reason: 'not_storable',
        detail: 'timestamp out of range',
        body: JSON.stringify({ ...candle, symbol }),
      })),
    );
  });
});
