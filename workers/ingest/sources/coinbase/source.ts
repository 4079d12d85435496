import { Hiccup } from '../../connection.ts';
import { createDesk, createExchange, type ExchangeOptions } from '../../exchange.ts';
import { liveNetwork } from '../../network.ts';
import { repairBackwards } from '../../pages.ts';
import type { Source, SourceEntry } from '../../source.ts';
import { createTalk } from '../../talk.ts';
import type { Mark } from '../../trail.ts';
import { followWire, WIRE_TIMINGS } from '../../websocket.ts';
import { readMessage, readProducts, readTrades } from './messages.ts';

export const COINBASE_WATCHLIST: readonly string[] = [
  'BTC-USD',
  'ETH-USD',
  'SOL-USD',
  'XRP-USD',
  'DOGE-USD',
  'ADA-USD',
  'LTC-USD',
  'LINK-USD',
];

const PAGE = 1_000;

/**
 * Trades and best quotes of Coinbase Exchange; no key is needed. Trade ids grow by one per product, so what
 * was missed is known exactly, and the REST interface has it. What was quoted meanwhile nobody has: what
 * the ledger proves are the trades.
 */
export function createCoinbase(options: ExchangeOptions = {}): Source {
  const {
    network = liveNetwork,
    now = network.now,
    apiUrl = 'https://api.exchange.coinbase.com',
  } = options;
  const { streamUrl = 'wss://ws-feed.exchange.coinbase.com' } = options;
  const desk = createDesk({
    url: apiUrl,
    network,
    // Of 10 a second and 15 at once, which all behind one address share.
    limits: { perSecond: 5, burst: 10 },
    wordsIn: json => (json as { message?: unknown }).message,
  });
  const wire = {
    label: 'Coinbase',
    budget: desk.budget,
    network,
    now,
    timings: { ...WIRE_TIMINGS, ...options.timings },
    ...(options.random && { random: options.random }),
    talk: (symbols: readonly string[]) => {
      const asked = new Set(symbols);
      return createTalk({
        url: streamUrl,
        greeting: [
          JSON.stringify({
            type: 'subscribe',
            product_ids: symbols,
            channels: ['heartbeat', 'matches', 'ticker'],
          }),
        ],
        symbols,
        read: (text, trail) => readMessage(text, { symbols: asked, trail, now: now() }),
      });
    },
  };
  const archive = {
    label: 'Coinbase',
    now,
    before: async (symbol: string, mark: Mark | null, signal: AbortSignal) => {
      const cursor = mark === null ? '' : `&after=${mark.id}`;
      const path = `/products/${encodeURIComponent(symbol)}/trades?limit=${PAGE}${cursor}`;
      const trades = readTrades(await desk.ask(path, signal), symbol, now());
      if (trades === null) throw new Hiccup('the answer is not a list of trades');
      return trades;
    },
  };
  return createExchange({
    name: 'coinbase',
    label: 'Coinbase',
    description: 'Coinbase Exchange, trades and best quotes',
    watchlist: COINBASE_WATCHLIST,
    ...(options.listWaits && { listWaits: options.listWaits }),
    fetchList: async signal => {
      const list = readProducts(await desk.ask('/products', signal));
      if (list === null) throw new Hiccup('the answer is not a list of products');
      return list;
    },
    follow: request => followWire(wire, request),
    repair: (gap, request) => repairBackwards(archive, gap, request),
  });
}

export const coinbase: SourceEntry = {
  name: 'coinbase',
  create: (config, _, outside) => createCoinbase({ ...config.coinbase, ...outside }),
};
