import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createPublicHosts } from '../../../public_host.ts';
import { type Books, keepBooks } from '../../tests/books.ts';
import { seeded } from '../../tests/exchanges.ts';
import { isRejection } from '../../trade.ts';
import { readAnswer } from './answer.ts';
import { type FakePolled, type FakePolledOptions, startFakePolled } from './fake.ts';
import type { Row } from './row.ts';
import { createPolled, type Outcome, type PolledTimings } from './source.ts';

/**
 * What `conformance.test.ts` does not play: rows of other kinds, their secrets and bounds, and a chaos of which nothing
 * is repaired, as an address has no past: what was missed stays a gap, and is asserted to be one.
 */
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const [a, b] = ['AAA.FAKE', 'BBB.FAKE'] as const;
const [A, B] = ['aaa', 'bbb/usd'] as const;

const trades: Omit<Row, 'url'> = {
  source: 'fake',
  description: 'a fake',
  poll_every_ms: 1_000,
  symbols: { [a]: A, [b]: B },
  headers: {},
  time_format: 'us',
  items_path: '/trades',
  symbol_path: null,
  time_path: '/at_us',
  bid_path: null,
  ask_path: null,
  last_path: '/price',
  size_path: '/size',
  id_path: '/trade_id',
  ids_are_consecutive: true,
  calendar: null,
  status: 'untried',
};
const quotes: Partial<Row> = {
  items_path: null,
  time_format: 'iso',
  time_path: '/{symbol}/time',
  bid_path: '/{symbol}/bid',
  ask_path: '/{symbol}/ask',
  last_path: null,
  size_path: null,
  id_path: null,
  ids_are_consecutive: false,
};

interface Begun {
  readonly fake: FakePolled;
  readonly books: Books;
  readonly outcomes: Outcome[];
  /** Changes the row. */
  readonly change: (change: Partial<Row>) => void;
}

async function begin(
  change: (fake: FakePolled) => Partial<Row> = () => ({}),
  options: {
    readonly timings?: Partial<PolledTimings>;
    readonly fake?: FakePolledOptions;
    readonly tokens?: Record<string, string>;
    readonly privateHosts?: readonly string[];
    readonly prepare?: (fake: FakePolled) => void;
    readonly showDigits?: (symbol: string, digits: number) => Promise<void>;
  } = {},
): Promise<Begun> {
  const fake = await startFakePolled(options.fake);
  closers.push(fake.close);
  options.prepare?.(fake);
  let row: Row = { ...trades, url: `${fake.url}/trades/{symbol}`, ...change(fake) };
  const outcomes: Outcome[] = [];
  const source = await createPolled({
    name: 'fake',
    readRow: async () => row,
    tell: async outcome => {
      outcomes.push(outcome);
      row = { ...row, status: outcome.works ? 'works' : 'faulty' };
    },
    hosts: createPublicHosts({
      privateHosts: options.privateHosts ?? ['127.0.0.1'],
      setting: 'POLLED_HOSTS',
    }),
    tokens: options.tokens ?? {},
    ...(options.showDigits && { showDigits: options.showDigits }),
    timings: {
      every: 5,
      look: 5,
      firstBackoff: 1,
      longestBackoff: 20,
      refusal: 50,
      ...options.timings,
    },
  });
  const books = keepBooks(source, [a, b]);
  closers.push(books.close);
  return {
    fake,
    books,
    outcomes,
    change: changed => {
      row = { ...row, ...changed };
    },
  };
}

const ids = (books: Books, symbol: string) => books.ticks(symbol).map(({ seq }) => String(seq));

/** Waits until the newest trade of both is there. */
async function heard({ books, fake }: Begun): Promise<void> {
  await books.until(() =>
    (
      [
        [a, A],
        [b, B],
      ] as const
    ).every(([ours, theirs]) => {
      const newest = fake.log(theirs).at(-1);
      return newest === undefined || ids(books, ours).includes(String(newest.id));
    }),
  );
  await sleep(2);
}

