import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CandleDelta,
  decodeMessage,
  encodeMessages,
  MessageError,
  maxMessageBytes,
} from './messages.ts';

const price = fc.double({ min: 1e-300, max: 1e300, noNaN: true });
const candle = fc.record<CandleDelta>({
  symbol: fc.stringMatching(/^[A-Z0-9][A-Z0-9._:-]{0,31}$/),
  timeframe: fc.constantFrom('1s', '1m', '4h', '1d'),
  side: fc.constantFrom('bid', 'ask', 'mid', 'last'),
  bucket: fc
    .integer({ min: 0, max: 4_102_444_799 })
    .map(second => `${new Date(second * 1_000).toISOString().slice(0, 19)}Z`),
  open: price,
  high: price,
  low: price,
  close: price,
  average: price,
  sum: price,
  volume: fc.option(fc.double({ min: 0, max: 1e300, noNaN: true })),
  tick_count: fc.integer({ min: 1 }),
  is_closed: fc.boolean(),
  revision: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
});
const sentAt = '2026-01-01T00:00:00.000Z';
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$/);

describe('messages', () => {
  it('say what was put in, in order, each under the limit, and as few as fit', () => {
    fc.assert(
      fc.property(
        name,
        fc.array(candle, { maxLength: 20, size: 'max' }),
        fc.integer({ min: 1, max: 60 }),
        (subscription, some, times) => {
          const candles = Array.from({ length: times }, () => some).flat();
          const messages = encodeMessages(subscription, candles, sentAt);
          const decoded = messages.map(({ body }) => decodeMessage(body));
          expect(decoded.flatMap(message => message.candles)).toEqual(candles);
          for (const [index, { body, count }] of messages.entries()) {
            expect(Buffer.byteLength(body)).toBeLessThanOrEqual(maxMessageBytes);
            expect(decoded[index]).toMatchObject({ version: 1, subscription, sent_at: sentAt });
            expect(decoded[index]?.candles).toHaveLength(count);
            if (index + 1 < messages.length)
              expect(body.length).toBeGreaterThan(maxMessageBytes - 2_000);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are none when there is nothing to say', () => {
    expect(encodeMessages('s', [], sentAt)).toEqual([]);
  });

  const [body = ''] = encodeMessages('s', fc.sample(candle, { numRuns: 1, seed: 1 }), sentAt).map(
    message => message.body,
  );
  const changed = (change: (message: Record<string, unknown>) => void): string => {
    const message = JSON.parse(body) as Record<string, unknown>;
    change(message);
    return JSON.stringify(message);
  };
  it.each([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['null', 'not of version 1'],
    ['[]', 'not of version 1'],
    [changed(message => Object.assign(message, { version: 2 })), 'version'],
    [changed(message => Object.assign(message, { candles: [] })), 'candles'],
    [changed(message => Object.assign(message, { candles: [{}] })), 'candles.0.symbol'],
    [body.replace(/"revision":\d+/, '"revision":0'), 'candles.0.revision'],
    [body.replace(/"revision":\d+/, '"revision":1.5'), 'candles.0.revision'],
    [body.replace(/"bucket":"[^"]*"/, '"bucket":"yesterday"'), 'candles.0.bucket'],
    [body.replace(/"side":"[a-z]*"/, '"side":"offer"'), 'candles.0.side'],
  ])('that are not ours are refused by name: %.60s', (text, fault) => {
    expect(() => decodeMessage(text)).toThrow(MessageError);
    expect(() => decodeMessage(text)).toThrow(fault);
  });

  it('may have more fields than we know', () => {
    const text = changed(message => Object.assign(message, { note: 'of a later minor change' }));
    expect(decodeMessage(text).subscription).toBe('s');
  });
});
