import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createLineSplitter } from '../../lines.ts';
import { type Item, SourceError, type Tick } from '../../source.ts';
import { createWanted } from '../../wanted.ts';
import {
  FAKE_INSTRUMENTS,
  type FakeOanda,
  type FakeOandaOptions,
  type FakePrice,
  startFakeOanda,
  toLine,
} from './fake.ts';
import { readMessage } from './messages.ts';
import { createOanda, OANDA_WATCHLIST, type OandaOptions } from './source.ts';

const token = 'secret-token-0123456789';
const accountId = '101-004-1234567-001';
const quick = { firstBackoff: 1, longestBackoff: 4, lag: 0 };
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startFake(options: Partial<FakeOandaOptions> = {}) {
  const fake = await startFakeOanda({ token, accountId, ...options });
  closers.push(fake.close);
  return fake;
}

const createSource = (fake: Pick<FakeOanda, 'url'>, options: Partial<OandaOptions> = {}) =>
  createOanda({
    token,
    accountId,
    environment: 'practice',
    streamUrl: fake.url,
    apiUrl: `${fake.url}/`,
    random: () => 0.5,
    ...options,
    timings: { ...quick, ...options.timings },
  });

type Disconnected = Extract<Item, { state: 'disconnected' }>;

/** What a source says beside its ticks, in short. */
type Event =
  | { readonly kind: 'connected' | 'alive' | 'missed' }
  | (Pick<Disconnected, 'reason' | 'retryInMs' | 'isAsked'> & { readonly kind: 'disconnected' })
  | Extract<Item, { kind: 'rejected' }>;

function toEvent(item: Exclude<Item, { kind: 'ticks' }>): Event {
  if (item.kind === 'rejected') return item;
  if (item.kind === 'covered') return { kind: 'alive' };
  if (item.kind === 'missed') return { kind: 'missed' };
  if (item.state === 'connected') return { kind: 'connected' };
  const { reason, retryInMs, isAsked } = item;
  return { kind: 'disconnected', reason, retryInMs, ...(isAsked !== undefined && { isAsked }) };
}

/** Follows a source in the background, and lets a test wait for what it has seen. */
function follow(
  fake: Pick<FakeOanda, 'url'>,
  options: Partial<OandaOptions> = {},
  symbols: readonly string[] = ['EUR_USD', 'USD_JPY'],
) {
  const ticks: Tick[] = [];
  const events: Event[] = [];
  const covered: Extract<Item, { kind: 'covered' }>[] = [];
  const groups: number[] = [];
  let checks: (() => void)[] = [];
  const look = () => {
    for (const check of checks) check();
  };
  const stop = new AbortController();
  const wanted = createWanted();
  const want = (names: readonly string[]) => wanted.change(names, new Map());
  want(symbols);
  const run = async () => {
    const request = { signal: stop.signal, wanted: wanted.current };
    for await (const item of createSource(fake, options).follow(request)) {
      if (item.kind === 'ticks') {
        groups.push(item.ticks.length);
        ticks.push(...item.ticks);
      } else {
        events.push(toEvent(item));
        if (item.kind === 'covered') covered.push(item);
      }
      look();
    }
  };
  const ended = run();
  ended.catch(() => {});
  closers.push(async () => {
    stop.abort();
    await ended.catch(() => {});
  });
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve, fail) => {
      const check = () => {
        if (!holds()) return;
        checks = checks.filter(other => other !== check);
        resolve();
      };
      checks.push(check);
      check();
      ended.catch(fail);
    });
  const count = (kind: Event['kind']) => events.filter(event => event.kind === kind).length;
  const rejections = () =>
    events.flatMap(event => (event.kind === 'rejected' ? [event.rejection] : []));
  const reasons = () =>
    events.flatMap(event => (event.kind === 'disconnected' ? [event.reason] : []));
  return { ticks, events, groups, covered, want, until, count, rejections, reasons, ended, stop };
}

const price = (change: Partial<FakePrice> = {}): FakePrice => ({
  instrument: 'EUR_USD',
  bid: '1.16501',
  ask: '1.16514',
  time: '2026-01-02T03:04:05.123456789Z',
  ...change,
});
const tick: Tick = {
  symbol: 'EUR_USD',
  observedAt: '2026-01-02T03:04:05.123456Z',
  seq: 789,
  bid: 1.16501,
  ask: 1.16514,
  last: null,
  size: null,
};