async function follow(...args: Parameters<typeof begin>): Promise<Begun> {
  const begun = await begin(...args);
  for (const symbol of [A, B]) begun.fake.trade(symbol);
  await heard(begun);
  return begun;
}

/** What is stored is the fake's own, exactly, and what is not lies in a gap that is known. */
function expectWhole({ books, fake }: Begun, mayMiss = false): void {
  expect(books.conflicts).toEqual([]);
  for (const [ours, theirs] of [
    [a, A],
    [b, B],
  ] as const) {
    const stored = books.ticks(ours);
    const first = BigInt(stored[0]?.seq ?? 0);
    const log = fake.log(theirs).filter(({ id }) => id >= first);
    const missed = log.filter(({ id }) => !ids(books, ours).includes(String(id)));
    expect(missed.filter(({ time }) => books.knows(ours, time))).toEqual([]);
    if (!mayMiss) expect(missed).toEqual([]);
    const told = log
      .filter(trade => !missed.includes(trade))
      .map(({ id, time, price, size }) => [String(id), time, Number(price), Number(size)]);
    const own = stored.map(({ seq, observedAt, last, size }) => [
      String(seq),
      observedAt,
      last,
      size,
    ]);
    expect(own).toEqual(told);
  }
}

describe('a polled source', () => {
  it('stores quotes of several instruments in one answer', async () => {
    const { fake, books } = await begin(each => ({ ...quotes, url: `${each.url}/quotes` }), {
      prepare: each => {
        each.quote(A, '0.00000801', '0.00000803', '2026-03-02T10:00:00.123456789Z');
        each.quote(B, '1', '2');
      },
    });
    await books.until(() => books.ticks(a).length > 0 && books.ticks(b).length > 0);
    expect(books.ticks(a)[0]).toMatchObject({
      ...{ observedAt: '2026-03-02T10:00:00.123456Z', bid: 0.00000801, ask: 0.00000803 },
      ...{ last: null, size: null, seq: null },
    });
    fake.quote(B, '1', '3');
    await books.until(() => books.ticks(b).length === 2);
    expect(books.ticks(a)).toHaveLength(1);
    // Between two answers anything may have happened.
    expect(books.knows(a, '2026-03-02T10:00:00.123456Z')).toBe(false);
  });

  it.each([1, 2, 3])('reads answers in pieces, packed or not (seed %i)', async seed => {
    const begun = await follow(undefined, { prepare: each => each.chop(seeded(seed)) });
    begun.fake.pack(seed === 2);
    for (let index = 0; index < 60; index++) {
      begun.fake.trade(index % 2 === 0 ? A : B, { price: `${index + 1}.5` });
      if (index % 20 === 0) await heard(begun);
    }
    await heard(begun);
    expectWhole(begun);
    expect(begun.books.states).toEqual(['connected']);
  });

  it('says what is the same once, and shows that the source lives', async () => {
    const begun = await follow();
    const { fake, books } = begun;
    await expect
      .poll(() => fake.requests.filter(each => each.startsWith('304')).length)
      .toBeGreaterThan(3);
    expect(books.ticks(a)).toHaveLength(1);
    expectWhole(begun);
  });

  it('opens a gap when an id was skipped, and when more was traded than an answer holds', async () => {
    const begun = await follow(undefined, { fake: { remembers: 5 } });
    const { fake, books } = begun;
    fake.drop(true);
    for (let index = 0; index < 5; index++) fake.trade(A);
    fake.drop(false);
    fake.trade(A);
    await heard(begun);
    expect(books.causes).toEqual(['trades 2 to 6 did not come']);
    expect(books.gaps(b)).toEqual([]);
    for (let index = 0; index < 9; index++) fake.trade(B);
    await heard(begun);
    expect(books.causes).toEqual(['trades 2 to 6 did not come', 'trades 2 to 5 did not come']);
    expectWhole(begun, true);
  });

  it('has no gap after a cut without trades missed, and goes on by itself', async () => {
    const begun = await follow();
    const { fake, books } = begun;
    fake.cut(3);
    fake.cut(1, true);
    await books.until(() => books.states.filter(each => each !== 'connected').length >= 3);
    fake.trade(A);
    fake.trade(B);
    await heard(begun);
    expect(books.states.at(-1)).toBe('connected');
    expect(books.gaps(a)).toEqual([]);
    expectWhole(begun);
  });

  it('gives up on an answer that does not come', async () => {
    const begun = await follow(undefined, { timings: { answer: 200 } });
    begun.fake.goSilent(true);
    await begun.books.until(() => begun.books.states.includes('nothing came for 0.2 s'));
    begun.fake.goSilent(false);
    begun.fake.trade(A);
    await heard(begun);
    expectWhole(begun);
  });

  it('asks ever more seldom while it is under maintenance', async () => {
    const { fake, books } = await follow(undefined, { timings: { longestBackoff: 8 } });
    fake.refuseNext(6, 503);
    await books.until(() => books.states.filter(each => each === 'HTTP 503').length >= 3);
    await books.until(() => books.states.at(-1) === 'connected');
    expect(Math.max(...books.retries)).toBeLessThanOrEqual(8);
  });

  it('keeps aside what it cannot understand, and goes on', async () => {
    const begun = await follow();
    const { fake, books, outcomes } = begun;
    fake.trade(A, { price: '"NaN"' });
    fake.trade(A, { size: '0x10' });
    fake.trade(A, { price: '{"deep": []}' });
    fake.trade(A);
    await heard(begun);
    expect(books.rejections.map(({ reason }) => reason)).toEqual([
      ...['number_malformed', 'number_malformed', 'number_malformed'],
    ]);
    expect(ids(books, a)).toEqual(['1', '5']);
    expect(books.gaps(a)).toEqual([]);
    await expect
      .poll(() => outcomes.at(-1))
      .toEqual({ works: false, words: `${a}: number_malformed, last "NaN" is not a number` });
    for (const text of ['{"type":', '[1,2', '', 'null', '"hello"', '{"trades": 7}', '<html>']) {
      fake.say(text);
    }
    fake.trade(B);
    await heard(begun);
    expect(books.states).toContain('the answer is not JSON');
    await expect
      .poll(() => books.rejections.filter(({ reason }) => reason === 'malformed').length)
      .toBeGreaterThan(0);
    await books.until(() => books.states.at(-1) === 'connected');
  });

  it('follows others without a gap for those who stay', async () => {
    const begun = await follow();
    const { fake, books } = begun;
    books.want([a]);
    for (let round = 0; round < 10; round++) {
      fake.trade(A);
      await sleep(5);
    }
    books.want([a, b]);
    fake.trade(A);
    fake.trade(B);
    await heard(begun);
    expect(books.gaps(a)).toEqual([]);
    expectWhole(begun);
  });

  it('goes on with the others when one instrument is not there', async () => {
    const { fake, books, outcomes } = await begin();
    fake.page(`/trades/${A}`, { status: 404 });
    fake.trade(B);
    await books.until(() => books.ticks(b).length > 0);
    expect(books.ticks(a)).toEqual([]);
    await expect.poll(() => outcomes.some(({ words }) => words.includes('HTTP 404'))).toBe(true);
  });

  it('goes on with the others when one instrument is never answered', async () => {
    const { fake, books, outcomes } = await begin();
    fake.page(`/trades/${A}`, { status: 500 });
    fake.trade(B);
    await books.until(() => books.ticks(b).length > 0);
    expect(books.ticks(a)).toEqual([]);
    await expect.poll(() => outcomes.some(({ words }) => words.includes('HTTP 500'))).toBe(true);
    fake.trade(B);
    await books.until(() => books.ticks(b).length > 1);
  });

  it('asks ever more seldom when it was too often, though others were answered before', async () => {
    const begun = await follow(undefined, { timings: { firstBackoff: 100, longestBackoff: 400 } });
    const { fake, books } = begun;
    const since = performance.now();
    for (let index = 0; index < 3; index++) fake.refuseNext(1, 429, {}, B);
    fake.trade(A);
    fake.trade(B);
    await heard(begun);
    // At least half of 100, 200 and 400 ms.
    expect(performance.now() - since).toBeGreaterThanOrEqual(350);
    expect(books.states).toEqual(['connected']);
    expectWhole(begun);
  });

  it('shows as many digits as prices have, but no noise of floats', async () => {
    const digits: string[] = [];
    const begun = await begin(undefined, {
      showDigits: async (symbol, count) => {
        digits.push(`${symbol} ${count}`);
      },
    });
    begun.fake.trade(A, { price: '1.1740249999999999' });
    begun.fake.trade(B, { price: '30243.4' });
    await heard(begun);
    begun.fake.trade(A, { price: '8.02e-6' });
    await heard(begun);
    expect(digits).toEqual([`${a} 6`, `${a} 8`]);
  });

  it('tries anew at once when its row changes', async () => {
    const { fake, books, outcomes, change } = await begin(() => ({ last_path: '/wrong' }));
    fake.trade(A);
    fake.trade(B);
    await books.until(() => books.rejections.length > 0);
    await expect.poll(() => outcomes.at(-1)?.works).toBe(false);
    expect(outcomes.at(-1)?.words).toContain('no_price, none of bid, ask and last has a value');
    change({ last_path: '/price', status: 'untried' });
    await books.until(() => books.ticks(a).length > 0);
    await expect.poll(() => outcomes.at(-1)?.works).toBe(true);
  });

  it('has the time of reception only where its row says so, and says a price that stays once', async () => {
    const { fake, books } = await begin(
      each => ({ ...quotes, url: `${each.url}/quotes`, time_format: 'received', time_path: null }),
      {
        prepare: each => {
          each.quote(A, '1', '2');
          each.quote(B, '1', '2');
        },
      },
    );
    await books.until(() => books.ticks(a).length > 0);
    const asked = fake.requests.length;
    await expect.poll(() => fake.requests.length).toBeGreaterThan(asked + 5);
    expect(books.ticks(a)).toHaveLength(1);
    fake.quote(A, '1', '3');
    await books.until(() => books.ticks(a).length === 2);
    expect(Date.now() - Date.parse(books.ticks(a)[1]?.observedAt ?? '')).toBeLessThan(60_000);
  });

  const token = 'sekret-token-of-ours';
  const secret = {
    fake: { token },
    tokens: { POLLED_TOKEN_FAKE: token },
  };
  const bearer = { headers: { Authorization: 'Bearer {POLLED_TOKEN_FAKE}' } };

  it('sends a token from the environment, and tells it nobody', async () => {
    const { fake, books, outcomes } = await begin(() => bearer, secret);
    fake.trade(A, { price: `"${token}"` });
    fake.trade(A);
    fake.trade(B);
    await books.until(() => books.rejections.length > 0 && books.ticks(b).length > 0);
    expect(fake.headers().authorization).toBe(`Bearer ${token}`);
    const told = JSON.stringify([books.rejections, books.states, outcomes]);
    expect(told).toContain('***');
    expect(told).not.toContain(token);
  });

  it('says which variable is absent, or not for it', async () => {
    const absent = await begin(() => bearer, { timings: { refusal: 5 } });
    await absent.books.until(() => absent.books.states.length > 0);
    expect(absent.books.states[0]).toBe('headers name POLLED_TOKEN_FAKE, which is not set');
    expect(absent.fake.requests).toEqual([]);
    const stolen = await begin(() => ({ headers: { X: '{DATABASE_URL}' } }), {
      tokens: { DATABASE_URL: 'x' },
    });
    await stolen.books.until(() => stolen.books.states.length > 0);
    expect(stolen.books.states[0]).toBe(
      'headers name DATABASE_URL, which does not begin with POLLED_TOKEN_',
    );
  });

  it('follows a redirect on its host, and takes no secret to another one', async () => {
    const other = await startFakePolled();
    closers.push(other.close);
    other.trade(A);
    const to = (location: string, status = 302) => ({ status, headers: { location } });
    const own = await begin(() => bearer, secret);
    own.fake.page(`/trades/${A}`, to('/moved', 308));
    own.fake.page('/moved', { body: '{"trades": []}' });
    await own.books.until(() => own.books.states.includes('connected'));
    expect(own.fake.requests).toContain('200 /moved');

    const away = await begin(() => bearer, {
      ...secret,
      prepare: each => {
        for (const symbol of [A, B]) {
          each.page(`/trades/${encodeURIComponent(symbol)}`, to(`${other.url}/trades/${A}`));
        }
      },
    });
    await away.books.until(() => away.books.states.length > 0);
    expect(away.books.states[0]).toMatch(/^it redirects to 127.0.0.1:\d+, which is not followed/);
    expect(other.requests).toEqual([]);

    const bare = await begin(() => ({}), {
      prepare: each => each.page(`/trades/${A}`, to(`${other.url}/trades/${A}`)),
    });
    await bare.books.until(() => bare.books.ticks(a).length > 0);

    const circle = await begin(each => ({ url: `${each.url}/round` }), {
      prepare: each => each.page('/round', to('/round')),
    });
    await circle.books.until(() => circle.books.states.length > 0);
    expect(circle.books.states[0]).toBe('it redirects without end');
  });

  it('asks no private address that the setting does not name, through a redirect neither', async () => {
    const { fake, books, outcomes } = await begin(undefined, { privateHosts: [] });
    await books.until(() => books.states.length > 0);
    expect(books.states[0]).toBe(
      'the address of 127.0.0.1 is private: POLLED_HOSTS does not name it',
    );
    expect(fake.requests).toEqual([]);
    expect(outcomes[0]?.works).toBe(false);
    const named = await begin(each => ({ url: each.url.replace('127.0.0.1', 'localhost') }), {
      privateHosts: [],
    });
    await named.books.until(() => named.books.states.length > 0);
    expect(named.books.states[0]).toContain('private');
    const led = await begin(undefined, {
      prepare: each =>
        each.page(`/trades/${A}`, {
          status: 302,
          headers: { location: 'http://169.254.169.254/' },
        }),
    });
    await led.books.until(() => led.books.states.length > 0);
    expect(led.books.states[0]).toContain('169.254.169.254 is private');
  });

  it('reads no more of an answer than a bound, after it was unpacked', async () => {
    const { fake, books } = await follow();
    fake.pack(true);
    // Twice: of a round that has heard one instrument what another one's answer lacks is no state.
    for (let time = 0; time < 2; time++) fake.say(`"${'x'.repeat(9 * 2 ** 20)}"`);
    await books.until(() => books.states.includes('the answer is longer than 8 MB'));
    await books.until(() => books.states.at(-1) === 'connected');
  });

  it('ends when its row is gone, and does not begin without one', async () => {
    await expect(
      createPolled({
        name: 'gone',
        readRow: async () => null,
        tell: async () => undefined,
        hosts: createPublicHosts({ setting: 'POLLED_HOSTS' }),
        tokens: {},
      }),
    ).rejects.toThrow('there is no polled source gone');
  });

  it.each(Array.from({ length: 16 }, (_, index) => 110 + index))(
    'has every trade, or knows that it has not, whatever happens (seed %i)',
    async seed => {
      const random = seeded(seed);
      const begun = await follow(undefined, {
        fake: { remembers: 12 },
        timings: { answer: 150, every: 3 },
      });
      const { fake, books } = begun;
      fake.chop(seeded(seed + 1_000));
      const faults: (() => void)[] = [
        () => fake.cut(1 + Math.floor(random() * 3), random() < 0.5),
        () => fake.drop(true),
        () => fake.goSilent(true),
        () => fake.refuseNext(1 + Math.floor(random() * 3), random() < 0.5 ? 503 : 403),
        () => fake.refuseNext(1, 200, {}),
        () => fake.say('{"type":"ma'),
        () => fake.say('{"trades": []}'),
        () => fake.pack(random() < 0.5),
        () => books.want(random() < 0.5 ? [a] : [b, a]),
        () => {
          fake.drop(false);
          fake.goSilent(false);
        },
      ];
      for (let step = 0; step < 80; step++) {
        const burst = Math.floor(random() * 6);
        for (let index = 0; index < burst; index++) {
          fake.trade(random() < 0.5 ? A : B, { price: (1 + random()).toFixed(8) });
        }
        if (random() < 0.2) faults[Math.floor(random() * faults.length)]?.();
        await sleep(random() * 8);
      }
      fake.drop(false);
      fake.goSilent(false);
      books.want([a, b]);
      fake.trade(A);
      fake.trade(B);
      await heard(begun);
      expectWhole(begun, true);
    },
  );
});

