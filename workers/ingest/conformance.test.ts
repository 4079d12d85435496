import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { FakeTrade } from './fake_exchange.ts';
import * as sources from './sources.ts';
import { type Books, keepBooks } from './tests/books.ts';
import { seeded } from './tests/exchanges.ts';
import { FAULTS, type Fault, type Played, type PlayedFake, played } from './tests/played.ts';
import type { WireTimings } from './websocket.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** By source, the faults that a test plays. */
const plays = new Map<string, Set<Fault>>(played.map(({ name }) => [name, new Set()]));

/** A test of a fault, for a source that can have it. */
function playerOf({ name, cannot }: Played) {
  return (faults: Fault | readonly Fault[], title: string, run: () => Promise<void>): void => {
    const possible = [faults].flat().filter(fault => cannot[fault] === undefined);
    if (possible.length === 0) return;
    for (const fault of possible) plays.get(name)?.add(fault);
    it(title, run);
  };
}

describe.each(played)('the source $name', tested => {
  const { theirs, ours, proof, isPolled, atOnce, rowOf, rowOfTrade } = tested;
  const [A, B, C] = theirs;
  const [a, b, c] = ours;
  const play = playerOf(tested);

  async function begin(timings: Partial<WireTimings> = {}) {
    const fake = await tested.start();
    closers.push(fake.close);
    const quick = { firstBackoff: 1, longestBackoff: 20, refusal: 50, ping: 20, overlap: 40 };
    // Nothing is late here because the machine is.
    const patient = { silence: 60_000, answer: 60_000 };
    return { fake, source: await fake.create({ ...quick, ...patient, ...timings }) };
  }

  /** Follows, and every symbol has had a price. */
  async function follow(timings: Partial<WireTimings> = {}, change?: (fake: PlayedFake) => void) {
    const { fake, source } = await begin(timings);
    change?.(fake);
    const books = keepBooks(source, ours);
    closers.push(books.close);
    await books.until(() => books.states.includes('connected'));
    for (const symbol of theirs) fake.trade(symbol);
    await heard(books, fake);
    return { fake, source, books };
  }

  const pricesOf = (books: Books, symbol: string) =>
    books.ticks(symbol).filter(({ seq, last }) => last !== null || seq !== null);
  const has = (books: Books, symbol: string, trade: FakeTrade) =>
    pricesOf(books, symbol).some(tick => rowOf(tick).join() === rowOfTrade(trade).join());

  /** Waits until the newest price of every symbol is there, and what it says about those before it. */
  async function heard(books: Books, fake: PlayedFake, symbols: readonly string[] = theirs) {
    await books.until(() =>
      symbols.every(symbol => {
        const own = ours[theirs.indexOf(symbol)] ?? '';
        const trade = fake.log(symbol).at(-1);
        if (trade === undefined) return true;
        return has(books, own, trade) && (proof !== 'ids' || books.knows(own, trade.time));
      }),
    );
    // What the message said beside its tick is said in the same turn.
    await sleep(2);
  }

  /** Prices in a row, as many at once as each is told of. */
  async function tradeAll(
    books: Books,
    fake: PlayedFake,
    count: number,
    next: (index: number) => FakeTrade,
  ) {
    for (let index = 0; index < count; index++) {
      next(index);
      if (index % atOnce === atOnce - 1) await heard(books, fake);
    }
    await heard(books, fake);
  }

  /**
   * What is stored of a symbol is what the fake's own log has, in its order, from the first one that was heard. What is
   * not is known to be missing, as long as it is of these.
   */
  function expectWhole(books: Books, fake: PlayedFake, missing: readonly FakeTrade[] = []) {
    expect(books.conflicts).toEqual([]);
    for (const [index, symbol] of ours.entries()) {
      const stored = pricesOf(books, symbol).map(rowOf);
      const log = fake.log(theirs[index] ?? '').toSorted((one, other) => {
        return one.time === other.time ? 0 : one.time < other.time ? -1 : 1;
      });
      const rows = log.map(trade => rowOfTrade(trade));
      const first = rows.findIndex(row => row.join() === stored[0]?.join());
      const lost = missing.map(trade => rowOfTrade(trade).join());
      expect(stored).toEqual(rows.slice(first).filter(row => !lost.includes(row.join())));
    }
  }

  const told = (books: Books, fake: PlayedFake) => [
    ...books.states,
    ...books.rejections.map(({ detail }) => detail),
    ...fake.told(),
  ];

  const isBack = (books: Books, since: number) => () =>
    books.states.slice(since).some(state => state !== 'connected') &&
    books.states.at(-1) === 'connected';

  it.each(Object.entries(tested.cannot))('cannot have %s: %s', fault => {
    expect(FAULTS).toContain(fault);
    expect(plays.get(tested.name)).not.toContain(fault);
  });

  it('is played every fault that it can have', () => {
    const all = [...(plays.get(tested.name) ?? []), ...Object.keys(tested.cannot)];
    expect(all.sort()).toEqual([...FAULTS].sort());
  });

  play(
    'prices whose text changes through a float',
    'stores prices exactly as they are written',
    async () => {
      const { fake, books } = await follow();
      const prices = [
        '0.00000802',
        '30243.40000',
        '1e-8',
        '123456789.123456',
        '0.1',
        '0.30000000000000004',
      ];
      await tradeAll(books, fake, prices.length, index =>
        fake.trade(A, { price: prices[index] ?? '', size: prices[index] ?? '' }),
      );
      expectWhole(books, fake);
      expect(
        pricesOf(books, a)
          .slice(-prices.length)
          .map(({ last, bid }) => last ?? bid),
      ).toEqual(prices.map(Number));
      expect(books.rejections).toEqual([]);
    },
  );

  it('tells of prices of zero and below: whether they are some, the database knows', async () => {
    const { fake, books } = await follow();
    const prices = ['-37.63', '0', '-0.0', '-1e300'];
    await tradeAll(books, fake, prices.length, index =>
      fake.trade(A, { price: prices[index] ?? '' }),
    );
    expectWhole(books, fake);
    expect(books.rejections).toEqual([]);
  });

  for (const seed of [1, 2, 3]) {
    play(
      'split and joined chunks',
      `reads what comes in pieces and several at once (seed ${seed})`,
      async () => {
        const { fake, books } = await follow({}, each => each.chop(seeded(seed)));
        await tradeAll(books, fake, isPolled ? 60 : 200, index => {
          if (index % 40 === 0) fake.beat();
          return fake.trade(theirs[index % 3] ?? A, { price: `${index + 1}.5` });
        });
        expectWhole(books, fake);
        expect(books.states).toEqual(['connected']);
        if (proof === 'ids') for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
      },
    );
  }

  play('duplicates', 'takes a price once, however often it comes', async () => {
    const { fake, books } = await follow();
    const trade = fake.trade(A);
    await heard(books, fake);
    const before = books.repeated();
    for (let count = 0; count < 3; count++) fake.again(trade);
    await books.until(() => books.repeated() > before);
    fake.trade(A);
    await heard(books, fake);
    expectWhole(books, fake);
    if (proof === 'ids') expect(books.gaps(a)).toEqual([]);
  });

  play('out of order', 'takes prices in whatever order they come', async () => {
    const { fake, source, books } = await follow();
    fake.drop(true);
    const [one, two] = [fake.trade(A), fake.trade(A)];
    fake.drop(false);
    for (const trade of [two, one]) fake.again(trade);
    await books.until(() => has(books, a, one) && has(books, a, two));
    fake.trade(A);
    await heard(books, fake);
    await books.repair();
    if (source.repair !== undefined || isPolled) expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake);
  });

  play(
    'ids skipped that REST can fill',
    'opens a gap when an id was skipped, and fills it by the ids around it',
    async () => {
      const { fake, books } = await follow();
      await sleep(2);
      fake.drop(true);
      for (let index = 0; index < 5; index++) fake.trade(A, { price: `${index + 1}` });
      fake.drop(false);
      fake.trade(A);
      fake.trade(B);
      await heard(books, fake);
      expect(books.causes).toEqual(['trades 2 to 6 did not come']);
      expect(books.gaps(a)).toHaveLength(1);
      expect(books.gaps(b)).toEqual([]);
      await books.repair();
      expect(books.gaps(a)).toEqual([]);
      expect(books.impossible).toEqual([]);
      expectWhole(books, fake);
    },
  );

  play(
    'ids skipped that REST cannot fill',
    'knows what it has missed where nobody can tell it',
    async () => {
      const { fake, source, books } = await follow();
      // Some clocks have milliseconds alone.
      await sleep(2);
      fake.drop(true);
      const missed = [fake.trade(A), fake.trade(A), fake.trade(A)];
      fake.drop(false);
      await sleep(2);
      fake.trade(A);
      fake.trade(B);
      await heard(books, fake);
      for (const trade of missed) fake.forget(trade);
      expect(books.causes).toEqual(['trades 2 to 4 did not come']);
      await books.repair();
      for (const { time } of missed) {
        expect(books.knows(a, time)).toBe(false);
        expect(books.isGivenUp(a, time)).toBe(source.repair !== undefined);
      }
      expect(books.gaps(b)).toEqual([]);
      expectWhole(books, fake, missed);
    },
  );

  play(
    'a snapshot that overlaps what is stored',
    'takes what it is told again after a cut once',
    async () => {
      const { fake, books } = await follow();
      const since = books.states.length;
      const before = books.repeated();
      fake.cut();
      await books.until(isBack(books, since));
      await books.until(() => books.repeated() > before);
      for (const symbol of theirs) fake.trade(symbol);
      await heard(books, fake);
      expectWhole(books, fake);
      if (proof === 'ids') for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
    },
  );

  play('half-open silence', 'leaves a connection on which nothing comes any more', async () => {
    const { fake, source, books } = await follow({ silence: 300 });
    fake.goSilent(true);
    const unheard = fake.trade(A);
    await books.until(() => books.states.includes('nothing came for 0.3 s'));
    fake.goSilent(false);
    const beats = setInterval(fake.beat, 20);
    closers.push(async () => clearInterval(beats));
    await books.until(() => books.states.at(-1) === 'connected');
    fake.pass?.();
    fake.trade(A);
    await heard(books, fake);
    await books.repair();
    if (source.repair !== undefined) expect(books.gaps(a)).toEqual([]);
    const isLost = !has(books, a, unheard);
    // A price that nobody has any more lies in a gap.
    if (isLost) expect(books.knows(a, unheard.time)).toBe(false);
    expectWhole(books, fake, isLost ? [unheard] : []);
  });

  play('heartbeats without data', 'is alive while a market says nothing', async () => {
    const { fake, books } = await follow();
    const [states, requests] = [books.states.length, fake.requests.length];
    const before = books.repeated();
    for (let count = 0; count < 20; count++) {
      fake.beat();
      await sleep(5);
    }
    // What is asked again and again says the same again.
    if (isPolled) {
      await books.until(() => fake.requests.length > requests + 10 && books.repeated() > before);
    }
    expect(books.states).toHaveLength(states);
    fake.trade(A);
    await heard(books, fake);
    if (proof !== 'none') for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
    expectWhole(books, fake);
  });

  for (const status of [401, 403, 418] as const) {
    if (tested.endsRefused) {
      play(`${status}`, `ends with HTTP ${status}, and says so`, async () => {
        const { fake, books } = await follow();
        closers.splice(closers.indexOf(books.close), 1);
        fake.refuseNext(1, status);
        fake.cut();
        await expect(books.until(() => false)).rejects.toThrow(`HTTP ${status}`);
      });
    } else {
      play(`${status}`, `waits longer after HTTP ${status}, and goes on by itself`, async () => {
        const { fake, books } = await follow();
        fake.refuseNext(1, status);
        fake.cut();
        await books.until(() => books.states.includes(`HTTP ${status}`));
        expect(books.retries.at(-1)).toBe(50);
        expect(books.asked.at(-1)).toBe(true);
        await books.until(() => books.states.at(-1) === 'connected');
        fake.trade(A);
        await heard(books, fake);
        expectWhole(books, fake);
      });
    }
  }

  play('429 with Retry-After', 'comes again when it is told to', async () => {
    const { fake, books } = await follow();
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    const since = performance.now();
    fake.cut();
    await books.until(() => books.states.includes('HTTP 429'));
    expect(books.retries.at(-1)).toBe(1_000);
    expect(books.asked.at(-1)).toBe(true);
    await books.until(() => books.states.at(-1) === 'connected');
    expect(performance.now() - since).toBeGreaterThanOrEqual(1_000);
    fake.trade(A);
    await heard(books, fake);
    expectWhole(books, fake);
  });

  play('maintenance', 'asks again while its provider is under maintenance', async () => {
    const { fake, books } = await follow();
    fake.refuseNext(3, 503);
    fake.cut();
    await books.until(
      () =>
        books.states.filter(state => state === 'HTTP 503').length === 3 &&
        books.states.at(-1) === 'connected',
    );
    expect(books.asked).not.toContain(true);
    fake.trade(A);
    await heard(books, fake);
    expectWhole(books, fake);
  });

  play(
    'one symbol of three refused',
    'follows the others when one is not offered any more',
    async () => {
      const { fake, books } = await follow();
      const since = books.states.length;
      fake.delist(C);
      fake.cut();
      if (!isPolled || tested.endsRefused) await books.until(isBack(books, since));
      const rest = [A, B];
      for (const symbol of rest) fake.trade(symbol);
      await heard(books, fake, rest);
      expect(books.rejections.map(({ symbol, reason }) => [symbol, reason])).toEqual(
        tested.tellsRefusals ? [[c, 'unknown_instrument']] : [],
      );
      // It is told once, and asked for once.
      const again = books.states.length;
      fake.cut();
      if (!isPolled || tested.endsRefused) await books.until(isBack(books, again));
      for (const symbol of rest) fake.trade(symbol);
      await heard(books, fake, rest);
      expect(books.rejections).toHaveLength(tested.tellsRefusals ? 1 : 0);
    },
  );

  play('numbers beyond 2^53', 'never takes an id for another, beyond 2^53 neither', async () => {
    const { fake, books } = await follow();
    const large = 2n ** 53n + 1n;
    fake.trade(B, { id: large });
    fake.trade(B, { id: large + 1n });
    await heard(books, fake);
    expect(pricesOf(books, b).map(({ seq }) => String(seq))).toEqual([
      '1',
      '9007199254740993',
      '9007199254740994',
    ]);
    expect(books.rejections).toEqual([]);
    expect(books.causes).toEqual([`trades 2 to ${large - 1n} did not come`]);
  });

  play('bad JSON', 'tells what is no JSON, and goes on', async () => {
    const { fake, books } = await follow();
    for (const text of ['{"type":', '[1,2', '"hello"']) {
      const before = told(books, fake).length;
      fake.say(text);
      await books.until(() => told(books, fake).length > before);
    }
    expect(told(books, fake).join()).toContain('JSON');
    await books.until(() => books.states.at(-1) === 'connected');
    for (const symbol of theirs) fake.trade(symbol);
    await heard(books, fake);
    if (!isPolled) expect(books.states).toEqual(['connected']);
    expectWhole(books, fake);
  });

  play(
    'unknown message types',
    'goes on after a message of a kind that it does not know',
    async () => {
      const { fake, books } = await follow();
      fake.say('{"type":"novelty","channel":"novelty","e":"novelty","topic":"novelty","data":[]}');
      if (isPolled) await books.until(() => told(books, fake).length > 1);
      for (const symbol of theirs) fake.trade(symbol);
      await heard(books, fake);
      if (!isPolled) expect(told(books, fake)).toEqual(['connected']);
      expectWhole(books, fake);
    },
  );

  play(
    ['a clock ahead', 'a clock behind'],
    'takes the times of a clock that is a little ahead or behind, and tells of one that is far ahead',
    async () => {
      const { fake, books } = await follow({}, each => each.skew(-3_000));
      fake.skew(3_000);
      fake.trade(A);
      await heard(books, fake);
      expectWhole(books, fake);
      fake.skew(3_600_000);
      fake.trade(A);
      await books.until(() => books.rejections.length > 0);
      expect(books.rejections[0]?.reason).toBe('time_in_future');
    },
  );

  play(
    'weekend prices that are not tradeable',
    'stores no price that nobody can trade at',
    async () => {
      const { fake, books } = await follow();
      fake.shut?.(A);
      await books.until(() => books.rejections.length > 0);
      expect(books.rejections.map(({ symbol, reason }) => [symbol, reason])).toEqual([
        [a, 'not_tradeable'],
      ]);
      fake.trade(A);
      await heard(books, fake);
      expect(books.states).toEqual(['connected']);
      expectWhole(books, fake);
    },
  );

  play(
    'a cut at 24 hours',
    'goes on when its provider ends a connection that got old',
    async () => {
      const { fake, books } = await follow();
      const since = books.states.length;
      fake.cut(1001, 'this connection is 24 hours old');
      await books.until(isBack(books, since));
      for (const symbol of theirs) fake.trade(symbol);
      await heard(books, fake);
      if (proof === 'ids') for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
      expectWhole(books, fake);
    },
  );

  it.each([21, 22, 23])('goes on, whatever happens (seed %i)', async seed => {
    const random = seeded(seed);
    const { fake, books } = await follow({ silence: 500, settled: 50, answer: 2_000 });
    fake.chop(seeded(seed + 1));
    const beats = setInterval(fake.beat, 15);
    closers.push(async () => clearInterval(beats));
    const faults: (() => void)[] = [
      () => fake.cut(),
      () => fake.cut(1012, 'restart'),
      () => fake.goSilent(true),
      () => fake.refuseNext(2, 503),
      () => fake.say('{"type":"ma'),
      () => books.want(random() < 0.5 ? [a, b] : [c, a, b]),
      () => fake.again(fake.log(A)[0] ?? fake.trade(A)),
      () => fake.goSilent(false),
    ];
    for (let step = 0; step < 80; step++) {
      const burst = Math.floor(random() * 4);
      for (let index = 0; index < burst; index++) {
        fake.trade(theirs[Math.floor(random() * 3)] ?? A, { price: (1 + random()).toFixed(8) });
      }
      if (random() < 0.15) faults[Math.floor(random() * faults.length)]?.();
      await sleep(random() * 10);
    }
    fake.goSilent(false);
    books.want(ours);
    await books.until(() => books.states.at(-1) === 'connected');
    // It may be cut once more, and then the newest price is told by the next one.
    let isHeard = false;
    while (!isHeard) {
      for (const symbol of theirs) fake.trade(symbol);
      await Promise.race([
        heard(books, fake).then(() => {
          isHeard = true;
        }),
        sleep(100),
      ]);
    }
    expect(books.conflicts).toEqual([]);
    for (const [index, symbol] of ours.entries()) {
      const rows = fake.log(theirs[index] ?? '').map(trade => rowOfTrade(trade).join());
      for (const tick of pricesOf(books, symbol)) expect(rows).toContain(rowOf(tick).join());
    }
  });
});

it('plays every source whose prices come from a provider', () => {
  const madeHere = ['gappy', 'simulated'];
  const names = Object.values(sources).map(({ name }) => name);
  expect(
    [...names.filter(name => !madeHere.includes(name)), 'oanda, polled', 'polled'].sort(),
  ).toEqual(played.map(({ name }) => name).sort());
});