describe('the instruments of OANDA', () => {
  it('are all of the account, or those like a pattern, with a wildcard', async () => {
    const source = createSource(await startFake());
    const like = async (...symbols: string[]) =>
      (await source.instruments(symbols)).map(({ symbol }) => symbol);
    expect(await like('*')).toEqual(FAKE_INSTRUMENTS.map(({ name }) => name));
    expect(await like('XAU_USD', '*_USD')).toEqual([
      'XAU_USD',
      'EUR_USD',
      'GBP_USD',
      'AUD_USD',
      'SPX500_USD',
    ]);
    expect(await like('USD_*D')).toEqual(['USD_CAD']);
    await expect(like('EUR_*X')).rejects.toThrow('OANDA offers nothing like "EUR_*X"');
  });

  it('have the calendar of their kind, as far as OANDA tells it', async () => {
    const fake = await startFake();
    const tag = (name: string) => [{ type: 'ASSET_CLASS', name }];
    const cfds = { WTICO_USD: tag('COMMODITY'), BTC_USD: tag('CRYPTO'), DE30_EUR: 'none' };
    const list = Object.entries(cfds).map(([name, tags]) => ({ name, displayName: name, tags }));
    fake.listMore(list.map(each => JSON.stringify({ ...each, displayPrecision: 1, type: 'CFD' })));
    const source = createSource(fake);
    const asked = ['EUR_USD', 'XAU_USD', 'SPX500_USD', ...Object.keys(cfds)];
    const all = await source.instruments(asked);
    expect(all.map(({ calendar }) => calendar)).toEqual([
      ...['fx', 'metals', 'cfd', 'cfd', undefined, undefined],
    ]);
  });

  it('are the watchlist when none is asked for, with their names and precisions', async () => {
    const source = createSource(await startFake());
    expect(source).toMatchObject({ name: 'oanda', isSimulated: false });
    const instruments = await source.instruments([]);
    expect(instruments.map(instrument => instrument.symbol)).toEqual(OANDA_WATCHLIST);
    expect(await source.instruments(['USD_JPY', 'EUR_USD', 'USD_JPY'])).toEqual([
      { symbol: 'USD_JPY', description: 'USD/JPY', pricePrecision: 3, calendar: 'fx' },
      { symbol: 'EUR_USD', description: 'EUR/USD', pricePrecision: 5, calendar: 'fx' },
    ]);
  });

  it('name a symbol that the account does not have, which keeps nobody from the others', async () => {
    const source = createSource(await startFake());
    const skipped: unknown[] = [];
    const found = await source.instruments(['EUR_USD', 'DOGE_USD'], undefined, all =>
      skipped.push(...all),
    );
    expect(found.map(({ symbol }) => symbol)).toEqual(['EUR_USD']);
    expect(skipped).toEqual([{ name: '"DOGE_USD"', why: 'OANDA does not offer it now' }]);
    const asking = source.instruments(['DOGE_USD']);
    await expect(asking).rejects.toThrow(SourceError);
    await expect(asking).rejects.toThrow('"DOGE_USD"');
  });

  it('come in spite of hiccups, and not when these do not end', async () => {
    const fake = await startFake();
    fake.refuseNext(3, 503);
    expect(await createSource(fake).instruments([])).toHaveLength(8);
    fake.refuseNext(2, 503);
    const asking = createSource(fake, { timings: { instrumentTries: 2 } }).instruments([]);
    await expect(asking).rejects.toThrow('OANDA cannot be reached: HTTP 503');
    await expect(asking).rejects.not.toThrow(SourceError);
  });

  it('are asked for again when OANDA says, and that is told before', async () => {
    const fake = await startFake();
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    const since = performance.now();
    const told: unknown[] = [];
    const tell = (...args: unknown[]) => told.push([...args, fake.requests.length]);
    expect(await createSource(fake).instruments([], undefined, undefined, tell)).toHaveLength(8);
    expect(told).toEqual([[1_000, 'HTTP 429', 1]]);
    expect(performance.now() - since).toBeGreaterThanOrEqual(1_000);
  });

  it('are asked for with a limit of time', async () => {
    const mute = createServer(() => {});
    await new Promise<void>(resolve => mute.listen(0, '127.0.0.1', resolve));
    closers.push(
      async () => mute.closeAllConnections(),
      async () => mute.close(),
    );
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const source = createSource(
      { url: `http://127.0.0.1:${port}` },
      { timings: { answer: 20, instrumentTries: 2 } },
    );
    await expect(source.instruments([])).rejects.toThrow('nothing came for 0.02 s');
  });
});

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

