import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { FakeExchange, FakeTrade } from './fake_exchange.ts';
import { type Books, keepBooks } from './tests/books.ts';
import { exchanges, seeded } from './tests/exchanges.ts';
import { tradeIdOf } from './trade.ts';
import type { WireTimings } from './websocket.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.each(exchanges)('the exchange $name', ({ start, create, theirs, ours, ...traits }) => {
  const [A, B, C] = theirs;
  const [a, b, c] = ours;

  async function begin(timings: Partial<WireTimings> = {}) {
    const fake = await start();
    closers.push(fake.close);
    const source = create({
      streamUrl: fake.streamUrl,
      apiUrl: fake.url,
      timings: {
        firstBackoff: 1,
        longestBackoff: 20,
        refusal: 50,
        ping: 20,
        overlap: 40,
        ...timings,
      },
      listWaits: [1, 1],
    });
    return { fake, source };
  }

  /** Follows, and every symbol has had a trade. */
  async function follow(timings: Partial<WireTimings> = {}, change?: (fake: FakeExchange) => void) {
    const { fake, source } = await begin(timings);
    change?.(fake);
    const books = keepBooks(source, ours);
    closers.push(books.close);
    await books.until(() => books.states.includes('connected'));
    for (const symbol of theirs) fake.trade(symbol);
    await heard(books, fake);
    return { fake, source, books };
  }

  const tradesOf = (books: Books, symbol: string) =>
    books.ticks(symbol).filter(tick => tradeIdOf(tick.seq) !== null);
  const ids = (books: Books, symbol: string) =>
    tradesOf(books, symbol).map(({ seq }) => String(seq));

  /** Waits until the newest trade of every symbol is there, and what it says about those before it. */
  async function heard(books: Books, fake: FakeExchange) {
    await books.until(() =>
      ours.every((symbol, index) => {
        const trade = fake.log(theirs[index] ?? '').at(-1);
        if (trade === undefined) return true;
        return ids(books, symbol).includes(String(trade.id)) && books.knows(symbol, trade.time);
      }),
    );
    // What the message said beside its tick is said in the same turn.
    await sleep(2);
  }

  /**
   * What is stored of a symbol is what the fake's own log has, from the first one that was heard. Only a provider
   * that forgets may have made us give up the others.
   */
  function expectWhole(books: Books, fake: FakeExchange, except: readonly FakeTrade[] = []) {
    expect(books.conflicts).toEqual([]);
    for (const [index, symbol] of ours.entries()) {
      const stored = tradesOf(books, symbol);
      const first = BigInt(stored[0]?.seq ?? 0);
      const log = fake
        .log(theirs[index] ?? '')
        .filter(trade => trade.id >= first && !except.includes(trade))
        .filter(trade => !isForgotten(books, symbol, trade));
      expect(
        stored.map(({ observedAt, seq, last: price, size }) => [
          String(seq),
          observedAt,
          price,
          size,
        ]),
      ).toEqual(
        [...log]
          .sort((one, other) => (one.time === other.time ? 0 : one.time < other.time ? -1 : 1))
          .map(({ id, time, price, size }) => [String(id), time, Number(price), Number(size)]),
      );
    }
  }

  const isForgotten = (books: Books, symbol: string, { id, time }: FakeTrade) =>
    traits.remembers !== undefined &&
    books.isGivenUp(symbol, time) &&
    !ids(books, symbol).includes(String(id));

  it('stores quotes exactly as they are written', async () => {
    const { fake, books } = await follow();
    fake.trade(A);
    await heard(books, fake);
    fake.quote(A, '0.00000801', '0.00000803');
    await books.until(() => books.ticks(a).some(({ bid }) => bid !== null));
    expect(books.ticks(a).find(({ bid }) => bid !== null)).toMatchObject({
      bid: 0.00000801,
      ask: 0.00000803,
      last: null,
      size: null,
    });
    expect(books.rejections).toEqual([]);
    expect(books.gaps(a)).toEqual([]);
  });

  it('fills a gap among trades of one moment', async () => {
    const { fake, books } = await follow();
    const { time } = fake.trade(A);
    fake.drop(true);
    fake.trade(A, { time });
    fake.drop(false);
    fake.trade(A, { time });
    await sleep(2);
    fake.trade(A);
    await heard(books, fake);
    expect(books.gaps(a)).toHaveLength(1);
    await books.repair();
    expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake);
  });

  it('fills what it can, and gives up what the provider has not either', async () => {
    const { fake, books } = await follow();
    fake.drop(true);
    const missed = Array.from({ length: 9 }, () => fake.trade(A));
    fake.drop(false);
    fake.trade(A);
    await sleep(2);
    fake.trade(A);
    await heard(books, fake);
    const gone = [missed[2], missed[3], missed[6]].filter(trade => trade !== undefined);
    for (const trade of gone) fake.forget(trade);
    await books.repair();
    expect(books.impossible.length).toBeGreaterThan(0);
    expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake, gone);
  });

  it('asks again later for trades that the provider has not written down yet', async () => {
    const { fake, books } = await follow();
    fake.lag(true);
    fake.drop(true);
    fake.trade(A);
    fake.drop(false);
    fake.trade(A);
    await heard(books, fake);
    await books.repair();
    expect(books.faults).toHaveLength(1);
    expect(books.gaps(a)).toHaveLength(1);
    fake.lag(false);
    await books.repair();
    expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake);
  });

  it('has no gap after a cut without trades, and fills it after one with', async () => {
    const { fake, books } = await follow();
    fake.beat();
    fake.cut();
    await books.until(() => books.states.length === 3);
    fake.trade(A);
    await heard(books, fake);
    expect(books.gaps(a)).toEqual([]);

    fake.refuseNext(3, 503);
    fake.cut(1001, 'going away');
    const isCut = (state: string) => state.includes('1001, going away');
    await books.until(() => books.states.some(isCut));
    for (let index = 0; index < 70; index++) fake.trade(A);
    await books.until(() => books.states.at(-1) === 'connected');
    fake.trade(A);
    fake.trade(B);
    fake.trade(C);
    await heard(books, fake);
    expect(books.gaps(a)).toHaveLength(1);
    await books.repair();
    for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
    expectWhole(books, fake);
  });

  it('notices that heartbeats come and trades do not', async () => {
    const { fake, books } = await follow({ marketSilence: 300 });
    fake.drop(true);
    const traded = setInterval(() => fake.trade(A), 20);
    const beats = setInterval(fake.beat, 20);
    closers.push(async () => clearInterval(beats));
    await books.until(() =>
      books.states.some(state =>
        traits.tellsLastId
          ? state === `heartbeats tell of trades of ${a} that do not come`
          : state === 'heartbeats came, but no trade and no quote for 0.3 s',
      ),
    );
    clearInterval(traded);
    fake.drop(false);
    await books.until(() => books.states.at(-1) === 'connected');
    fake.trade(A);
    await heard(books, fake);
    await books.repair();
    expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake);
  });

  it('leaves a market that is silent ever more time, as it may be quiet', async () => {
    const { fake, books } = await follow({ marketSilence: 100 });
    const beats = setInterval(fake.beat, 10);
    closers.push(async () => clearInterval(beats));
    const isQuiet = (seconds: number) =>
      books.states.includes(`heartbeats came, but no trade and no quote for ${seconds} s`);
    await books.until(() => isQuiet(0.1));
    for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
    expect(books.asked).not.toContain(true);
  });

  it('asks for the past again later while that is refused or under maintenance', async () => {
    const { fake, books } = await follow();
    fake.drop(true);
    fake.trade(A);
    fake.drop(false);
    fake.trade(A);
    await heard(books, fake);
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    await books.repair();
    const since = performance.now();
    fake.maintain(true);
    await books.repair();
    // Whoever was told to wait waits with whatever is asked.
    expect(performance.now() - since).toBeGreaterThan(800);
    fake.maintain(false);
    fake.refuseNext(1, 403);
    await books.repair();
    expect(books.faults).toHaveLength(3);
    await books.repair();
    expect(books.gaps(a)).toEqual([]);
    expectWhole(books, fake);
  });

  it('lists its instruments again when it is told to, and tells that before', async () => {
    const { fake, source } = await begin();
    fake.refuseNext(1, 429, { 'Retry-After': '1' });
    const told: unknown[] = [];
    const tell = (...args: unknown[]) => told.push([...args, fake.requests.length]);
    const since = performance.now();
    expect(await source.instruments([a], undefined, undefined, tell)).toHaveLength(1);
    expect(told).toEqual([[1_000, 'HTTP 429', 1]]);
    expect(performance.now() - since).toBeGreaterThanOrEqual(1_000);
  });

  it('follows the others when a symbol is not offered any more, or not taken', async () => {
    const { fake, source } = await begin();
    fake.delist(C);
    const skipped: string[] = [];
    const offered = await source.instruments([a, b, c], undefined, all =>
      skipped.push(...all.map(({ name, why }) => `${name}: ${why}`)),
    );
    expect(offered.map(({ symbol }) => symbol)).toEqual([a, b]);
    expect(skipped).toEqual([expect.stringContaining(c)]);
    await expect(source.instruments(['NO-SUCH'])).rejects.toThrow('NO-SUCH');

    if (!traits.tellsRefusals) return;
    fake.refuseSymbol(C);
    const books = keepBooks(source, ours);
    closers.push(books.close);
    await books.until(() => books.states.at(-1) === 'connected');
    fake.trade(A);
    fake.trade(B);
    await books.until(() => books.ticks(a).length > 0 && books.ticks(b).length > 0);
    expect(books.rejections.map(({ symbol, reason }) => [symbol, reason])).toEqual([
      [c, 'unknown_instrument'],
    ]);
    const asked = fake.heard.length;
    fake.cut();
    await books.until(() => books.states.at(-1) !== 'connected');
    await books.until(() => books.states.at(-1) === 'connected');
    expect(fake.heard.slice(asked).join()).not.toContain(C);
    expect(books.rejections).toHaveLength(1);
  });

  it('keeps aside what it cannot understand, and goes on', async () => {
    const { fake, books } = await follow();
    fake.say('{"type":');
    fake.say('[1,2');
    fake.say('"hello"');
    fake.say('{"type":"novelty","channel":"novelty","e":"novelty","topic":"novelty","data":[]}');
    fake.trade(A, { price: 'NaN' });
    fake.trade(A, { size: '0x10' });
    const bad = fake.log(A).slice(-2);
    fake.trade(A);
    await heard(books, fake);
    const reasons = books.rejections.map(({ reason }) => reason);
    expect(reasons.filter(reason => reason === 'malformed').length).toBeGreaterThanOrEqual(2);
    expect(reasons.slice(-2)).toEqual(['number_malformed', 'number_malformed']);
    expect(books.gaps(a)).toEqual([]);
    expect(books.states).toEqual(['connected']);
    expectWhole(books, fake, bad);
  });

  it('replaces a connection before it gets old, and loses nothing', async () => {
    const { fake, books } = await follow({ lifetime: 150 });
    const beats = setInterval(fake.beat, 10);
    closers.push(async () => clearInterval(beats));
    const connectionsSoFar = () => fake.requests.filter(text => text.startsWith('101')).length;
    while (connectionsSoFar() < 5) {
      fake.trade(A);
      fake.trade(B);
      await sleep(2);
    }
    // What lies between two connections is known by the ids of the trades before and after it.
    for (const symbol of theirs) fake.trade(symbol);
    await heard(books, fake);
    // Of two connections the older one may say it last.
    await books.until(() => ours.every(symbol => books.gaps(symbol).length === 0));
    expect(books.states).toEqual(['connected']);
    expectWhole(books, fake);
  });

  it('follows others without a gap for those who stay', async () => {
    const { fake, books } = await follow();
    const beats = setInterval(fake.beat, 10);
    closers.push(async () => clearInterval(beats));
    books.want([a, b]);
    for (let round = 0; round < 20; round++) {
      fake.trade(A);
      if (round === 10) books.want([a, b, c]);
      await sleep(5);
    }
    await books.until(() => fake.connections() === 1);
    for (const symbol of theirs) fake.trade(symbol);
    await heard(books, fake);
    expect(books.states).toEqual(['connected']);
    expect(books.gaps(a)).toEqual([]);
    books.want([]);
    while (fake.connections() > 0) await sleep(5);
  });

  it.each([11, 12, 13, 14, 15, 16])(
    'has every trade in the end, whatever happens (seed %i)',
    async seed => {
      const random = seeded(seed);
      const { fake, books } = await follow({
        silence: 150,
        marketSilence: 400,
        lifetime: 400,
        settled: 50,
      });
      fake.chop(seeded(seed + 1));
      const beats = setInterval(fake.beat, 15);
      closers.push(async () => clearInterval(beats));
      const faults: (() => void)[] = [
        () => fake.cut(),
        () => fake.cut(1012, 'restart'),
        () => fake.drop(true),
        () => fake.goSilent(true),
        () => fake.refuseNext(2, 503),
        () => fake.say('{"type":"ma'),
        () => books.want(random() < 0.5 ? [a, b] : [c, a, b]),
        () => fake.again(fake.log(A)[0] ?? fake.trade(A)),
        () => {
          fake.drop(false);
          fake.goSilent(false);
        },
      ];
      for (let step = 0; step < 120; step++) {
        const burst = Math.floor(random() * 8);
        for (let index = 0; index < burst; index++) {
          fake.trade(theirs[Math.floor(random() * 3)] ?? A, { price: (1 + random()).toFixed(8) });
        }
        if (random() < 0.15) faults[Math.floor(random() * faults.length)]?.();
        await sleep(random() * 10);
      }
      fake.drop(false);
      fake.goSilent(false);
      books.want(ours);
      await books.until(() => books.states.at(-1) === 'connected');
      const trades = setInterval(() => {
        for (const symbol of theirs) fake.trade(symbol);
      }, 20);
      await sleep(300);
      clearInterval(trades);
      // It may be cut at any time, and only the next trade tells what came meanwhile.
      const settle = async () => {
        let isSettled = false;
        const settling = () =>
          heard(books, fake).then(() => {
            isSettled = true;
          });
        while (!isSettled) {
          for (const symbol of theirs) fake.trade(symbol);
          await Promise.race([settling(), sleep(100)]);
        }
      };
      await settle();
      for (let round = 0; round < 10; round++) {
        await books.repair();
        await settle();
        if (ours.every(symbol => books.gaps(symbol).length === 0)) break;
      }
      for (const symbol of ours) expect(books.gaps(symbol)).toEqual([]);
      if (traits.remembers === undefined) expect(books.impossible).toEqual([]);
      expectWhole(books, fake);
    },
  );
});