describe('an answer of a polled source', () => {
  const at = '2026-03-02T10:00:00.000000Z';
  const asked = (change: Partial<Row>) => ({
    row: { ...trades, url: 'http://h', ids_are_consecutive: false, id_path: null, ...change },
    ...{ symbol: a, receivedAt: at, now: Date.parse(at), hide: (text: string) => text },
  });
  const item = { time_path: '/t', last_path: '/p', size_path: null, items_path: null } as const;
  const timeOf = (t: unknown, time_format: Row['time_format']) => {
    const [read] = readAnswer({ t, p: '1' }, asked({ ...item, time_format }));
    if (read === undefined) return undefined;
    return isRejection(read.tick) ? read.tick.reason : read.tick.observedAt;
  };

  it.each([
    ['1772445599', 's', '2026-03-02T09:59:59.000000Z'],
    ['1772445599.1234567', 's', '2026-03-02T09:59:59.123456Z'],
    ['1772445599123', 'ms', '2026-03-02T09:59:59.123000Z'],
    ['1772445599123.4567', 'ms', '2026-03-02T09:59:59.123456Z'],
    ['1772445599123456', 'us', '2026-03-02T09:59:59.123456Z'],
    ['1772445599123456789', 'ns', '2026-03-02T09:59:59.123456Z'],
    ['2026-03-02T11:59:59.9999999+02:00', 'iso', '2026-03-02T09:59:59.999999Z'],
    ['2026-03-02T09:59:59', 'iso', 'time_malformed'],
    ['1772445599', 'iso', 'time_malformed'],
    ['1772445599123', 's', 'time_malformed'],
    ['-1', 's', 'time_malformed'],
    ['1e9', 's', 'time_malformed'],
    [true, 's', 'time_malformed'],
    [null, 's', 'time_malformed'],
    [{}, 'ns', 'time_malformed'],
    ['99999999999999999999', 's', 'time_malformed'],
    ['0', 'ns', '1970-01-01T00:00:00.000000Z'],
    ['1772449199', 's', 'time_in_future'],
  ] as const)('has the time %j as %s: %s', (told, format, time) => {
    expect(timeOf(told, format)).toBe(time);
  });

  it('is looked through by JSON Pointers, into nothing that is not its own', () => {
    const change = { ...item, time_path: null, time_format: 'received' } as const;
    const read = (last_path: string, json: unknown) => {
      const [first] = readAnswer(json, asked({ ...change, last_path }));
      if (first === undefined) return undefined;
      return isRejection(first.tick) ? first.tick.reason : first.tick.last;
    };
    expect(read('/a~1b/m~0n/1', { 'a/b': { 'm~n': ['1', '2'] } })).toBe(2);
    expect(read('/{symbol}', { [A]: '3' })).toBe(3);
    expect(read('//x', { '': { x: '4' } })).toBe(4);
    expect(read('', '5')).toBe(5);
    for (const path of ['/constructor', '/__proto__/x', '/0', '/x/length']) {
      expect(read(path, { x: ['1'] })).toBe('no_price');
    }
  });

  it('gives each instrument its items, and counts the copies of one time', () => {
    const change: Partial<Row> = {
      ...{ items_path: '/list', symbol_path: '/s', time_path: '/t', last_path: '/p' },
      ...{ size_path: null, time_format: 's' },
    };
    const told = { s: A, t: '1772445599', p: '1' };
    const read = readAnswer({ list: [told, { ...told, s: 'other' }, told, 7] }, asked(change));
    expect(read.map(({ tick }) => 'copy' in tick && tick.copy)).toEqual([1, 2]);
    expect(readAnswer({ list: [] }, asked(change))).toEqual([]);
  });
});
