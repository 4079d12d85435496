import { afterEach, describe, expect, it } from 'vitest';
import { closeAll, follow, price, quick, startFake, tick } from './tests/following.ts';

afterEach(closeAll);

describe('polled prices of OANDA', () => {
  const polled = { mode: 'poll', timings: { ...quick, poll: 2 } } as const;

  it('are those that the stream would have told, each once, and cover nothing', async () => {
    const fake = await startFake();
    fake.push(price({ time: '2026-01-02T03:04:05.123456789Z' }));
    fake.push(price({ instrument: 'USD_JPY', bid: '151.200', ask: null }));
    const feed = follow(fake, polled);
    await feed.until(() => new Set(feed.ticks.map(({ symbol }) => symbol)).size === 2);
    expect(feed.ticks).toContainEqual(tick);
    expect(feed.ticks.find(({ symbol }) => symbol === 'USD_JPY')).toMatchObject({
      bid: 151.2,
      ask: null,
    });
    for (const bid of ['1.1', '1.2', '1.3']) {
      fake.push(price({ bid, time: undefined }));
      await feed.until(() => feed.ticks.at(-1)?.bid === Number(bid));
    }
    const told = new Set(feed.ticks.map(({ symbol, bid }) => `${symbol} ${bid}`));
    expect([...told].filter(each => each.startsWith('EUR'))).toHaveLength(4);
    // What came before is not asked for again.
    expect(fake.requests.filter(each => each.includes('since=')).length).toBeGreaterThan(2);
    expect(feed.count('alive')).toBe(0);
    expect(feed.count('connected')).toBe(1);
    expect(fake.streamConnections).toBe(0);
  });

  it('that are not tradeable are kept aside once', async () => {
    const fake = await startFake();
    fake.push(price({ tradeable: false }));
    const feed = follow(fake, polled);
    await expect.poll(() => fake.requests.length, { timeout: 20_000 }).toBeGreaterThan(5);
    expect(feed.rejections().map(({ reason }) => reason)).toEqual(['not_tradeable']);
    expect(feed.ticks).toEqual([]);
  });

  it('are said again while nothing changes, so that the source is seen to live', async () => {
    const fake = await startFake();
    fake.push(price());
    const feed = follow(fake, polled);
    await feed.until(() => feed.ticks.length > 3);
    expect(new Set(feed.ticks.map(each => JSON.stringify(each))).size).toBe(1);
  });

  it('go on after maintenance, a refusal to ask so often, and an answer that is none', async () => {
    const fake = await startFake();
    const feed = follow(fake, polled);
    await feed.until(() => feed.count('connected') === 1);
    fake.refuseNext(2, 503);
    await feed.until(() => feed.reasons().includes('HTTP 503'));
    await feed.until(() => feed.count('connected') === 2);
    fake.refuseNext(1, 200);
    await feed.until(() => feed.reasons().includes('the answer is not a list of prices'));
    await feed.until(() => feed.count('connected') === 3);
    const since = performance.now();
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    await feed.until(() => feed.reasons().includes('HTTP 429'));
    fake.push(price({ time: undefined }));
    await feed.until(() => feed.ticks.length > 0);
    expect(performance.now() - since).toBeGreaterThanOrEqual(990);
  });

  it('of symbols that are added are there from their newest on', async () => {
    const fake = await startFake();
    fake.push(price());
    fake.push(price({ instrument: 'XAU_USD', bid: '3980.1', ask: '3980.5' }));
    const feed = follow(fake, polled, ['EUR_USD']);
    await feed.until(() => feed.ticks.length > 2);
    feed.want(['EUR_USD', 'XAU_USD']);
    await feed.until(() => feed.ticks.some(({ symbol }) => symbol === 'XAU_USD'));
    expect(feed.count('disconnected')).toBe(0);
  });

  it('end with a refused token', async () => {
    const fake = await startFake();
    const feed = follow(fake, { ...polled, token: 'another' });
    await expect(feed.ended).rejects.toThrow('OANDA refused the token (HTTP 401)');
  });
});
