import { afterEach, describe, expect, it } from 'vitest';
import { createWanted } from '../../wanted.ts';
import { toLine } from './fake_prices.ts';
import {
  closeAll,
  closers,
  createSource,
  type Event,
  follow,
  price,
  startFake,
  tick,
  toEvent,
} from './tests/following.ts';

afterEach(closeAll);

describe('the connection to OANDA', () => {
  it('is alive by heartbeats alone', async () => {
    const fake = await startFake();
    const feed = follow(fake);
    await fake.opened(1);
    fake.onlyHeartbeats(true);
    fake.push(price());
    fake.heartbeat();
    await feed.until(() => feed.count('alive') === 1);
    fake.heartbeat();
    await feed.until(() => feed.count('alive') === 2);
    expect(feed.ticks).toEqual([]);
  });

  it('says of nothing that it was heard which may be on its way still', async () => {
    const fake = await startFake();
    let ahead = 0;
    const feed = follow(fake, { timings: { lag: 1_000 }, now: () => Date.now() + ahead });
    await fake.opened(1);
    fake.heartbeat();
    fake.push(price());
    await feed.until(() => feed.ticks.length === 1);
    const openedBy = Date.now();
    expect(feed.covered).toEqual([]);
    ahead = 60_000;
    fake.heartbeat();
    await feed.until(() => feed.covered.length === 1);
    const [first] = feed.covered;
    expect(Date.parse(first?.from ?? '')).toBeLessThanOrEqual(openedBy);
    expect(Date.parse(first?.to ?? '')).toBeLessThanOrEqual(Date.now() + ahead - 1_000);
    expect(Date.parse(first?.to ?? '')).toBeGreaterThanOrEqual(openedBy + ahead - 1_000);
  });

  it('is cut and opened again when it is silent, however open it is', async () => {
    const fake = await startFake();
    fake.goSilent(true);
    const feed = follow(fake, { timings: { silence: 30 } });
    await feed.until(() => feed.count('disconnected') === 2);
    expect(feed.reasons()).toEqual(['nothing came for 0.03 s', 'nothing came for 0.03 s']);
    expect(feed.events.map(event => event.kind).slice(0, 3)).toEqual([
      'connected',
      'disconnected',
      'connected',
    ]);
  });

  it('counts as silent when only single bytes or garbage come', async () => {
    for (const text of ['x', 'garbage\n']) {
      const fake = await startFake();
      const feed = follow(fake, { timings: { silence: 60 } });
      await fake.opened(1);
      const drip = setInterval(() => fake.send(text), 5);
      await feed.until(() => feed.count('disconnected') === 1);
      clearInterval(drip);
      expect(feed.reasons()).toEqual(['nothing came for 0.06 s']);
    }
  });

  it('does not count the time that its consumer takes as silence', async () => {
    const fake = await startFake();
    const stop = new AbortController();
    const events: Event[] = [];
    const source = createSource(fake, { timings: { silence: 400 } });
    const wanted = createWanted();
    wanted.change(['EUR_USD'], new Map());
    fake.snapshot([price()]);
    let groups = 0;
    for await (const item of source.follow({ signal: stop.signal, wanted: wanted.current })) {
      if (item.kind !== 'ticks') {
        events.push(toEvent(item));
        continue;
      }
      groups += 1;
      if (groups === 2) stop.abort();
      fake.push(price());
      await new Promise(resolve => setTimeout(resolve, 600));
    }
    expect(events.filter(event => event.kind === 'disconnected')).toEqual([]);
  });

  it('comes back after a cut in the middle of a line, without a tick made of halves', async () => {
    const fake = await startFake();
    fake.snapshot([price()]);
    const feed = follow(fake);
    await feed.until(() => feed.ticks.length === 1);
    fake.cutAll(toLine(price({ bid: '9.9' })).slice(0, 60));
    await feed.until(() => feed.ticks.length === 2);
    expect(feed.ticks).toEqual([tick, tick]);
    expect(feed.rejections()).toEqual([]);
    expect(feed.reasons()).toHaveLength(1);
    expect(feed.reasons()[0]).toMatch(/^the connection failed \(.+\)$/);
  });

  it('comes back after OANDA ended it in order', async () => {
    const fake = await startFake();
    const feed = follow(fake);
    await fake.opened(1);
    await feed.until(() => feed.count('connected') === 1);
    fake.endAll();
    await feed.until(() => feed.count('connected') === 2);
    expect(feed.reasons()).toEqual(['the stream was closed by the other side']);
  });

  it('waits longer after each failure, up to a limit, and anew after a price', async () => {
    const fake = await startFake();
    fake.refuseNext(6, 500);
    const feed = follow(fake, { timings: { firstBackoff: 2, longestBackoff: 16 } });
    await feed.until(() => feed.count('connected') === 1);
    fake.push(price());
    await feed.until(() => feed.ticks.length === 1);
    fake.cutAll();
    await feed.until(() => feed.count('disconnected') === 7);
    const waits = feed.events.flatMap(event =>
      event.kind === 'disconnected' ? [event.retryInMs] : [],
    );
    expect(waits).toEqual([2, 3, 6, 12, 12, 12, 2]);
    expect(feed.reasons()[0]).toBe('HTTP 500');
  });

  it('keeps waiting longer when connections stand but bring neither price nor heartbeat', async () => {
    const fake = await startFake();
    const feed = follow(fake, { timings: { firstBackoff: 2, longestBackoff: 8 } });
    for (let round = 1; round <= 3; round++) {
      await feed.until(() => feed.count('connected') === round);
      fake.unknownType();
      fake.badJson();
      await feed.until(() => feed.rejections().length === round);
      fake.endAll();
      await feed.until(() => feed.count('disconnected') === round);
    }
    const waits = feed.events.flatMap(event =>
      event.kind === 'disconnected' ? [event.retryInMs] : [],
    );
    expect(waits).toEqual([2, 3, 6]);
  });

  it('waits as long as OANDA says when there were too many requests', async () => {
    const fake = await startFake();
    const now = () => Date.parse('2026-01-01T00:00:00Z');
    const inThreeSeconds = 'Thu, 01 Jan 2026 00:00:03 GMT';
    const cases = [
      ['0', 1],
      ['2', 2_000],
      [inThreeSeconds, 3_000],
      ['99999999999', 3_600_000],
      ['soon', 1],
    ] as const;
    for (const [header, wait] of cases) {
      fake.refuseNext(1, 429, { 'Retry-After': header });
      const feed = follow(fake, { now });
      await feed.until(() => feed.count('disconnected') === 1);
      expect(feed.events[0]).toEqual({
        kind: 'disconnected',
        reason: 'HTTP 429',
        retryInMs: wait,
        isAsked: wait > 1,
      });
      feed.stop.abort();
      await feed.ended;
    }
  });

  it('tries again while nobody listens', async () => {
    const fake = await startFake();
    await fake.close();
    closers.pop();
    const feed = follow(fake);
    await feed.until(() => feed.count('disconnected') === 3);
    expect(feed.reasons()[0]).toBe('the connection failed (ECONNREFUSED)');
  });

  it('follows no redirect, which could carry the token elsewhere', async () => {
    const fake = await startFake();
    fake.refuseNext(1, 302, { Location: `${fake.url}/elsewhere` });
    const feed = follow(fake);
    await feed.until(() => feed.count('connected') === 1);
    expect(feed.reasons()).toEqual(['HTTP 302']);
    expect(fake.requests.join()).not.toContain('elsewhere');
  });
});