describe('a refusal that will not change', () => {
  it.each([401, 403])('ends the source when it is HTTP %i, without the token', async status => {
    const fake = await startFake();
    fake.refuseNext(2, status);
    const feed = follow(fake);
    const asking = createSource(fake).instruments([]);
    for (const end of [feed.ended, asking]) {
      const error: unknown = await end.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(SourceError);
      expect(String(error)).toContain(`OANDA refused the token (HTTP ${status})`);
      expect(String(error)).toContain('OANDA_API_TOKEN');
      expect(String(error)).toContain('OANDA_ENVIRONMENT=practice');
      expect(String(error)).not.toContain(token);
      expect(String(error)).not.toContain('\n');
    }
    expect(feed.count('disconnected')).toBe(0);
  });

  it('is known by the real thing: wrong token, foreign and impossible account', async () => {
    const fake = await startFake();
    const wrong = (options: Partial<OandaOptions>) => createSource(fake, options).instruments([]);
    await expect(wrong({ token: 'other' })).rejects.toThrow(/HTTP 401.*OANDA_API_TOKEN/);
    await expect(wrong({ accountId: '101-004-7654321-001' })).rejects.toThrow(
      /HTTP 403.*OANDA_ACCOUNT_ID/,
    );
    await expect(wrong({ accountId: '../x' })).rejects.toThrow(/HTTP 400.*OANDA_ACCOUNT_ID/);
    // Not for a symbol that the account has no more: it has them all.
    fake.refuseNext(1, 400);
    await expect(follow(fake).ended).rejects.toThrow(
      'OANDA refused the request (HTTP 400, scripted refusal 400): check OANDA_ACCOUNT_ID and the symbols',
    );
  });

  it('ends the source when the account is not there', async () => {
    const fake = await startFake();
    fake.refuseNext(1, 404);
    await expect(follow(fake).ended).rejects.toThrow(/HTTP 404.*OANDA_ACCOUNT_ID/);
  });

  it('never repeats the token, even when the answer does', async () => {
    const echo = createServer((request, response) => {
      response.writeHead(400, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify({ errorMessage: `you sent ${request.headers.authorization}` }));
    });
    await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve));
    closers.push(
      async () => echo.close(),
      async () => echo.closeAllConnections(),
    );
    const address = echo.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const error: unknown = await createSource({ url: `http://127.0.0.1:${port}` })
      .instruments([])
      .catch((reason: unknown) => reason);
    expect(String(error)).toContain('you sent Bearer ***');
    expect(String(error)).not.toContain(token);
  });

  it('is a token that cannot be one', async () => {
    const fake = await startFake();
    for (const odd of ['', '  ', 'two words', 'line\nbreak', 'tökén']) {
      expect(() => createSource(fake, { token: odd })).toThrow(/^OANDA_API_TOKEN is empty or has/);
    }
    expect(await createSource(fake, { token: `${token}\n` }).instruments([])).toHaveLength(8);
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

describe('the fake', () => {
  const get = (fake: FakeOanda, path: string, headers: Record<string, string>, method = 'GET') =>
    fetch(fake.url + path, { method, headers });

  it('is as strict as OANDA', async () => {
    const fake = await startFake();
    const good = { Authorization: `Bearer ${token}` };
    const account = `/v3/accounts/${accountId}`;
    const statusOf = async (path: string, headers: Record<string, string>, method?: string) =>
      (await get(fake, path, headers, method)).status;
    expect(await statusOf('/v3/accounts', good)).toBe(404);
    expect(await statusOf(`${account}/instruments/`, good)).toBe(404);
    expect(await statusOf(`${account}/instruments`, good, 'POST')).toBe(405);
    expect(await statusOf(`${account}/instruments`, { Authorization: token })).toBe(401);
    expect(await statusOf('/v3/accounts/1-1-1-1/instruments', good)).toBe(403);
    expect(await statusOf('/v3/accounts/abc/instruments', good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream`, good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream?instruments=`, good)).toBe(400);
    expect(await statusOf(`${account}/pricing/stream?instruments=EUR_USD,NO`, good)).toBe(400);
    expect(await statusOf(`${account}/instruments`, good)).toBe(200);
  });

  it('sends the last price of a slot', async () => {
    const fake = await startFake({ slotMs: 50 });
    const feed = follow(fake);
    await fake.opened(1);
    for (const bid of ['1.1', '1.2', '1.3']) fake.push(price({ bid }));
    await feed.until(() => feed.ticks.length > 0);
    expect(feed.ticks.map(sent => sent.bid)).toEqual([1.3]);
  });
});

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
