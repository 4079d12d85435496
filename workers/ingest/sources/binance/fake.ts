/**
 * A stand-in for Binance's spot markets on the loopback interface, strict where Binance is strict, for tests
 * and by hand: `node workers/ingest/sources/binance/fake.ts [--port N]`.
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
const PAGE = 1_000;

const timeOf = ({ time }: FakeTrade) => epochMicroseconds(time) / 1_000;
const toFields = (trade: FakeTrade) =>
  `"a":${trade.id},"p":"${trade.price}","q":"${trade.size}","f":${trade.id},"l":${trade.id},"T":${timeOf(trade)},"m":true,"M":true`;

/** Streams that do not exist are taken as well, and say nothing. */
function hear(client: FakeClient, message: unknown, market: FakeMarket): void {
  const { method, params = [], id } = message as { method: string; params?: string[]; id: unknown };
  if (method !== 'SUBSCRIBE') {
    client.send({ code: 2, msg: `Invalid request: unknown variant ${method}`, id });
    return;
  }
  for (const stream of params) {
    const symbol = market.symbols.find(each => stream === `${each.toLowerCase()}@aggTrade`);
    if (symbol !== undefined) client.symbols.add(symbol);
  }
  client.send({ result: null, id });
}

/** Updates of all books are counted together; the real ones count each, and differ by more than one too. */
export const createDialect = (updates = { count: 400_900_217 }): FakeDialect => ({
  symbols: SYMBOLS,
  resolution: 1_000,
  hear,
  trade: trade =>
    `{"stream":"${trade.symbol.toLowerCase()}@aggTrade","data":{"e":"aggTrade","E":${timeOf(trade) + 1},"s":"${trade.symbol}",${toFields(trade)}}}`,
  quote: ({ symbol, bid, ask }) => ({
    stream: `${symbol.toLowerCase()}@bookTicker`,
    data: { u: ++updates.count, s: symbol, b: bid, B: '31.21', a: ask, A: '40.66' },
  }),
  beat: client => {
    client.ping();
    return [];
  },
  answer: (url, market) => {
    if (market.isMaintained) return { status: 503, body: { code: -1008, msg: 'overloaded' } };
    if (url.pathname === '/api/v3/exchangeInfo') return { status: 200, body: listOf(market) };
    const symbol = url.searchParams.get('symbol') ?? '';
    if (url.pathname !== '/api/v3/aggTrades')
      return { status: 404, body: '<html>not found</html>' };
    if (!market.symbols.includes(symbol)) {
      return { status: 400, body: { code: -1121, msg: 'Invalid symbol.' } };
    }
    const limit = Math.min(Number(url.searchParams.get('limit') ?? 500), PAGE);
    const first = url.searchParams.get('fromId');
    const known = market.known(symbol);
    const page =
      first === null
        ? known.slice(-limit)
        : known.filter(({ id }) => id >= BigInt(first)).slice(0, limit);
    return { status: 200, body: `[${page.map(each => `{${toFields(each)}}`).join(',')}]` };
  },
});

const listOf = ({ symbols, delisted }: FakeMarket) => ({
  timezone: 'UTC',
  symbols: symbols
    .filter(symbol => !delisted.has(symbol))
    .map(symbol => ({
      symbol,
      status: 'TRADING',
      baseAsset: symbol.replace('USDT', ''),
      quoteAsset: 'USDT',
      filters: [{ filterType: 'PRICE_FILTER', tickSize: '0.01000000' }, { filterType: 'LOT_SIZE' }],
    })),
});

export const startFakeBinance = (port?: number): Promise<FakeExchange> =>
  startFakeExchange(createDialect(), port);

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const fake = await startFakeBinance(Number(values.port));
  process.stdout.write(`BINANCE_API_URL=${fake.url} BINANCE_STREAM_URL=${fake.streamUrl}\n`);
  fake.run();
}
