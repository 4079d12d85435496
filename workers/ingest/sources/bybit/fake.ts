/**
 * A stand-in for Bybit's spot markets on the loopback interface, strict where Bybit is strict, for tests and by
 * hand: `node workers/ingest/sources/bybit/fake.ts [--port N]`.
 */
import { parseArgs } from 'node:util';
import {
  type FakeClient,
  type FakeDialect,
  type FakeExchange,
  type FakeMarket,
  type FakeTrade,
  startFakeExchange,
} from '../../fake_exchange.ts';
import { epochMicroseconds } from '../../time.ts';

const SYMBOLS = ['BTCUSDT', 'ETHUSDT', 'DOGEUSDT'];
const PAGE = 60;
const MOST_TOPICS = 10;

interface Book {
  readonly bids: readonly string[];
  readonly asks: readonly string[];
  readonly update: number;
  readonly at: number;
}

const millisecondsOf = (time: string) => epochMicroseconds(time) / 1_000;
const toRow = ({ symbol, id, time, price, size }: FakeTrade) => ({
  execId: String(id),
  symbol,
  price,
  size,
  side: 'Buy',
  time: String(millisecondsOf(time)),
  isBlockTrade: false,
  isRPITrade: false,
});
const toLevels = (prices: readonly string[]) => prices.map(price => [price, '0.144931']);
const toMessage = (symbol: string, { bids, asks, update, at }: Book, now: number) => ({
  topic: `orderbook.1.${symbol}`,
  ts: now,
  type: 'snapshot',
  data: { s: symbol, b: toLevels(bids), a: toLevels(asks), u: update, seq: update + 7 },
  cts: at,
});
const failed = (code: number, message: string) => ({
  status: 200,
  body: { retCode: code, retMsg: message, result: {}, retExtInfo: {}, time: Date.now() },
});
const listed = (list: readonly unknown[]) => ({
  status: 200,
  body: { retCode: 0, retMsg: 'OK', result: { category: 'spot', list }, retExtInfo: {} },
});

export function createDialect(symbols: readonly string[] = SYMBOLS): FakeDialect {
  const books = new Map<string, Book>(
    symbols.map(symbol => [symbol, { bids: [], asks: [], update: 1, at: Date.now() }]),
  );
  const say = (symbol: string, market: FakeMarket) => {
    const book = books.get(symbol);
    return book === undefined ? [] : [toMessage(symbol, book, Math.floor(market.now() / 1_000))];
  };

  function hear(client: FakeClient, message: unknown, market: FakeMarket): void {
    const {
      op,
      args = [],
      req_id: id = '',
    } = message as { op: string; args?: string[]; req_id?: string };
    const symbolIn = (topic: string) =>
      symbols.find(
        each =>
          [`publicTrade.${each}`, `orderbook.1.${each}`].includes(topic) &&
          !market.refused.has(each),
      );
    const unknown = args.find(topic => symbolIn(topic) === undefined);
    const [fault] = [
      ['ping', 'subscribe'].includes(op) ? [] : ['error:invalid op'],
      args.length <= MOST_TOPICS ? [] : ['args size >10'],
      // One that it does not have ends the whole request.
      unknown === undefined ? [] : [`Invalid symbol :[${unknown}]`],
    ].flat();
    const words = fault ?? (op === 'ping' ? 'pong' : 'subscribe');
    const success = fault === undefined;
    client.send({ success, ret_msg: words, conn_id: 'd30fdpbboasp1pjbe7r0', req_id: id, op });
    for (const topic of success ? args : []) {
      const symbol = symbolIn(topic) ?? '';
      if (topic.startsWith('publicTrade.')) client.symbols.add(symbol);
      else for (const book of say(symbol, market)) client.send(book);
    }
  }

  return {
    symbols,
    resolution: 1_000,
    hear,
    trade: ({ symbol, id, time, price, size }) => ({
      topic: `publicTrade.${symbol}`,
      ts: millisecondsOf(time) + 1,
      type: 'snapshot',
      data: [
        {
          i: String(id),
          T: millisecondsOf(time),
          p: price,
          v: size,
          S: 'Buy',
          seq: 89_200_463_112,
          s: symbol,
          BT: false,
          RPI: false,
        },
      ],
    }),
    quote: ({ symbol, time, bid, ask }) => {
      const at = millisecondsOf(time);
      const update = (books.get(symbol)?.update ?? 1) + 1;
      const book = { bids: [bid], asks: [ask], update, at };
      books.set(symbol, book);
      return toMessage(symbol, book, at + 1);
    },
    // A book that does not change is said again.
    beat: (client, market) => [...client.symbols].flatMap(symbol => say(symbol, market)),
    answer: (url, market) => {
      if (market.isMaintained) return failed(10_016, 'Server error.');
      if (url.searchParams.get('category') !== 'spot') return failed(10_001, 'Illegal category');
      if (url.pathname === '/v5/market/instruments-info') return listed(listOf(market));
      const symbol = url.searchParams.get('symbol') ?? '';
      if (url.pathname !== '/v5/market/recent-trade') return { status: 404, body: '' };
      if (!market.symbols.includes(symbol)) return failed(10_001, 'Not supported symbols');
      const limit = Math.min(Number(url.searchParams.get('limit') ?? PAGE), PAGE);
      return listed(market.known(symbol).slice(-limit).reverse().map(toRow));
    },
  };
}

const listOf = ({ symbols, delisted }: FakeMarket) =>
  symbols
    .filter(symbol => !delisted.has(symbol))
    .map(symbol => ({
      symbol,
      baseCoin: symbol.replace('USDT', ''),
      quoteCoin: 'USDT',
      status: 'Trading',
      priceFilter: { tickSize: symbol === 'DOGEUSDT' ? '0.00001' : '0.1' },
    }));

export const startFakeBybit = (port?: number): Promise<FakeExchange> =>
  startFakeExchange(createDialect(), port);

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const fake = await startFakeBybit(Number(values.port));
  process.stdout.write(`BYBIT_API_URL=${fake.url} BYBIT_STREAM_URL=${fake.streamUrl}\n`);
  fake.run();
}
