import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { type FakeDialect, startFakeExchange } from '../../fake_exchange.ts';
import type { Tick } from '../../source.ts';
import { keepBooks } from '../../tests/books.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { createWanted } from '../../wanted.ts';
import { createDialect } from './fake.ts';
import { createBinance } from './source.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** @param hear What the fake does with what it is told, instead of what it should. */
async function follow(symbols = ['BTCUSDT'], hear?: FakeDialect['hear']) {
  const fake = await startFakeExchange({ ...createDialect(), ...(hear && { hear }) });
  closers.push(fake.close);
  const source = createBinance({
    streamUrl: fake.streamUrl,
    apiUrl: fake.url,
    timings: { firstBackoff: 1, longestBackoff: 20, overlap: 60, silence: 3_000 },
  });
  const books = keepBooks(source, symbols);
  closers.push(books.close);
  await books.until(() => books.states.includes('connected'));
  fake.trade('BTCUSDT');
  await books.until(() => books.ticks('BTCUSDT').length > 0);
  const connectionsSoFar = () => fake.requests.filter(text => text.startsWith('101')).length;
  const quotes = () => books.ticks('BTCUSDT').filter(({ bid }) => bid !== null);
  return { fake, books, connectionsSoFar, quotes };
}

it('goes to another connection when this one will end, and takes what both hear once', async () => {
  const { fake, books, connectionsSoFar, quotes } = await follow();
  fake.say('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}');
  let count = 0;
  let hadTwo = false;
  while (connectionsSoFar() < 2 || fake.connections() > 1) {
    if (fake.listeners('BTCUSDT') === 2) hadTwo = true;
    fake.trade('BTCUSDT');
    fake.quote('BTCUSDT', `${++count}`, `${count + 1}`);
    await sleep(3);
  }
  fake.quote('BTCUSDT', `${++count}`, `${count + 1}`);
  await books.until(() => quotes().some(({ bid }) => bid === count));
  expect(hadTwo).toBe(true);
  expect(quotes().map(({ bid }) => bid)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  expect(books.states).toEqual(['connected']);
  expect(books.gaps('BTCUSDT')).toEqual([]);
});

it('says of an empty side of the book that nobody is there', async () => {
  const { fake, books } = await follow();
  fake.quote('BTCUSDT', '0.00000000', '1.5');
  await books.until(() => books.ticks('BTCUSDT').length > 1);
  expect(books.ticks('BTCUSDT').find(({ ask }) => ask !== null)).toMatchObject({
    bid: null,
    ask: 1.5,
    seq: null,
  });
});

/** Follows, and takes what comes only when it is asked to. */
async function followSlowly() {
  const fake = await startFakeExchange(createDialect());
  closers.push(fake.close);
  const source = createBinance({ streamUrl: fake.streamUrl, apiUrl: fake.url });
  const stop = new AbortController();
  const { current: wanted, change } = createWanted();
  change(['BTCUSDT'], new Map());
  const items = source.follow({ signal: stop.signal, wanted })[Symbol.asyncIterator]();
  closers.push(async () => {
    stop.abort();
    await items.return?.();
  });
  const ticks: Tick[] = [];
  const take = async (holds: () => boolean) => {
    while (!holds()) {
      const { value, done } = await items.next();
      if (done) throw new Error('the source has ended');
      if (value.kind === 'ticks') ticks.push(...value.ticks);
    }
  };
  const connecting = items.next();
  while (fake.listeners('BTCUSDT') === 0) await sleep(5);
  await connecting;
  return { fake, ticks, take };
}

it('says of a quote when it came, however late that is asked', async () => {
  const { fake, ticks, take } = await followSlowly();
  for (const bid of ['1', '2', '3']) fake.quote('BTCUSDT', bid, '9');
  await sleep(500);
  const askedAt = fromEpochMilliseconds(Date.now());
  await take(() => ticks.length === 3);
  for (const { observedAt } of ticks) expect(observedAt < askedAt).toBe(true);
});

it('leaves quotes out that waited on the way nobody knows how long, and no trade', async () => {
  const { fake, ticks, take } = await followSlowly();
  for (let index = 1; index <= 3_000; index++) {
    fake.quote('BTCUSDT', `${index}`, '9999');
    if (index % 10 === 0) fake.trade('BTCUSDT');
    if (index % 500 === 0) await sleep(20);
  }
  await sleep(500);
  const askedAt = fromEpochMilliseconds(Date.now());
  await take(() => ticks.some(({ seq }) => seq === 300));
  const quotes = ticks.filter(({ bid }) => bid !== null);
  expect(quotes.length).toBeGreaterThan(500);
  expect(quotes.length).toBeLessThan(2_500);
  for (const { observedAt } of quotes) expect(observedAt < askedAt).toBe(true);
  expect(ticks.length - quotes.length).toBe(300);

  const quoting = setInterval(() => fake.quote('BTCUSDT', '0.5', '9999'), 50);
  closers.push(async () => clearInterval(quoting));
  await take(() => ticks.some(({ bid }) => bid === 0.5));
});

it('waits as long as it is banned, whatever there is to ask', async () => {
  const { fake, books } = await follow();
  fake.drop(true);
  fake.trade('BTCUSDT');
  fake.drop(false);
  await sleep(3);
  const { time } = fake.trade('BTCUSDT');
  await books.until(() => books.knows('BTCUSDT', time) && books.causes.length === 1);
  fake.refuseNext(1, 418, { 'Retry-After': '1' });
  await books.repair();
  expect(books.faults).toEqual(['HTTP 418']);
  const since = performance.now();
  await books.repair();
  expect(performance.now() - since).toBeGreaterThan(800);
  expect(books.gaps('BTCUSDT')).toEqual([]);
});

it('follows the others beside a symbol that does not trade', async () => {
  const { fake, books } = await follow(['BTCUSDT', 'ETHUSDT']);
  await sleep(2);
  for (let index = 0; index < 3; index++) {
    fake.trade('BTCUSDT');
    await sleep(70);
  }
  const { time } = fake.trade('BTCUSDT');
  await books.until(() => books.knows('BTCUSDT', time));
  // What happened before an event is here in a while, whichever symbol the event was of.
  expect(books.knows('ETHUSDT', fake.log('BTCUSDT')[2]?.time ?? '')).toBe(true);
  expect(books.gaps('ETHUSDT')).toEqual([]);
});

it('does not tell of other symbols by what came before the subscription was taken', async () => {
  const dialect = createDialect();
  let missed = 0;
  // One stream after the other.
  const { fake, books } = await follow(['BTCUSDT', 'ETHUSDT'], async (client, message, market) => {
    const time = fromEpochMilliseconds(Date.now());
    client.send(dialect.trade({ symbol: 'BTCUSDT', id: 0n, time, price: '1', size: '1' }));
    await sleep(30);
    missed = Date.now();
    await sleep(30);
    dialect.hear(client, message, market);
  });
  for (let index = 0; index < 5; index++) {
    fake.trade('BTCUSDT');
    await sleep(30);
  }
  const { time } = fake.trade('BTCUSDT');
  await books.until(() => books.knows('BTCUSDT', time));
  expect(books.knows('ETHUSDT', fake.log('BTCUSDT').at(-4)?.time ?? '')).toBe(true);
  expect(books.knows('ETHUSDT', fromEpochMilliseconds(missed))).toBe(false);
});

it('does not tell of other symbols by a trade whose time is refused', async () => {
  const { fake, books } = await follow(['BTCUSDT', 'ETHUSDT']);
  await sleep(80);
  fake.skew(3_600_000);
  fake.trade('BTCUSDT');
  await books.until(() => books.rejections.length > 0);
  fake.skew(0);
  fake.trade('ETHUSDT');
  await books.until(() => books.ticks('ETHUSDT').length > 0);
  expect(books.knows('ETHUSDT', fromEpochMilliseconds(Date.now() + 60_000))).toBe(false);
});

it.each([
  '{"code":2,"msg":"Invalid request: too many parameters","id":1}',
  '{"error":{"code":2,"msg":"Invalid request: too many parameters"},"id":1}',
])('does not take a refusal for an answer: %s', async refusal => {
  const dialect = createDialect();
  let isRefused = false;
  const { books } = await follow(['BTCUSDT'], (client, message, market) => {
    if (isRefused) dialect.hear(client, message, market);
    else client.send(refusal);
    isRefused = true;
  });
  expect(books.states).toEqual([
    'the other side says: Invalid request: too many parameters',
    'connected',
  ]);
});

it('keeps aside what it was not asked for, and what is no trade', async () => {
  const { fake, books } = await follow();
  const event = (change: object) =>
    JSON.stringify({
      stream: 'btcusdt@aggTrade',
      data: { e: 'aggTrade', E: 1, s: 'BTCUSDT', a: 9, p: '1', q: '1', T: 1, ...change },
    });
  fake.say(event({ s: 'BNBUSDT' }));
  fake.say(event({ a: '9;drop' }));
  fake.say(event({ T: 'yesterday' }));
  fake.say('{"result":null,"id":7}');
  fake.trade('BTCUSDT');
  await books.until(() => books.ticks('BTCUSDT').length === 2);
  expect(books.rejections.map(({ reason }) => reason)).toEqual([
    'wrong_symbol',
    'malformed',
    'malformed',
  ]);
  fake.say('{"code":2,"msg":"Invalid request: too many\\u001b[2J parameters"}');
  await books.until(() => books.states.length > 1);
  expect(books.states[1]).toBe(
    'the other side says: Invalid request: too many\ufffd[2J parameters',
  );
});
