/**
 * A stand-in for Kraken's spot markets on the loopback interface, strict where Kraken is strict, for tests and
 * by hand: `node workers/ingest/sources/kraken/fake.ts [--port N]`.
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
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';

const SYMBOLS = ['BTC/USD', 'ETH/USD', 'DOGE/USD'];
const SNAPSHOT = 50;
const PAGE = 1_000;

/** Prices and ids are JSON numbers, with all their digits. */
const toJson = ({ symbol, id, time, price, size }: FakeTrade) =>
  `{"symbol":"${symbol}","side":"buy","price":${asNumber(price)},"qty":${asNumber(size)},"ord_type":"limit","trade_id":${id},"timestamp":"${time}"}`;
/** What is no JSON number can only be sent as text. */
const asNumber = (text: string) =>
  /^-?\d+(\.\d+)?(e-?\d+)?$/.test(text) ? text : JSON.stringify(text);
const trades = (type: string, all: readonly FakeTrade[]) =>
  `{"channel":"trade","type":"${type}","data":[${all.map(toJson).join(',')}]}`;
const status = ({ isMaintained }: FakeMarket) =>
  `{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"${isMaintained ? 'maintenance' : 'online'}","api_version":"v2","connection_id":18446744073709551615}]}`;

function hear(client: FakeClient, message: unknown, market: FakeMarket): void {
  const { method, params, req_id } = message as {
    method: string;
    params?: { channel: string; symbol: string[]; snapshot?: boolean };
    req_id?: number;
  };
  const time = fromEpochMicroseconds(market.now());
  const times = { time_in: time, time_out: time, ...(req_id !== undefined && { req_id }) };
  if (method === 'ping') client.send({ method: 'pong', ...times });
  if (method !== 'subscribe' || params === undefined) return;
  for (const symbol of params.symbol) {
    if (!market.symbols.includes(symbol) || market.refused.has(symbol)) {
      const error = `Currency pair not supported ${symbol}`;
      client.send({ error, method, success: false, symbol, ...times });
      continue;
    }
    const result = { channel: params.channel, snapshot: params.snapshot, symbol };
    client.send({ method, result, success: true, ...times });
    if (params.channel !== 'trade') continue;
    client.symbols.add(symbol);
    const all = market.log(symbol);
    if (params.snapshot && all.length > 0) client.send(trades('snapshot', all.slice(-SNAPSHOT)));
  }
}

const toRow = ({ price, size, time, id }: FakeTrade) => {
  const at = epochMicroseconds(time);
  const fraction = String(at % 1_000_000).padStart(6, '0');
  return `["${price}","${size}",${Math.floor(at / 1_000_000)}.${fraction}1,"b","l","",${id}]`;
};

const dialect: FakeDialect = {
  symbols: SYMBOLS,
  resolution: 1,
  open: (client, _, market) => client.send(status(market)),
  hear,
  trade: trade => trades('update', [trade]),
  quote: ({ symbol, bid, ask }) =>
    `{"channel":"ticker","type":"update","data":[{"symbol":"${symbol}","bid":${bid},"bid_qty":1,"ask":${ask},"ask_qty":1,"last":1}]}`,
  beat: () => [{ channel: 'heartbeat' }],
  maintenance: status,
  answer: (url, market) => {
    const ok = (result: string) => ({ status: 200, body: `{"error":[],"result":${result}}` });
    if (market.isMaintained) return { status: 200, body: { error: ['EService:Unavailable'] } };
    if (url.pathname === '/0/public/AssetPairs') return ok(JSON.stringify(listOf(market)));
    const symbol = SYMBOLS.find(each => altname(each) === url.searchParams.get('pair'));
    if (url.pathname !== '/0/public/Trades' || symbol === undefined) {
      return { status: 200, body: { error: ['EQuery:Unknown asset pair'] } };
    }
    const since = url.searchParams.get('since');
    const known = market.known(symbol);
    const page =
      since === null
        ? known.slice(-PAGE)
        : known
            .filter(({ time }) => BigInt(epochMicroseconds(time)) * 1_000n + 100n > BigInt(since))
            .slice(0, PAGE);
    const last = page.at(-1);
    const cursor = last === undefined ? since : `${epochMicroseconds(last.time)}100`;
    return ok(`{"X${altname(symbol)}":[${page.map(toRow).join(',')}],"last":"${cursor}"}`);
  },
};

const oldName = (symbol: string) => symbol.replace('BTC', 'XBT').replace('DOGE', 'XDG');
const altname = (symbol: string) => oldName(symbol).replace('/', '');
const listOf = ({ symbols, delisted }: FakeMarket) =>
  Object.fromEntries(
    symbols.map(symbol => [
      `X${altname(symbol)}`,
      {
        altname: altname(symbol),
        wsname: oldName(symbol),
        pair_decimals: symbol === 'DOGE/USD' ? 7 : 1,
        tick_size: '0.1',
        status: delisted.has(symbol) ? 'delisted' : 'online',
      },
    ]),
  );

export const startFakeKraken = (port?: number): Promise<FakeExchange> =>
  startFakeExchange(dialect, port);

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } });
  const fake = await startFakeKraken(Number(values.port));
  process.stdout.write(`KRAKEN_API_URL=${fake.url} KRAKEN_STREAM_URL=${fake.streamUrl}\n`);
  fake.run();
}