describe('symbols that change while it runs', () => {
  /** From the first to the last time that was said to be covered, without a hole. */
  function spanOf(feed: ReturnType<typeof follow>, symbol: string) {
    const own = feed.covered.filter(({ symbols }) => symbols.includes(symbol));
    own.sort((a, b) => a.from.localeCompare(b.from));
    const [first] = own;
    let until = first?.from ?? '';
    for (const { from, to } of own) {
      expect(from <= until, `${from} comes after ${until}`).toBe(true);
      if (to > until) until = to;
    }
    return { from: first?.from ?? '', to: until };
  }

  it('are followed by a second connection before the first one ends', async () => {
    const fake = await startFake();
    const feed = follow(fake, {}, ['EUR_USD']);
    await feed.until(() => feed.count('connected') === 1);
    fake.push(price());
    await feed.until(() => feed.count('alive') === 1);
    const before = new Date().toISOString();
    feed.want(['EUR_USD', 'USD_JPY']);
    await fake.opened(2);
    expect(fake.streamConnections).toBe(2);
    await expect
      .poll(() => {
        fake.push(price());
        return fake.streamConnections;
      })
      .toBe(1);
    const sent = feed.ticks.length;
    fake.push(price({ instrument: 'USD_JPY', bid: '151.1', ask: '151.2' }));
    await feed.until(() => feed.ticks.slice(sent).some(({ symbol }) => symbol === 'USD_JPY'));
    const heard = feed.count('alive');
    fake.heartbeat();
    await feed.until(() => feed.count('alive') > heard);
    expect(feed.count('disconnected')).toBe(0);
    expect(feed.count('connected')).toBe(1);
    expect(spanOf(feed, 'EUR_USD').from < before).toBe(true);
    expect(spanOf(feed, 'USD_JPY').from >= before).toBe(true);
    expect(spanOf(feed, 'EUR_USD').to).toBe(spanOf(feed, 'USD_JPY').to);
  });

  it('leave those who are followed where they are while no new connection is to be had', async () => {
    const fake = await startFake();
    const feed = follow(fake, {}, ['EUR_USD']);
    await feed.until(() => feed.count('connected') === 1);
    fake.refuseNext(3, 503);
    feed.want(['EUR_USD', 'USD_JPY']);
    await fake.answered(4);
    fake.push(price());
    await feed.until(() => feed.ticks.length > 0);
    await fake.opened(2);
    fake.push(price({ instrument: 'USD_JPY' }));
    await feed.until(() => feed.ticks.some(({ symbol }) => symbol === 'USD_JPY'));
    expect(feed.count('disconnected')).toBe(0);
    spanOf(feed, 'EUR_USD');
  });

  it('say so when the old connection broke before the new one stood', async () => {
    const fake = await startFake();
    const feed = follow(fake, { timings: { firstBackoff: 40, longestBackoff: 40 } }, ['EUR_USD']);
    await feed.until(() => feed.count('connected') === 1);
    fake.refuseNext(1, 503);
    feed.want(['EUR_USD', 'USD_JPY']);
    await fake.answered(2);
    fake.endAll();
    await feed.until(() => feed.count('connected') === 2);
    expect(feed.reasons()).toEqual(['the stream was closed by the other side']);
  });

  it('may be none at all, and then somebody again', async () => {
    const fake = await startFake();
    const feed = follow(fake, {}, []);
    feed.want(['EUR_USD']);
    await feed.until(() => feed.count('connected') === 1);
    feed.want([]);
    await expect.poll(() => fake.streamConnections).toBe(0);
    feed.want(['USD_JPY']);
    await feed.until(() => feed.count('connected') === 2);
    fake.push(price());
    fake.push(price({ instrument: 'USD_JPY' }));
    await feed.until(() => feed.ticks.length > 0);
    expect(feed.ticks.map(({ symbol }) => symbol)).toEqual(['USD_JPY']);
    expect(feed.count('disconnected')).toBe(0);
  });
});

describe('the end', () => {
  it('comes at once when it is told to: connected, while waiting, and before the start', async () => {
    const fake = await startFake();
    const connected = follow(fake);
    await connected.until(() => connected.count('connected') === 1);
    connected.stop.abort();
    await connected.ended;
    expect(connected.count('disconnected')).toBe(0);

    fake.refuseNext(1, 429, { 'Retry-After': '3000' });
    const waiting = follow(fake);
    await waiting.until(() => waiting.count('disconnected') === 1);
    waiting.stop.abort();
    await waiting.ended;

    const never = follow(fake);
    never.stop.abort();
    await never.ended;
    expect(never.ticks).toEqual([]);
  });

  it('closes the connection also when the consumer walks away', async () => {
    const fake = await startFake();
    fake.snapshot([price()]);
    const wanted = createWanted();
    wanted.change(['EUR_USD'], new Map());
    const { signal } = new AbortController();
    for await (const item of createSource(fake).follow({ signal, wanted: wanted.current })) {
      if (item.kind !== 'ticks') continue;
      expect(item.ticks).toEqual([tick]);
      break;
    }
    await expect.poll(() => fake.streamConnections).toBe(0);
  });
});
