/**
 * A stand-in for Coinbase Exchange on the loopback interface, strict where Coinbase is strict, for tests and
 * by hand: `node workers/ingest/sources/coinbase/fake.ts [--port N]`.
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
import { fromEpochMicroseconds } from '../../time.ts';

const SYMBOLS = ['BTC-USD', 'ETH-USD', 'DOGE-USD'];
/** A whole number that JSON has as such, however large it is. */
const raw = (json: object, numbers: Readonly<Record<string, bigint>>): string => {
  const own = Object.entries(numbers).map(([name, number]) => `"${name}":${number}`);
  return `${JSON.stringify(json).slice(0, -1)},${own.join(',')}}`;
};

const toMatch = (type: string, { symbol, id, time, price, size }: FakeTrade) =>
  raw(
    {
      type,
      maker_order_id: 'ac928c66-ca53-498f-9c13-a110027a60e8',
      taker_order_id: '132fb6ae-456b-4654-b4e0-d681ac05cea1',
      side: 'sell',
      size,
      price,
      product_id: symbol,
      time,
    },
    // What happens to a product is more than its trades.
    { trade_id: id, sequence: id * 10n + 3n },
  );

function subscribe(client: FakeClient, message: unknown, market: FakeMarket): void {
  const {
    type,
    product_ids: products = [],
    channels = [],
  } = message as {
    type?: string;
    product_ids?: string[];
    channels?: string[];
  };
  const unknown = products.find(
    product => !market.symbols.includes(product) || market.refused.has(product),
  );
  const faults = [
    type === 'subscribe' ? [] : ['Type has to be either subscribe or unsubscribe'],
    channels.length > 0 ? [] : ['No channels provided'],
    unknown === undefined ? [] : [`${unknown} is not a valid product`],
  ].flat();
  if (faults.length > 0) {
    client.send({ type: 'error', message: 'Failed to subscribe', reason: faults[0] });
    return;
  }
  for (const product of products) client.symbols.add(product);
  const told = channels.map(name => ({ name, product_ids: products, account_ids: null }));
  client.send({ type: 'subscriptions', channels: told });
  for (const product of products) {
    const last = market.log(product).at(-1);
    if (last !== undefined) client.send(toMatch('last_match', last));
  }
}

const dialect: FakeDialect = {
  symbols: SYMBOLS,
  resolution: 1,
  open: client => {
    // Whoever says nothing within five seconds is cut off.
    setTimeout(() => {
      if (client.symbols.size === 0) client.close(1008, 'no subscription');
    }, 5_000).unref();
  },
  hear: subscribe,
  trade: trade => toMatch('match', trade),
  quote: ({ symbol, time, bid, ask, tradeId }) =>
    raw(
      { type: 'ticker', product_id: symbol, price: bid, best_bid: bid, best_ask: ask, time },
      { trade_id: tradeId, sequence: tradeId * 10n + 4n },
    ),
  beat: (client, market) =>
    [...client.symbols].map(symbol => {
      const last = market.log(symbol).at(-1)?.id ?? 0n;
      return raw(
        { type: 'heartbeat', product_id: symbol, time: fromEpochMicroseconds(market.now()) },
        { sequence: last * 10n + 5n, last_trade_id: last },
      );
    }),
  answer: (url, market) => {
    if (market.isMaintained) return { status: 503, body: { message: 'Service Unavailable' } };
    if (url.pathname === '/products') return { status: 200, body: listOf(market) };
    const [, symbol = ''] = /^\/products\/([^/]+)\/trades$/.exec(url.pathname) ?? [];
    if (!market.symbols.includes(symbol)) return { status: 404, body: { message: 'NotFound' } };
    const limit = Math.min(Number(url.searchParams.get('limit') ?? 1_000), 1_000);
    const after = url.searchParams.get('after');
    const page = market
      .known(symbol)
      .filter(({ id }) => after === null || id < BigInt(after))
      .slice(-limit)
      .reverse();
    const rows = page.map(({ id, time, price, size }) =>
      raw({ time, size, price, side: 'sell' }, { trade_id: id }),
    );
    const [first, last] = [page[0], page.at(-1)];
    const cursors = first && last && { 'cb-before': `${first.id}`, 'cb-after': `${last.id}` };
    return { status: 200, body: `[${rows.join(',')}]`, ...(cursors && { headers: cursors }) };
  },
};

const listOf = ({ symbols, delisted }: FakeMarket) =>
  symbols.map(id => ({
    id,
    base_currency: id.split('-')[0],
    quote_currency: 'USD',
    quote_increment: id === 'DOGE-USD' ? '0.00001' : '0.01',
    display_name: id.replace('-', '/'),
    status: delisted.has(id) ? 'delisted' : 'online',
    trading_disabled: delisted.has(id),
  }));

export const startFakeCoinbase = (port?: number): Promise<FakeExchange> =>
  startFakeExchange(dialect, port);

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const fake = await startFakeCoinbase(Number(values.port));
  process.stdout.write(`COINBASE_API_URL=${fake.url} COINBASE_STREAM_URL=${fake.streamUrl}\n`);
  fake.run();
}
