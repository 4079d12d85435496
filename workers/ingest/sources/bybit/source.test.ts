import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { startFakeExchange } from '../../fake_exchange.ts';
import { keepBooks } from '../../tests/books.ts';
import { createDialect } from './fake.ts';
import { createBybit } from './source.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function follow(names = ['BTCUSDT']) {
  const fake = await startFakeExchange(createDialect(names));
  closers.push(fake.close);
  const source = createBybit({
    streamUrl: fake.streamUrl,
    apiUrl: fake.url,
    timings: { firstBackoff: 1, longestBackoff: 20, overlap: 60, silence: 3_000 },
  });
  const books = keepBooks(
    source,
    names.map(name => `${name}.BYBIT`),
  );
  closers.push(books.close);
  await books.until(() => books.states.includes('connected'));
  return { fake, books };
}

it('subscribes to ten topics at once, and to many', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `COIN${index}USDT`);
  const { fake, books } = await follow(names);
  expect(fake.heard.map(text => JSON.parse(text).args.length)).toEqual([10, 10, 4]);
  for (const name of names) fake.trade(name);
  await books.until(() => names.every(name => books.ticks(`${name}.BYBIT`).length === 1));
  expect(books.states).toEqual(['connected']);
});

it('takes a book that is said again for a sign of life, and for no quote', async () => {
  const { fake, books } = await follow(['BTCUSDT', 'ETHUSDT']);
  fake.trade('BTCUSDT');
  fake.quote('BTCUSDT', '1.5', '1.6');
  await books.until(() => books.ticks('BTCUSDT.BYBIT').length === 2);
  for (let index = 0; index < 5; index++) {
    await sleep(30);
    fake.beat();
  }
  const { time } = fake.trade('ETHUSDT');
  await books.until(() => books.knows('ETHUSDT.BYBIT', time));
  // What happened a while before a book was said is here.
  expect(books.gaps('BTCUSDT.BYBIT')).toEqual([]);
  const { time: last } = fake.log('BTCUSDT')[0] ?? { time: '' };
  const isLater = new Date(Date.parse(last) + 40).toISOString().replace('Z', '000Z');
  expect(books.knows('BTCUSDT.BYBIT', isLater)).toBe(true);
  expect(books.ticks('BTCUSDT.BYBIT')).toHaveLength(2);
  expect(books.ticks('ETHUSDT.BYBIT')).toHaveLength(1);
});

it('says of an empty side of the book that nobody is there', async () => {
  const { fake, books } = await follow();
  const book = (b: unknown, a: unknown, u: number) =>
    JSON.stringify({
      topic: 'orderbook.1.BTCUSDT',
      ts: Date.now(),
      type: 'snapshot',
      data: { s: 'BTCUSDT', b, a, u, seq: 1 },
    });
  fake.say(book([], [], 8));
  fake.say(book([], [['1.6', '3']], 9));
  await books.until(() => books.ticks('BTCUSDT.BYBIT').length === 1);
  expect(books.ticks('BTCUSDT.BYBIT')[0]).toMatchObject({ bid: null, ask: 1.6, seq: null });
  expect(books.rejections).toEqual([]);
});

it('fills what the last sixty trades have, and gives up what is older', async () => {
  const { fake, books } = await follow();
  fake.trade('BTCUSDT');
  await sleep(2);
  fake.drop(true);
  for (let index = 0; index < 80; index++) {
    fake.trade('BTCUSDT');
    if (index % 10 === 0) await sleep(2);
  }
  fake.drop(false);
  await sleep(2);
  const { time } = fake.trade('BTCUSDT');
  await books.until(() => books.knows('BTCUSDT.BYBIT', time));
  await books.repair();
  expect(books.gaps('BTCUSDT.BYBIT')).toEqual([]);
  expect(books.impossible).toEqual(['Bybit has no older trades']);
  const stored = books.ticks('BTCUSDT.BYBIT').map(({ seq }) => Number(seq));
  expect(stored).toEqual([1, ...Array.from({ length: 60 }, (_, index) => index + 23)]);
  for (const trade of fake.log('BTCUSDT')) {
    if (stored.includes(Number(trade.id))) continue;
    expect(books.isGivenUp('BTCUSDT.BYBIT', trade.time), String(trade.id)).toBe(true);
  }
});

it('keeps aside what it was not asked for, and what is no trade', async () => {
  const { fake, books } = await follow();
  const event = (change: object) =>
    JSON.stringify({
      topic: 'publicTrade.BTCUSDT',
      type: 'snapshot',
      ts: 1,
      data: [{ i: '9', T: 1, s: 'BTCUSDT', S: 'Buy', v: '1', p: '1', BT: false, ...change }],
    });
  fake.say(event({ s: 'BNBUSDT' }));
  fake.say(event({ i: '20f43950-d8dd-5b31-9112-a178eb6023af' }));
  fake.say(event({ T: 'yesterday' }));
  fake.trade('BTCUSDT');
  await books.until(() => books.ticks('BTCUSDT.BYBIT').length === 1);
  expect(books.rejections.map(({ reason }) => reason)).toEqual([
    'wrong_symbol',
    'malformed',
    'malformed',
  ]);
  fake.say('{"success":false,"ret_msg":"error:\\u001b[2J invalid op","op":"nope"}');
  await books.until(() => books.states.length > 1);
  expect(books.states[1]).toBe('the other side says: error:\ufffd[2J invalid op');
});
