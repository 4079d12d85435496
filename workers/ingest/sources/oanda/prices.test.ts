import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createLineSplitter } from '../../lines.ts';
import { toLine } from './fake_prices.ts';
import { readMessage } from './messages.ts';
import { accountId, closeAll, follow, price, startFake, tick } from './tests/following.ts';

afterEach(closeAll);

describe('the prices of OANDA', () => {
  it('become ticks, with the nanoseconds below the microsecond as seq', async () => {
    const fake = await startFake();
    const feed = follow(fake);
    await fake.opened(1);
    fake.push(price());
    fake.push(price({ time: '2026-01-02T03:04:05.123456790Z', bid: '1.2' }));
    fake.push(price({ instrument: 'USD_JPY', time: '2026-01-02T03:04:06Z', ask: null }));
    await feed.until(() => feed.ticks.length === 3);
    expect(feed.ticks).toEqual([
      tick,
      { ...tick, seq: 790, bid: 1.2 },
      {
        ...tick,
        symbol: 'USD_JPY',
        observedAt: '2026-01-02T03:04:06.000000Z',
        seq: 0,
        ask: null,
      },
    ]);
    expect(feed.events[0]).toEqual({ kind: 'connected' });
    await feed.until(() => feed.count('alive') > 0);
    expect(fake.requests[0]).toBe(
      `200 /v3/accounts/${accountId}/pricing/stream?instruments=EUR_USD%2CUSD_JPY`,
    );
  });

  it('come through gzip, in pieces and several at once', async () => {
    for (const gzipStreams of [false, true]) {
      const fake = await startFake({ gzipStreams });
      const feed = follow(fake);
      await fake.opened(1);
      await fake.splitLine(price(), 9);
      fake.joinLines([price(), price(), price({ ask: '1.3' })]);
      await feed.until(() => feed.ticks.length === 4);
      expect(feed.ticks).toEqual([tick, tick, tick, { ...tick, ask: 1.3 }]);
      expect(feed.rejections()).toEqual([]);
    }
  });

  it('are the same ticks however the stream is cut', () => {
    const lines = [
      toLine(price()),
      '{"type":"HEARTBEAT","time":"2026-01-02T03:04:05Z"}\n',
      '{"type":"NOVELTY","text":"€ 😀"}\r\n',
      'not JSON ☃\n',
      toLine(price({ bid: null })),
      `"${'é'.repeat(100)}"\n`,
    ];
    const bytes = new TextEncoder().encode(lines.join(''));
    const read = (cuts: readonly number[]) => {
      const splitter = createLineSplitter(500);
      const edges = [0, ...[...cuts].sort((a, b) => a - b)];
      return edges
        .flatMap((from, index) => splitter.push(bytes.subarray(from, edges[index + 1])))
        .map(line => readMessage(line, new Set(['EUR_USD']), Date.now()));
    };
    const whole = read([]);
    expect(whole.map(message => message.kind)).toEqual([
      'tick',
      'heartbeat',
      'unknown',
      'rejected',
      'tick',
      'rejected',
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 30 }), cuts => {
        expect(read(cuts)).toEqual(whole);
      }),
    );
  });

  it('that are no ticks are rejected one by one, and the rest is kept', async () => {
    const fake = await startFake();
    const feed = follow(fake);
    await fake.opened(1);
    fake.emptyLadders('EUR_USD');
    fake.push(price({ tradeable: false }));
    fake.badJson();
    fake.hugeLine(5_000_000);
    fake.send('null\n[]\n7\n\n');
    fake.push(price({ bid: '1,165' }));
    fake.push(price({ bid: 'NaN' }));
    fake.push(price({ ask: '1e309' }));
    fake.push(price({ time: '2026-02-30T00:00:00.000000000Z' }));
    fake.push(price({ time: '1466620896.201836422' }));
    fake.push(price({ time: '9999-01-01T00:00:00.000000000Z' }));
    fake.send(toLine(price({ instrument: 'USD_CAD' })));
    fake.send('{"type":"PRICE","instrument":"EUR_USD"}\n');
    fake.send(toLine(price()).replace('"1.16501"', '1.16501'));
    fake.unknownType();
    fake.push(price());
    await feed.until(() => feed.ticks.length === 1);
    expect(feed.ticks).toEqual([tick]);
    expect(feed.rejections().map(rejection => `${rejection.symbol} ${rejection.reason}`)).toEqual([
      'EUR_USD no_price',
      'EUR_USD not_tradeable',
      'null malformed',
      'null line_too_long',
      'null malformed',
      'null malformed',
      'null malformed',
      'EUR_USD number_malformed',
      'EUR_USD number_malformed',
      'EUR_USD price_not_finite',
      'EUR_USD time_malformed',
      'EUR_USD time_malformed',
      'EUR_USD time_in_future',
      'null wrong_symbol',
      'null malformed',
      'null malformed',
    ]);
    for (const { raw } of feed.rejections()) expect(raw.length).toBeLessThanOrEqual(1_000);
    expect(feed.count('disconnected')).toBe(0);
  });

  it('of a weekend, old and not tradeable, are no ticks', async () => {
    const fake = await startFake();
    fake.snapshot([price({ tradeable: false }), price({ instrument: 'USD_JPY' })]);
    const feed = follow(fake);
    await feed.until(() => feed.ticks.length === 1);
    expect(feed.ticks[0]?.symbol).toBe('USD_JPY');
    expect(feed.rejections().map(rejection => rejection.reason)).toEqual(['not_tradeable']);
  });

  it.each(['non-tradeable', 'invalid', 'halted', ''])(
    'of status %j alone, without tradeable, are no ticks',
    status => {
      const line = JSON.stringify({ ...JSON.parse(toLine(price())), status, tradeable: undefined });
      expect(
        readMessage({ text: line, isTooLong: false }, new Set(['EUR_USD']), Date.now()),
      ).toMatchObject({ kind: 'rejected', rejection: { reason: 'not_tradeable' } });
    },
  );

  it('of status tradeable alone, or of none, are ticks', () => {
    for (const status of ['tradeable', undefined]) {
      const line = JSON.stringify({ ...JSON.parse(toLine(price())), status, tradeable: undefined });
      expect(
        readMessage({ text: line, isTooLong: false }, new Set(['EUR_USD']), Date.now()),
      ).toEqual({ kind: 'tick', tick });
    }
  });
});
